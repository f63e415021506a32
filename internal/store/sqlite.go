package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"sync"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

const (
	readers     = 4
	pageSize    = 4096
	busyTimeout = 5000 // milliseconds, of a writer in another process

	// Plain begin would read first, and could then not write.
	sqliteBegin = "begin immediate"
)

// sqliteDB is one connection to write and a few to read.
type sqliteDB struct {
	path           string
	reader, writer *sql.DB
	prepared       sync.Map      // text -> *sql.Stmt on reader
	reading        chan struct{} // holds a value for each connection of reader in use
	patience       time.Duration
	files          openFiles // the writer's alone, as is log
	log            writeLog
	file           *os.File     // the database's, to sync it: never closed before SQLite's own, whose locks would go with it
	release        func() error // gives the directory back
}

func (d *sqliteDB) words() words {
	return words{
		begin:       sqliteBegin,
		schemaThere: "select 1 from sqlite_schema where name = 'walletd_schema'",
		patient:     "select 1",
		alone:       "select 1",
		bytewise:    " collate binary",
	}
}

// read looks at ctx before it begins and not again: a statement waits for
// nothing but the disk, and to be stopped would cost each two goroutines.
func (d *sqliteDB) read(ctx context.Context, text string, args []any, each func(func(...any) error) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := d.takeReader(ctx); err != nil {
		return err
	}
	defer func() { <-d.reading }()
	ctx = context.WithoutCancel(ctx)
	var p *sql.Stmt
	if found, ok := d.prepared.Load(text); ok {
		p = found.(*sql.Stmt)
	} else {
		made, err := d.reader.PrepareContext(ctx, unnamed(text))
		if err != nil {
			return err
		}
		p = made
		if earlier, loaded := d.prepared.LoadOrStore(text, made); loaded {
			made.Close()
			p = earlier.(*sql.Stmt)
		}
	}
	rows, err := p.QueryContext(ctx, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// takeReader waits for a reader's connection, but not behind a disk that does not answer.
func (d *sqliteDB) takeReader(ctx context.Context) error {
	select {
	case d.reading <- struct{}{}:
		return nil
	default:
	}
	late := time.NewTimer(d.patience)
	defer late.Stop()
	select {
	case d.reading <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-late.C:
		return fmt.Errorf("%w: %s did not answer within %v", ErrUnavailable, d.path, d.patience)
	}
}

func (d *sqliteDB) conn(ctx context.Context) (conn, error) {
	if err := d.files.check(); err != nil {
		return nil, err // a connection that is made anew would open what is there now
	}
	conn, err := d.writer.Conn(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := sqlite.Limit(conn, sqlite3.SQLITE_LIMIT_LENGTH, maxRow); err != nil {
		conn.Close()
		return nil, err
	}
	return &sqliteConn{d, conn, make(map[string]*sql.Stmt)}, nil
}

func (d *sqliteDB) snapshot(ctx context.Context) (conn, error) {
	c, err := d.reader.Conn(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := c.ExecContext(ctx, "begin"); err != nil {
		c.Close()
		return nil, err
	}
	return &sqliteSnapshot{sqliteConn{d, c, make(map[string]*sql.Stmt)}}, nil
}

// sqliteSnapshot is a reader's connection within a transaction.
type sqliteSnapshot struct{ sqliteConn }

func (c *sqliteSnapshot) close(broken bool) {
	_, err := c.conn.ExecContext(context.Background(), "rollback")
	c.sqliteConn.close(broken || err != nil)
}

func (d *sqliteDB) close() error {
	if d.log.moving != nil {
		<-d.log.moving
	}
	d.unmarkLog()
	if d.log.began && d.writer != nil { // the file is closed with an even number, and the last connection empties the log
		if c, err := d.conn(context.Background()); err == nil {
			c := c.(*sqliteConn)
			if n, err := c.fileNumber(context.Background()); err == nil && n%2 == 1 {
				_ = c.setFileNumber(context.Background(), n+1)
			}
			c.close(false)
		}
	}
	err := errors.Join(closePool(d.reader), closePool(d.writer))
	if d.file != nil {
		d.file.Close()
	}
	return errors.Join(err, d.release())
}

func closePool(db *sql.DB) error {
	if db == nil {
		return nil
	}
	return db.Close()
}

// dataSource names the file to the driver, with what every connection sets.
func dataSource(path, more string) string {
	u := url.URL{Scheme: "file", Path: path, RawQuery: "mode=rw" + more +
		fmt.Sprint("&_journal_mode=WAL&_synchronous=FULL&_foreign_keys=1&_busy_timeout=", busyTimeout) +
		"&_pragma=temp_store(memory)&_pragma=cell_size_check(on)&_pragma=trusted_schema(off)&_pragma=mmap_size(0)&_pragma=wal_autocheckpoint(0)"}
	return u.String()
}

// openPool opens all connections at once and keeps them, so that each has its
// limit: no value longer than that is read.
func openPool(ctx context.Context, source string, size int) (*sql.DB, error) {
	connector, err := sqlite.NewConnector(source)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	conns := make([]*sql.Conn, 0, size)
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	for range size {
		c, err := db.Conn(ctx)
		if err != nil {
			return db, err
		}
		conns = append(conns, c)
		if _, err := sqlite.Limit(c, sqlite3.SQLITE_LIMIT_LENGTH, maxRow); err != nil {
			return db, err
		}
	}
	return db, nil
}

var placeholder = regexp.MustCompile(`\$[0-9]+`)

// unnamed writes the placeholders $1, $2 … as ?, where each comes once and in its order: to SQLite $1 is a name, and for
// each argument it goes through the list of them, of which an insertion of many rows has hundreds.
func unnamed(text string) string {
	n, inOrder := 0, true
	without := placeholder.ReplaceAllStringFunc(text, func(name string) string {
		n++
		inOrder = inOrder && name == fmt.Sprint("$", n)
		return "?"
	})
	if !inOrder {
		return text
	}
	return without
}

// sqliteConn prepares each text once.
type sqliteConn struct {
	db       *sqliteDB
	conn     *sql.Conn
	prepared map[string]*sql.Stmt
}

// run pays no attention to ctx: a statement waits for nothing but the disk.
func (c *sqliteConn) run(_ context.Context, batch []stmt) ([]result, error) {
	ctx := context.Background()
	if batch[0].text == sqliteBegin {
		if err := c.prepareLog(ctx); err != nil {
			return nil, err
		}
	}
	done := make([]result, 0, len(batch))
	for _, st := range batch {
		if st.text == "commit" && c.db.log.first != "" {
			if _, err := c.conn.ExecContext(ctx, c.db.log.first); err != nil {
				return done, err
			}
		}
		p, ok := c.prepared[st.text]
		if !ok {
			var err error
			if p, err = c.conn.PrepareContext(ctx, unnamed(st.text)); err != nil {
				return done, err
			}
			c.prepared[st.text] = p
		}
		r, err := runPrepared(ctx, p, st)
		if err != nil {
			return done, err
		}
		done = append(done, r)
	}
	if batch[len(batch)-1].text == "commit" {
		c.db.log.began = c.db.log.began || c.db.log.first != ""
		c.boundLog(ctx)
		if err := c.db.files.check(); err != nil {
			return nil, err // durable, but where it will not be found
		}
	}
	return done, nil
}

func runPrepared(ctx context.Context, p *sql.Stmt, st stmt) (result, error) {
	if !st.rows {
		r, err := p.ExecContext(ctx, st.args...)
		if err != nil {
			return result{}, err
		}
		n, err := r.RowsAffected()
		return result{n: n}, err
	}
	rows, err := p.QueryContext(ctx, st.args...)
	if err != nil {
		return result{}, err
	}
	defer rows.Close()
	var r result
	err = eachRow(rows, func(values []any) error {
		r.rows = append(r.rows, values)
		return nil
	})
	r.n = int64(len(r.rows))
	return r, err
}

func (c *sqliteConn) each(ctx context.Context, text string, row func([]any) error) error {
	rows, err := c.conn.QueryContext(ctx, text)
	if err != nil {
		return err
	}
	defer rows.Close()
	return eachRow(rows, row)
}

func eachRow(rows *sql.Rows, row func([]any) error) error {
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	for rows.Next() {
		values := make([]any, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return err
		}
		if err := row(values); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (c *sqliteConn) script(ctx context.Context, text string) error {
	_, err := c.conn.ExecContext(ctx, text)
	return err
}

func (c *sqliteConn) close(broken bool) {
	for _, p := range c.prepared {
		p.Close()
	}
	if broken { // one whose transaction could not be rolled back, say
		_ = c.conn.Raw(func(any) error { return driver.ErrBadConn })
	}
	_ = c.conn.Close()
}
