package store

import (
	"context"
	"embed"
	"fmt"
)

// Migrations are schema/01.sql, 02.sql …: forward only, and never changed once
// shipped.
//
//go:embed schema/*.sql
var migrations embed.FS

var (
	schemaVersion     = statement("schema version")
	makeSchemaVersion = statement("make schema version")
	setSchemaVersion  = statement("set schema version")
)

// migrate brings the schema up to date in one transaction.
func (s *Store) migrate(ctx context.Context, create bool) (err error) {
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
	files, err := migrations.ReadDir("schema")
	if err != nil {
		return err
	}
	version := int64(0)
	switch {
	case results[3].n > 0:
		if version, err = readSchemaVersion(ctx, c); err != nil {
			return err
		}
	case !create:
		return fmt.Errorf("%w: %s has no walletd store", ErrNotFound, s.where)
	default:
		if err := c.script(ctx, makeSchemaVersion.text); err != nil {
			return err
		}
	}
	newest := int64(len(files))
	if version > newest {
		return fmt.Errorf("%w: its schema is %d, this walletd knows %d", ErrNewerSchema, version, newest)
	}
	for _, f := range files[version:] {
		text, err := migrations.ReadFile("schema/" + f.Name())
		if err != nil {
			return err
		}
		if err := c.script(ctx, string(text)); err != nil {
			return fmt.Errorf("migrating with %s: %w", f.Name(), s.translate(err))
		}
	}
	last := []stmt{{text: "rollback"}} // nothing was written
	if version < newest {
		last = []stmt{setSchemaVersion.stmt(newest), {text: "commit"}}
	}
	_, err = c.run(ctx, last)
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
