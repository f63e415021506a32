package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// postgresBegin says what must hold whatever the server's, the role's or the pooler's settings are.
// On a server that takes no writes it fails.
const postgresBegin = "begin isolation level read committed read write"

// postgresDB is a pool of connections to a server that takes writes.
type postgresDB struct {
	pool     *pgxpool.Pool
	patience time.Duration // of a read
	// pooled: a pooler (PgBouncer) stands between, which may give each transaction another server
	// connection. Then no setting and no prepared statement of a connection holds: settings are part
	// of each transaction, statements have no names.
	pooled atomic.Bool
}

func openPostgres(url string, patience time.Duration) (*postgresDB, error) {
	config, err := postgresConfig(url)
	if err != nil {
		return nil, err
	}
	d := &postgresDB{patience: patience}
	config.BeforeConnect = func(_ context.Context, c *pgx.ConnConfig) error {
		if d.pooled.Load() {
			for name := range ourSettings {
				delete(c.RuntimeParams, name)
			}
			if c.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement {
				c.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
			}
		}
		return nil
	}
	config.AfterConnect = d.detectPooler
	d.pool, err = pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		return nil, err
	}
	return d, nil
}

// errPooler: the connection was made as if to a server, and leads to a pooler.
var errPooler = errors.New("there is a pooler before the server")

// detectPooler notices a pooler by who answers: the process that greeted us is not the one that runs
// our statements; or by our settings, which it has ignored.
func (d *postgresDB) detectPooler(ctx context.Context, conn *pgx.Conn) error {
	if _, direct := conn.Config().RuntimeParams["synchronous_commit"]; !direct {
		return nil
	}
	var process uint32
	var holds bool
	check := "select pg_backend_pid(), " + settingsHold
	if err := conn.QueryRow(ctx, check, pgx.QueryExecModeExec).Scan(&process, &holds); err != nil {
		return err
	}
	if process != conn.PgConn().PID() || !holds {
		return errPooler
	}
	return nil
}

func (d *postgresDB) words() words {
	return words{
		begin:       postgresBegin,
		schemaThere: "select 1 from pg_catalog.pg_class where oid = to_regclass('walletd_schema')",
		patient:     "select set_config('statement_timeout', '0', true), set_config('lock_timeout', '0', true)",
		clock:       "select floor(extract(epoch from clock_timestamp()) * 1000)::bigint, coalesce((select epoch from keystore), 0)",
		notify:      "select pg_notify('" + growthChannel + "', $1)",
		arrays:      postgresArrays,
		guards:      postgresGuards,
		bytewise:    ` collate "C"`,
		alone:       "select pg_advisory_xact_lock(7305810322193)", // any number that is ours alone
	}
}

// acquire waits for a connection.
func (d *postgresDB) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	wasPooled := d.pooled.Load()
	conn, err := d.pool.Acquire(ctx)
	if err == nil || wasPooled {
		return conn, err
	}
	// A pooler refuses a setting that it doesn't know.
	pg, ok := errors.AsType[*pgconn.PgError](err)
	if refused := ok && pg.Code == "08P01" && strings.Contains(pg.Message, "startup parameter"); !refused && !errors.Is(err, errPooler) {
		return nil, err
	}
	d.pooled.Store(true)
	return d.pool.Acquire(ctx)
}

// read tries once more with a new connection if the one it had was dead: the
// server may have been restarted since.
func (d *postgresDB) read(ctx context.Context, text string, args []any, each func(func(...any) error) error) error {
	ctx, cancel := context.WithTimeout(ctx, d.patience)
	defer cancel()
	for again := true; ; again = false {
		conn, err := d.acquire(ctx)
		if err != nil {
			return err
		}
		given, err := queryEach(ctx, conn, text, args, each)
		dead := conn.Conn().IsClosed()
		conn.Release()
		if err == nil || !dead || !again || given || ctx.Err() != nil {
			return err
		}
		d.pool.Reset()
	}
}

func queryEach(ctx context.Context, conn *pgxpool.Conn, text string, args []any, each func(func(...any) error) error) (given bool, err error) {
	rows, err := conn.Query(ctx, text, args...)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	for rows.Next() {
		given = true
		if err := each(rows.Scan); err != nil {
			return given, err
		}
	}
	return given, rows.Err()
}

func (d *postgresDB) snapshot(ctx context.Context) (conn, error) {
	c := &postgresConn{db: d}
	_, err := c.run(ctx, []stmt{{text: "begin isolation level repeatable read read only"}, {text: d.words().patient, rows: true}})
	if err != nil {
		c.close(true)
		return nil, err
	}
	return c, nil
}

func (d *postgresDB) conn(context.Context) (conn, error) { return &postgresConn{db: d}, nil }

func (d *postgresDB) close() error {
	d.pool.Close()
	return nil
}

// postgresConn takes a connection of the pool for each transaction. It sends a
// batch at once: one round trip, however many statements.
type postgresConn struct {
	db   *postgresDB
	held *pgxpool.Conn // while a transaction is open
}

func (c *postgresConn) run(ctx context.Context, batch []stmt) (done []result, err error) {
	if c.held == nil && len(batch) == 1 && batch[0].text == "rollback" {
		return []result{{}}, nil // the transaction ended with its connection
	}
	if err := c.take(ctx); err != nil {
		return nil, err
	}
	defer func() { c.settle(err) }()
	pooled := c.db.pooled.Load()
	var b pgx.Batch
	for _, st := range batch {
		b.Queue(st.text, st.args...)
		if pooled && st.text == postgresBegin {
			b.Queue(setSettings)
		}
	}
	answers := c.held.SendBatch(ctx, &b)
	defer func() {
		if e := answers.Close(); err == nil {
			err = e
		}
	}()
	done = make([]result, 0, len(batch))
	for _, st := range batch {
		r, tag, err := nextResult(answers)
		if err != nil {
			return done, err
		}
		if st.text == "commit" && tag != "COMMIT" { // a failed transaction answers ROLLBACK
			return done, fmt.Errorf("%w: the transaction was rolled back", ErrUnavailable)
		}
		if pooled && st.text == postgresBegin {
			if _, _, err := nextResult(answers); err != nil {
				return done, err
			}
		}
		done = append(done, r)
	}
	return done, nil
}

func nextResult(answers pgx.BatchResults) (r result, tag string, err error) {
	rows, err := answers.Query()
	if err != nil {
		return r, "", err
	}
	defer rows.Close()
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return r, "", err
		}
		r.rows = append(r.rows, values)
	}
	r.n = rows.CommandTag().RowsAffected()
	return r, rows.CommandTag().String(), rows.Err()
}

func (c *postgresConn) each(ctx context.Context, text string, row func([]any) error) error {
	if err := c.take(ctx); err != nil {
		return err
	}
	rows, err := c.held.Query(ctx, text)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return err
		}
		if err := row(values); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (c *postgresConn) script(ctx context.Context, text string) error {
	if err := c.take(ctx); err != nil {
		return err
	}
	_, err := c.held.Conn().PgConn().Exec(ctx, text).ReadAll()
	c.settle(err)
	return err
}

func (c *postgresConn) take(ctx context.Context) (err error) {
	if c.held == nil {
		c.held, err = c.db.acquire(ctx)
	}
	return err
}

// settle gives the connection back unless a transaction is open on it. A server
// that takes no writes any more is left with all connections to it.
func (c *postgresConn) settle(err error) {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && (pg.Code == readOnlyServer || pg.Code == inRecovery) {
		c.db.pool.Reset()
		c.close(true)
		return
	}
	if conn := c.held.Conn(); conn.IsClosed() || conn.PgConn().TxStatus() == 'I' {
		c.close(false)
	}
}

func (c *postgresConn) close(broken bool) {
	if c.held == nil {
		return
	}
	if broken {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = c.held.Conn().Close(ctx)
	}
	c.held.Release() // which ends one that is closed, or in a transaction
	c.held = nil
}
