package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// checkUpTo is the size of a file that is checked whole when it is opened, at
// some milliseconds per MiB. Damage to a larger one shows when it is read.
const checkUpTo = 8 << 20

// openSQLite takes the directory and opens the file.
func openSQLite(ctx context.Context, path string, create bool, patience time.Duration) (_ *sqliteDB, err error) {
	dir := filepath.Dir(path)
	if create {
		if err := MakeDirectory(dir); err != nil {
			return nil, err
		}
	}
	if err := closedToOthers(dir, "700"); err != nil {
		return nil, err
	}
	d := &sqliteDB{path: path, reading: make(chan struct{}, readers), patience: patience, files: filesOf(path), log: writeLog{size: logSize}}
	if d.release, err = takeDirectory(dir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	size, err := readyFile(path, create)
	if err != nil {
		return nil, err
	}
	if err := checkLog(path); err != nil {
		return nil, err
	}
	if d.file, err = os.Open(path); err != nil {
		return nil, err
	}
	if left, err := os.Stat(path + "-wal"); err == nil {
		d.log.began = left.Size() > 0
	}
	if d.writer, err = openPool(ctx, dataSource(path, ""), 1); err != nil {
		return nil, err
	}
	if d.reader, err = openPool(ctx, dataSource(path, "&_query_only=1"), readers); err != nil {
		return nil, err
	}
	if size > 0 && size <= checkUpTo {
		if err := d.quickCheck(ctx); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// quickCheck reads every page once.
func (d *sqliteDB) quickCheck(ctx context.Context) error {
	var answer string
	if err := d.reader.QueryRowContext(ctx, "pragma quick_check(1)").Scan(&answer); err != nil {
		return err
	}
	if answer != "ok" {
		return fmt.Errorf("%w: %s", ErrDamaged, d.path)
	}
	return nil
}

// takeDirectory locks the store's directory until release. The kernel gives the
// lock back when the process ends, however it does.
func takeDirectory(dir string) (release func() error, err error) {
	lock, err := os.OpenFile(filepath.Join(dir, "walletd.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking the directory: %w", err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		lock.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w: %s", ErrInUse, dir)
		}
		return nil, fmt.Errorf("locking the directory: %w", err)
	}
	return lock.Close, nil
}

// readyFile sees that the file is there and ours alone, as are SQLite's files
// beside it, and tells its size.
func readyFile(path string, create bool) (int64, error) {
	if create {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return 0, fmt.Errorf("making the file: %w", err)
		}
		f.Close()
	}
	if err := closedToOthers(path, "600"); err != nil {
		return 0, err
	}
	for _, beside := range []string{"-wal", "-shm"} {
		if err := closedToOthers(path+beside, "600"); err != nil && !errors.Is(err, ErrNotFound) {
			return 0, err
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// closedToOthers refuses a file or directory that others may read or write.
func closedToOthers(path, mode string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s", ErrNotFound, path)
	}
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%w: %s has mode %04o; close it with: chmod %s %s", ErrExposed, path, info.Mode().Perm(), mode, path)
	}
	return nil
}
