package store

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
)

// postgresConfig reads the URL and sets what walletd counts on, whatever the
// server's or the role's own settings say.
func postgresConfig(text string) (*pgx.ConnConfig, error) {
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
		u.RawQuery = q.Encode()
	}
	config, err := pgx.ParseConfig(u.String())
	if err != nil {
		return nil, fmt.Errorf("%w: the store's URL: %w", ErrInvalid, err)
	}
	for name, value := range map[string]string{
		"application_name":                    "walletd",
		"synchronous_commit":                  "on",
		"default_transaction_isolation":       "read committed",
		"default_transaction_read_only":       "off",
		"statement_timeout":                   "10s",
		"lock_timeout":                        "8s",
		"idle_in_transaction_session_timeout": "20s",
	} {
		config.RuntimeParams[name] = value
	}
	config.ConnectTimeout = 5 * time.Second
	config.BuildFrontend = func(r io.Reader, w io.Writer) *pgproto3.Frontend {
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
