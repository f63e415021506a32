package archive_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"walletd/internal/archive"
	"walletd/internal/auth"
	"walletd/internal/derive"
	"walletd/internal/keystore"
	"walletd/internal/ledger"
	"walletd/internal/store"
	"walletd/internal/wallettest/fixture"
	"walletd/internal/wallettest/memory"
)

// fails wants an archive to fail, and nothing to be deleted or left behind.
func fails(t *testing.T, f *fixture.Fixture, want error) {
	t.Helper()
	made, err := f.Archives.Create(t.Context(), f.As(f.Operator), f.Wallet, f.Clock.Add(-90*day))
	if made.Archive != nil || made.Deleted != 0 {
		t.Errorf("archived %+v", made)
	}
	fixture.WantErr(t, err, want)
	if left, err := filepath.Glob(filepath.Join(f.ArchiveDir(), "*.part")); err != nil || len(left) != 0 {
		t.Errorf("left are %v, %v", left, err)
	}
}

// wants wants the whole record to be archived after all.
func wants(t *testing.T, f *fixture.Fixture) {
	t.Helper()
	if first, _ := stored(t, f); first != 1 {
		t.Errorf("the store begins with entry %d", first)
	}
	f.VerifyAuditLog()
	if made := create(t, f); made.Archive == nil || made.Deleted != made.Archive.Last {
		t.Errorf("archived %+v", made)
	}
	f.VerifyAuditLog()
}

func TestAnArchiveThatFailsDeletesNothing(t *testing.T) {
	t.Run("on a full disk", func(t *testing.T) {
		f := old(t)
		f.Grow(100)
		sign(t, f)
		later(f, 100*day)
		lift := f.FillDisk()
		fails(t, f, store.ErrFull)
		lift()
		wants(t, f)
	})
	t.Run("where another file has its name", func(t *testing.T) {
		f := old(t)
		path := filepath.Join(f.ArchiveDir(), f.Wallet+"-1-42.ndjson")
		if err := os.WriteFile(path, []byte("another\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		fails(t, f, archive.ErrFile)
		if text, err := os.ReadFile(path); err != nil || string(text) != "another\n" {
			t.Errorf("the other file is %q, %v", text, err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		wants(t, f)
	})
	t.Run("where another archive of the same entries has its name", func(t *testing.T) {
		f := old(t)
		path := filepath.Join(f.ArchiveDir(), f.Wallet+"-1-42.ndjson")
		create(t, f)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		g := old(t) // of the same wallet, with another record
		other := filepath.Join(g.ArchiveDir(), g.Wallet+"-1-42.ndjson")
		if err := os.WriteFile(other, text, 0o600); err != nil {
			t.Fatal(err)
		}
		made, err := g.Archives.Create(t.Context(), g.As(g.Operator), g.Wallet, g.Clock.Add(-90*day))
		if err == nil || made.Archive != nil {
			t.Errorf("archived %+v", made)
		}
		if first, _ := stored(t, g); first != 1 {
			t.Errorf("the store begins with entry %d", first)
		}
	})
	t.Run("of a record that was changed", func(t *testing.T) {
		f := old(t)
		f.Tamper(`create table kept as select * from records`)
		f.Exec(`update records set time = time + 1 where seq = 9 and chain <> 'service'`)
		fails(t, f, ledger.ErrUnverified)
		f.Exec(`update records set time = time - 1 where seq = 9 and chain <> 'service'`)
		f.Exec(`delete from records where seq = 30 and chain <> 'service'`)
		if made, err := f.Archives.Create(t.Context(), f.As(f.Operator), f.Wallet, f.Clock.Add(-90*day)); err == nil || made.Deleted != 0 {
			t.Errorf("archived %+v", made)
		}
		f.Exec(`insert into records select * from kept where seq = 30 and chain <> 'service'`)
		wants(t, f)
	})
	t.Run("while the keystore is locked", func(t *testing.T) {
		f := old(t)
		if err := f.Wallets.Lock(t.Context(), f.As(f.Operator)); err != nil {
			t.Fatal(err)
		}
		fails(t, f, keystore.ErrLocked)
		f.Unlock()
		wants(t, f)
	})
	t.Run("without a directory", func(t *testing.T) {
		f := old(t)
		f.Archives = archive.New(f.Store, f.Ledger, f.Auth, "")
		fails(t, f, archive.ErrNoDirectory)
	})
	t.Run("for others than operators, of other wallets, of today", func(t *testing.T) {
		f := old(t)
		_, err := f.Archives.Create(t.Context(), f.As(f.Owner), f.Wallet, f.Clock.Add(-90*day))
		fixture.WantErr(t, err, auth.ErrForbidden)
		_, err = f.Archives.Create(t.Context(), f.As(f.Operator), "z1other", f.Clock.Add(-90*day))
		fixture.WantErr(t, err, auth.ErrNotFound)
		_, err = f.Archives.Create(t.Context(), f.As(f.Operator), f.Wallet, f.Clock.Add(-archive.Least+1))
		fixture.WantErr(t, err, auth.ErrInput)
		_, err = f.Archives.List(t.Context(), f.As(f.Operator), 1<<62, 10)
		fixture.WantErr(t, err, auth.ErrForbidden)
		wants(t, f)
	})
}

// What a file of before the end of its directory holds is looked at again, and taken.
func TestAFileThatWasNotRecordedIsTaken(t *testing.T) {
	f := old(t)
	create(t, f)
	path := filepath.Join(f.ArchiveDir(), f.Wallet+"-1-42.ndjson")
	written, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	g := fixtureOf(t, f) // the store as it was before
	if made := create(t, g); made.Archive == nil || made.Archive.Size != int64(len(written)) || made.Deleted != 42 {
		t.Errorf("archived %+v", made)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != string(written) {
		t.Errorf("the file was written anew: %v", err)
	}
}

// What an entry says for the words is not under the hashes of the chain, and is compared with what it says in the store.
func TestAFileThatSaysSomethingElseIsNotTaken(t *testing.T) {
	f := old(t)
	create(t, f)
	path := filepath.Join(f.ArchiveDir(), f.Wallet+"-1-42.ndjson")
	written := read(t, path)
	at := strings.Index(written, `"content":"`) + len(`"content":"`) + 60
	other := "A"
	if written[at] == 'A' {
		other = "B"
	}
	g := fixtureOf(t, f)
	for name, text := range map[string]string{
		"another content": written[:at] + other + written[at+1:],
		"no content":      strings.Replace(written, `,"content":`+strings.SplitN(strings.SplitN(written, `,"content":`, 2)[1], "}", 2)[0], "", 1),
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if v, err := ledger.VerifyFiles([]io.ReaderAt{strings.NewReader(text)}, ledger.Given{}); err != nil || v.Bad != nil {
			t.Fatalf("%s: its chain does not hold: %+v, %v", name, v.Bad, err)
		}
		fails(t, g, archive.ErrFile)
	}
	if err := os.WriteFile(path, []byte(written), 0o600); err != nil {
		t.Fatal(err)
	}
	wants(t, g)
}

// fixtureOf puts the store back to where nothing was recorded of its archive, but keeps the file.
func fixtureOf(t *testing.T, f *fixture.Fixture) *fixture.Fixture {
	t.Helper()
	var lines []string
	for _, line := range strings.Split(read(t, filepath.Join(f.ArchiveDir(), f.Wallet+"-1-42.ndjson")), "\n") {
		if strings.HasPrefix(line, `{"record":`) {
			lines = append(lines, line)
		}
	}
	for _, line := range lines {
		r := recordOf(t, line)
		f.Exec(`insert into records (chain, seq, id, time, kind, sealed, prev, hash) values ($1, $2, $3, $4, $5, $6, $7, $8)`, r.Chain, r.Seq, r.ID, r.Time, r.Kind, r.Sealed, r.Prev, r.Hash)
	}
	h := verified(t, file(t, f, &ledger.Archive{File: f.Wallet + "-1-42.ndjson"})).Head
	f.Exec(`delete from archives`)
	f.Exec(`insert into heads (chain, seq, hash, time, public_key, signature) values ($1, $2, $3, $4, $5, $6)`, h.Chain, h.Seq, h.Hash, h.Time, h.PublicKey, h.Signature)
	cut(f, 50)
	return f
}

// A wallet that was restored has entries whose contents came with its backup. Its archive holds those too.
func TestAnArchiveHoldsWhatWasRestored(t *testing.T) {
	f := old(t)
	backup := f.Backup()
	if err := f.Wallets.Delete(t.Context(), f.As(f.Owner), f.Wallet); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Restore(backup.File); err != nil {
		t.Fatal(err)
	}
	f.NewOwner()
	f.Grow(3)
	sign(t, f)
	later(f, 100*day)
	made := create(t, f)
	if made.Archive == nil || made.Archive.Last < 55 {
		t.Fatalf("archived %+v", made)
	}
	f.VerifyAuditLog()
	words, err := derive.ParseWords([]byte(fixture.Words))
	if err != nil {
		t.Fatal(err)
	}
	opened := 0
	v, err := ledger.OpenArchive(file(t, f, made.Archive), words.Seed(), func(e ledger.ArchivedEntry) error {
		if e.Opens && strings.Contains(string(e.Entry.Entry), "by") {
			opened++
		} else {
			t.Logf("entry %d, %s, does not open", e.Seq, e.Kind)
		}
		return nil
	})
	if err != nil || v.Bad != nil || int64(opened) != v.Entries-1 { // wallet.deleted, of the key that went with the wallet
		t.Errorf("%d of %d entries open, %+v, %v", opened, v.Entries, v.Bad, err)
	}
	rows, err := f.Store.RestoredRecord(t.Context(), f.Wallet, 0, 10)
	if err != nil || len(rows) != 0 {
		t.Errorf("%d contents are left in the store, %v", len(rows), err)
	}
}

// An audit log of 10,000 entries makes a file of 14 MB. Neither its archive nor what reads that holds it.
func TestAnArchiveIsMadeInBoundedMemory(t *testing.T) {
	const entries, most = 10_000, 4 << 20
	f := old(t)
	f.Grow(entries)
	sign(t, f)
	later(f, 100*day)
	var made archive.Made
	if held := memory.HighWater(t, func() { made = create(t, f) }); held > most || made.Archive == nil || made.Archive.Size < 10<<20 || made.Deleted < entries {
		t.Errorf("%+v held %.1f MB", made, float64(held)/1e6)
	}
	words, err := derive.ParseWords([]byte(fixture.Words))
	if err != nil {
		t.Fatal(err)
	}
	for what, read := range map[string]func() error{
		"verifying it": func() error {
			_, err := ledger.VerifyFiles([]io.ReaderAt{file(t, f, made.Archive)}, ledger.Given{})
			return err
		},
		"opening it": func() error {
			_, err := ledger.OpenArchive(file(t, f, made.Archive), words.Seed(), func(ledger.ArchivedEntry) error { return nil })
			return err
		},
	} {
		var err error
		if held := memory.HighWater(t, func() { err = read() }); held > most || err != nil {
			t.Errorf("%s held %.1f MB, %v", what, float64(held)/1e6, err)
		}
	}
}
