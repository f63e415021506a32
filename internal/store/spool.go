package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

const (
	spoolName = "walletd-spool.tmp"
	// spoolMemory is how much of a Spool is held in memory before it becomes a file, in bytes.
	spoolMemory = 1 << 20
	// spoolReserve is how much room a Spool leaves on its disk, in bytes: where a store is on the same
	// one, it must go on.
	spoolReserve = 128 << 20
	// spoolPiece is how much is written between two looks at how much room there is, in bytes.
	spoolPiece = 8 << 20
)

// Spool holds bytes on their way in or out that are too many for memory. It is a file that has no name: when it is
// closed, or the process ends, it is gone. What is written to it is sealed. It belongs to one goroutine; once it is
// written, any number may read it.
type Spool struct {
	store  *Store
	memory []byte
	file   *os.File // nil while all is in memory
	size   int64
	looked int64 // the size at the last look at how much room there is
}

// NewSpool returns an empty Spool beside the SQLite store, where there is room and nobody else can look; for
// PostgreSQL in the directory for temporary files (TMPDIR), which is only needed above 1 MiB.
func (s *Store) NewSpool() *Spool { return &Spool{store: s} }

// Size is how many bytes were written.
func (p *Spool) Size() int64 { return p.size }

// Write appends to the Spool. ErrFull says that there is no room, or no directory to write to.
func (p *Spool) Write(b []byte) (int, error) {
	if p.file == nil {
		if len(p.memory)+len(b) <= spoolMemory {
			p.memory = append(p.memory, b...)
			p.size += int64(len(b))
			return len(b), nil
		}
		if err := p.open(); err != nil {
			return 0, err
		}
	}
	if p.size-p.looked >= spoolPiece {
		if err := p.checkRoom(); err != nil {
			return 0, err
		}
	}
	n, err := p.file.WriteAt(b, p.size)
	p.size += int64(n)
	if err != nil {
		return n, FullOf(err)
	}
	return n, nil
}

// WriteAt overwrites bytes that were written before.
func (p *Spool) WriteAt(b []byte, at int64) (int, error) {
	if at < 0 || at+int64(len(b)) > p.size {
		return 0, io.ErrShortWrite
	}
	if p.file == nil {
		return copy(p.memory[at:], b), nil
	}
	n, err := p.file.WriteAt(b, at)
	return n, FullOf(err)
}

// ReadAt reads what was written.
func (p *Spool) ReadAt(b []byte, at int64) (int, error) {
	if p.file != nil {
		return p.file.ReadAt(b, at)
	}
	if at < 0 || at >= p.size {
		return 0, io.EOF
	}
	n := copy(b, p.memory[at:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// Close gives the room back. It may be called more than once, and on nil.
func (p *Spool) Close() error {
	if p == nil {
		return nil
	}
	p.memory = nil
	file := p.file
	p.file = nil
	if p.size = 0; file == nil {
		return nil
	}
	return file.Close()
}

// open moves what is in memory to a file.
func (p *Spool) open() (err error) {
	dir := os.TempDir()
	if db, ok := p.store.db.(*sqliteDB); ok {
		dir = filepath.Dir(db.path)
	}
	path := filepath.Join(dir, spoolName)
	p.store.spools.Lock() // the name is free again before the next one takes it
	defer p.store.spools.Unlock()
	if err := os.RemoveAll(path); err != nil { // of a process that was killed
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	if p.file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
		return fmt.Errorf("%w: what does not fit into memory needs a directory: %w", ErrFull, err)
	}
	os.Remove(path)
	if err := p.checkRoom(); err != nil {
		return err
	}
	if _, err := p.file.WriteAt(p.memory, 0); err != nil {
		return FullOf(err)
	}
	p.memory = nil
	return nil
}

func (p *Spool) checkRoom() error {
	p.looked = p.size
	var disk unix.Statfs_t
	if err := unix.Fstatfs(int(p.file.Fd()), &disk); err != nil {
		return fmt.Errorf("measuring the room on the disk: %w", err)
	}
	if free := int64(disk.Bavail) * int64(disk.Bsize); free < spoolReserve+spoolPiece {
		return fmt.Errorf("%w: %d MB are free, and some must stay so", ErrFull, free/1e6)
	}
	return nil
}

// FullOf returns ErrFull, with the error, for one that says that a disk has no room, and any other as it is.
func FullOf(err error) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EFBIG) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}
