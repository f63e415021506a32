package ledger

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"walletd/internal/keystore"
)

// ErrForged is returned for a row whose MAC is not the wallet's, or whose sealed bytes belong to another row:
// an attacker wrote or moved it. The forgery is appended to the audit log.
var ErrForged = errors.New("a row of the store was not written by this keystore; it is not used")

// NoteForged appends a forgery to the wallet's audit log, once for each process, and returns ErrForged. cause is
// the keystore's error about the row; NoteForged returns any other error as it is. If the forgery cannot be
// recorded, NoteForged returns the error of that.
func (w *Wallet) NoteForged(ctx context.Context, cause error) error {
	l := w.ledger
	seen := forgery{wallet: w.ID()}
	if forged, ok := errors.AsType[*keystore.ForgedError](cause); ok {
		seen.row, seen.content = forged.Table+" "+forged.Row, forged.Seen
	} else if damaged, ok := errors.AsType[*keystore.DamagedError](cause); ok {
		seen.row, seen.content = damaged.Table+" "+damaged.Row, damaged.Seen
	} else {
		return cause
	}
	if l.forged.note(seen) {
		l.log.Error().Str("wallet", w.ID()).Str("row", seen.row).Msg("a row of the store was not written by this keystore")
		if _, err := w.Commit(ctx, Change{Event: Event{Kind: RowForged, By: "walletd", Row: seen.row}}); err != nil {
			l.forged.forget(seen)
			return err
		}
	}
	return fmt.Errorf("%w: %w", ErrForged, cause)
}

// forgery names a forged row and its contents.
type forgery struct {
	wallet, row string
	content     [32]byte
}

// forgeries holds the forgeries that this process has recorded. The zero value is ready to use.
type forgeries struct {
	mu   sync.Mutex
	seen map[forgery]bool
}

// maxForgeries bounds forgeries; when it is full it is emptied, and forgeries are recorded again.
const maxForgeries = 4096

// note adds a forgery and reports whether it is new.
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
