package store

import (
	"fmt"
	"io"
	"maps"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgxpool"
)

// defaultConns is how many connections a process has at most unless the URL says it (pool_max_conns).
const defaultConns = 12

// ourSettings are what walletd counts on, whatever the server's or the role's own settings say. A
// connection starts with them; behind a pooler each transaction does.
var ourSettings = map[string]string{
	"synchronous_commit":                  "on",
	"default_transaction_isolation":       "read committed",
	"default_transaction_read_only":       "off",
	"statement_timeout":                   "10s",
	"lock_timeout":                        "4s",
	"idle_in_transaction_session_timeout": "20s",
}

var (
	// settingsHold is an expression that says whether they do.
	settingsHold = eachSetting("current_setting('%s') = '%s'", " and ")
	// setSettings makes them hold until the transaction ends.
	setSettings = "select " + eachSetting("set_config('%s', '%s', true)", ", ")
)

func eachSetting(format, between string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(ourSettings)) {
		parts = append(parts, fmt.Sprintf(format, name, ourSettings[name]))
	}
	return strings.Join(parts, between)
}

// postgresConfig reads the URL and sets what walletd counts on, whatever the
// server's or the role's own settings say.
func postgresConfig(text string) (*pgxpool.Config, error) {
	u, err := url.Parse(text)
	if err != nil {
		// The error would show the URL, and the URL may hold a password.
		return nil, fmt.Errorf("%w: the store's URL can't be read", ErrInvalid)
	}
	q := u.Query()
	_, inUser := u.User.Password()
	if inUser || q.Has("password") || q.Has("sslpassword") {
		return nil, fmt.Errorf("%w: put it in the file that PGPASSFILE names (mode 0600), in a service file (?service=NAME), "+
			"or use a socket with peer authentication", ErrPasswordInURL)
	}
	if !q.Has("sslmode") && os.Getenv("PGSSLMODE") == "" && !isLocal(u, q) {
		// The driver's own default, prefer, can be talked into clear text.
		q.Set("sslmode", "verify-full")
	}
	if !q.Has("target_session_attrs") && os.Getenv("PGTARGETSESSIONATTRS") == "" {
		q.Set("target_session_attrs", "read-write") // of several servers the one that takes writes, or none
	}
	u.RawQuery = q.Encode()
	plain, err := pgx.ParseConfig(u.String())
	if err != nil {
		return nil, fmt.Errorf("%w: the store's URL: %w", ErrInvalid, err)
	}
	config, err := pgxpool.ParseConfig(u.String())
	if err != nil {
		return nil, fmt.Errorf("%w: the store's URL: %w", ErrInvalid, err)
	}
	if _, sized := plain.RuntimeParams["pool_max_conns"]; !sized { // nor in a service file
		config.MaxConns = defaultConns
	}
	if config.MaxConnLifetimeJitter == 0 {
		config.MaxConnLifetimeJitter = config.MaxConnLifetime / 10
	}
	for name, value := range ourSettings {
		config.ConnConfig.RuntimeParams[name] = value
	}
	config.ConnConfig.RuntimeParams["application_name"] = "walletd"
	config.ConnConfig.ConnectTimeout = 5 * time.Second
	config.ConnConfig.BuildFrontend = func(r io.Reader, w io.Writer) *pgproto3.Frontend {
		f := pgproto3.NewFrontend(r, w)
		f.SetMaxBodyLen(maxRow)
		return f
	}
	return config, nil
}

// isLocal says whether the URL's server is on this machine.
func isLocal(u *url.URL, q url.Values) bool {
	host := u.Hostname()
	if h := q.Get("host"); h != "" {
		host = h
	}
	if host == "" {
		host = os.Getenv("PGHOST")
	}
	if host == "" {
		return !q.Has("service") && os.Getenv("PGSERVICE") == "" // a service file may name any server
	}
	if host == "localhost" || strings.HasPrefix(host, "/") || strings.HasPrefix(host, "@") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
