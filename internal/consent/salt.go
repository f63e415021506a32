package consent

import (
	"context"
	"strings"

	"walletd/internal/did"
)

// CheckSalt holds design section 5: a salt is its bytes, and a salt may be somebody's address.
// A salt that would give another account's key is refused; one that belongs to another DID is
// never decided by rule.
func (req *Request) CheckSalt(ctx context.Context, c *Claim) error {
	if err := req.Caller.Wallet.Keys().CheckSalt(c.Account, c.salt); err != nil {
		return err
	}
	return req.noteOwner(ctx, c)
}

// noteOwner notes whose address the salt is, if it is that of another DID.
func (req *Request) noteOwner(ctx context.Context, c *Claim) error {
	owner, err := req.saltOwner(ctx, c)
	if err != nil {
		return err
	}
	if owner != "" {
		c.RequireAsk("the salt is the address of another DID: " + owner)
		if c.delegation == nil {
			c.Unusual = append(c.Unusual, "The salt is the address of another DID, "+owner+", and no delegation from it is shown.")
		}
	}
	return nil
}

// saltOwner returns the address of the DID that the claim's salt is, or "" if it is nobody's or
// the asking app's own. Any prefix counts (did:abt:, or one nobody knows), and the bytes count
// whatever the text: 26 with a right checksum, or the 20 of an account the wallet holds.
func (req *Request) saltOwner(ctx context.Context, c *Claim) (string, error) {
	candidates := [][]byte{c.salt}
	// The bytes are read as a text too: a DID written in hex, or with a NUL after it, is the same salt.
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
			held, err := req.ethereumAccount(ctx, [20]byte(b))
			if err != nil {
				return "", err
			}
			if held == "" {
				continue
			}
			address = held
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

// ethereumAccount returns the address of the wallet's account with these 20 bytes, or "". Its
// address follows from the bytes, so that one row is read, however many the wallet holds.
func (req *Request) ethereumAccount(ctx context.Context, b [20]byte) (string, error) {
	account := did.FromEthereumBytes(b)
	if req.Account.Address == account.Address() {
		return req.Account.Address, nil // it may be new, and not kept yet
	}
	held, err := req.HeldAccount(ctx, account)
	if did.CodeOf(err) == "account_not_held" {
		return "", nil
	}
	return held.Address, err
}

// ownAddress reports whether an address is the asking app's: its DID, or an account of its.
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
