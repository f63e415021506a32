package claims

import (
	"context"
	"fmt"

	"walletd/internal/consent"
	"walletd/internal/did"
	"walletd/internal/keystore"
	"walletd/internal/policy"
	"walletd/internal/store"
)

// KeyUse returns a sentence for the owner if a requested encryptionKey is in use as another kind of key; "" if it is
// not.
type KeyUse func(ctx context.Context, req *consent.Request, c *consent.Claim) (string, error)

// encryptionKey is the claim for SHA3-256(masterKey ‖ salt), returned as base58btc of 32 bytes (DID Connect
// reference f.10). The session's account answers it or, with a delegation, the account that delegates.
func encryptionKey(inUse KeyUse) consent.Type {
	return consent.Type{
		Name:        "encryptionKey",
		Description: "Please provide encryptionKey to continue.",
		Parse: func(asked did.Object) (consent.Parsed, error) {
			if _, ok := asked.Text("salt"); !ok {
				return consent.Parsed{}, did.Malformed("encryptionKey requires the member salt, which may be empty", nil)
			}
			salt, err := asked.OptionalText("salt", policy.MaxSalt)
			if err != nil {
				return consent.Parsed{}, err
			}
			token, err := asked.OptionalText("delegation", consent.MaxDelegation)
			if err != nil {
				return consent.Parsed{}, err
			}
			return consent.Parsed{Salt: &salt, Read: func(ctx context.Context, req *consent.Request, c *consent.Claim) error {
				c.Note = func(ctx context.Context) error {
					use, err := inUse(ctx, req, c)
					if use != "" {
						c.Unusual = append(c.Unusual, use)
					}
					return err
				}
				return readEncryptionKey(ctx, req, c, token)
			}}, nil
		},
	}
}

func readEncryptionKey(ctx context.Context, req *consent.Request, c *consent.Claim, token string) error {
	c.Answer = func(r store.Receipt, w *keystore.Wallet) (map[string]any, error) {
		key, err := w.EncryptionKey(r, c.Account, c.Salt())
		if err != nil {
			return nil, fmt.Errorf("deriving the encryption key: %w", err)
		}
		defer key.Wipe()
		return map[string]any{"key": key.Base58()}, nil
	}
	req.NoteUnsealed(c)
	if token == "" {
		// An account that is not the app's own answers only with a delegation (reference f.10, rule 3).
		if _, own, err := req.Answering(); err != nil {
			return err
		} else if !own {
			return did.Refuse("delegation_missing", "this account belongs to another app; the request needs a delegation from it")
		}
	} else if err := req.ReadDelegation(ctx, c, token); err != nil {
		return err
	}
	return req.CheckSalt(ctx, c)
}
