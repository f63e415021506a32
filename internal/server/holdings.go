package server

import (
	"encoding/json"
	"net/http"

	"walletd/internal/claims"
)

// profile is what a person tells apps about themselves, by item.
type profile struct {
	FullName  *string `json:"fullName" max:"1000"`
	Email     *string `json:"email" max:"1000"`
	Phone     *string `json:"phone" max:"1000"`
	Signature *string `json:"signature" max:"1000"`
	Avatar    *string `json:"avatar" max:"49152"`
	Birthday  *string `json:"birthday" max:"1000"`
	URL       *string `json:"url" max:"1000"`
}

func (s *Server) profile(c *call, _ none) (claims.Profile, error) {
	return s.door.Profile(c.ctx, c.Caller)
}

func (s *Server) setProfile(c *call, in profile) (claims.Profile, error) {
	p := claims.Profile{}
	for item, value := range map[string]*string{
		"fullName": in.FullName, "email": in.Email, "phone": in.Phone, "signature": in.Signature,
		"avatar": in.Avatar, "birthday": in.Birthday, "url": in.URL,
	} {
		if value != nil {
			p[item] = *value
		}
	}
	return s.door.SetProfile(c.ctx, c.Caller, p)
}

func (s *Server) credentials(c *call, in page) (list[claims.HoldingView], error) {
	views, next, err := s.door.Holdings(c.ctx, c.Caller, in.of())
	return listOf(views, next, err, func(v claims.HoldingView) claims.HoldingView { return v })
}

// newCredential is a credential, or an asset of an account of the wallet.
type newCredential struct {
	Credential *json.RawMessage `json:"credential"`
	Asset      *appDID          `json:"asset"`
	Owner      *appDID          `json:"owner"`
	Issuer     *appDID          `json:"issuer"`
	Parent     *appDID          `json:"parent"`
	Tag        *string          `json:"tag" max:"1000"`
}

func (s *Server) addCredential(c *call, in newCredential) (claims.HoldingView, error) {
	tag := ""
	if in.Tag != nil {
		tag = *in.Tag
	}
	c.status = http.StatusCreated
	switch {
	case (in.Credential == nil) == (in.Asset == nil):
		return claims.HoldingView{}, &memberError{"what is kept", "must be either credential or asset"}
	case in.Credential != nil && (in.Owner != nil || in.Issuer != nil || in.Parent != nil):
		return claims.HoldingView{}, &memberError{"owner, issuer and parent", "go with asset: a credential says them itself"}
	case in.Credential != nil:
		return s.door.PutCredential(c.ctx, c.Caller, *in.Credential, tag)
	case in.Owner == nil:
		return claims.HoldingView{}, &memberError{"owner", "is missing: the account that the asset belongs to"}
	}
	n := claims.NewAsset{Asset: in.Asset.DID, Owner: in.Owner.DID, Tag: tag}
	if in.Issuer != nil {
		n.Issuer = in.Issuer.DID
	}
	if in.Parent != nil {
		n.Parent = in.Parent.DID
	}
	return s.door.PutAsset(c.ctx, c.Caller, n)
}

// heldCredential is one credential or asset with all of it.
type heldCredential struct {
	claims.HoldingView
	Data json.RawMessage `json:"data,omitempty"`
}

func (s *Server) credential(c *call, _ none) (heldCredential, error) {
	id, err := c.param("id")
	if err != nil {
		return heldCredential{}, err
	}
	v, data, err := s.door.Holding(c.ctx, c.Caller, id)
	return heldCredential{v, data}, err
}

func (s *Server) removeCredential(c *call, _ none) (none, error) {
	id, err := c.param("id")
	if err != nil {
		return none{}, err
	}
	return none{}, s.door.DeleteHolding(c.ctx, c.Caller, id)
}
