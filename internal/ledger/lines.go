package ledger

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"iter"
	"math"

	"walletd/internal/store"
)

// How the kinds of lines begin.
const (
	archiveMark  = `{"archive":`
	archivedMark = `{"archived":`
	recordMark   = `{"record":`
	headMark     = `{"head":`
	brokenMark   = `{"error":` // written by the service, which could not go on
)

// recordFile is a file that holds a part of an audit log: an archive, or an export.
type recordFile struct {
	io.ReaderAt
	number  int            // of those that are verified together, from 0
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

// exportedLine is one line of an exported audit log. The text is valid until the next one is read.
type exportedLine struct {
	number int
	text   []byte
}

func (l exportedLine) is(mark string) bool { return bytes.HasPrefix(l.text, []byte(mark)) }

func (l exportedLine) refuse() error {
	if l.is(brokenMark) {
		return fmt.Errorf("%w: line %d says that the service could not write it whole; ask for it again", ErrExport, l.number)
	}
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
