package store

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
)

// MaxPage is the most rows that a list gives at once.
const MaxPage = 200

// Page says which part of a list is wanted; the zero Page is its first 200 rows.
type Page struct {
	Cursor string // opaque: next of the answer before; "" for the first
	Limit  int    // at most MaxPage; 0 means MaxPage
}

// position is the place of a row in a list: newest first, and of one second by
// its id. A list goes on after its last position.
type position struct {
	at int64
	id string
}

// paged reads one page: fetch gives at most limit rows after a position.
// Its next is "" at the end, its error ErrInvalid for a cursor that is not ours.
func paged[T any](p Page, of func(T) position, fetch func(after position, limit int) ([]T, error)) (rows []T, next string, err error) {
	limit := p.Limit
	if limit <= 0 || limit > MaxPage {
		limit = MaxPage
	}
	after := position{at: math.MaxInt64}
	if p.Cursor != "" {
		if after, err = parseCursor(p.Cursor); err != nil {
			return nil, "", err
		}
	}
	rows, err = fetch(after, limit+1)
	if err != nil {
		return nil, "", err
	}
	if len(rows) > limit {
		rows = rows[:limit]
		next = of(rows[limit-1]).cursor()
	}
	return rows, next, nil
}

func (p position) cursor() string {
	b := binary.BigEndian.AppendUint64(nil, uint64(p.at))
	return base64.RawURLEncoding.EncodeToString(append(b, p.id...))
}

func parseCursor(text string) (position, error) {
	if len(text) > 1024 || strings.ContainsAny(text, "\r\n") {
		return position{}, fmt.Errorf("reading the cursor: %w", ErrInvalid)
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) < 8 {
		return position{}, fmt.Errorf("reading the cursor: %w", ErrInvalid)
	}
	return position{int64(binary.BigEndian.Uint64(b)), string(b[8:])}, nil
}
