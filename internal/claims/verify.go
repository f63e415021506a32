package claims

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"walletd/internal/keystore"
	"walletd/internal/store"
)

// exported is one line of an exported record.
type exported struct {
	Record *store.Record `json:"record,omitempty"`
	Head   *store.Head   `json:"head,omitempty"`
}

// Verifier checks a chain and its heads as they are read: all heads first, then the entries in
// order. It needs no key; with the public key of the chain's heads it also knows that the heads
// are this keystore's own.
type Verifier struct {
	Key []byte // the key heads must be signed with; nil accepts any one key for all

	checker store.Checker
	heads   map[int64]store.Head
	entries int64
	fit     int64
	last    *store.Head
	bad     *BadEntry
}

// NewVerifier returns a verifier of the chain with that name.
func NewVerifier(chain string) *Verifier {
	return &Verifier{checker: store.Checker{Chain: chain}, heads: map[int64]store.Head{}}
}

// AddHead notes a head. One that was not signed by the chain's key does not fit.
func (v *Verifier) AddHead(h store.Head) {
	if v.Key == nil {
		v.Key = h.PublicKey
	}
	if h.Chain != v.checker.Chain || !bytes.Equal(h.PublicKey, v.Key) || !keystore.VerifyHead(h) {
		v.fault(h.Seq, "the head at this entry is not signed by this keystore")
		return
	}
	v.heads[h.Seq] = h
}

// Add checks the next entry.
func (v *Verifier) Add(r store.Record) {
	v.entries++
	if v.bad != nil && v.bad.Seq <= v.checker.Seq {
		return
	}
	if err, broken := errors.AsType[*store.BrokenError](v.checker.Add(r)); broken {
		v.fault(err.Seq, err.Why)
		return
	}
	h, signed := v.heads[r.Seq]
	if !signed {
		return
	}
	if !bytes.Equal(h.Hash, r.Hash) {
		v.fault(r.Seq, "it is not the entry whose hash was signed")
		return
	}
	v.fit++
	v.last = &h
	delete(v.heads, r.Seq)
}

// fault keeps the first that does not fit.
func (v *Verifier) fault(seq int64, why string) {
	if v.bad == nil || seq < v.bad.Seq {
		v.bad = &BadEntry{Seq: seq, Why: why}
	}
}

// Result says what was found; call it after the last entry.
func (v *Verifier) Result() Verification {
	for seq := range v.heads {
		if seq > v.checker.Seq {
			v.fault(v.checker.Seq+1, fmt.Sprintf("entries are missing: entry %d was signed once", seq))
		}
	}
	result := Verification{Entries: v.entries, Heads: v.fit, Head: v.last, Bad: v.bad}
	switch {
	case v.last == nil:
		result.Unknown = "no head was signed: that nothing was rewritten or cut off cannot be known"
	case v.last.Seq < v.checker.Seq:
		result.Unknown = fmt.Sprintf("entries after %d follow from those before, but no head was signed since", v.last.Seq)
	default:
		result.Unknown = "whether newer entries and their heads were cut off; compare the head with one from the log"
	}
	return result
}

// ReadExport checks an exported record, without keys. head, if not nil, is a head known from
// elsewhere, the log for one, that the record must contain.
func ReadExport(r io.Reader, head *store.Head) (Verification, error) {
	var lines []exported
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	for n := 1; s.Scan(); n++ {
		var line exported
		d := json.NewDecoder(bytes.NewReader(s.Bytes()))
		d.DisallowUnknownFields()
		if err := d.Decode(&line); err != nil || (line.Record == nil) == (line.Head == nil) {
			return Verification{}, fmt.Errorf("%w: line %d is not a line of an exported record", ErrInput, n)
		}
		lines = append(lines, line)
	}
	if err := s.Err(); err != nil {
		return Verification{}, fmt.Errorf("reading the exported record: %w", err)
	}
	chain := ""
	if head != nil {
		chain = head.Chain
	} else if len(lines) > 0 && lines[0].Record != nil {
		chain = lines[0].Record.Chain
	}
	v := NewVerifier(chain)
	if head != nil {
		v.Key = head.PublicKey
		v.AddHead(*head)
	}
	for _, line := range lines {
		if line.Head == nil {
			continue
		}
		if known, twice := v.heads[line.Head.Seq]; twice && !bytes.Equal(known.Hash, line.Head.Hash) {
			v.fault(line.Head.Seq, "two heads of this entry differ")
		}
		v.AddHead(*line.Head)
	}
	for _, line := range lines {
		if line.Record != nil {
			v.Add(*line.Record)
		}
	}
	return v.Result(), nil
}
