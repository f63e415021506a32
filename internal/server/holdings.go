package server

import (
	"context"
	"net/http"

	"walletd/api"
	"walletd/internal/wallets"
)

// The items of a profile, as claims names them.
func profileOf(p wallets.Profile) api.Profile {
	return api.Profile{
		FullName: p["fullName"], Email: p["email"], Phone: p["phone"], Signature: p["signature"], Avatar: p["avatar"], Birthday: p["birthday"], URL: p["url"],
	}
}

func (s *Server) profile(ctx context.Context, c *call, _ none) (api.Profile, error) {
	p, err := s.wallets.Profile(ctx, c.caller)
	return profileOf(p), err
}

func (s *Server) setProfile(ctx context.Context, c *call, in api.Profile) (api.Profile, error) {
	p, err := s.wallets.SetProfile(ctx, c.caller, wallets.Profile{
		"fullName": in.FullName, "email": in.Email, "phone": in.Phone, "signature": in.Signature, "avatar": in.Avatar, "birthday": in.Birthday, "url": in.URL,
	})
	return profileOf(p), err
}

func credentialOf(v wallets.HoldingView) api.Credential {
	return api.Credential{
		ID: v.ID, Kind: v.Kind, DID: v.DID, Owner: v.Owner, Types: v.Types, Issuer: v.Issuer, IssuerName: v.IssuerName, Parent: v.Parent, Title: v.Title, Role: v.Role,
		Tag:      v.Tag,
		IssuedAt: utc(v.Issued), ExpiresAt: utc(v.Expires), From: v.From, StoredAt: utc(v.Stored),
	}
}

func (s *Server) credentials(ctx context.Context, c *call, in api.Page) (api.List[api.Credential], error) {
	views, next, err := s.wallets.Holdings(ctx, c.caller, pageOf(in.Limit, in.Cursor))
	return listOf(views, next, err, credentialOf)
}

func (s *Server) addCredential(ctx context.Context, c *call, in api.NewCredential) (api.Credential, error) {
	c.status = http.StatusCreated
	switch {
	case (in.Credential == nil) == (in.Asset == ""):
		return api.Credential{}, &memberError{"what is kept", "must be either credential or asset"}
	case in.Credential == nil:
		return s.addAsset(ctx, c, in)
	case in.Owner != "" || in.Issuer != "" || in.Parent != "":
		return api.Credential{}, &memberError{"owner, issuer and parent", "go with asset: a credential says them itself"}
	}
	v, err := s.wallets.PutCredential(ctx, c.caller, in.Credential, in.Tag)
	return credentialOf(v), err
}

func (s *Server) addAsset(ctx context.Context, c *call, in api.NewCredential) (api.Credential, error) {
	if in.Owner == "" {
		return api.Credential{}, &memberError{"owner", "is missing: the account that the asset belongs to"}
	}
	asset, err := didOf("asset", in.Asset)
	if err != nil {
		return api.Credential{}, err
	}
	owner, err := didOf("owner", in.Owner)
	if err != nil {
		return api.Credential{}, err
	}
	issuer, err := didOf("issuer", in.Issuer)
	if err != nil {
		return api.Credential{}, err
	}
	parent, err := didOf("parent", in.Parent)
	if err != nil {
		return api.Credential{}, err
	}
	v, err := s.wallets.PutAsset(ctx, c.caller, wallets.NewAsset{Asset: asset, Owner: owner, Issuer: issuer, Parent: parent, Tag: in.Tag})
	return credentialOf(v), err
}

func (s *Server) credential(ctx context.Context, c *call, _ none) (api.CredentialWhole, error) {
	v, data, err := s.wallets.Holding(ctx, c.caller, c.names["id"])
	return api.CredentialWhole{Credential: credentialOf(v), Data: data}, err
}

func (s *Server) removeCredential(ctx context.Context, c *call, _ none) (none, error) {
	return none{}, s.wallets.DeleteHolding(ctx, c.caller, c.names["id"])
}
