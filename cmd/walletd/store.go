package main

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"time"

	"walletd/internal/auth"
	"walletd/internal/keystore"
	"walletd/internal/store"
)

// storeCmd works on a store without a service: one in a directory while no walletd runs on it.
type storeCmd struct {
	Copy    storeCopyCmd    `cmd:"" help:"Copy a whole store into an empty one: from one machine to PostgreSQL, and back."`
	Restore storeRestoreCmd `cmd:"" help:"Put a copy of a SQLite store in the place of the one in a directory."`
	Token   storeTokenCmd   `cmd:"" help:"Make an operator's token, where all are lost: it takes the secret of a slot."`
}

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

type storeCopyCmd struct {
	From string `required:"" placeholder:"DIR|URL" help:"The store to copy: a directory (SQLite), or postgres://USER@HOST/DATABASE."`
	To   string `required:"" placeholder:"DIR|URL" help:"Where to: a directory that holds no store, or an empty PostgreSQL database."`
}

// Run copies a store, while no walletd runs on either.
func (cmd *storeCopyCmd) Run(ctx context.Context, out *console) (err error) {
	from, err := store.Open(ctx, storeURL(cmd.From), store.Options{Migrating: func(m store.Migration) {
		if m.Copy != "" {
			out.notef("The schema of the old store is brought up to date; as it was, it is in %s\n", shown(m.Copy))
		}
	}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	to, err := store.Open(ctx, storeURL(cmd.To), store.Options{Create: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	p := out.startProgress("copying")
	done, err := store.Copy(ctx, from, to, func(table string, _ int64) { p.phase("copied "+table, 0) })
	p.end()
	if err != nil {
		return err
	}
	if out.json {
		return out.JSON(map[string]int64{"rows": done.Rows, "wallets": done.Wallets, "auditLogs": done.Chains, "entries": done.Entries})
	}
	out.printf("copied %d rows of %d wallets; every row was read back and compared\n", done.Rows, done.Wallets)
	out.printf("checked %d entries in %d audit logs\n", done.Entries, done.Chains)
	out.printf("The old store is as it was. Serve one of the two from now on, never both: their audit logs would part.\n")
	return nil
}

type storeRestoreCmd struct {
	Copy string `arg:"" type:"existingfile" help:"The copy, as 'walletd keystore snapshot' makes it."`
	Data string `required:"" env:"WALLETD_DATA" type:"path" placeholder:"DIR" help:"Directory of the store. What is there now is moved into a directory within it."`
}

// Run puts a copy in place, while no walletd runs on the directory.
func (cmd *storeRestoreCmd) Run(ctx context.Context, out *console) error {
	p := out.startProgress("checking the copy")
	done, err := store.RestoreFile(ctx, cmd.Copy, cmd.Data)
	p.end()
	if err != nil {
		return err
	}
	if out.json {
		return out.JSON(map[string]any{"newestEntryAt": done.Newest.UTC(), "entries": done.Entries, "movedTo": done.Moved, "fromSchema": done.From})
	}
	out.printf("restored %s: %d entries, the newest of %s\n", filepath.Join(cmd.Data, storeFile), done.Entries, done.Newest.UTC().Format(time.RFC3339))
	if done.Moved != "" {
		out.printf("moved what was there to %s\n", done.Moved)
	}
	if done.From != 0 {
		out.printf("Its schema was %d, and was brought up to date: the walletd that wrote it does not open it any more. To go back to that one, have it restore the copy, which is as it was.\n", done.From)
	}
	out.printf("Tokens and grants that were revoked since then are back: revoke them again.\n")
	return nil
}

type storeTokenCmd struct {
	storeFlags
	slotSecret
}

// Run makes an operator's token that no other operator has to make.
func (cmd *storeTokenCmd) Run(ctx context.Context, out *console) (err error) {
	url, err := cmd.url()
	if err != nil {
		return err
	}
	secret, err := cmd.open(ctx, out)
	if err != nil {
		return err
	}
	defer secret.Wipe()
	st, err := store.Open(ctx, url, store.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	text, operator := auth.FirstToken(st.Now())
	operator.Name = "made at the store"
	if err := keystore.New(st, keystore.Options{}).AddOperator(ctx, secret, operator); err != nil {
		return err
	}
	if out.json {
		return out.JSON(map[string]string{"operatorToken": text})
	}
	out.printf("operator token  %s\n", text)
	out.notef("The token is shown once. Revoke those that were lost: walletd token list, walletd token revoke ID.\n")
	return nil
}

// storeURL is the URL of a store that is given as a directory or as a URL.
func storeURL(place string) string {
	if strings.Contains(place, "://") {
		return place
	}
	return "sqlite:" + filepath.Join(place, storeFile)
}
