package server

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"

	"walletd/api"
	"walletd/internal/auth"
	"walletd/internal/owner"
	"walletd/internal/passkey"
)

var base64url = base64.RawURLEncoding.Strict()

// bytesOf decodes members that are base64url, in order, and stops at the first that is not.
type bytesOf struct {
	in  string // the member that holds them
	err error
}

func (b *bytesOf) of(member, text string) []byte {
	raw, err := base64url.DecodeString(text)
	for i := range len(text) {
		if text[i] == '\r' || text[i] == '\n' { // which the decoder skips
			err = base64.CorruptInputError(i)
		}
	}
	if err != nil && b.err == nil {
		b.err = &memberError{join(b.in, member), "must be base64url without padding"}
	}
	return raw
}

func assertionOf(in string, a api.Assertion) (passkey.Assertion, error) {
	b := bytesOf{in: in}
	as := passkey.Assertion{
		ID: b.of("id", a.ID), ClientData: b.of("clientDataJSON", a.ClientDataJSON), AuthenticatorData: b.of("authenticatorData", a.AuthenticatorData),
		Signature: b.of("signature", a.Signature),
	}
	if a.UserHandle != "" {
		as.UserHandle = b.of("userHandle", a.UserHandle)
	}
	return as, b.err
}

func registrationOf(r api.Registration) (passkey.Registration, error) {
	b := bytesOf{in: "registration"}
	return passkey.Registration{
		ID: b.of("id", r.ID), ClientData: b.of("clientDataJSON", r.ClientDataJSON), AttestationObject: b.of("attestationObject", r.AttestationObject),
	}, b.err
}

func stateOf(text string) ([]byte, error) {
	var b bytesOf
	return b.of("state", text), b.err
}

func encodeIDs(ids [][]byte) []string {
	return each(ids, func(id []byte) string { return base64url.EncodeToString(id) })
}

func creationOf(c owner.Creation) api.PasskeyCreation {
	return api.PasskeyCreation{
		State: base64url.EncodeToString(c.State), Challenge: base64url.EncodeToString(c.Challenge), RPID: c.Party.ID(),
		UserID: base64url.EncodeToString([]byte(c.Owner)), UserName: c.Name, Algorithms: []int{int(passkey.ES256), int(passkey.EdDSA)}, Exclude: encodeIDs(c.Exclude),
		Wallet: c.Wallet, WalletName: c.Account, ExpiresAt: utc(c.Ends),
	}
}

func requestOf(r owner.Request) api.PasskeyRequest {
	return api.PasskeyRequest{
		State: base64url.EncodeToString(r.State), Challenge: base64url.EncodeToString(r.Challenge), RPID: r.Party.ID(), Allow: encodeIDs(r.Allow), ExpiresAt: utc(r.Ends),
	}
}

func signedInOf(in owner.SignedIn) api.SignedIn {
	return api.SignedIn{
		Token: api.NewSecretText([]byte(in.Token.Text)), TokenID: in.Token.ID, Wallet: in.Token.Wallet, Wallets: in.Wallets, Owner: in.Owner, Name: in.Name,
		Passkey: in.Passkey, ExpiresAt: utc(in.Token.Expires),
	}
}

func passkeyOf(v owner.PasskeyView) api.Passkey {
	return api.Passkey{ID: v.ID, Owner: v.Owner, Name: v.Name, Current: v.Current, CreatedAt: utc(v.Created), LastUsedAt: utc(v.LastUsed)}
}

func (s *Server) invite(ctx context.Context, c *call, in api.NewInvitation) (api.CreatedInvitation, error) {
	n := owner.NewInvitation{Wallet: in.Wallet, Name: in.Name, Owner: in.Owner, Recovery: in.Recovery}
	if in.Secret != nil {
		var err error
		if n.Secret, err = secretOf(*in.Secret); err != nil {
			return api.CreatedInvitation{}, err
		}
		defer n.Secret.Wipe()
	}
	c.status = http.StatusCreated
	i, err := s.owners.Invite(ctx, c.caller, n)
	return api.CreatedInvitation{ID: i.ID, Owner: i.Owner, Link: api.NewSecretText([]byte(i.Link)), ExpiresAt: utc(i.Expires)}, err
}

// ownWallet is the wallet that a query names, or an owner's own.
func ownWallet(c *call, named string) string {
	if named == "" && c.caller.Role == auth.Owner {
		return c.caller.WalletID
	}
	return named
}

func (s *Server) invitations(ctx context.Context, c *call, in api.OwnersQuery) (api.List[api.Invitation], error) {
	views, next, err := s.owners.Invitations(ctx, c.caller, ownWallet(c, in.Wallet), pageOf(in.Limit, in.Cursor))
	return listOf(views, next, err, func(i owner.Invitation) api.Invitation {
		return api.Invitation{
			ID: i.ID, Wallet: i.Wallet, Owner: i.Owner, Name: i.Name, Recovery: i.Recovery, ByOperator: i.ByOperator, CreatedAt: utc(i.Created), ExpiresAt: utc(i.Expires),
		}
	})
}

func (s *Server) withdrawInvitation(ctx context.Context, c *call, _ none) (none, error) {
	return none{}, s.owners.Withdraw(ctx, c.caller, c.names["id"])
}

func (s *Server) openInvitation(ctx context.Context, _ *call, in api.OpenInvitation) (api.PasskeyCreation, error) {
	creation, err := s.owners.BeginAccept(ctx, string(in.Invitation.Reveal()))
	return creationOf(creation), err
}

func (s *Server) acceptInvitation(ctx context.Context, c *call, in api.AcceptInvitation) (api.SignedIn, error) {
	a := owner.Acceptance{Text: string(in.Invitation.Reveal()), Name: in.Name, Device: in.Device}
	var err error
	if a.State, err = stateOf(in.State); err != nil {
		return api.SignedIn{}, err
	}
	if a.Registration, err = registrationOf(in.Registration); err != nil {
		return api.SignedIn{}, err
	}
	c.status = http.StatusCreated
	signedIn, err := s.owners.FinishAccept(ctx, a)
	return signedInOf(signedIn), err
}

func (s *Server) beginSignIn(ctx context.Context, _ *call, _ api.Empty) (api.PasskeyRequest, error) {
	r, err := s.owners.BeginSignIn(ctx)
	return requestOf(r), err
}

func (s *Server) signIn(ctx context.Context, c *call, in api.SignIn) (api.SignedIn, error) {
	state, err := stateOf(in.State)
	if err != nil {
		return api.SignedIn{}, err
	}
	as, err := assertionOf("assertion", in.Assertion)
	if err != nil {
		return api.SignedIn{}, err
	}
	c.status = http.StatusCreated
	signedIn, err := s.owners.FinishSignIn(ctx, state, as, in.Wallet)
	return signedInOf(signedIn), err
}

func (s *Server) signOut(ctx context.Context, c *call, _ api.Empty) (none, error) {
	return none{}, s.owners.SignOut(ctx, c.caller)
}

func (s *Server) signOutEverywhere(ctx context.Context, c *call, _ api.Empty) (none, error) {
	return none{}, s.owners.SignOutEverywhere(ctx, c.caller)
}

func (s *Server) listOwners(ctx context.Context, c *call, in api.OwnersQuery) (api.List[api.Owner], error) {
	views, next, err := s.owners.List(ctx, c.caller, ownWallet(c, in.Wallet), pageOf(in.Limit, in.Cursor))
	return listOf(views, next, err, func(v owner.View) api.Owner {
		return api.Owner{ID: v.ID, Name: v.Name, You: v.You, CreatedAt: utc(v.Created)}
	})
}

func (s *Server) removeOwner(ctx context.Context, c *call, _ none) (none, error) {
	return none{}, s.owners.Remove(ctx, c.caller, c.names["id"])
}

func (s *Server) passkeys(ctx context.Context, c *call, in api.Page) (api.List[api.Passkey], error) {
	views, next, err := s.owners.Passkeys(ctx, c.caller, pageOf(in.Limit, in.Cursor))
	return listOf(views, next, err, passkeyOf)
}

func (s *Server) beginPasskey(ctx context.Context, c *call, _ api.Empty) (api.PasskeyCreation, error) {
	creation, err := s.owners.BeginAdd(ctx, c.caller)
	return creationOf(creation), err
}

func (s *Server) addPasskey(ctx context.Context, c *call, in api.NewPasskey) (api.Passkey, error) {
	state, err := stateOf(in.State)
	if err != nil {
		return api.Passkey{}, err
	}
	r, err := registrationOf(in.Registration)
	if err != nil {
		return api.Passkey{}, err
	}
	c.status = http.StatusCreated
	v, err := s.owners.FinishAdd(ctx, c.caller, state, r, in.Name)
	return passkeyOf(v), err
}

func (s *Server) namePasskey(ctx context.Context, c *call, in api.PasskeyName) (api.Passkey, error) {
	v, err := s.owners.NamePasskey(ctx, c.caller, c.names["id"], in.Name)
	return passkeyOf(v), err
}

func (s *Server) removePasskey(ctx context.Context, c *call, _ none) (none, error) {
	return none{}, s.owners.RemovePasskey(ctx, c.caller, c.names["id"])
}

func (s *Server) beginTouch(ctx context.Context, c *call, in api.NewTouch) (api.PasskeyRequest, error) {
	r, err := s.owners.BeginTouch(ctx, c.caller, requestAction(in.Method, in.Path, in.Body)...)
	return requestOf(r), err
}

// requestAction is a request as the touch that agrees to it signs it.
func requestAction(method, path, body string) []string {
	return []string{"request", method, path, body}
}

// touchHeader holds a touch that agrees to the request: api.Touched as JSON in base64url.
const touchHeader = "Walletd-Touch"

// checkTouch verifies the touch that came with a request, if one did. text is the body.
func (s *Server) checkTouch(c *call, text []byte) error {
	values := c.request.Header[touchHeader]
	if len(values) == 0 {
		return nil
	}
	if len(values) > 1 || c.caller == nil {
		return &memberError{"the header " + touchHeader, "goes once, with an owner's token"}
	}
	b := bytesOf{in: "the header"}
	raw := b.of(touchHeader, values[0])
	if b.err != nil {
		return b.err
	}
	var in api.Touched
	if err := decode(raw, &in); err != nil {
		return err
	}
	state, err := stateOf(in.State)
	if err != nil {
		return err
	}
	as, err := assertionOf("assertion", in.Assertion)
	if err != nil {
		return err
	}
	path := c.request.URL.EscapedPath()
	if c.request.URL.RawQuery != "" {
		path += "?" + c.request.URL.RawQuery
	}
	sum := sha256.Sum256(text)
	return s.auth.TouchRequest(c.request.Context(), c.caller, state, requestAction(c.request.Method, path, hex.EncodeToString(sum[:])), as)
}
