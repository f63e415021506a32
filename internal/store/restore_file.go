package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// ErrIncomplete is returned by RestoreFile for a copy that has a write-ahead log beside it: it was taken
// while it was written to, and is not a store by itself.
var ErrIncomplete = errors.New("the copy is not complete by itself")

// RestoredFile says what RestoreFile put in place.
type RestoredFile struct {
	Newest  time.Time // of the newest entry in it; zero for an empty store
	Entries int64     // of its audit logs, all of which were checked
	Moved   string    // the directory that holds what was there before; "" if nothing was
	From    int64     // the schema of the copy, which is older than this walletd's; 0 if it is the same
}

const (
	databaseName = "walletd.db"
	stagingName  = "walletd-restore.tmp"
)

// RestoreFile puts a copy of a SQLite store, as Snapshot makes it, in the place of the store in a
// directory. The copy is checked whole first: its pages, its schema, which is brought up to date, and
// every audit log. What was there is moved away, its write-ahead log with it, so that the two are
// never mixed; nothing of it is deleted. A process that is killed leaves either store, or none: then
// it is done again.
//
// No walletd may run on the directory (ErrInUse). Besides: ErrIncomplete, ErrDamaged, ErrNewerSchema,
// *BrokenError, ErrDevStore, ErrNotFound, ErrExposed, ErrFull.
func RestoreFile(ctx context.Context, copyPath, dir string) (RestoredFile, error) {
	done, err := restoreFile(ctx, copyPath, dir)
	if err != nil {
		return RestoredFile{}, fmt.Errorf("restoring the store: %w", err)
	}
	return done, nil
}

func restoreFile(ctx context.Context, copyPath, dir string) (done RestoredFile, err error) {
	for _, beside := range []string{"-wal", "-journal"} {
		if info, err := os.Stat(copyPath + beside); err == nil && info.Size() > 0 {
			return done, fmt.Errorf("%w: %s%s belongs to it. Take a copy with: walletd keystore snapshot", ErrIncomplete, copyPath, beside)
		}
	}
	if err := MakeDirectory(dir); err != nil {
		return done, err
	}
	if err := closedToOthers(dir, "700"); err != nil {
		return done, err
	}
	release, err := takeDirectory(dir)
	if err != nil {
		return done, err
	}
	defer release()
	staging := filepath.Join(dir, stagingName)
	if err := os.RemoveAll(staging); err != nil { // of a process that was killed
		return done, fmt.Errorf("making room for the copy: %w", err)
	}
	if err := os.Mkdir(staging, 0o700); err != nil {
		return done, fmt.Errorf("making room for the copy: %w", err)
	}
	defer os.RemoveAll(staging)
	staged := filepath.Join(staging, databaseName)
	if err := copyFile(copyPath, staged); err != nil {
		return done, err
	}
	if done, err = checkWhole(ctx, staged); err != nil {
		return done, err
	}
	if done.Moved, err = moveAway(dir); err != nil {
		return done, err
	}
	if err := os.Rename(staged, filepath.Join(dir, databaseName)); err != nil {
		return done, fmt.Errorf("putting the copy in place: %w", err)
	}
	return done, SyncDirectory(dir)
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s", ErrNotFound, from)
	}
	if err != nil {
		return fmt.Errorf("reading the copy: %w", err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("writing the copy: %w", err)
	}
	_, err = io.Copy(out, in)
	if e := out.Sync(); err == nil {
		err = e
	}
	if e := out.Close(); err == nil {
		err = e
	}
	if err != nil {
		if noRoom(to, pageSize) {
			return fmt.Errorf("%w: %s", ErrFull, to)
		}
		return fmt.Errorf("writing the copy: %w", err)
	}
	return nil
}

// checkWhole opens a copy as a store, which brings its schema up to date, and reads all of it.
func checkWhole(ctx context.Context, path string) (done RestoredFile, err error) {
	s, err := Open(ctx, "sqlite:"+path, Options{NoCopy: true, Migrating: func(m Migration) { done.From = m.From }}) // the copy stays where it is
	if err != nil {
		return done, err
	}
	defer func() {
		if e := s.Close(); err == nil {
			err = e
		}
	}()
	if err := s.db.(*sqliteDB).quickCheck(ctx); err != nil {
		return done, s.translateFor(ctx, err)
	}
	var at [2]conn // nothing else uses the store: the two are the same moment
	for i := range at {
		if at[i], err = s.db.snapshot(ctx); err != nil {
			return done, s.translateFor(ctx, err)
		}
		defer at[i].close(false)
	}
	for check, err := range checkedChains(ctx, at[0], at[1], s.db.words().bytewise, s.db.words().bytewise) {
		if err != nil {
			return done, err
		}
		done.Entries += check.entries
	}
	if newest := s.newest.Load(); newest > 0 {
		done.Newest = time.UnixMilli(newest)
	}
	return done, nil
}

// moveAway moves the store of a directory into one beside it, named by the time.
func moveAway(dir string) (string, error) {
	var there []string
	for _, suffix := range []string{"-wal", "-shm", "-journal", ""} { // the log first: alone it is nothing
		if _, err := os.Lstat(filepath.Join(dir, databaseName+suffix)); err == nil {
			there = append(there, databaseName+suffix)
		}
	}
	if len(there) == 0 {
		return "", nil
	}
	to := filepath.Join(dir, "before-"+time.Now().UTC().Format("20060102T150405.000Z"))
	if err := os.Mkdir(to, 0o700); err != nil {
		return "", fmt.Errorf("moving the store away: %w", err)
	}
	for _, name := range there {
		if err := os.Rename(filepath.Join(dir, name), filepath.Join(to, name)); err != nil {
			return to, fmt.Errorf("moving the store away: %w", err)
		}
	}
	if err := SyncDirectory(to); err != nil {
		return to, err
	}
	return to, SyncDirectory(dir)
}
