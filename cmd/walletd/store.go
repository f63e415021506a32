package main

import (
	"path/filepath"
	"strings"
)

// storeFlags say where the store is.
type storeFlags struct {
	Data  string `env:"WALLETD_DATA" type:"path" placeholder:"DIR" help:"Directory of the store (SQLite), closed to others."`
	Store string `env:"WALLETD_STORE" placeholder:"URL" help:"Or a PostgreSQL store: postgres://USER@HOST/DATABASE. Its password comes from PGPASSFILE or a service file."`
}

// storeFile is the database's name in a data directory.
const storeFile = "walletd.db"

func (f storeFlags) url() (string, error) {
	switch {
	case f.Data != "" && f.Store != "":
		return "", usagef("--data and --store were both given: choose one")
	case f.Store != "":
		return f.Store, nil
	case f.Data != "":
		return "sqlite:" + filepath.Join(f.Data, storeFile), nil
	}
	return "", usagef("say where the store is: --data DIR, or --store postgres://…")
}

// isSQLite reports whether a store is one file, which one process holds.
func isSQLite(url string) bool { return strings.HasPrefix(url, "sqlite:") }
