package store

import (
	"bytes"
	"fmt"

	"golang.org/x/crypto/sha3"
)

// recordLabel keeps the chain's hashes apart from every other use of SHA3-256.
const recordLabel = "walletd record v1"

// Sum is the hash of the entry that follows one with the hash prev: SHA3-256
// over the label, chain, number, id, time, kind, sealed bytes and prev, each
// with its length before it (as in Canonical). It needs no key.
func (r Record) Sum(prev []byte) []byte {
	b := make([]byte, 0, 256+len(r.Sealed))
	b = appendField(b, recordLabel)
	b = appendField(b, r.Chain)
	b = appendField(b, r.Seq)
	b = appendField(b, r.ID)
	b = appendField(b, r.Time)
	b = appendField(b, r.Kind)
	b = appendField(b, r.Sealed)
	b = appendField(b, prev)
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
