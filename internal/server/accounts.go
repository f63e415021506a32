package server

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"walletd/internal/claims"
	"walletd/internal/did"
)

// maxKey bounds a secret key, in bytes; the longest is 64.
const maxKey = 64

// bytes gives the bytes of a salt (DID Connect reference b.1).
func (s salted) bytes() ([]byte, error) {
	switch {
	case (s.Salt == nil) == (s.SaltHex == nil):
		return nil, &memberError{"the salt", "must be given once, as salt or as saltHex"}
	case s.Salt != nil:
		return did.LooseBytes(*s.Salt), nil
	}
	b, err := hex.DecodeString(*s.SaltHex)
	if err != nil {
		return nil, &memberError{"saltHex", "must be hexadecimal digits"}
	}
	return b, nil
}

// appDID is the DID of an app, in any form that is read.
type appDID struct{ did.DID }

// UnmarshalText refuses what is not a DID.
func (a *appDID) UnmarshalText(text []byte) error {
	var err error
	if a.DID, err = did.Parse(string(text)); err != nil {
		return &memberError{"", "must be a DID, as in did:abt:zNK…"}
	}
	return nil
}

// account is an account of a wallet.
type account struct {
	Account   string    `json:"account"`
	App       string    `json:"app"` // "" for the wallet's own
	Type      string    `json:"type"`
	CreatedAt time.Time `json:"createdAt"`
	Imported  bool      `json:"imported"`
}

func viewAccount(v claims.AccountView) account {
	return account{v.Address, v.App, v.Type, v.Created.UTC(), v.Imported}
}

func (s *Server) accounts(c *call, in page) (list[account], error) {
	views, next, err := s.door.Accounts(c.ctx, c.Caller, in.of())
	return listOf(views, next, err, viewAccount)
}

// newAccount asks for an app's account, or that a key made elsewhere be kept.
type newAccount struct {
	App        *appDID     `json:"app"`
	Secret     secretText  `json:"secret,omitempty"`
	TargetType *targetType `json:"targetType"`
}

func (n *newAccount) wipe() { n.Secret.Wipe() }

// targetType is the kind of an account; what is left out is an ordinary account's.
type targetType struct {
	Role     *string `json:"role" max:"32"`
	Key      *string `json:"key" max:"32"`
	Hash     *string `json:"hash" max:"32"`
	Encoding *string `json:"encoding" max:"32"`
}

// read gives the type, as a claim's targetType is read.
func (t *targetType) read() (did.Type, error) {
	members := did.Object{}
	if t != nil {
		for name, value := range map[string]*string{"role": t.Role, "key": t.Key, "hash": t.Hash, "encoding": t.Encoding} {
			if value == nil {
				continue
			}
			raw, err := json.Marshal(*value)
			if err != nil {
				return did.Type{}, fmt.Errorf("reading targetType: %w", err)
			}
			members[name] = raw
		}
	}
	return claims.ParseTargetType(members)
}

func (s *Server) addAccount(c *call, in newAccount) (account, error) {
	t, err := in.TargetType.read()
	if err != nil {
		return account{}, err
	}
	c.status = http.StatusCreated
	switch {
	case (in.App == nil) == in.Secret.IsZero():
		return account{}, &memberError{"the account", "must be named by either app or secret"}
	case in.App != nil:
		v, err := s.door.CreateAccount(c.ctx, c.Caller, in.App.DID, t)
		return viewAccount(v), err
	case in.TargetType == nil:
		return account{}, &memberError{"targetType", "is missing: it says what the secret is the key of"}
	}
	key, err := in.Secret.key()
	if err != nil {
		return account{}, err
	}
	defer clear(key)
	v, err := s.door.ImportAccount(c.ctx, c.Caller, key, t)
	return viewAccount(v), err
}

// key reads a secret key as the packages write it: base58, or 0x and hex.
func (s secretText) key() ([]byte, error) {
	wrong := &memberError{"secret", "must be a secret key in base58 with its z, or in hex with its 0x"}
	text := string(s.Reveal())
	if digits, ok := strings.CutPrefix(text, "0x"); ok {
		b, err := hex.DecodeString(digits)
		if err != nil || len(b) > maxKey {
			return nil, wrong
		}
		return b, nil
	}
	b, err := did.DecodeBase58(text, maxKey)
	if err != nil {
		return nil, wrong
	}
	return b, nil
}
