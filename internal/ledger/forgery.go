package ledger

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"walletd/internal/keystore"
)

// ErrForged is returned for a row that does not carry the wallet's MAC, or whose sealed bytes are not
// this row's: somebody else wrote or moved it. It is on record.
var ErrForged = errors.New("a row of the store was changed by somebody else; it is not used")

// NoteForged appends a forgery to the wallet's audit log, each one once per process, and returns
// ErrForged. cause is what the keystore said of the row; another error is returned as it is. If the
// forgery cannot be recorded, that error is returned.
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
		l.log.Error().Str("wallet", w.ID()).Str("row", seen.row).Msg("a row of the store was changed by somebody else")
		if _, err := w.Commit(ctx, Change{Event: Event{Kind: RowForged, By: "walletd", Row: seen.row}}); err != nil {
			l.forged.forget(seen)
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

// maxForgeries bounds them; after that many they are recorded again.
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
