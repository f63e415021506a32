package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

const maxConns = 12

// postgresDB is a pool of connections, made as they are needed.
type postgresDB struct {
	config *pgx.ConnConfig
	room   chan struct{} // one for each connection that may yet be in use
	idle   chan *pgx.Conn
	closed chan struct{}
}

func openPostgres(url string) (*postgresDB, error) {
	config, err := postgresConfig(url)
	if err != nil {
		return nil, err
	}
	return &postgresDB{config, make(chan struct{}, maxConns), make(chan *pgx.Conn, maxConns), make(chan struct{})}, nil
}

func (d *postgresDB) words() words {
	return words{
		begin:       "begin",
		schemaThere: "select 1 from pg_catalog.pg_class where oid = to_regclass('walletd_schema')",
		alone:       "select pg_advisory_xact_lock(7305810322193)", // any number that is ours alone
	}
}

// acquire takes a connection: an idle one, unless fresh, or a new one.
func (d *postgresDB) acquire(ctx context.Context, fresh bool) (*pgx.Conn, error) {
	select {
	case d.room <- struct{}{}:
	case <-d.closed:
		return nil, errors.New("it was closed")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	for {
		select {
		case conn := <-d.idle:
			if !fresh && !conn.IsClosed() {
				return conn, nil
			}
			d.end(conn)
			continue
		default:
		}
		conn, err := pgx.ConnectConfig(ctx, d.config)
		if err != nil {
			<-d.room
			return nil, fmt.Errorf("connecting: %w", err)
		}
		return conn, nil
	}
}

// give gives a connection back, or ends it when it is of no more use.
func (d *postgresDB) give(conn *pgx.Conn, broken bool) {
	defer func() { <-d.room }()
	if broken || conn.IsClosed() || conn.PgConn().TxStatus() != 'I' {
		d.end(conn)
		return
	}
	d.idle <- conn // has room: there are no more connections than that
}

func (d *postgresDB) end(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), d.config.ConnectTimeout)
	defer cancel()
	_ = conn.Close(ctx)
}

// read tries once more with a new connection if the one it had was dead: the
// server may have been restarted since.
func (d *postgresDB) read(ctx context.Context, text string, args []any, each func(func(...any) error) error) error {
	for fresh := false; ; fresh = true {
		conn, err := d.acquire(ctx, fresh)
		if err != nil {
			return err
		}
		given := false
		err = func() error {
			defer func() { d.give(conn, false) }()
			rows, err := conn.Query(ctx, text, args...)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				given = true
				if err := each(rows.Scan); err != nil {
					return err
				}
			}
			return rows.Err()
		}()
		if err == nil || fresh || given || !conn.IsClosed() || ctx.Err() != nil {
			return err
		}
	}
}

func (d *postgresDB) conn(ctx context.Context) (conn, error) {
	conn, err := d.acquire(ctx, false)
	if err != nil {
		return nil, err
	}
	return &postgresConn{d, conn}, nil
}

func (d *postgresDB) close() error {
	close(d.closed)
	for range maxConns { // waits for those in use
		d.room <- struct{}{}
	}
	for {
		select {
		case conn := <-d.idle:
			d.end(conn)
		default:
			return nil
		}
	}
}

// postgresConn sends a batch at once: one round trip, however many
// statements.
type postgresConn struct {
	db   *postgresDB
	conn *pgx.Conn
}

func (c *postgresConn) run(ctx context.Context, batch []stmt) (done []result, err error) {
	var b pgx.Batch
	for _, st := range batch {
		b.Queue(st.text, st.args...)
	}
	answers := c.conn.SendBatch(ctx, &b)
	defer func() {
		if e := answers.Close(); err == nil {
			err = e
		}
	}()
	done = make([]result, 0, len(batch))
	for _, st := range batch {
		rows, err := answers.Query()
		if err != nil {
			return done, err
		}
		r, err := collect(rows)
		if err != nil {
			return done, err
		}
		if st.text == "commit" && rows.CommandTag().String() != "COMMIT" { // a failed transaction answers ROLLBACK
			return done, fmt.Errorf("%w: the transaction was rolled back", ErrUnavailable)
		}
		done = append(done, r)
	}
	return done, nil
}

func collect(rows pgx.Rows) (result, error) {
	defer rows.Close()
	var r result
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return r, err
		}
		r.rows = append(r.rows, values)
	}
	r.n = rows.CommandTag().RowsAffected()
	return r, rows.Err()
}

func (c *postgresConn) script(ctx context.Context, text string) error {
	_, err := c.conn.PgConn().Exec(ctx, text).ReadAll()
	return err
}

func (c *postgresConn) close(broken bool) { c.db.give(c.conn, broken) }
