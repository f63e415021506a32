package archive_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"walletd/internal/archive"
)

// A file that has an archive's name by a link is not taken: the link says nothing about who keeps what it leads to.
func TestALinkIsNoArchive(t *testing.T) {
	f := old(t)
	create(t, f)
	name := f.Wallet + "-1-42.ndjson"
	path, elsewhere := filepath.Join(f.ArchiveDir(), name), filepath.Join(t.TempDir(), name)
	if err := os.Rename(path, elsewhere); err != nil {
		t.Fatal(err)
	}
	whole := read(t, elsewhere)
	if err := os.WriteFile(path, []byte(whole), 0o600); err != nil {
		t.Fatal(err)
	}
	g := fixtureOf(t, f)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, path); err != nil {
		t.Fatal(err)
	}
	fails(t, g, archive.ErrFile)
}

// Who shares the directory puts another file into the place of the one that is being written, sooner or later each time.
// The file that the record names is the one that was verified.
func TestAFileThatIsReplacedIsNotRecorded(t *testing.T) {
	f := old(t)
	path := filepath.Join(f.ArchiveDir(), f.Wallet+"-1-42.ndjson")
	for try := range 60 {
		c, done := f.As(f.Operator), make(chan error)
		go func() {
			_, err := f.Archives.Create(t.Context(), c, f.Wallet, f.Clock.Add(-90*day))
			done <- err
		}()
		replaced := false
		var err error
		for waiting := true; waiting; {
			select {
			case err = <-done:
				waiting = false
			default:
				if _, e := os.Stat(path + ".part"); e == nil && !replaced {
					time.Sleep(time.Duration(try) * 100 * time.Microsecond)
					replaced = os.WriteFile(path+".other", []byte("another"), 0o600) == nil && os.Rename(path+".other", path+".part") == nil
				}
			}
		}
		if text, e := os.ReadFile(path); e == nil && string(text) == "another" {
			if live := f.VerifyAuditLog(); err == nil || live.Archived != nil {
				t.Fatalf("try %d: another file is recorded: %+v, %v", try, live.Archived, err)
			}
			if e := os.Remove(path); e != nil {
				t.Fatal(e)
			}
		}
		if err == nil {
			return
		}
	}
}
