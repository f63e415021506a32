package store

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// database is SQLite or PostgreSQL: what the two do differently.
type database interface {
	// read runs a query on a reader's connection and calls each for every row,
	// which scans it.
	read(ctx context.Context, text string, args []any, each func(scan func(into ...any) error) error) error
	// conn takes the connection to write with; one at a time.
	conn(ctx context.Context) (conn, error)
	// snapshot takes a connection that reads the store as it is at one moment. The
	// caller closes it.
	snapshot(ctx context.Context) (conn, error)
	// words are the few statements that the two don't share.
	words() words
	close() error
}

type words struct {
	begin       string  // a transaction to write
	schemaThere string  // answers one row if there is a schema
	patient     string  // within a transaction: its statements may take as long as they need
	alone       string  // within a transaction: waits until no other one migrates
	clock       string  // answers the database's clock in unix milliseconds, and the keystore's epoch; "" where the clock is ours
	notify      string  // tells other replicas of $1; "" where there are none
	arrays      *arrays // nil where each row is written, or looked for, by itself
	guards      *guards
	bytewise    string // after a column of text: orders it byte by byte
}

// conn is a connection to write with.
type conn interface {
	// run runs the statements in order and stops at the first that fails. It
	// opens no transaction of its own.
	run(ctx context.Context, batch []stmt) ([]result, error)
	// each calls row for every row that a query answers with, as it arrives. The
	// connection is in use until it returns.
	each(ctx context.Context, text string, row func(values []any) error) error
	// script runs a text of several statements.
	script(ctx context.Context, text string) error
	// close gives the connection back, or throws away one that broke.
	close(broken bool)
}

// stmt is one statement of a batch.
type stmt struct {
	text string
	args []any
	rows bool // it answers with rows that are wanted
}

// result is what a statement did.
type result struct {
	n    int64         // rows touched, or answered
	rows [][]any       // int64, string, []byte or bool each
	took time.Duration // from the begin to the end of a transaction of its own; else 0
}

const (
	maxText  = 800     // bytes of a text column: PostgreSQL's indexes have room for three
	maxBytes = 4 << 20 // bytes of a bytea column
	maxRow   = 3 * maxBytes
)

// fit refuses arguments that not both databases hold: text that PostgreSQL would
// refuse, anything too long. ErrInvalid.
func fit(args []any) error {
	for _, a := range args {
		switch v := a.(type) {
		case string:
			if len(v) > maxText || !utf8.ValidString(v) || strings.ContainsRune(v, 0) {
				return ErrInvalid
			}
		case []byte:
			if len(v) > maxBytes {
				return ErrInvalid
			}
		}
	}
	return nil
}

// noNulls gives the arguments with no bytes in place of nil, which the drivers
// would take for NULL.
func noNulls(args []any) []any {
	for i, a := range args {
		if b, ok := a.([]byte); ok && b == nil {
			args = slices.Clone(args) // a Write may be in use elsewhere
			args[i] = []byte{}
		}
	}
	return args
}
