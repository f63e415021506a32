package store

import (
	"context"
	"errors"
	"fmt"
)

// Pairing is a page that waits to be paired with a wallet. Nobody knows yet with which, so that the row has no
// MAC: it decides nothing, and who approves it says again what they were shown of it.
type Pairing struct {
	ID         string // then of the token
	Code       string // unique
	Origin     string // of the page, as its browser says
	Name       string // that the page gives itself: hostile text
	Thumbprint string // of the page's key
	Address    string // that the page asked from
	Created    int64
	Expires    int64
	Rejected   int64 // 0: not rejected
}

func (p *Pairing) columns() []column {
	return []column{
		plain("id", &p.ID),
		plain("code", &p.Code),
		plain("origin", &p.Origin),
		plain("name", &p.Name),
		plain("thumbprint", &p.Thumbprint),
		plain("address", &p.Address),
		plain("created", &p.Created),
		plain("expires", &p.Expires),
		plain("rejected", &p.Rejected),
	}
}

func (Pairing) Table() string { return "pairings" }

var (
	getPairing       = reads[Pairing]("pairing")
	getPairingByCode = reads[Pairing]("pairing by code")
	insertPairing    = writes[Pairing]("insert pairing")
	rejectPairing    = updates[Pairing]("reject pairing")
	endPairing       = updates[Pairing]("end pairing")
	pairingsWaiting  = statement("pairings waiting")
	sweepPairings    = statement("sweep pairings")
)

// keepPairings is for how long after its end a page can hear how its pairing ended, in seconds.
const keepPairings = 10 * 60

// Pairing reads a pairing that waits, was rejected or has just expired, or ErrNotFound.
func (s *Store) Pairing(ctx context.Context, id string) (Pairing, error) {
	return one(ctx, s, getPairing, id)
}

// PairingByCode is Pairing by the code.
func (s *Store) PairingByCode(ctx context.Context, code string) (Pairing, error) {
	return one(ctx, s, getPairingByCode, code)
}

// PairingsWaiting counts the pairings that have not expired at the time now (unix seconds).
func (s *Store) PairingsWaiting(ctx context.Context, now int64) (int64, error) {
	var n int64
	err := s.scalars(ctx, pairingsWaiting, []any{now}, &n)
	return n, err
}

// AddPairing adds a pairing, which nothing goes on record with. ErrExists if its code is another's.
func (s *Store) AddPairing(ctx context.Context, p Pairing) error {
	var added Pairing
	err := s.answered(ctx, insertPairing.query, added.columns()[:1], insertPairing.values(&p, nil)...)
	if errors.Is(err, ErrNotFound) {
		return fmt.Errorf("adding a pairing: %w", ErrExists)
	}
	return err
}

// RejectPairing rejects a pairing at updated.Rejected; ErrChanged if it is no longer as it was read.
func RejectPairing(old, updated Pairing) Write {
	return Write{steps: []step{rejectPairing.change(old, updated, ErrChanged)}}
}

// EndPairing deletes a pairing whose token the same Change inserts; ErrChanged if it is no longer as it was read.
func EndPairing(old Pairing) Write {
	return Write{steps: []step{endPairing.change(old, old, ErrChanged)}}
}
