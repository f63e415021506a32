package store

import (
	"encoding/binary"
	"slices"
)

// Each row type lists its columns once, in its method columns: from that list come what a query
// scans into, what a statement takes as arguments, the names in the .sql files ({grants}), and the
// canonical bytes that a MAC covers.
//
// The rows are plain data. Times are unix seconds unless the comment says milliseconds; 0 means
// "never" or "not yet". Sealed, Params, Check and MAC are bytes that the keystore makes and checks;
// the store never looks inside. A row's ID is text of the caller's choice, NewID's as a rule. A text
// is at most 800 bytes of UTF-8 without NUL, bytes at most 4 MiB (ErrInvalid).
//
// Every row has
//
//	Table() string     the table's name
//	Key() string       what names the row within its wallet: what a MAC's error and the associated
//	                   data of sealed bytes say (on rows with sealed bytes)
//	Canonical() []byte what the MAC covers      (on rows with a MAC)
//	Sum() []byte       the MAC                  (on rows with a MAC)

// column is one column of a row: its name in the schema and the field that holds it.
type column struct {
	name      string
	field     any // *string, *int64, *[]byte or *bool: plain and authentic take no other
	authentic bool
	added     bool // by a migration, so that rows from before have it empty
}

// columnType is what a column can hold: text, bigint, bytea and boolean.
type columnType interface{ string | int64 | []byte | bool }

// authentic is a column that the row's MAC covers.
func authentic[T columnType](name string, field *T) column {
	return column{name: name, field: field, authentic: true}
}

// added is an authentic column that a migration added. The MAC covers it, after its name, where it is not empty, so that
// rows from before keep theirs.
func added(name string, field *string) column {
	return column{name: name, field: field, authentic: true, added: true}
}

// plain is a column that no MAC covers: the MAC itself, and what changes without a key.
func plain[T columnType](name string, field *T) column { return column{name: name, field: field} }

// table is a row type's description of itself.
type table interface {
	Table() string
	columns() []column
}

// tables are the columns of all tables, by the name that the .sql files use.
var tables = describe(
	&Keystore{}, &Slot{}, &Wallet{}, &Account{}, &Policy{}, &Token{}, &App{}, &Approval{}, &Grant{}, &Delegation{}, &Profile{},
	&Credential{}, &Session{}, &SecretKey{}, &Secret{}, &Record{}, &End{}, &Head{}, &Restored{}, &Nonce{}, &Request{}, &Pairing{},
	&PushSubscription{}, &Push{},
	&Owner{}, &Passkey{}, &Invitation{},
	&Archive{}, &Tree{},
)

func describe(rows ...table) map[string][]column {
	all := make(map[string][]column, len(rows))
	for _, r := range rows {
		all[r.Table()] = r.columns()
	}
	return all
}

// fields gives the columns of one or more rows as the places that a result is scanned into.
func fields(rows ...[]column) []any {
	n := 0
	for _, columns := range rows {
		n += len(columns)
	}
	into := make([]any, 0, n)
	for _, columns := range rows {
		for _, c := range columns {
			into = append(into, c.field)
		}
	}
	return into
}

// values gives the columns as arguments of a statement.
func values(columns []column) []any {
	args := make([]any, len(columns))
	for i, c := range columns {
		args[i] = c.value()
	}
	return args
}

// value gives no bytes in place of nil, which the drivers would take for NULL.
func (c column) value() any {
	switch v := c.field.(type) {
	case *string:
		return *v
	case *int64:
		return *v
	case *bool:
		return *v
	default:
		b := *v.(*[]byte)
		if b == nil {
			return []byte{}
		}
		return b
	}
}

// assignRow sets the columns from a row of a result, and says whether it was one of theirs.
func assignRow(columns []column, row []any) bool {
	return slices.EqualFunc(columns, row, func(c column, value any) bool {
		switch to := c.field.(type) {
		case *string:
			return assign(to, value)
		case *int64:
			return assign(to, value)
		case *bool:
			if n, ok := value.(int64); ok { // SQLite keeps 0 or 1
				*to = n != 0
				return true
			}
			return assign(to, value)
		default:
			return assign(to.(*[]byte), value)
		}
	})
}

// assign sets *to if the value is of its type.
func assign[T columnType](to *T, value any) bool {
	v, ok := value.(T)
	if ok {
		*to = v
	}
	return ok
}

// canonicalVersion is of the format of canonical bytes.
const canonicalVersion = 1

// canonical gives the exact bytes that a row's MAC covers: the table's name and the format's
// version, then every authentic column in its order, each preceded by its length (8 bytes, big
// endian); then, of the added columns, those that are not empty, each after its
// name. Integers are 8 bytes big endian, booleans one byte. No two rows give the same bytes.
func canonical(t table) []byte {
	b := make([]byte, 0, 512)
	b = appendText(b, t.Table())
	b = appendNumber(b, canonicalVersion)
	for _, c := range t.columns() {
		if !c.authentic {
			continue
		}
		if c.added {
			if v := *c.field.(*string); v != "" {
				b = appendText(appendText(b, c.name), v)
			}
			continue
		}
		switch v := c.field.(type) {
		case *string:
			b = appendText(b, *v)
		case *int64:
			b = appendNumber(b, *v)
		case *bool:
			b = binary.BigEndian.AppendUint64(b, 1)
			if *v {
				b = append(b, 1)
			} else {
				b = append(b, 0)
			}
		default:
			b = appendText(b, *v.(*[]byte))
		}
	}
	return b
}

func appendText[T string | []byte](b []byte, text T) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(len(text)))
	return append(b, text...)
}

func appendNumber(b []byte, n int64) []byte {
	b = binary.BigEndian.AppendUint64(b, 8)
	return binary.BigEndian.AppendUint64(b, uint64(n))
}
