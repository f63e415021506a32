package server

import (
	"crypto/hmac"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/crypto/sha3"

	"walletd/api"
	"walletd/internal/auth"
	"walletd/internal/ledger"
	"walletd/internal/show"
)

// identify finds out who calls, by the signature of the body or by the token, and refuses who may
// not call the route. A body that has not come yet is nil.
func (s *Server) identify(c *call, rt route, text []byte, body any) error {
	if rt.callers.anyone || rt.callers.local && fromThisMachine(c.request) {
		return c.readNames()
	}
	signed, err := signedBy(body)
	if err != nil {
		return err
	}
	if signed != nil {
		err = s.identifySigner(c, *signed, rt.operation.answers)
	} else {
		err = s.identifyToken(c, text, rt.operation.answers)
	}
	if err != nil {
		return err
	}
	if err := s.checkPage(c, rt.callers); err != nil {
		return err
	}
	if onReserve(c.request) && c.caller.Role != auth.Operator {
		return errFull
	}
	if signed == nil && !slices.Contains(rt.callers.roles, c.caller.Role) {
		return fmt.Errorf("%w: it takes a token of the role %s", auth.ErrForbidden, rt.callers)
	}
	if c.caller.Role == auth.App {
		c.caller.From = &auth.From{Address: s.proxies.client(c.request), Program: show.Plain(c.request.UserAgent(), show.MaxName)}
	}
	if err := c.readNames(); err != nil {
		return err
	}
	if wallet, named := c.names["wallet"]; named && c.caller.Role != auth.Operator && wallet != c.caller.WalletID {
		return auth.ErrNotFound // as if it did not exist; an operator's token is of no wallet
	}
	return nil
}

// signedBy returns the signed request that a body is, or nil for one that comes with a token.
func signedBy(body any) (*api.AskSigned, error) {
	switch body := body.(type) {
	case *api.AskSigned:
		return body, nil
	case *api.Ask:
		switch {
		case body.AppPk == "" && body.AgentPk == "" && body.AuthInfo == "":
			if body.RequestedClaims == nil {
				return nil, &memberError{"requestedClaims", "is missing"}
			}
			return nil, nil
		case body.RequestedClaims != nil:
			return nil, &memberError{"requestedClaims", "of a signed request belongs inside authInfo"}
		case body.AppPk == "":
			return nil, &memberError{"appPk", "is missing"}
		case body.AuthInfo == "":
			return nil, &memberError{"authInfo", "is missing"}
		}
		return &api.AskSigned{AppPk: body.AppPk, AgentPk: body.AgentPk, AuthInfo: body.AuthInfo}, nil
	}
	return nil, nil
}

// identifySigner verifies the signature of a request. It has no token, and its jti, not an
// Idempotency-Key, makes it one.
func (s *Server) identifySigner(c *call, signed api.AskSigned, answers bool) error {
	if len(c.request.Header["Authorization"]) > 0 {
		return errTwoCredentials
	}
	if len(c.request.Header["Idempotency-Key"]) > 0 {
		return &memberError{"the header Idempotency-Key", "goes with a token; a signed request is made once by its jti"}
	}
	var err error
	authenticate := s.auth.AuthenticateSigned
	if answers {
		authenticate = s.auth.AuthenticateSignedForAnswer
	}
	c.caller, c.claims, err = authenticate(c.request.Context(), auth.SignedRequest{AppPk: signed.AppPk, AgentPk: signed.AgentPk, AuthInfo: signed.AuthInfo})
	return err
}

// identifyToken finds the caller by the token. text is the body, which an Idempotency-Key
// names.
func (s *Server) identifyToken(c *call, text []byte, answers bool) error {
	key := c.request.Header["Idempotency-Key"]
	if len(key) > 1 || len(key) == 1 && !visible(key[0]) {
		return &memberError{"the header Idempotency-Key", "must be 1 to 128 visible ASCII characters"}
	}
	token, ok := boundToken(c.request)
	if ok {
		if err := s.identifyBound(c, token); err != nil {
			return err
		}
	} else {
		if token, ok = bearer(c.request); !ok {
			return auth.ErrUnauthorized
		}
		authenticate := s.auth.Authenticate
		if answers {
			authenticate = s.auth.AuthenticateForAnswer
		}
		var err error
		if c.caller, err = authenticate(c.request.Context(), token); err != nil {
			return err
		}
	}
	if len(key) == 1 && c.request.Method == http.MethodPost {
		c.caller.Idempotency = onceOf(c.request, key[0], c.caller.DigestKey(token), text)
	}
	return nil
}

// bearer returns the bearer token of a request, and whether it has one.
func bearer(r *http.Request) (string, bool) { return credential(r, "Bearer") }

// credential returns the token of a request that comes with a scheme, and whether it has one.
func credential(r *http.Request, with string) (string, bool) {
	fields := r.Header["Authorization"]
	if len(fields) != 1 {
		return "", false
	}
	scheme, token, ok := strings.Cut(fields[0], " ")
	return strings.TrimLeft(token, " "), ok && strings.EqualFold(scheme, with) // one blank or more (RFC 9110, section 11.4)
}

// onceOf names a request with an Idempotency-Key. The digest of the body is keyed with what the store
// does not have: who reads the store cannot guess a short body from it.
func onceOf(r *http.Request, key string, digestKey, body []byte) *ledger.IdempotencyKey {
	once := &ledger.IdempotencyKey{Route: r.Method + " " + r.URL.EscapedPath(), Key: key}
	mac := hmac.New(sha3.New256, digestKey)
	mac.Write(body)
	mac.Sum(once.Digest[:0])
	return once
}

func visible(text string) bool {
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return false
		}
	}
	return len(text) > 0 && len(text) <= 128
}

// String names the roles that may call.
func (c callers) String() string {
	names := make([]string, len(c.roles))
	for i, role := range c.roles {
		names[i] = string(role)
	}
	return strings.Join(names, " or ")
}
