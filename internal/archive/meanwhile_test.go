package archive_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"walletd/internal/ledger"
	"walletd/internal/store"
	"walletd/internal/wallettest/fixture"
)

// writing calls a function when the first line comes.
type writing struct {
	bytes.Buffer
	first func()
}

func (w *writing) Write(b []byte) (int, error) {
	if w.first != nil {
		w.first()
		w.first = nil
	}
	return w.Buffer.Write(b)
}

// An audit log is exported while the oldest of its entries are archived and deleted. It is not given with a gap, in which
// its owner would look for a thief.
func TestAnExportHasNoGapWhereEntriesAreArchivedMeanwhile(t *testing.T) {
	f := fixture.NewAt(t, time.Now().Add(-100*day).Truncate(time.Second))
	f.Grow(2000)
	sign(t, f)
	later(f, 100*day)
	f.Grow(3)
	out := &writing{first: func() { create(t, f) }}
	err := f.Wallets.ExportAuditLog(t.Context(), f.As(f.Owner), out)
	if err == nil {
		v, err := ledger.VerifyExport(bytes.NewReader(out.Bytes()), nil)
		t.Fatalf("an export was given, which verifies as %+v, %v", v.Bad, err)
	}
	if !errors.Is(err, store.ErrChanged) {
		t.Error(err)
	}
	verified(t, export(f))
}
