package ledger

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"walletd/internal/store"
)

// sayings compares what entries say about archives with the files that are verified.
type sayings struct {
	files []*recordFile
	found map[int64]*Archive // by the number of its last entry; of those that are asked for
	keys  [][]byte           // that archives are signed with, each once
	bad   *BadEntry
	// others are the archives that were recorded and of which none of the files is, up to maxNamed.
	others []archiveName
}

type archiveName struct {
	first, last int64
	file        string
}

// maxNamed bounds the archives that are named as missing, and maxName their names.
const (
	maxNamed = 100
	maxName  = 255
)

// add verifies what an entry says about an archive.
func (s *sayings) add(r store.Record, d *Disclosure) {
	if d == nil || d.Archive == nil || r.Kind != RecordArchived.name || s.bad != nil {
		return
	}
	a := d.Archive
	if a.Chain != r.Chain || a.Last >= r.Seq || !a.isSigned() {
		s.bad = &BadEntry{Seq: r.Seq, Why: "what it says of an archive is not signed, or is not of this audit log"}
		return
	}
	names := holding(s.files, r.Seq)
	if !slices.ContainsFunc(s.files, func(f *recordFile) bool { return f.archive != nil && f.archive.First == a.First }) && len(s.others) < maxNamed && len(a.File) <= maxName {
		s.others = append(s.others, archiveName{a.First, a.Last, a.File})
	}
	for _, f := range s.files {
		switch {
		case f.archive != nil && f.archive.First == a.First:
			if f.archive.Last != a.Last || !bytes.Equal(f.archive.Prev, a.Prev) || !bytes.Equal(f.sum, a.Sum) {
				s.bad = &BadEntry{Seq: f.first, Why: fmt.Sprintf("the archive of the entries from here on is another file than the one that entry %d names", r.Seq), Files: numbers(f, names)}
				return
			}
		case f.after != nil && f.after.Last == a.Last:
			if !f.after.equal(*a) {
				s.bad = &BadEntry{Seq: f.first, Why: fmt.Sprintf("what is said of the archive before this entry is not what entry %d says", r.Seq), Files: numbers(f, names)}
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
				s.bad = &BadEntry{Seq: f.first, Why: "no entry says that what was before it is archived"}
			}
			if f == s.files[0] {
				v.Unknown += fmt.Sprintf("; entries 1 to %d are archived, and were not verified with these: %s", f.after.Last, s.verifyToo(1, f.after.Last))
			}
		case f.archive != nil:
			if f == s.files[0] && f.first > 1 {
				v.Unknown += fmt.Sprintf("; entries 1 to %d are in earlier archives, and were not verified with these: %s", f.first-1, s.verifyToo(1, f.first-1))
			}
			if s.found[f.archive.Last] == nil {
				v.Unknown += fmt.Sprintf("; no entry here says that this is the archive of entries %d to %d: compare its SHA-256 with what the audit log says", f.first, f.archive.Last)
			}
		}
	}
	for _, key := range s.keys {
		if len(v.treeKeys) > 0 && !slices.ContainsFunc(v.treeKeys, func(k []byte) bool { return bytes.Equal(k, key) }) && s.bad == nil {
			s.bad = &BadEntry{Seq: s.files[0].first, Why: "an archive was recorded by another keystore than signed the heads", Files: numbers(s.files...)}
		}
	}
}

// verifyToo says which archives are to be verified with the files, for some entries that are in none of them.
func (s *sayings) verifyToo(first, last int64) string {
	var named []string
	for _, a := range s.others {
		if a.first <= last && a.last >= first {
			named = append(named, a.file)
		}
	}
	switch len(named) {
	case 0:
		return "verify the archives that hold them with these"
	case maxNamed:
		named = append(named, "and others")
	}
	return "verify " + strings.Join(named, ", ") + " with these"
}
