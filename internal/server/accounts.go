package server

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"

	"walletd/api"
	"walletd/internal/did"
	"walletd/internal/wallets"
)

func accountOf(v wallets.AccountView) api.Account {
	return api.Account{Account: v.Address, App: v.App, Type: v.Type, CreatedAt: utc(v.Created), Imported: v.Imported}
}

func (s *Server) accounts(ctx context.Context, c *call, in api.Page) (api.List[api.Account], error) {
	views, next, err := s.wallets.Accounts(ctx, c.caller, pageOf(in.Limit, in.Cursor))
	return listOf(views, next, err, accountOf)
}

func (s *Server) addAccount(ctx context.Context, c *call, in api.NewAccount) (api.Account, error) {
	app, err := didOf("app", in.App)
	if err != nil {
		return api.Account{}, err
	}
	t, err := typeOf(in.TargetType)
	if err != nil {
		return api.Account{}, err
	}
	c.status = http.StatusCreated
	switch {
	case app.IsZero() == in.Secret.IsZero():
		return api.Account{}, &memberError{"the account", "must be named by either app or secret"}
	case !app.IsZero():
		v, err := s.wallets.CreateAccount(ctx, c.caller, app, t)
		return accountOf(v), err
	case in.TargetType == nil:
		return api.Account{}, &memberError{"targetType", "is missing: it says what the secret is the key of"}
	}
	key, err := keyOf(in.Secret)
	if err != nil {
		return api.Account{}, err
	}
	defer clear(key)
	v, err := s.wallets.ImportAccount(ctx, c.caller, key, t)
	return accountOf(v), err
}

// typeOf reads the kind of an account as a claim's targetType is read.
func typeOf(t *api.TargetType) (did.Type, error) {
	members := did.Object{}
	if t != nil {
		for name, value := range map[string]string{"role": t.Role, "key": t.Key, "hash": t.Hash, "encoding": t.Encoding} {
			if value == "" {
				continue
			}
			raw, err := json.Marshal(value)
			if err != nil {
				return did.Type{}, fmt.Errorf("reading targetType: %w", err)
			}
			members.Object = members.With(name, raw)
		}
	}
	return did.ParseType(members)
}

// maxKey bounds a secret key, in bytes; the longest is 64.
const maxKey = 64

// keyOf reads a secret key as the packages write it: base58, or 0x and hex.
func keyOf(secret api.SecretText) ([]byte, error) {
	wrong := &memberError{"secret", "must be a secret key in base58 with its z, or in hex with its 0x"}
	text := secret.Reveal()
	if digits, ok := bytes.CutPrefix(text, []byte("0x")); ok {
		b := make([]byte, hex.DecodedLen(len(digits)))
		if _, err := hex.Decode(b, digits); err != nil || len(b) > maxKey {
			clear(b)
			return nil, wrong
		}
		return b, nil
	}
	b, err := did.DecodeBase58(string(text), maxKey)
	if err != nil {
		return nil, wrong
	}
	return b, nil
}
