package ledger

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"io"

	"walletd/internal/store"
)

// maxExportLine bounds a line of an exported audit log, in bytes.
const maxExportLine = 4 << 20

// exported is one line of an exported audit log, or of an archive: an entry or a head. The first line of an archive says
// which entries it holds, and that of an export what its first entry follows, if that is archived. Times are unix
// milliseconds, as the hashes cover them.
type exported struct {
	Archive  *archiveHeader  `json:"archive,omitempty"`
	Archived *Archive        `json:"archived,omitempty"`
	Record   *exportedRecord `json:"record,omitempty"`
	Head     *exportedHead   `json:"head,omitempty"`
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
	// Content, of an archive, is what the entry says, sealed for the wallet's words (keystore.SealArchived). It is not
	// there if the entry did not open.
	Content []byte `json:"content,omitempty"`
}

func exportedRecordOf(r store.Record) *exportedRecord {
	return &exportedRecord{Chain: r.Chain, Seq: r.Seq, ID: r.ID, Time: r.Time, Kind: r.Kind, Sealed: r.Sealed, Prev: r.Prev, Hash: r.Hash}
}

type exportedHead struct {
	Chain     string   `json:"chain"`
	Seq       int64    `json:"seq"`
	Hash      hexBytes `json:"hash"`
	Time      int64    `json:"time"`
	PublicKey hexBytes `json:"publicKey"`
	Signature hexBytes `json:"signature"`
}

func exportedHeadOf(h store.Head) *exportedHead {
	return &exportedHead{h.Chain, h.Seq, h.Hash, h.Time, h.PublicKey, h.Signature}
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

// Export writes the wallet's audit log, or the service's if wallet is nil, as JSON lines: what is archived of it, if
// anything is; the entries since, as they are stored; then the heads. VerifyExport verifies it without keys. The error is
// ErrArchivedMeanwhile if so: what was written is then not whole, and another Export is.
func (l *Ledger) Export(ctx context.Context, wallet *Wallet, w io.Writer) error {
	archived, err := l.Archived(ctx, wallet)
	if err != nil {
		return err
	}
	heads, err := l.heads(ctx, wallet, archived.last())
	if err != nil {
		return err
	}
	e := json.NewEncoder(w)
	if archived != nil {
		if err := e.Encode(exported{Archived: archived}); err != nil {
			return err
		}
	}
	contents := l.contents(wallet)
	for r, err := range l.records(ctx, wallet, archived.last()) {
		if err != nil {
			return err
		}
		line := exportedRecordOf(r)
		if line.Disclosed, err = l.archiveDisclosed(ctx, wallet, r); err != nil {
			return err
		}
		if discloses(r) && line.Disclosed == nil {
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
	for h, err := range heads {
		if err != nil {
			return err
		}
		if err := e.Encode(exported{Head: exportedHeadOf(h)}); err != nil {
			return err
		}
	}
	return nil
}

// readExported parses one line. It accepts a line only if it would be written with exactly the same bytes.
func readExported(text []byte) (line exported, ok bool) {
	if json.Unmarshal(text, &line) != nil {
		return exported{}, false
	}
	members := 0
	for _, is := range []bool{line.Archive != nil, line.Archived != nil, line.Record != nil, line.Head != nil} {
		if is {
			members++
		}
	}
	if members != 1 {
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
