package ledger

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"

	"walletd/internal/keystore"
	"walletd/internal/store"
)

// maxExportLine bounds a line of an exported audit log, in bytes.
const maxExportLine = 1 << 20

// exported is one line of an exported audit log: an entry or a head. Times are unix milliseconds, as the hashes
// cover them.
type exported struct {
	Record *exportedRecord `json:"record,omitempty"`
	Head   *exportedHead   `json:"head,omitempty"`
}

// exportedRecord is an entry as it is stored, with what it discloses.
type exportedRecord struct {
	Chain  string   `json:"chain"`
	Seq    int64    `json:"seq"`
	ID     string   `json:"id"`
	Time   int64    `json:"time"`
	Kind   string   `json:"kind"`
	Sealed []byte   `json:"sealed"` // base64
	Prev   hexBytes `json:"prev"`
	Hash   hexBytes `json:"hash"`
	// Disclosed is what the entry's id commits to: of an entry about a passkey or a touch.
	Disclosed *Disclosure `json:"disclosed,omitempty"`
}

type exportedHead struct {
	Chain     string   `json:"chain"`
	Seq       int64    `json:"seq"`
	Hash      hexBytes `json:"hash"`
	Time      int64    `json:"time"`
	PublicKey hexBytes `json:"publicKey"`
	Signature hexBytes `json:"signature"`
}

// hexBytes is written as hexadecimal digits in lower case.
type hexBytes []byte

// MarshalText implements encoding.TextMarshaler.
func (h hexBytes) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h)), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *hexBytes) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

// Export writes the wallet's audit log, or the service's if wallet is nil, as JSON lines: the entries as they are
// stored, then the heads. VerifyExport verifies it without keys.
func (l *Ledger) Export(ctx context.Context, wallet *Wallet, w io.Writer) error {
	chain := ChainOf(wallet)
	e := json.NewEncoder(w)
	contents := l.contents(wallet)
	for r, err := range l.records(ctx, chain) {
		if err != nil {
			return err
		}
		line := &exportedRecord{Chain: r.Chain, Seq: r.Seq, ID: r.ID, Time: r.Time, Kind: r.Kind, Sealed: r.Sealed, Prev: r.Prev, Hash: r.Hash}
		if discloses(r) {
			content, err := contents.open(ctx, r)
			if err != nil {
				return err
			}
			var event Event
			if json.Unmarshal(content, &event) == nil { // else a verification says that it is missing
				line.Disclosed = event.Disclosed
			}
		}
		if err := e.Encode(exported{Record: line}); err != nil {
			return err
		}
	}
	for h, err := range l.Heads(ctx, chain) {
		if err != nil {
			return err
		}
		if err := e.Encode(exported{Head: &exportedHead{h.Chain, h.Seq, h.Hash, h.Time, h.PublicKey, h.Signature}}); err != nil {
			return err
		}
	}
	return nil
}

// readExported parses one line. It accepts a line only if Export would write exactly the same bytes.
func readExported(text []byte) (line exported, ok bool) {
	if json.Unmarshal(text, &line) != nil || (line.Record == nil) == (line.Head == nil) {
		return exported{}, false
	}
	written, err := json.Marshal(line)
	return line, err == nil && bytes.Equal(written, text)
}

func (r *exportedRecord) row() store.Record {
	return store.Record{Chain: r.Chain, Seq: r.Seq, ID: r.ID, Time: r.Time, Kind: r.Kind, Sealed: r.Sealed, Prev: r.Prev, Hash: r.Hash}
}

func (h *exportedHead) row() store.Head {
	return store.Head{Chain: h.Chain, Seq: h.Seq, Hash: h.Hash, Time: h.Time, PublicKey: h.PublicKey, Signature: h.Signature}
}

// ErrExport is returned for a file that is not an exported audit log; the wrapping error names the line.
var ErrExport = errors.New("this is not an exported audit log")

// VerifyExport verifies an exported audit log without keys. head, if not nil, is a head from another source,
// such as the service's log, that the audit log must contain. It reads the file twice at the same time, because
// the heads are behind the entries, and holds one line of each in memory.
func VerifyExport(r io.ReaderAt, head *store.Head) (Verification, error) {
	v := Verifier{Known: head}
	if head != nil {
		v.Chain = head.Chain
		if keystore.IsAlone(*head) {
			v.Key = head.PublicKey
		} else {
			v.RootKey = head.PublicKey
		}
	}
	return v.verifyExport(r)
}

// VerifyExportUnder is VerifyExport with the root of a tree from another source. seq is the entry of the audit log
// that a head in the tree is of; 0: it is not known whether there is one.
func VerifyExportUnder(r io.ReaderAt, root keystore.SignedRoot, seq int64) (Verification, error) {
	return Verifier{RootKey: root.PublicKey, Root: &root, RootSeq: seq}.verifyExport(r)
}

func (v Verifier) verifyExport(r io.ReaderAt) (Verification, error) {
	if v.Chain == "" {
		for line, err := range exportedLines(r) {
			if err == nil && line.is(recordMark) {
				if e, ok := readExported(line.text); ok {
					v.Chain = e.Record.Chain
				}
			}
			break
		}
	}
	var t touches
	result, err := v.Verify(exportedRecords(r, t.add), exportedHeads(r))
	if err != nil {
		return Verification{}, err
	}
	result.Passkeys = t.uses()
	if t.bad != nil && (result.Bad == nil || t.bad.Seq < result.Bad.Seq) {
		result.Bad = t.bad
	}
	return result, nil
}

// How the two kinds of lines begin.
const (
	recordMark = `{"record":`
	headMark   = `{"head":`
)

// exportedLine is one line of an exported audit log. The text is valid until the next one is read.
type exportedLine struct {
	number int
	text   []byte
}

func (l exportedLine) is(mark string) bool { return bytes.HasPrefix(l.text, []byte(mark)) }

func (l exportedLine) refuse() error {
	return fmt.Errorf("%w: line %d is neither an entry nor a head, or is out of order", ErrExport, l.number)
}

// exportedLines yields the lines of a file from its beginning. An error is the last element.
func exportedLines(r io.ReaderAt) iter.Seq2[exportedLine, error] {
	return func(yield func(exportedLine, error) bool) {
		s := bufio.NewScanner(io.NewSectionReader(r, 0, math.MaxInt64))
		s.Buffer(nil, maxExportLine)
		for n := 1; s.Scan(); n++ {
			if !yield(exportedLine{n, s.Bytes()}, nil) {
				return
			}
		}
		if err := s.Err(); err != nil {
			yield(exportedLine{}, fmt.Errorf("reading the exported audit log: %w", err))
		}
	}
}

// exportedRecords yields the entries, which are before the first head. disclosed is called for each, with what it
// discloses.
func exportedRecords(r io.ReaderAt, disclosed func(store.Record, *Disclosure)) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		for line, err := range exportedLines(r) {
			if err == nil && line.is(headMark) {
				return
			}
			e, ok := readExported(line.text)
			switch {
			case err != nil:
			case !ok:
				err = line.refuse()
			default:
				disclosed(e.Record.row(), e.Record.Disclosed)
				if !yield(e.Record.row(), nil) {
					return
				}
				continue
			}
			yield(store.Record{}, err)
			return
		}
	}
}

// exportedHeads yields the heads, which are behind the last entry.
func exportedHeads(r io.ReaderAt) iter.Seq2[store.Head, error] {
	return func(yield func(store.Head, error) bool) {
		begun := false
		for line, err := range exportedLines(r) {
			if err == nil && !begun && !line.is(headMark) {
				continue // of exportedRecords
			}
			begun = true
			e, ok := readExported(line.text)
			switch {
			case err != nil:
			case !ok || e.Head == nil:
				err = line.refuse()
			default:
				if !yield(e.Head.row(), nil) {
					return
				}
				continue
			}
			yield(store.Head{}, err)
			return
		}
	}
}
