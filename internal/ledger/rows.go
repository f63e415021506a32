package ledger

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"walletd/internal/keystore"
	"walletd/internal/store"
)

// Row is a row of the store, to whose table and key sealed bytes and a MAC are bound.
type Row interface {
	Table() string
	Key() string
}

// Authentic is a row with a MAC over its columns, under the wallet's key.
type Authentic interface {
	Row
	Canonical() []byte
	Sum() []byte
}

// Sealed is a row with a sealed field. If it is Authentic too, its MAC is checked before it is opened.
type Sealed interface {
	Row
	Content() (field string, sealed []byte)
}

// Checked is a row whose MAC was checked. Only this package makes one.
type Checked[R Authentic] struct{ row R }

// Row returns the row.
func (c Checked[R]) Row() R { return c.row }

// Opened is an authentic row with its content. Only this package makes one.
type Opened[R Sealed, C any] struct {
	row     R
	content C
}

// Row returns the row.
func (o Opened[R, C]) Row() R { return o.row }

// Content returns what was sealed in the row.
func (o Opened[R, C]) Content() C { return o.content }

// Text is the content of a row that is sealed as text, and not as JSON.
type Text string

// Check checks a row's MAC. If an attacker wrote the row, the error is ErrForged, and the forgery is recorded.
func Check[R Authentic](ctx context.Context, w *Wallet, row R) (Checked[R], error) {
	if err := w.checkMAC(row); err != nil {
		return Checked[R]{}, w.NoteForged(ctx, err)
	}
	return Checked[R]{row}, nil
}

// IsGenuine reports whether a row's MAC holds. It records nothing.
func IsGenuine[R Authentic](w *Wallet, row R) bool { return w.checkMAC(row) == nil }

// Open checks a row's MAC, if its table has one, and opens its sealed field. If an attacker wrote or moved the
// row, the error is ErrForged, and the forgery is recorded.
func Open[C any, R Sealed](ctx context.Context, w *Wallet, row R) (Opened[R, C], error) {
	o := Opened[R, C]{row: row}
	if a, ok := any(row).(Authentic); ok {
		if err := w.checkMAC(a); err != nil {
			return Opened[R, C]{}, w.NoteForged(ctx, err)
		}
	}
	field, sealed := row.Content()
	content, err := openField[C](ctx, w, row, field, sealed)
	o.content = content
	return o, err
}

// OpenField opens another sealed field of a row that was opened before, such as an approval's resolution.
func OpenField[C any, R Sealed, D any](ctx context.Context, w *Wallet, o Opened[R, D], field string, sealed []byte) (C, error) {
	return openField[C](ctx, w, o.row, field, sealed)
}

func openField[C any](ctx context.Context, w *Wallet, row Row, field string, sealed []byte) (content C, err error) {
	plain, err := w.keys.Open(place(row, field), sealed)
	if err != nil {
		return content, w.NoteForged(ctx, err)
	}
	defer clear(plain)
	if text, ok := any(&content).(*Text); ok {
		*text = Text(plain)
		return content, nil
	}
	if err := json.Unmarshal(plain, &content); err != nil {
		return content, fmt.Errorf("reading the %s of %s %.80q: %w", field, row.Table(), row.Key(), err)
	}
	return content, nil
}

func place(row Row, field string) keystore.Place {
	return keystore.Place{Table: row.Table(), Row: row.Key(), Field: field, Version: 1}
}

func (w *Wallet) checkMAC(row Authentic) error {
	return w.keys.CheckMAC(row.Table(), row.Key(), row.Canonical(), row.Sum())
}

// Seal seals content for the sealed field of a row: a Text as it is, anything else as JSON. The columns that make
// the row's key must be set; the others may still be changed.
func (w *Wallet) Seal(row Sealed, content any) ([]byte, error) {
	field, _ := row.Content()
	return w.SealField(row, field, content)
}

// SealField is Seal for another field of the row.
func (w *Wallet) SealField(row Row, field string, content any) ([]byte, error) {
	if text, ok := content.(Text); ok {
		return w.keys.Seal(place(row, field), []byte(text)), nil
	}
	plain, err := marshal(content)
	if err != nil {
		return nil, fmt.Errorf("writing the %s of %s: %w", field, row.Table(), err)
	}
	defer clear(plain)
	return w.keys.Seal(place(row, field), plain), nil
}

// marshal is json.Marshal without the escapes for HTML, so that JSON of others, such as a credential with a picture
// in SVG, comes back byte for byte, and no longer than it was.
func marshal(content any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(content); err != nil {
		clear(b.Bytes())
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// MAC returns the MAC of a row. All other columns of the row must be set.
func (w *Wallet) MAC(row interface{ Canonical() []byte }) []byte { return w.keys.MAC(row.Canonical()) }

// List reads one page of rows.
type List[R any] func(store.Page) (rows []R, next string, err error)

// All opens every row of a list, a page at a time. It records a forged row and skips it. An error is the last
// element.
func All[C any, R Sealed](ctx context.Context, w *Wallet, list List[R]) iter.Seq2[Opened[R, C], error] {
	return walk(list, func(row R) (Opened[R, C], error) { return Open[C](ctx, w, row) })
}

// AllChecked is All for rows without sealed content.
func AllChecked[R Authentic](ctx context.Context, w *Wallet, list List[R]) iter.Seq2[Checked[R], error] {
	return walk(list, func(row R) (Checked[R], error) { return Check(ctx, w, row) })
}

// Each opens rows that were read before. It records a forged row and skips it.
func Each[C any, R Sealed](ctx context.Context, w *Wallet, rows []R) iter.Seq2[Opened[R, C], error] {
	return All[C](ctx, w, onePage(rows))
}

// EachChecked is Each for rows without sealed content.
func EachChecked[R Authentic](ctx context.Context, w *Wallet, rows []R) iter.Seq2[Checked[R], error] {
	return AllChecked(ctx, w, onePage(rows))
}

// Rows yields the rows of a list unchecked, a page at a time. It serves rows that are checked when they are used
// (accounts), and callers that count forged rows.
func Rows[R any](list List[R]) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		for page := (store.Page{}); ; {
			rows, next, err := list(page)
			if err != nil {
				var none R
				yield(none, fmt.Errorf("reading the rows: %w", err))
				return
			}
			for _, row := range rows {
				if !yield(row, nil) {
					return
				}
			}
			if page.Cursor = next; next == "" {
				return
			}
		}
	}
}

func onePage[R any](rows []R) List[R] {
	return func(store.Page) ([]R, string, error) { return rows, "", nil }
}

func walk[R, O any](list List[R], open func(R) (O, error)) iter.Seq2[O, error] {
	return func(yield func(O, error) bool) {
		for row, err := range Rows(list) {
			var o O
			if err == nil {
				o, err = open(row)
			}
			if errors.Is(err, ErrForged) {
				continue
			}
			if !yield(o, err) || err != nil {
				return
			}
		}
	}
}
