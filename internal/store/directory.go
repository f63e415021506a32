package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// MakeDirectory makes a directory, closed to others, with those above it, if it is not there. The names of what it makes
// are on the disk when it returns, unless they are in one that this user may not read.
func MakeDirectory(dir string) error {
	return makeDirectory(filepath.Clean(dir), SyncDirectory)
}

func makeDirectory(dir string, sync func(dir string) error) error {
	if is, err := os.Stat(dir); err == nil && is.IsDir() {
		return nil
	}
	above := filepath.Dir(dir)
	if above != dir {
		if err := makeDirectory(above, sync); err != nil {
			return err
		}
	}
	err := os.Mkdir(dir, 0o700)
	if is, e := os.Stat(dir); errors.Is(err, fs.ErrExist) && e == nil && is.IsDir() {
		err = nil // somebody else made it meanwhile, who may not have synced it yet
	}
	if err != nil {
		return fmt.Errorf("making the directory: %w", err)
	}
	// Who may make a directory in one but not read that cannot sync it.
	if err := sync(above); err != nil && !errors.Is(err, fs.ErrPermission) {
		return errors.Join(err, os.Remove(dir)) // else the next call would take it as it is
	}
	return nil
}

// SyncDirectory has the names in a directory on the disk.
func SyncDirectory(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("making the change durable: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("making the change durable: %w", err)
	}
	return nil
}
