package store

import (
	"bytes"
	"context"
	"fmt"
	"iter"

	"golang.org/x/crypto/sha3"
)

// ServiceChain is the chain that holds what operators do. Every other chain is
// named by its wallet.
const ServiceChain = "service"

// Record is an entry of a chain.
type Record struct {
	Chain  string // wallet, or ServiceChain
	Seq    int64  // 1, 2, 3 …
	ID     string
	Time   int64 // milliseconds
	Kind   string
	Sealed []byte // plain JSON on the service's chain
	Prev   []byte // 32 bytes: Hash of the entry before; zeros for the first
	Hash   []byte // 32 bytes: Sum(Prev)
}

func (r *Record) columns() []column {
	return []column{
		plain("chain", &r.Chain),
		plain("seq", &r.Seq),
		plain("id", &r.ID),
		plain("time", &r.Time),
		plain("kind", &r.Kind),
		plain("sealed", &r.Sealed),
		plain("prev", &r.Prev),
		plain("hash", &r.Hash),
	}
}

func (Record) Table() string { return "records" }
func (r Record) Key() string { return r.ID }

// Content is the sealed field of the row, and its name in the associated data.
func (r Record) Content() (field string, sealed []byte) { return "content", r.Sealed }

var (
	listRecords  = reads[Record]("records")
	insertRecord = writes[Record]("insert record")
	hashOfRecord = statement("hash of record")
	idOfRecord   = statement("id of record")
)

// Records reads up to limit entries of a chain after the number given, in order.
func (s *Store) Records(ctx context.Context, chain string, after int64, limit int) ([]Record, error) {
	return many(ctx, s, listRecords, chain, after, min(limit, 1000))
}

// AllRecords yields the entries of a chain after the number given, in order, and holds about a megabyte of them. An error is
// the last element.
func (s *Store) AllRecords(ctx context.Context, chain string, after int64) iter.Seq2[Record, error] {
	return walk(ctx, s, listRecords, func(r Record) int { return len(r.Sealed) }, func(r Record) int64 { return r.Seq }, chain, after)
}

// recordLabel keeps the chain's hashes apart from every other use of SHA3-256.
const recordLabel = "walletd record v1"

// Sum is the hash of the entry that follows one with the hash prev: SHA3-256
// over the label, chain, number, id, time, kind, sealed bytes and prev, each
// with its length before it (as in canonical). It needs no key.
func (r Record) Sum(prev []byte) []byte {
	b := make([]byte, 0, 2048) // on the stack, for nearly all entries
	b = appendText(b, recordLabel)
	b = appendText(b, r.Chain)
	b = appendNumber(b, r.Seq)
	b = appendText(b, r.ID)
	b = appendNumber(b, r.Time)
	b = appendText(b, r.Kind)
	b = appendText(b, r.Sealed)
	b = appendText(b, prev)
	sum := sha3.Sum256(b)
	return sum[:]
}

// firstPrev is Prev of a chain's first entry.
func firstPrev() []byte { return make([]byte, 32) }

// Checker checks a chain entry by entry, in order and from the first. The zero
// Checker of a chain's name is ready.
type Checker struct {
	Chain string
	// Seq and Hash are of the last entry that fitted; 0 and nil before the first.
	Seq  int64
	Hash []byte
}

// BrokenError names the first entry of a chain that does not fit.
type BrokenError struct {
	Chain string
	Seq   int64  // the number the entry should have
	Why   string // a sentence's end: "its hash is not that of its content"
}

func (e *BrokenError) Error() string {
	return fmt.Sprintf("entry %d of chain %q: %s", e.Seq, e.Chain, e.Why)
}

// Add checks that r is the chain's next entry. After an error, a *BrokenError,
// the Checker stays where it was.
func (c *Checker) Add(r Record) error {
	prev := c.Hash
	if c.Seq == 0 {
		prev = firstPrev()
	}
	why := ""
	switch {
	case r.Chain != c.Chain:
		why = "it is of another chain"
	case r.Seq != c.Seq+1:
		why = "an entry is missing or out of order"
	case !bytes.Equal(r.Prev, prev):
		why = "it does not follow the entry before it"
	case !bytes.Equal(r.Hash, r.Sum(prev)):
		why = "its hash is not that of its content"
	default:
		c.Seq, c.Hash = r.Seq, r.Hash
		return nil
	}
	return &BrokenError{Chain: c.Chain, Seq: c.Seq + 1, Why: why}
}
