package ledger

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"slices"

	"walletd/internal/keystore"
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
// store.ErrChanged if entries were archived meanwhile.
func (l *Ledger) Export(ctx context.Context, wallet *Wallet, w io.Writer) error {
	chain := ChainOf(wallet)
	archived, err := l.Archived(ctx, wallet)
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
	for h, err := range l.Heads(ctx, chain, archived.last()) {
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

// ErrExport is returned for a file that is neither an exported audit log nor an archive, and for files that do not go
// together; the wrapping error says which.
var ErrExport = errors.New("this is not an exported audit log")

// Given is what is known of an audit log from another source, such as the service's log: a head, or the root of a tree of
// heads, or nothing.
type Given struct {
	Head *store.Head
	Root *keystore.SignedRoot
	Seq  int64 // the entry that a head in the tree of Root is of; 0: it is not known whether there is one
}

// VerifyExport verifies an exported audit log without keys. head, if not nil, is a head from another source,
// such as the service's log, that the audit log must contain. It reads the file twice at the same time, because
// the heads are behind the entries, and holds one line of each in memory.
func VerifyExport(r io.ReaderAt, head *store.Head) (Verification, error) {
	return VerifyFiles([]io.ReaderAt{r}, Given{Head: head})
}

// VerifyFiles is VerifyExport of archives, an exported audit log, or both: together they are one audit log, without a
// gap, and each archive must be the file that the entry says which recorded it, if that entry is in one of the files.
func VerifyFiles(files []io.ReaderAt, given Given) (Verification, error) {
	v := Verifier{Known: given.Head, Root: given.Root, RootSeq: given.Seq}
	switch {
	case given.Root != nil:
		v.RootKey = given.Root.PublicKey
	case given.Head == nil:
	case keystore.IsAlone(*given.Head):
		v.Chain, v.Key = given.Head.Chain, given.Head.PublicKey
	default:
		v.Chain, v.RootKey = given.Head.Chain, given.Head.PublicKey
	}
	parts := make([]*recordFile, len(files))
	for i, file := range files {
		var err error
		if parts[i], err = openRecordFile(file); err != nil {
			return Verification{}, err
		}
	}
	if err := join(parts); err != nil {
		return Verification{}, err
	}
	return v.verifyFiles(parts, nil)
}

// recordFile is a file that holds a part of an audit log: an archive, or an export.
type recordFile struct {
	io.ReaderAt
	chain   string         // "" if it has no entry
	first   int64          // the first entry that it should have
	archive *archiveHeader // of an archive
	after   *Archive       // what an export goes on after, or nil
	sum     []byte         // SHA-256 of an archive, of size bytes
	size    int64
}

// openRecordFile reads how a file begins and, of an archive, its hash.
func openRecordFile(r io.ReaderAt) (*recordFile, error) {
	f := &recordFile{ReaderAt: r, first: 1}
	for line, err := range exportedLines(r) {
		if err != nil {
			return nil, err
		}
		e, ok := readExported(line.text)
		switch {
		case !ok:
		case e.Record != nil:
			f.chain = e.Record.Chain
		case e.Archived != nil:
			f.chain, f.first, f.after = e.Archived.Chain, e.Archived.Last+1, e.Archived
			if e.Archived.Last < 1 {
				return nil, line.refuse()
			}
		case e.Archive != nil:
			f.chain, f.first, f.archive = e.Archive.Chain, e.Archive.First, e.Archive
			if h := e.Archive; h.First < 1 || h.Last < h.First || len(h.Prev) != 32 || h.First == 1 && !bytes.Equal(h.Prev, make([]byte, 32)) {
				return nil, line.refuse()
			}
		}
		break
	}
	if f.archive == nil {
		return f, nil
	}
	sum := sha256.New()
	size, err := io.Copy(sum, io.NewSectionReader(r, 0, math.MaxInt64))
	if err != nil {
		return nil, fmt.Errorf("reading the archive: %w", err)
	}
	f.sum, f.size = sum.Sum(nil), size
	return f, nil
}

// ChainIn returns the name of the chain whose entries a file holds. The error is ErrExport for one that does not begin as
// an export or an archive does.
func ChainIn(file io.ReaderAt) (string, error) {
	f, err := openRecordFile(file)
	if err == nil && f.chain == "" {
		err = fmt.Errorf("%w: it does not begin with an entry", ErrExport)
	}
	if err != nil {
		return "", err
	}
	return f.chain, nil
}

// join puts files into the order of their entries, and refuses those that are not of one audit log, or hold an entry
// twice. A gap between them is found by who verifies the entries.
func join(files []*recordFile) error {
	slices.SortFunc(files, func(a, b *recordFile) int { return cmp.Compare(a.first, b.first) })
	for i := 1; i < len(files); i++ {
		before, f := files[i-1], files[i]
		switch {
		case before.chain != f.chain:
			return fmt.Errorf("%w: the files are of different ones", ErrExport)
		case before.archive == nil || before.archive.Last >= f.first:
			return fmt.Errorf("%w: two files hold entry %d; leave one of them out", ErrExport, f.first)
		}
	}
	return nil
}

// verifyFiles verifies files in the order of their entries. each, if not nil, is called for every entry before what it
// discloses is verified; an error ends the verification.
func (v Verifier) verifyFiles(files []*recordFile, each func(*exportedRecord) error) (Verification, error) {
	first, newest := files[0], files[len(files)-1]
	if v.Chain == "" {
		v.Chain = first.chain
	}
	switch {
	case first.after != nil:
		v.Start = first.after.Start()
	case first.archive != nil:
		v.Start = Start{Seq: first.first - 1, Hash: first.archive.Prev}
	}
	t := touches{blind: v.Start.Seq > 0}
	said := sayings{files: files}
	entries := func(yield func(store.Record, error) bool) {
		for _, f := range files {
			for line, err := range f.records() {
				if err == nil && each != nil {
					err = each(line)
				}
				if err != nil {
					yield(store.Record{}, err)
					return
				}
				r := line.row()
				t.add(r, line.Disclosed, f.archive != nil)
				said.add(r, line.Disclosed)
				if !yield(r, nil) {
					return
				}
			}
		}
	}
	heads := func(yield func(store.Head, error) bool) {
		for _, f := range files {
			for h, err := range exportedHeads(f) {
				if !yield(h, err) || err != nil {
					return
				}
			}
		}
	}
	result, err := v.Verify(entries, heads)
	if err != nil {
		return Verification{}, err
	}
	result.Passkeys = t.uses()
	said.end(&result)
	result.note(t.bad)
	result.note(said.bad)
	for i, f := range files[1:] {
		if before := files[i].archive; result.Bad != nil && result.Bad.Seq == before.Last+1 && f.first > before.Last+1 {
			result.Bad.Why = fmt.Sprintf("entries %d to %d are in none of the files; verify the archives that hold them with these", before.Last+1, f.first-1)
		}
	}
	if newest.archive != nil && result.Bad == nil && (result.Head == nil || result.Head.Seq != newest.archive.Last) {
		result.note(&BadEntry{newest.archive.Last, "an archive ends with a signed head, and this entry has none"})
	}
	if t.hidden > 0 {
		result.Unknown += fmt.Sprintf("; %d archived entries disclose what passkeys signed, which is sealed in an archive and was not verified", t.hidden)
	}
	return result, nil
}

// sayings compares what entries say about archives with the files that are verified.
type sayings struct {
	files []*recordFile
	found map[int64]*Archive // by the number of its last entry; of those that are asked for
	keys  [][]byte           // that archives are signed with, each once
	bad   *BadEntry
}

// add verifies what an entry says about an archive.
func (s *sayings) add(r store.Record, d *Disclosure) {
	if d == nil || d.Archive == nil || r.Kind != RecordArchived.name || s.bad != nil {
		return
	}
	a := d.Archive
	if a.Chain != r.Chain || a.Last >= r.Seq || !a.isSigned() {
		s.bad = &BadEntry{r.Seq, "what it says of an archive is not signed, or is not of this audit log"}
		return
	}
	for _, f := range s.files {
		switch {
		case f.archive != nil && f.archive.First == a.First:
			if f.archive.Last != a.Last || !bytes.Equal(f.archive.Prev, a.Prev) || !bytes.Equal(f.sum, a.Sum) {
				s.bad = &BadEntry{f.first, fmt.Sprintf("the archive of the entries from here on is another file than the one that entry %d names", r.Seq)}
				return
			}
		case f.after != nil && f.after.Last == a.Last:
			if !f.after.equal(*a) {
				s.bad = &BadEntry{f.first, fmt.Sprintf("what is said of the archive before this entry is not what entry %d says", r.Seq)}
				return
			}
		default:
			continue
		}
		if s.found == nil {
			s.found = map[int64]*Archive{}
		}
		s.found[a.Last] = a
	}
	if !slices.ContainsFunc(s.keys, func(key []byte) bool { return bytes.Equal(key, a.PublicKey) }) && len(s.keys) < maxPasskeys {
		s.keys = append(s.keys, a.PublicKey)
	}
}

// end adds what was found, and what was not, to the result of a verification.
func (s *sayings) end(v *Verification) {
	for _, f := range s.files {
		switch {
		case f.after != nil:
			v.Archived = f.after
			if s.found[f.after.Last] == nil && s.bad == nil {
				s.bad = &BadEntry{f.first, "no entry says that what was before it is archived"}
			}
			if f == s.files[0] {
				v.Unknown += fmt.Sprintf("; entries 1 to %d are archived, and were not verified with these", f.after.Last)
			}
		case f.archive != nil:
			if f == s.files[0] && f.first > 1 {
				v.Unknown += fmt.Sprintf("; entries 1 to %d are in earlier archives, and were not verified with these", f.first-1)
			}
			if s.found[f.archive.Last] == nil {
				v.Unknown += fmt.Sprintf("; no entry here says that this is the archive of entries %d to %d: compare its SHA-256 with what the audit log says", f.first, f.archive.Last)
			}
		}
	}
	for _, key := range s.keys {
		if len(v.treeKeys) > 0 && !slices.ContainsFunc(v.treeKeys, func(k []byte) bool { return bytes.Equal(k, key) }) && s.bad == nil {
			s.bad = &BadEntry{s.files[0].first, "an archive was recorded by another keystore than signed the heads"}
		}
	}
}

// How the kinds of lines begin.
const (
	archiveMark  = `{"archive":`
	archivedMark = `{"archived":`
	recordMark   = `{"record":`
	headMark     = `{"head":`
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

// records yields the entries, which are before the first head. An archive that does not hold all that it should is an
// error, which is the last element.
func (f *recordFile) records() iter.Seq2[*exportedRecord, error] {
	return func(yield func(*exportedRecord, error) bool) {
		last := f.first - 1
		for line, err := range exportedLines(f) {
			if err == nil && line.number == 1 && (f.archive != nil || f.after != nil) {
				continue
			}
			if err == nil && line.is(headMark) {
				break
			}
			e, ok := readExported(line.text)
			switch {
			case err != nil:
			case !ok || e.Record == nil:
				err = line.refuse()
			case f.archive != nil && e.Record.Seq > f.archive.Last:
				err = fmt.Errorf("%w: line %d is of an entry that the archive does not hold", ErrExport, line.number)
			case f.archive != nil && line.number == 2 && !bytes.Equal(e.Record.Prev, f.archive.Prev):
				err = fmt.Errorf("%w: its first entry does not follow the one that its first line names", ErrExport)
			default:
				last = e.Record.Seq
				if !yield(e.Record, nil) {
					return
				}
				continue
			}
			yield(nil, err)
			return
		}
		if f.archive != nil && last != f.archive.Last {
			yield(nil, fmt.Errorf("%w: the archive ends with entry %d, and should end with %d", ErrExport, last, f.archive.Last))
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
