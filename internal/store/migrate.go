package store

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// Migrations are schema/01.sql, 02.sql …: forward only, and never changed once
// shipped.
//
//go:embed schema/*.sql
var shipped embed.FS

// migrations are what is shipped. Tests add one, as a later walletd has it.
var migrations fs.FS = shipped

var (
	schemaVersion     = statement("schema version")
	makeSchemaVersion = statement("make schema version")
	setSchemaVersion  = statement("set schema version")
)

// migrate brings the schema up to date in one transaction, whose statements may
// take as long as they need.
func (s *Store) migrate(ctx context.Context, o Options) (err error) {
	c, err := s.db.conn(ctx)
	if err != nil {
		return err
	}
	defer func() { c.close(err != nil) }() // ends the transaction too
	words := s.db.words()
	results, err := c.run(ctx, []stmt{{text: words.begin}, {text: words.patient, rows: true}, {text: words.alone, rows: true}, {text: words.schemaThere, rows: true}})
	if err != nil {
		return err
	}
	names, err := fs.Glob(migrations, "schema/*.sql") // in order
	if err != nil {
		return err
	}
	version := int64(0)
	switch {
	case results[3].n > 0:
		if version, err = readSchemaVersion(ctx, c); err != nil {
			return err
		}
	case !o.Create:
		return fmt.Errorf("%w: %s has no walletd store", ErrNotFound, s.where)
	default:
		if err := c.script(ctx, makeSchemaVersion.text); err != nil {
			return err
		}
	}
	newest := int64(len(names))
	if version > newest {
		return fmt.Errorf("%w: its schema is %d, this walletd knows %d", ErrNewerSchema, version, newest)
	}
	if 0 < version && version < newest {
		if err := s.beforeMigration(ctx, o, Migration{From: version, To: newest}); err != nil {
			return err
		}
	}
	for _, name := range names[version:] {
		text, err := fs.ReadFile(migrations, name)
		if err != nil {
			return err
		}
		if err := c.script(ctx, string(text)); err != nil {
			return fmt.Errorf("migrating with %s: %w", path.Base(name), s.translate(err))
		}
	}
	last := []stmt{{text: "rollback"}} // nothing was written
	if version < newest {
		last = []stmt{setSchemaVersion.stmt(newest), {text: "commit"}}
	}
	_, err = c.run(ctx, last)
	return err
}

// beforeMigration copies a SQLite store as it is, and tells of what comes.
func (s *Store) beforeMigration(ctx context.Context, o Options, m Migration) error {
	if db, ok := s.db.(*sqliteDB); ok && !o.NoCopy {
		to := filepath.Join(filepath.Dir(db.path), fmt.Sprintf("before-schema-%d", m.To))
		if err := s.copyTo(ctx, db, to); err != nil {
			return fmt.Errorf("copying the store before its schema is brought up to date: %w", err)
		}
		m.Copy = filepath.Join(to, databaseName)
	}
	if o.Migrating != nil {
		o.Migrating(m)
	}
	return nil
}

// copyTo copies the store into a directory, in the place of an earlier copy. A
// process that is killed leaves the earlier copy, or none, and a directory that
// the next one replaces.
func (s *Store) copyTo(ctx context.Context, db *sqliteDB, dir string) error {
	staging := dir + ".tmp"
	defer os.RemoveAll(staging)
	if err := os.RemoveAll(staging); err != nil {
		return err
	}
	if err := os.Mkdir(staging, 0o700); err != nil {
		return err
	}
	file, err := s.vacuumInto(ctx, db, filepath.Join(staging, databaseName))
	if err != nil {
		return err
	}
	err = file.Sync()
	if e := file.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = SyncDirectory(staging)
	}
	if err == nil {
		err = os.RemoveAll(dir)
	}
	if err == nil {
		err = os.Rename(staging, dir)
	}
	if err == nil {
		err = SyncDirectory(filepath.Dir(dir))
	}
	return err
}

func readSchemaVersion(ctx context.Context, c conn) (version int64, err error) {
	results, err := c.run(ctx, []stmt{schemaVersion.stmt()})
	if err != nil {
		return 0, err
	}
	rows := results[0].rows
	if len(rows) != 1 || !assign(&version, rows[0][0]) || version < 0 {
		return 0, fmt.Errorf("%w: its schema has no version", ErrDamaged)
	}
	return version, nil
}
