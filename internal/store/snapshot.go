package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// ErrSnapshot: PostgreSQL is copied by its own tools.
var ErrSnapshot = errors.New("a PostgreSQL store is copied with PostgreSQL's own pg_dump, which is as consistent and runs beside the service")

// snapshotName is what Snapshot calls its file in the store's directory.
const snapshotName = "walletd-snapshot.tmp"

// Snapshot copies the whole store, as it is at one moment, to a file that has no
// name any more: closing it removes it. Writers are not held up. What is sealed
// stays sealed, and what was deleted is not in it. Only SQLite does this
// (ErrSnapshot); one at a time (ErrInUse). Besides: ErrFull.
func (s *Store) Snapshot(ctx context.Context) (*os.File, error) {
	db, ok := s.db.(*sqliteDB)
	if !ok {
		return nil, ErrSnapshot
	}
	if !s.snapshots.TryLock() {
		return nil, fmt.Errorf("%w: another snapshot is being made", ErrInUse)
	}
	defer s.snapshots.Unlock()
	// Beside the store there is room for it, and nobody else can look.
	path := filepath.Join(filepath.Dir(db.path), snapshotName)
	if err := os.RemoveAll(path); err != nil { // of a process that was killed
		return nil, fmt.Errorf("making room for the snapshot: %w", err)
	}
	defer os.RemoveAll(path)
	return s.vacuumInto(ctx, db, path)
}

// vacuumInto copies the store to a new file, which the caller closes. After an
// error the file may be there.
func (s *Store) vacuumInto(ctx context.Context, db *sqliteDB, path string) (_ *os.File, err error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("making the copy's file: %w", err)
	}
	defer func() {
		if err != nil {
			file.Close()
		}
	}()
	pool, err := sql.Open("sqlite", dataSource(db.path, ""))
	if err != nil {
		return nil, fmt.Errorf("copying the store: %w", s.translate(err))
	}
	defer pool.Close()
	if _, err := pool.ExecContext(ctx, "vacuum into $1", path); err != nil {
		return nil, fmt.Errorf("copying the store: %w", s.translateFor(ctx, err))
	}
	// Its pages are others than the store's: it must be taken for no other's file.
	if _, err := file.WriteAt(newFileNumber(), fileNumberAt); err != nil {
		return nil, fmt.Errorf("numbering the copy: %w", err)
	}
	return file, nil
}
