package archive_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"walletd/internal/ledger"
	"walletd/internal/store"
	"walletd/internal/wallettest/fixture"
)

// writing calls a function when the first line of a kind comes.
type writing struct {
	bytes.Buffer
	kind string // how the line begins
	then func()
}

func (w *writing) Write(b []byte) (int, error) {
	if w.then != nil && bytes.HasPrefix(b, []byte(w.kind)) {
		w.then()
		w.then = nil
	}
	return w.Buffer.Write(b)
}

// signed returns a fixture with 600 old entries, each with a signed head: more than are read at once.
func signed(t *testing.T) *fixture.Fixture {
	t.Helper()
	f := fixture.NewAt(t, time.Now().Add(-100*day).Truncate(time.Second))
	f.Grow(600)
	rows, err := f.Store.Records(t.Context(), f.Wallet, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		_, heads, err := f.Keystore.SignHeads([]store.End{{Chain: r.Chain, Seq: r.Seq, Hash: r.Hash}}, r.Time)
		if err == nil {
			err = f.Store.PutHeads(t.Context(), heads...)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	later(f, 100*day)
	f.Grow(3)
	return f
}

// Heads are deleted with the entries that are archived. An export that has the entries fails as well, where only some of
// their heads are left to read.
func TestAnExportLacksNoHeadWhereEntriesAreArchivedMeanwhile(t *testing.T) {
	f := signed(t)
	out := &writing{kind: `{"head"`, then: func() { create(t, f) }}
	err := f.Wallets.ExportAuditLog(t.Context(), f.As(f.Owner), out)
	if !errors.Is(err, ledger.ErrArchivedMeanwhile) || !errors.Is(err, store.ErrChanged) {
		t.Errorf("an export with %d heads: %v", strings.Count(out.String(), `{"head"`), err)
	}
	verified(t, export(f))
}

// An export is of one moment: it has no head of an entry that came when its entries had been read, which would seem to be
// missing.
func TestAnExportHasNoHeadOfWhatCameMeanwhile(t *testing.T) {
	f := signed(t)
	out := &writing{kind: `{"head"`, then: func() {
		f.Grow(1)
		sign(t, f)
	}}
	if err := f.Wallets.ExportAuditLog(t.Context(), f.As(f.Owner), out); err != nil {
		t.Fatal(err)
	}
	if v := verified(t, bytes.NewReader(out.Bytes())); v.Heads < 600 {
		t.Errorf("%d heads", v.Heads)
	}
}

// An audit log is exported while the oldest of its entries are archived and deleted. It is not given with a gap, in which
// its owner would look for a thief.
func TestAnExportHasNoGapWhereEntriesAreArchivedMeanwhile(t *testing.T) {
	f := fixture.NewAt(t, time.Now().Add(-100*day).Truncate(time.Second))
	f.Grow(2000)
	sign(t, f)
	later(f, 100*day)
	f.Grow(3)
	out := &writing{then: func() { create(t, f) }}
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
