package ledger

import (
	"bytes"
	"fmt"
	"slices"

	"walletd/internal/store"
)

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
