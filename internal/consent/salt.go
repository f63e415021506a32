package consent

import (
	"context"
	"strings"

	"walletd/internal/did"
)

// CheckSalt enforces design section 5: a salt is its bytes, and a salt may be the address of another DID. It
// refuses a salt that would derive another account's key, and makes the owner decide about a salt that is the
// address of another DID.
func (req *Request) CheckSalt(ctx context.Context, c *Claim) error {
	if err := req.Caller.Wallet.Keys().CheckSalt(c.Account, c.salt); err != nil {
		return err
	}
	return req.noteOwner(ctx, c)
}

// noteOwner adds to the claim that the salt is the address of another DID, if it is one.
func (req *Request) noteOwner(ctx context.Context, c *Claim) error {
	owner, err := req.saltOwner(ctx, c)
	if err != nil {
		return err
	}
	if owner != "" {
		c.RequireAsk("the salt is the address of another DID: " + owner)
		if c.delegation == nil {
			c.Unusual = append(c.Unusual, "The salt is the address of another DID, "+owner+", and the request presents no delegation from it.")
		}
	}
	return nil
}

// saltOwner returns the address if the claim's salt is the address of a DID other than the app's own, else
// "". The salt may have any prefix, did:abt: or another, and any text: what counts is its bytes, 26 with a
// valid checksum, or 20 that are written as an Ethereum address, in hex or base58. Whether the wallet holds
// that account makes no difference, so that an app cannot find out. 20 characters of plain text are an ordinary
// salt, unless the wallet holds an account of those bytes.
func (req *Request) saltOwner(ctx context.Context, c *Claim) (string, error) {
	candidates := [][]byte{c.salt}
	// The bytes are read as text too: a DID written in hex, or with a NUL after it, is the same salt.
	for _, text := range []string{c.saltText, string(c.salt)} {
		candidates = append(candidates, did.LooseBytes(text[strings.LastIndexByte(text, ':')+1:]))
	}
	for _, b := range candidates {
		var address string
		switch len(b) {
		case 26:
			d, err := did.Parse(did.EncodeBase58(b))
			if err != nil {
				continue
			}
			address = d.Address()
		case 20:
			if strings.HasSuffix(c.saltText, string(b)) { // plain text
				held, err := req.ethereumAccount(ctx, [20]byte(b))
				if err != nil {
					return "", err
				}
				if held == "" {
					continue
				}
			}
			address = did.FromEthereumBytes([20]byte(b)).Address()
		default:
			continue
		}
		own, err := req.ownAddress(ctx, c, address)
		if err != nil {
			return "", err
		}
		if !own {
			return address, nil
		}
	}
	return "", nil
}

// ethereumAccount returns the address of the wallet's account with these 20 bytes, or "". The address
// follows from the bytes, so one row is read however many accounts the wallet holds.
func (req *Request) ethereumAccount(ctx context.Context, b [20]byte) (string, error) {
	account := did.FromEthereumBytes(b)
	if req.Account.Address == account.Address() {
		return req.Account.Address, nil // the account may be new, and not stored yet
	}
	held, err := req.HeldAccount(ctx, account)
	if did.CodeOf(err) == "account_not_held" {
		return "", nil
	}
	return held.Address, err
}

// ownAddress reports whether an address is the app's own: its DID, or an account of the app.
func (req *Request) ownAddress(ctx context.Context, c *Claim, address string) (bool, error) {
	switch address {
	case req.Caller.App.Address():
		return true, nil
	case req.Account.Address:
		return req.Owns(req.Account), nil
	case c.Account.Address: // with a delegation, whose salt is its account
		return req.Owns(c.Account), nil
	}
	named, err := did.Parse(address)
	if err != nil {
		return false, err
	}
	a, err := req.HeldAccount(ctx, named)
	if did.CodeOf(err) == "account_not_held" {
		return false, nil
	}
	return err == nil && req.Owns(a), err
}
