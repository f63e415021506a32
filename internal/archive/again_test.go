package archive_test

import (
	"testing"

	"walletd/internal/wallets"
	"walletd/internal/wallettest/fixture"
)

// A wallet that was deleted is imported again from its words, with another key. Its audit log in the store goes on after
// its archive as before.
func TestAWalletIsImportedAgainBehindItsArchive(t *testing.T) {
	f := old(t)
	a := create(t, f).Archive
	sign(t, f)
	if err := f.Wallets.Delete(t.Context(), f.As(f.Owner), f.Wallet); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Wallets.Create(t.Context(), f.As(f.Operator), wallets.NewWallet{Name: "again", Words: []byte(fixture.Words)}); err != nil {
		t.Fatal(err)
	}
	f.NewOwner()
	if live := f.VerifyAuditLog(); live.Archived == nil || live.Archived.Last != a.Last {
		t.Errorf("the service says %+v", live)
	}
	sign(t, f)
	if since := verified(t, export(f), file(t, f, a)); since.Archived == nil {
		t.Errorf("the export: %+v", since)
	}
	f.Grow(3)
	sign(t, f)
	later(f, 100*day)
	if next := create(t, f).Archive; next == nil || next.First != a.Last+1 {
		t.Errorf("archived next is %+v", next)
	}
	f.VerifyAuditLog()
}
