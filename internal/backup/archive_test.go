package backup_test

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"walletd/internal/backup"
	"walletd/internal/ledger"
	"walletd/internal/store"
	"walletd/internal/wallettest/fixture"
)

const days = 24 * time.Hour

// archivedWallet returns a fixture of which n entries are archived, and some are not.
func archivedWallet(t *testing.T) (*fixture.Fixture, *ledger.Archive) {
	t.Helper()
	f := fixture.NewAt(t, time.Now().Add(-300*days).Truncate(time.Second))
	f.Grow(20)
	signHeads(t, f)
	f.Clock = f.Clock.Add(100 * days)
	f.Grow(5)
	signHeads(t, f)
	return f, archiveOld(t, f)
}

func signHeads(t *testing.T, f *fixture.Fixture) {
	t.Helper()
	if err := f.Ledger.SignHeads(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func archiveOld(t *testing.T, f *fixture.Fixture) *ledger.Archive {
	t.Helper()
	made, err := f.Archives.Create(t.Context(), f.As(f.Operator), f.Wallet, f.Clock.Add(-90*days))
	if err != nil || made.Archive == nil {
		t.Fatal(made, err)
	}
	return made.Archive
}

// holds wants the audit log of the wallet to go on after an archive, by itself, in an export, and beside the file.
func holds(t *testing.T, f *fixture.Fixture, a *ledger.Archive, dir string) {
	t.Helper()
	if v := f.VerifyAuditLog(); v.Archived == nil || v.Archived.Last != a.Last || !bytes.Equal(v.Archived.Sum, a.Sum) {
		t.Errorf("the record: %+v", v)
	}
	if len(f.ForgedRows(f.Owner)) > 0 {
		t.Error("a forgery is recorded")
	}
	file, err := os.Open(filepath.Join(dir, a.File))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	export := strings.NewReader(strings.Join(f.Export(), "\n") + "\n")
	for _, files := range [][]io.ReaderAt{{export}, {export, file}} {
		if v, err := ledger.VerifyFiles(files, ledger.Given{}); err != nil || v.Bad != nil {
			t.Errorf("%d files: %+v, %v", len(files), v.Bad, err)
		}
	}
}

func TestABackupGoesOnAfterAnArchive(t *testing.T) {
	f, a := archivedWallet(t)
	signHeads(t, f)
	b := f.Backup()
	if b.Archived != int(a.Last) || b.Entries == 0 {
		t.Errorf("the backup holds %+v", b.View)
	}
	if view, err := backup.ReadBackup(bytes.NewReader(b.File), []byte(fixture.Words)); err != nil || view.Archived != int(a.Last) || view.Digest != b.Digest {
		t.Errorf("with the words: %+v, %v", view, err)
	}
	t.Run("into an empty store", func(t *testing.T) {
		n := place(t)
		n.Wallet = f.Wallet
		if _, err := n.Restore(b.File); err != nil {
			t.Fatal(err)
		}
		n.NewOwner()
		holds(t, n, a, f.ArchiveDir())
		n.Grow(3)
		signHeads(t, n)
		n.Clock = n.Clock.Add(400 * days)
		second := archiveOld(t, n)
		if second.First != a.Last+1 {
			t.Errorf("archived %+v", second)
		}
		n.VerifyAuditLog()
		again := n.Backup()
		o := place(t)
		o.Clock, o.Wallet = n.Clock, f.Wallet
		if _, err := o.Restore(again.File); err != nil {
			t.Fatal(err)
		}
		o.NewOwner()
		holds(t, o, second, n.ArchiveDir())
		one, two := open(t, f.ArchiveDir(), a), open(t, n.ArchiveDir(), second)
		if v, err := ledger.VerifyFiles([]io.ReaderAt{strings.NewReader(strings.Join(o.Export(), "\n") + "\n"), two, one}, ledger.Given{}); err != nil || v.Bad != nil {
			t.Errorf("all three: %+v, %v", v.Bad, err)
		}
	})
	t.Run("where it was, before another archive and after it", func(t *testing.T) {
		remove := func() {
			t.Helper()
			if err := f.Wallets.Delete(t.Context(), f.As(f.Owner), f.Wallet); err != nil {
				t.Fatal(err)
			}
		}
		remove()
		if _, err := f.Restore(b.File); err != nil {
			t.Fatal(err)
		}
		f.NewOwner()
		holds(t, f, a, f.ArchiveDir())
		signHeads(t, f)
		f.Clock = f.Clock.Add(100 * days)
		f.Grow(2)
		second := archiveOld(t, f)
		late := f.Backup()
		remove()
		if _, err := f.Restore(b.File); err == nil {
			t.Error("a backup whose end is archived was restored with its record")
		} else {
			fixture.WantErr(t, err, store.ErrOtherRecord)
		}
		without := backup.Restoration{Words: []byte(fixture.Words), File: bytes.NewReader(b.File), WithoutRecord: true}
		if _, err := f.Backups.Restore(t.Context(), f.As(f.Operator), without); err != nil {
			t.Fatal(err)
		}
		f.NewOwner()
		holds(t, f, second, f.ArchiveDir())
		remove()
		if _, err := f.Restore(late.File); err != nil {
			t.Fatal(err)
		}
		f.NewOwner()
		holds(t, f, second, f.ArchiveDir())
	})
}

func open(t *testing.T, dir string, a *ledger.Archive) *os.File {
	t.Helper()
	file, err := os.Open(filepath.Join(dir, a.File))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return file
}

// What a backup says of archives must be signed, follow from each other, and be recorded by an entry: its own seal keeps
// others out, and this what a fault of ours would write.
func TestABackupWithAnotherArchiveIsRefused(t *testing.T) {
	f, _ := archivedWallet(t)
	c := f.As(f.Owner)
	end, err := f.Store.ChainEnd(t.Context(), f.Wallet)
	if err != nil {
		t.Fatal(err)
	}
	var written bytes.Buffer
	if err := f.Backups.Gather(t.Context(), c, f.ReleasingReceipt(c), end.Seq, &written); err != nil {
		t.Fatal(err)
	}
	var whole map[string]json.RawMessage
	if err := json.Unmarshal(written.Bytes(), &whole); err != nil || string(whole["format"]) != "2" {
		t.Fatalf("its format is %s, %v", whole["format"], err)
	}
	key, err := backup.BackupKey(f.ReleasingReceipt(c), c.Wallet.Keys())
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string][2]string{
		"as it was written":      {"", ""},
		"that names none":        {`"archives":`, `"heads":[],"archives":`},
		"that names another end": {`"last":22`, `"last":21`},
		"of another file":        {`"file":"`, `"file":"x`},
		"that no entry records":  {`"record.archived"`, `"record.archivem"`},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(written.String(), change[0], change[1], 1)
			file, err := f.Backups.SealText(f.Wallet, key, text)
			if err != nil {
				t.Fatal(err)
			}
			_, err = backup.ReadBackup(bytes.NewReader(file), []byte(fixture.Words))
			if change[0] == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if text == written.String() {
				t.Fatal("nothing was changed")
			}
			fixture.WantErr(t, err, backup.ErrInvalid)
		})
	}
}
