package store

import (
	"context"
	"strconv"
)

// Archive says that the entries of a chain up to one were archived: the chain in the store goes on after Seq. What is
// before it may be there still, until DeleteArchived has deleted it.
type Archive struct {
	Chain     string
	First     int64  // of the entries in the archive
	Seq       int64  // of the last of them
	Hash      []byte // 32 bytes, of that entry
	Statement []byte // package ledger says of what
	MAC       []byte
}

func (a *Archive) columns() []column {
	return []column{
		authentic("chain", &a.Chain),
		authentic("first", &a.First),
		authentic("seq", &a.Seq),
		authentic("hash", &a.Hash),
		authentic("statement", &a.Statement),
		plain("mac", &a.MAC),
	}
}

func (Archive) Table() string { return "archives" }

// Key is the number of the first entry.
func (a Archive) Key() string { return strconv.FormatInt(a.First, 10) }

// Canonical is what the MAC covers.
func (a Archive) Canonical() []byte { return canonical(&a) }

// Sum is the MAC.
func (a Archive) Sum() []byte { return a.MAC }

var (
	listArchives  = reads[Archive]("archives")
	insertArchive = writes[Archive]("insert archive")
	putArchive    = writes[Archive]("put archive")

	// deleteArchived deletes some of what an archive holds, the oldest first.
	deleteArchived = []*query{
		statement("delete archived contents"),
		statement("delete archived heads"),
		statement("delete archived records"),
	}
)

// Archives reads up to limit archives of a chain that end before a number, the newest first.
func (s *Store) Archives(ctx context.Context, chain string, before int64, limit int) ([]Archive, error) {
	return many(ctx, s, listArchives, chain, before, min(limit, 1000))
}

// InsertArchive has a chain go on after the entries of an archive. ErrExists if one that begins with the same entry is
// there. The Change is on the chain.
func InsertArchive(a Archive) Write {
	return Write{chain: a.Chain, steps: []step{insertArchive.row(a, ErrExists)}}
}

// PutRestoredArchive is InsertArchive for a wallet that is restored, whose chain may have the same archive: then its
// statement and its MAC are replaced. ErrOtherRecord if the one that is there is of other entries.
func PutRestoredArchive(a Archive) Write {
	return Write{chain: a.Chain, steps: []step{putArchive.row(a, ErrOtherRecord)}}
}

// DeleteArchived deletes the entries of a chain up to the last that an archive holds, with their heads and restored
// contents, in small bites that let others through, and returns how many entries it deleted. The caller has checked the
// archive's MAC. Where there is no such archive, nothing is deleted. What one call has left, because it was stopped or
// killed, the next deletes.
func (s *Store) DeleteArchived(ctx context.Context, a Archive) (entries int64, err error) {
	for _, q := range deleteArchived {
		if entries, err = s.sweep(ctx, q, a.Chain, a.Seq); err != nil {
			return entries, err
		}
	}
	return entries, nil
}
