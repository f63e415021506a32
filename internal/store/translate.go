package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// errGivenUp: the transaction was given up, for another's sake or with its
// connection. It did not happen and may be tried again.
var errGivenUp = errors.New("the transaction was given up")

// refusals are answers about the change itself; any other error is about the
// database.
var refusals = []error{ErrNotFound, ErrChanged, ErrExists, ErrCollision, ErrReplayed, ErrRepeated, ErrCodeTaken,
	ErrWaiting, ErrTooMany, ErrLastSlot, ErrInvalid}

// translated are the errors that need no translation.
var translated = append(slices.Clone(refusals), ErrNewerSchema, ErrDamaged, ErrFull, ErrUnavailable, ErrInUse,
	ErrExposed, ErrDevStore, ErrPasswordInURL, errGivenUp)

func isRefusal(err error) bool { return isAny(err, refusals) }

func isAny(err error, of []error) bool {
	return slices.ContainsFunc(of, func(target error) bool { return errors.Is(err, target) })
}

// translateFor is translate where the context is the caller's, whose end stays
// what it is.
func (s *Store) translateFor(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil && !isAny(err, translated) {
		return ctx.Err()
	}
	return s.translate(err)
}

// translate makes a driver's error one of ours. No value of a row gets into the
// text.
func (s *Store) translate(err error) error {
	var (
		lite *sqlite.Error
		pg   *pgconn.PgError
	)
	switch {
	case err == nil || isAny(err, translated):
		return err
	case errors.As(err, &lite):
		return s.translateSQLite(lite)
	case errors.As(err, &pg):
		return s.translatePostgres(pg)
	default:
		return fmt.Errorf("%w: %s: %w", ErrUnavailable, s.where, err)
	}
}

func (s *Store) translateSQLite(err *sqlite.Error) error {
	kind := ErrUnavailable
	switch err.Code() {
	case sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE:
		if noRoom(s.where, pageSize) { // a file that may not grow: SQLite has one code for that and for a broken disk
			kind = ErrFull
		}
	case sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_CORRUPTFS:
		kind = ErrDamaged
	default:
		switch err.Code() & 0xff { // the primary code
		case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_MISMATCH:
			kind = ErrDamaged // SQLITE_ERROR: our statements fit our schema
		case sqlite3.SQLITE_FULL:
			kind = ErrFull
		case sqlite3.SQLITE_CONSTRAINT:
			kind = ErrExists
		}
	}
	if kind == ErrFull {
		s.full.Store(true)
	}
	if says, ok := sqlite.ErrorCodeString[err.Code()&0xff]; ok && kind == ErrUnavailable {
		return fmt.Errorf("%w: %s: %s", kind, s.where, says)
	}
	return fmt.Errorf("%w: %s (SQLite code %d)", kind, s.where, err.Code())
}

// PostgreSQL's codes for a write, and for the beginning of a transaction that
// writes, on a server that takes none: one that was demoted, say. Another
// connection may lead to the one that does.
const (
	readOnlyServer = "25006"
	inRecovery     = "0A000"
)

func (s *Store) translatePostgres(err *pgconn.PgError) error {
	kind := ErrUnavailable
	switch err.Code {
	case "23505":
		kind = ErrExists
	case "40001", "40P01", readOnlyServer, inRecovery: // serialization, deadlock
		kind = errGivenUp
	case "53100": // disk full
		kind = ErrFull
	case "XX001", "XX002", "42P01", "42703", "42883": // corrupted; a table or column is gone
		kind = ErrDamaged
	default:
		if strings.HasPrefix(err.Code, "22") || strings.HasPrefix(err.Code, "23") || err.Code == "54000" /* too long for an index */ {
			kind = ErrInvalid
		}
	}
	if kind == ErrUnavailable || kind == errGivenUp { // the server's own words name no value of a row
		return fmt.Errorf("%w: %s: %s (PostgreSQL code %s)", kind, s.where, err.Message, err.Code)
	}
	return fmt.Errorf("%w: %s (PostgreSQL code %s)", kind, s.where, err.Code)
}
