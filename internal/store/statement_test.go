package store

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestEveryStatementIsUnderstood(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := open()
		for name, q := range statements {
			if q == makeSchemaVersion {
				continue
			}
			if err := prepare(t, s, q.text); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func prepare(t *testing.T, s *Store, text string) error {
	switch db := s.db.(type) {
	case *sqliteDB:
		p, err := db.reader.PrepareContext(t.Context(), text)
		if err != nil {
			return err
		}
		return p.Close()
	case *postgresDB:
		conn, err := db.acquire(t.Context())
		if err != nil {
			return err
		}
		defer conn.Release()
		_, err = conn.Conn().Prepare(t.Context(), "", text)
		return err
	}
	return errors.New("which database?")
}

func TestEveryStatementIsTaken(t *testing.T) {
	for name, q := range statements {
		if !q.taken {
			t.Errorf("no variable takes the statement %q", name)
		}
		if strings.ContainsAny(q.text, "{}@") {
			t.Errorf("%s: columns were not replaced, or bound by a statement that takes no row: %s", name, q.text)
		}
	}
}

// What a row type lists are the columns of its table in the schema, all of them and in their order.
func TestRowsListTheColumnsOfTheirTables(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := open()
		inSchema := make(map[string][]string)
		for _, name := range tableNames(t, s) {
			inSchema[name] = columnNames(t, s, name)
		}
		for name, columns := range tables {
			var listed []string
			for _, c := range columns {
				listed = append(listed, c.name)
			}
			if name == "keystore" {
				listed = append([]string{"one"}, listed...) // what keeps it the only row
			}
			if !slices.Equal(listed, inSchema[name]) {
				t.Errorf("%s: the row type lists %v, the schema has %v", name, listed, inSchema[name])
			}
			delete(inSchema, name)
		}
		delete(inSchema, "paths") // written beside accounts
		delete(inSchema, "walletd_schema")
		for name := range inSchema {
			t.Errorf("no row type describes the table %s", name)
		}
	})
}

// A table that has a column for the wallet is emptied with it.
func TestDeleteWalletForgetsNoTable(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := open()
		deleted := make(map[string]bool)
		for _, q := range deleteOfWallet {
			deleted[strings.Fields(q.text)[2]] = true
		}
		for _, name := range tableNames(t, s) {
			if slices.Contains(columnNames(t, s, name), "wallet") && !deleted[name] && name != "nonces" {
				t.Errorf("%s keeps the rows of a deleted wallet", name)
			}
		}
	})
}

// texts reads the first column of a query.
func texts(t *testing.T, s *Store, text string) []string {
	t.Helper()
	var found []string
	err := s.db.read(t.Context(), text, nil, func(scan func(...any) error) error {
		var name string
		err := scan(&name)
		found = append(found, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func tableNames(t *testing.T, s *Store) []string {
	t.Helper()
	if _, ok := s.db.(*sqliteDB); ok {
		return texts(t, s, "select name from sqlite_schema where type = 'table'")
	}
	return texts(t, s, "select table_name::text from information_schema.tables where table_schema = 'public'")
}

func columnNames(t *testing.T, s *Store, name string) []string {
	t.Helper()
	if _, ok := s.db.(*sqliteDB); ok {
		return texts(t, s, fmt.Sprintf("select name from pragma_table_info('%s') order by cid", name))
	}
	return texts(t, s, fmt.Sprintf("select column_name::text from information_schema.columns where table_name = '%s' order by ordinal_position", name))
}

func TestPlaceholdersWithoutNames(t *testing.T) {
	for text, want := range map[string]string{
		"select 1": "select 1",
		"insert into records (a, b) values ($1, $2), ($3, $4)": "insert into records (a, b) values (?, ?), (?, ?)",
		"update chains set seq = $2 where chain = $1":          "update chains set seq = $2 where chain = $1",
		"select 1 where $1 = a or $1 = b":                      "select 1 where $1 = a or $1 = b",
	} {
		if got := unnamed(text); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}
