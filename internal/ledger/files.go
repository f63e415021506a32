package ledger

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"

	"walletd/internal/keystore"
	"walletd/internal/store"
)

// ErrExport is returned for a file that is neither an exported audit log nor an archive, and for files that do not go
// together; the wrapping error says which.
var ErrExport = errors.New("this is not an exported audit log")

// FileError is an error of reading some of several files.
type FileError struct {
	Files []int // their numbers, from 0, as they were given
	err   error
}

// Error is that of the error.
func (e *FileError) Error() string { return e.err.Error() }

// Unwrap returns the error.
func (e *FileError) Unwrap() error { return e.err }

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
// The error is a *FileError.
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
			return Verification{}, &FileError{[]int{i}, err}
		}
		parts[i].number = i
	}
	if err := join(parts); err != nil {
		return Verification{}, err
	}
	return v.verifyFiles(parts, nil)
}

// ChainIn returns the name of the chain whose entries a file holds. The error is a *FileError of one file, and ErrExport
// for one that does not begin as an export or an archive does.
func ChainIn(file io.ReaderAt) (string, error) {
	f, err := openRecordFile(file)
	if err == nil && f.chain == "" {
		err = fmt.Errorf("%w: it does not begin with an entry", ErrExport)
	}
	if err != nil {
		return "", &FileError{[]int{0}, err}
	}
	return f.chain, nil
}

// join puts files into the order of their entries, and refuses those that are not of one audit log, or hold an entry
// twice. A gap between them is found by who verifies the entries.
func join(files []*recordFile) error {
	for _, f := range files {
		if f.chain == "" && len(files) > 1 {
			return &FileError{numbers(f), fmt.Errorf("%w: it does not begin with an entry", ErrExport)}
		}
	}
	slices.SortFunc(files, func(a, b *recordFile) int { return cmp.Compare(a.first, b.first) })
	for i := 1; i < len(files); i++ {
		before, f := files[i-1], files[i]
		var err error
		switch {
		case before.chain != f.chain:
			err = fmt.Errorf("%w: the files are of different ones", ErrExport)
		case before.archive == nil || before.archive.Last >= f.first:
			err = fmt.Errorf("%w: two files hold entry %d; leave one of them out", ErrExport, f.first)
		}
		if err != nil {
			return &FileError{numbers(before, f), err}
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
				if err != nil {
					err = &FileError{numbers(f), err}
				} else if each != nil {
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
				if err != nil {
					err = &FileError{numbers(f), err}
				}
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
		if before := files[i]; result.Bad != nil && result.Bad.Seq == before.archive.Last+1 && f.first > before.archive.Last+1 {
			from, to := before.archive.Last+1, f.first-1
			why := fmt.Sprintf("entries %d to %d are in none of the files; %s", from, to, said.verifyToo(from, to))
			result.Bad = &BadEntry{from, why, numbers(before, f), true}
		}
	}
	if newest.archive != nil && result.Bad == nil && (result.Head == nil || result.Head.Seq != newest.archive.Last) {
		result.note(&BadEntry{Seq: newest.archive.Last, Why: "an archive ends with a signed head, and this entry has none"})
	}
	if result.Bad != nil && result.Bad.Files == nil {
		result.Bad.Files = numbers(holding(files, result.Bad.Seq))
	}
	if t.hidden > 0 {
		result.Unknown += fmt.Sprintf("; %d archived entries disclose what passkeys signed, which is sealed in an archive and was not verified", t.hidden)
	}
	return result, nil
}

// holding returns the file that holds an entry, or should, of some in the order of their entries.
func holding(files []*recordFile, seq int64) *recordFile {
	holds := files[0]
	for _, f := range files[1:] {
		if f.first <= seq {
			holds = f
		}
	}
	return holds
}

// numbers returns the numbers of files, each once, in their order.
func numbers(files ...*recordFile) []int {
	var all []int
	for _, f := range files {
		all = append(all, f.number)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
