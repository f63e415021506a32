package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// openFiles are the database's file and its write-ahead log, as they were when they were opened.
type openFiles []openFile

type openFile struct {
	path    string
	dev     uint64
	ino     uint64 // 0: not seen yet
	maybeNo bool   // SQLite makes it with the first change
}

func filesOf(path string) openFiles {
	return openFiles{{path: path}, {path: path + "-wal", maybeNo: true}}
}

// check notices that the names lead to other files by now than are open: what is written goes where
// nobody will find it, or to the log of a copy. ErrUnavailable, since they may be put back.
func (o openFiles) check() error {
	for i := range o {
		f := &o[i]
		var is unix.Stat_t
		err := unix.Stat(f.path, &is)
		for errors.Is(err, unix.EINTR) {
			err = unix.Stat(f.path, &is)
		}
		switch {
		case err != nil && f.ino == 0 && f.maybeNo:
		case err == nil && f.ino == 0:
			f.dev, f.ino = uint64(is.Dev), is.Ino
		case err != nil || f.dev != uint64(is.Dev) || f.ino != is.Ino:
			return fmt.Errorf("%w: %s was removed or replaced while it was open; put it back, "+
				"or restart walletd to go on with what is there now", ErrUnavailable, f.path)
		}
	}
	return nil
}

// noRoom says whether it is for want of room that a file beside this one, as long as the longest of the
// store, can't be written on by some bytes: on the disk, of a quota, or of a process's limit.
func noRoom(path string, bytes int) bool {
	at := int64(0)
	for _, name := range []string{path, path + "-wal"} {
		if info, err := os.Stat(name); err == nil {
			at = max(at, info.Size())
		}
	}
	file, err := os.OpenFile(filepath.Join(filepath.Dir(path), "walletd-probe.tmp"), os.O_CREATE|os.O_RDWR|os.O_TRUNC, 0o600)
	if err == nil {
		_, err = file.WriteAt(make([]byte, bytes), at)
		if e := file.Sync(); err == nil {
			err = e
		}
		file.Close()
		os.Remove(file.Name())
	}
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EFBIG)
}
