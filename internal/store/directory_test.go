package store

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Each directory that is made is synced by the one that holds its name, once it is there.
func TestADirectoryThatIsMadeIsOnTheDisk(t *testing.T) {
	top := t.TempDir()
	a, b := filepath.Join(top, "a"), filepath.Join(top, "a", "b")
	dir := filepath.Join(b, "c")
	var synced []string
	record := func(above string) error {
		for _, name := range []string{a, b, dir} {
			is, err := os.Stat(name)
			if err == nil && filepath.Dir(name) == above && is.Mode().Perm() == 0o700 {
				synced = append(synced, name)
			}
		}
		return SyncDirectory(above)
	}
	for range 2 {
		if err := makeDirectory(dir, record); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(synced, []string{a, b, dir}) {
			t.Errorf("synced are %v", synced)
		}
	}
	if err := MakeDirectory(filepath.Join(top, "a", "d") + "/"); err != nil {
		t.Error(err)
	}
	file := filepath.Join(top, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "below")} {
		if err := MakeDirectory(dir); err == nil {
			t.Errorf("%s is a directory", dir)
		}
	}
}

// What could not be synced is not there: the next call would take it for one that was.
func TestADirectoryThatIsNotOnTheDiskIsNotMade(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "archives")
	broken := errors.New("the disk is broken")
	if err := makeDirectory(dir, func(string) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is there: %v", err)
	}
	if err := makeDirectory(dir, SyncDirectory); err != nil {
		t.Error(err)
	}
}
