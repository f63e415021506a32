package store

import (
	"context"
	"encoding/hex"
)

// Delegation is a delegation the wallet has seen and the person may have
// approved.
type Delegation struct {
	Wallet   string
	Hash     []byte // 32 bytes
	FromAddr string
	ToAddr   string
	Expires  int64
	Approved int64
	Revoked  int64
	Sealed   []byte
	MAC      []byte
}

func (d *Delegation) columns() []column {
	return []column{
		authentic("wallet", &d.Wallet),
		authentic("hash", &d.Hash),
		authentic("from_addr", &d.FromAddr),
		authentic("to_addr", &d.ToAddr),
		authentic("expires", &d.Expires),
		authentic("approved", &d.Approved),
		authentic("revoked", &d.Revoked),
		authentic("sealed", &d.Sealed),
		plain("mac", &d.MAC),
	}
}

func (Delegation) Table() string       { return "delegations" }
func (d Delegation) Key() string       { return hex.EncodeToString(d.Hash) }
func (d Delegation) Canonical() []byte { return canonical(&d) }
func (d Delegation) Sum() []byte       { return d.MAC }

// Content is the sealed field of the row, and its name in the associated data.
func (d Delegation) Content() (field string, sealed []byte) { return "token", d.Sealed }

var (
	getDelegation    = reads[Delegation]("delegation")
	listDelegations  = reads[Delegation]("delegations")
	insertDelegation = writes[Delegation]("insert delegation")
	updateDelegation = updates[Delegation]("update delegation")
)

// Delegation reads a delegation by its hash, or ErrNotFound.
func (s *Store) Delegation(ctx context.Context, wallet string, hash []byte) (Delegation, error) {
	return one(ctx, s, getDelegation, wallet, hash)
}

// Delegations lists the wallet's delegations, those that end last first.
func (s *Store) Delegations(ctx context.Context, wallet string, p Page) (rows []Delegation, next string, err error) {
	return paged(p, func(d Delegation) position { return position{d.Expires, string(d.Hash)} },
		func(after position, limit int) ([]Delegation, error) {
			return many(ctx, s, listDelegations, wallet, after.at, []byte(after.id), limit)
		})
}

// PutDelegation adds a delegation (old is the zero Delegation; ErrExists), or
// replaces old's Approved, Revoked, Sealed and MAC (ErrChanged). Raises.
func PutDelegation(old, updated Delegation) Write {
	if len(old.Hash) == 0 {
		return raising(updated.Wallet, insertDelegation.row(updated, ErrExists))
	}
	return raising(updated.Wallet, updateDelegation.change(old, updated, ErrChanged))
}
