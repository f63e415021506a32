package server

import (
	"bytes"
	"context"
	"encoding/hex"
	"net/http"

	"walletd/api"
	"walletd/internal/did"
	"walletd/internal/wallets"
)

func (s *Server) createWallet(ctx context.Context, c *call, in api.NewWallet) (api.CreatedWallet, error) {
	made, err := s.wallets.Create(ctx, c.caller, wallets.NewWallet{Name: in.Name, Words: in.Words.Reveal(), Seed: seedOf(in.SeedHex)})
	if err != nil {
		return api.CreatedWallet{}, err
	}
	defer made.Words.Wipe()
	c.status = http.StatusCreated
	w := api.CreatedWallet{Wallet: made.Wallet}
	if made.Generated {
		w.Words = api.NewSecretText(bytes.Clone(made.Words.Reveal()))
	}
	return w, nil
}

func walletOf(v wallets.WalletView) api.Wallet {
	approve := api.ApproveByToken
	if v.Passkey {
		approve = api.ApproveByPasskey
	}
	return api.Wallet{Approve: approve, Wallet: v.Wallet, Name: v.Name, CreatedAt: utc(v.Created), Owned: v.Owned, Rounds: v.Rounds, Strangers: v.Strangers, Damaged: v.Damaged}
}

func (s *Server) listWallets(ctx context.Context, c *call, in api.Page) (api.List[api.Wallet], error) {
	views, next, err := s.wallets.List(ctx, c.caller, pageOf(in.Limit, in.Cursor))
	return listOf(views, next, err, walletOf)
}

func (s *Server) wallet(ctx context.Context, c *call, _ none) (api.Wallet, error) {
	v, err := s.wallets.Get(ctx, c.caller, c.names["wallet"])
	return walletOf(v), err
}

func (s *Server) changeWallet(ctx context.Context, c *call, in api.WalletSettings) (api.Wallet, error) {
	if in == (api.WalletSettings{}) {
		return api.Wallet{}, &memberError{"the body", "must name a setting: name, rounds, strangers or approve"}
	}
	if in.Rounds != nil && *in.Rounds == 2 {
		return api.Wallet{}, &memberError{"rounds", "must be 1 or 3"}
	}
	change := wallets.WalletChange{Name: in.Name, Rounds: in.Rounds, Strangers: in.Strangers}
	switch in.Approve {
	case "":
	case api.ApproveByToken, api.ApproveByPasskey:
		change.Passkey = new(in.Approve == api.ApproveByPasskey)
	default:
		return api.Wallet{}, &memberError{"approve", "must be token or passkey"}
	}
	v, err := s.wallets.Update(ctx, c.caller, change)
	return walletOf(v), err
}

func (s *Server) deleteWallet(ctx context.Context, c *call, in api.DeleteWallet) (none, error) {
	if in.Confirm != c.names["wallet"] {
		return none{}, &memberError{"confirm", "must be the address of the wallet"}
	}
	return none{}, s.wallets.Delete(ctx, c.caller, in.Confirm)
}

func (s *Server) derive(ctx context.Context, c *call, in api.Derive) (api.DerivedKey, error) {
	salt, err := saltOf(in)
	if err != nil {
		return api.DerivedKey{}, err
	}
	key, err := s.wallets.Derive(ctx, c.caller, salt)
	return api.DerivedKey{Key: api.NewSecretText([]byte(key))}, err
}

// saltOf gives the bytes of a salt (DID Connect reference b.1).
func saltOf(in api.Derive) ([]byte, error) {
	switch {
	case (in.Salt == nil) == (in.SaltHex == nil):
		return nil, &memberError{"the salt", "must be given once, as salt or as saltHex"}
	case in.Salt != nil:
		return did.LooseBytes(*in.Salt), nil
	}
	b, err := hex.DecodeString(*in.SaltHex)
	if err != nil {
		return nil, &memberError{"saltHex", "must be hexadecimal digits"}
	}
	return b, nil
}
