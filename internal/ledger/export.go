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

type exportedRecord struct {
	Chain  string   `json:"chain"`
	Seq    int64    `json:"seq"`
	ID     string   `json:"id"`
	Time   int64    `json:"time"`
	Kind   string   `json:"kind"`
	Sealed []byte   `json:"sealed"` // base64
	Prev   hexBytes `json:"prev"`
	Hash   hexBytes `json:"hash"`
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
	err := l.walk(ctx, chain, func(r store.Record) error {
		return e.Encode(exported{Record: &exportedRecord{r.Chain, r.Seq, r.ID, r.Time, r.Kind, r.Sealed, r.Prev, r.Hash}})
	})
	if err != nil {
		return err
	}
	return l.EachHead(ctx, chain, func(h store.Head) error {
		return e.Encode(exported{Head: &exportedHead{h.Chain, h.Seq, h.Hash, h.Time, h.PublicKey, h.Signature}})
	})
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
// such as the service's log, that the audit log must contain.
func VerifyExport(r io.Reader, head *store.Head) (Verification, error) {
	var lines []exported
	s := bufio.NewScanner(r)
	s.Buffer(nil, maxExportLine)
	for n := 1; s.Scan(); n++ {
		line, ok := readExported(s.Bytes())
		if !ok {
			return Verification{}, fmt.Errorf("%w: line %d is neither an entry nor a head", ErrExport, n)
		}
		lines = append(lines, line)
	}
	if err := s.Err(); err != nil {
		return Verification{}, fmt.Errorf("reading the exported audit log: %w", err)
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
		h := line.Head.row()
		if earlier, twice := v.heads[h.Seq]; twice && !bytes.Equal(earlier.Hash, h.Hash) {
			v.reportBad(h.Seq, "two heads of this entry differ")
		}
		v.AddHead(h)
	}
	for _, line := range lines {
		if line.Record != nil {
			v.Add(line.Record.row())
		}
	}
	return v.Result(), nil
}
