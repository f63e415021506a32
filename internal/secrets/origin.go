package secrets

import (
	"context"
	"slices"
	"strings"

	"walletd/internal/consent"
	"walletd/internal/did"
	"walletd/internal/policy"
	"walletd/internal/secretstorage"
	"walletd/internal/store"
)

// origin says what a key is derived from, beside the wallet's words: the app and the salt. Clients publish it in the
// name of the key's description, so that a wallet that has lost its rows derives the key again:
//
//	walletd <address of the app> <salt>
//
// The app's own name for the storage, if it gives one, stands before it. Whoever can write the account data can write
// such a name, so it is only ever a hint where to look: the description's check says whether the key is found there.
type origin struct {
	app  did.DID
	salt string
}

const originWord = "walletd "

// publish returns the name of a key's description.
func (o origin) publish(name string) string {
	if name != "" && name != strings.TrimSpace(originWord) {
		name += " "
	} else {
		name = ""
	}
	return name + originWord + o.app.Address() + " " + o.salt
}

// originOf reads the name of a description.
func originOf(name string) (o origin, found bool) {
	for at := 0; ; {
		i := strings.Index(name[at:], originWord)
		if i < 0 {
			return origin{}, false
		}
		begins := at + i
		at = begins + len(originWord)
		if begins > 0 && name[begins-1] != ' ' {
			continue
		}
		address, salt, ok := strings.Cut(name[at:], " ")
		if !ok || len(salt) > policy.MaxSalt {
			continue
		}
		if app, err := did.Parse(address); err == nil {
			return origin{app, salt}, true
		}
	}
}

// lost is a key of an app that the wallet does not know, which the name of a description led to.
type lost struct {
	offer   offered
	origin  origin
	account store.Account
}

// findLost looks for a key that another app made with the words of this wallet, before its store was lost. Only a
// description whose check proves the key is answered, and only for an app that the wallet does not know: the keys of one
// that it knows are that app's alone.
func (s *search) findLost(ctx context.Context, req *consent.Request, allowed []string) (lost, bool, error) {
	w := req.Caller.Wallet.Keys()
	for _, o := range s.offers {
		from, named := originOf(o.description.Name())
		if !named || from.app.Address() == req.Caller.App.Address() || !slices.Contains(allowed, from.salt) {
			continue
		}
		account, err := w.DeriveAccount(from.app, did.AccountType(), req.Now.Unix())
		if err != nil {
			return lost{}, false, err
		}
		results, err := w.FitsDescriptions(account, did.LooseBytes(from.salt), []secretstorage.Description{o.description})
		if did.CodeOf(err) != "" || err == nil && results[0] != secretstorage.Match {
			continue
		}
		if err != nil {
			return lost{}, false, err
		}
		forgotten, err := req.IsForgotten(ctx, account)
		if err != nil {
			return lost{}, false, err
		}
		if forgotten {
			return lost{o, from, account}, true, nil
		}
	}
	return lost{}, false, nil
}

// actFor sets the account of another app as the one that answers (findLost). The owner is always asked: the app's keys
// are another's, and only the person can say that this is the same client.
func (r keyRequest) actFor(ctx context.Context, req *consent.Request, c *consent.Claim) error {
	app, err := did.Parse(r.App)
	if err != nil {
		return err
	}
	account, err := req.Caller.Wallet.Keys().DeriveAccount(app, did.AccountType(), req.Now.Unix())
	if err != nil {
		return err
	}
	forgotten, err := req.IsForgotten(ctx, account)
	if err != nil {
		return err
	}
	if !forgotten {
		return noKey() // the app came back meanwhile
	}
	c.Account = account
	c.RequireAsk("the key is that of a storage which another app made, " + app.String())
	c.Unusual = append(c.Unusual, "The storage was made by another app, "+app.String()+", which this wallet does not know, with the words of this wallet. "+
		"Approve this only if you lost the wallet that the storage was made with, and the client that asks is yours.")
	return nil
}
