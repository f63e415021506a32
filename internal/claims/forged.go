package claims

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"walletd/internal/keystore"
)

// noteForged puts a row that was not written by this keystore on record, each forgery of it once
// per process, and returns ErrForged. Other errors are returned as they are.
func (d *Door) noteForged(ctx context.Context, c *Caller, cause error) error {
	seen := forgery{wallet: c.Wallet}
	if forged, ok := errors.AsType[*keystore.ForgedError](cause); ok {
		seen.row, seen.content = forged.Table+" "+forged.Row, forged.Seen
	} else if damaged, ok := errors.AsType[*keystore.DamagedError](cause); ok {
		seen.row, seen.content = damaged.Table+" "+damaged.Row, damaged.Seen
	} else {
		return cause
	}
	if d.forged.note(seen) {
		d.log.Error().Str("wallet", c.Wallet).Str("row", seen.row).Msg("a row of the store was changed by somebody else")
		e := Event{Kind: "row.forged", By: "walletd", Row: seen.row}
		if err := d.record(ctx, c, e); err != nil {
			d.forged.forget(seen)
			return err
		}
	}
	return fmt.Errorf("%w: %w", ErrForged, cause)
}

// forgery is a row as somebody else left it.
type forgery struct {
	wallet, row string
	content     [32]byte
}

// forgeries are those that this process has put on record. The zero value is ready.
type forgeries struct {
	mu   sync.Mutex
	seen map[forgery]bool
}

// maxForgeries bounds them; after that many they are recorded anew.
const maxForgeries = 4096

// note reports whether the forgery is new.
func (f *forgeries) note(one forgery) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.seen[one] {
		return false
	}
	if f.seen == nil || len(f.seen) >= maxForgeries {
		f.seen = map[forgery]bool{}
	}
	f.seen[one] = true
	return true
}

func (f *forgeries) forget(one forgery) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.seen, one)
}
