package ledger

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"walletd/internal/keystore"
	"walletd/internal/store"
)

// The oldest entries of a wallet's audit log can be archived: they go into a file, and the chain goes on after the last of
// them, which has a signed head.
//
//	file written, on disk, verified there ──► Archive signed, recorded as an entry and a row ──► entries deleted
//
// The Archive says which file holds which entries. It is in the wallet's own audit log, where its entry discloses it, so
// that the chain's hashes and heads cover it; in a row with the wallet's MAC, which says where the audit log in the store
// begins; and in an export, which begins there too. It is signed with the key of the heads, because an entry alone proves
// little to who has no key: somebody with write access to the database can append one that does not open.

// Archive says what some entries of an audit log were archived into.
type Archive struct {
	Chain string   `json:"chain"`
	First int64    `json:"first"`
	Last  int64    `json:"last"`
	Prev  hexBytes `json:"prev"` // hash of the entry before First; zeros for the first of all
	Hash  hexBytes `json:"hash"` // of Last
	Time  int64    `json:"time"` // milliseconds
	File  string   `json:"file"` // its name, without a directory
	Size  int64    `json:"size"` // of the file, in bytes
	Sum   hexBytes `json:"sha256"`
	// Head is a signed head of Last, on which the archive rests.
	Head      exportedHead `json:"head"`
	PublicKey hexBytes     `json:"publicKey"`
	Signature hexBytes     `json:"signature"` // of all of the above (keystore.SignArchive)
}

var (
	// ErrArchiveFile: the file on the disk is not the archive that was to be written. Nothing was deleted.
	ErrArchiveFile = errors.New("the file of the archive is not what was to be written")
	// ErrNoArchive: the file is an exported audit log, whose entries only the service opens.
	ErrNoArchive = errors.New("this is not an archive, but an exported audit log")
	// ErrUnverified: the audit log does not hold, so nothing of it is archived. Its verification says more.
	ErrUnverified = errors.New("the audit log does not verify, and nothing of it is archived")
)

// ArchivedError: an entry that was asked for is archived.
type ArchivedError struct {
	Seq     int64
	Archive Archive // that holds it
}

func (e *ArchivedError) Error() string {
	return fmt.Sprintf("entry %d is archived: entries %d to %d are in the file %s, SHA-256 %x", e.Seq, e.Archive.First, e.Archive.Last, e.Archive.File, e.Archive.Sum)
}

// message is what the signature covers.
func (a Archive) message() []byte {
	a.PublicKey, a.Signature = nil, nil
	text, err := json.Marshal(a)
	if err != nil {
		panic(err) // texts, numbers and bytes
	}
	return text
}

// isSigned reports whether the archive rests on a head of its last entry, and is signed by the key that it names. Whose key
// that is, it does not tell.
func (a Archive) isSigned() bool {
	h := a.Head.row()
	return a.First >= 1 && a.Last >= a.First && len(a.Prev) == 32 && len(a.Hash) == 32 && len(a.Sum) == 32 &&
		h.Chain == a.Chain && h.Seq == a.Last && bytes.Equal(h.Hash, a.Hash) && keystore.VerifyHead(h) &&
		keystore.VerifyArchive(a.message(), keystore.ArchiveSignature{PublicKey: a.PublicKey, Signature: a.Signature})
}

// Follows reports whether an archive is signed, by whatever key, and holds the entries that come after those of another one;
// nil: the first of an audit log.
func (a Archive) Follows(before *Archive) bool {
	prev := make([]byte, 32)
	if before != nil {
		prev = before.Hash
		if before.Chain != a.Chain {
			return false
		}
	}
	return a.isSigned() && a.First == before.last()+1 && bytes.Equal(a.Prev, prev)
}

// IsRecordedBy reports whether an entry is the one that recorded the archive. The id of the entry says so, which is the
// hash of what it discloses: one of before a restore does not open any more.
func (a Archive) IsRecordedBy(r store.Record) bool {
	return r.Kind == RecordArchived.name && r.ID == (&Disclosure{Archive: &a}).entryID()
}

// equal reports whether two are the same, also in what they are signed with.
func (a Archive) equal(b Archive) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// Start returns where an audit log goes on after its archive; the zero Start for nil.
func (a *Archive) Start() Start {
	if a == nil {
		return Start{}
	}
	h := a.Head.row()
	return Start{Seq: a.Last, Hash: a.Hash, Head: &h}
}

// last returns the number of the last entry that is archived; 0 for nil.
func (a *Archive) last() int64 {
	if a == nil {
		return 0
	}
	return a.Last
}

// Archived returns the newest archive of the wallet's audit log, which in the store goes on after it; nil if there is
// none, or for the service's (w is nil), which is not archived. It leaves out forged rows, and records them.
func (l *Ledger) Archived(ctx context.Context, w *Wallet) (*Archive, error) {
	found, err := l.Archives(ctx, w, math.MaxInt64, 1)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], nil
}

// Archives returns up to limit archives of the wallet's audit log that end before an entry, the newest first.
func (l *Ledger) Archives(ctx context.Context, w *Wallet, before int64, limit int) ([]Archive, error) {
	var found []Archive
	for w != nil && len(found) < limit {
		rows, err := l.store.Archives(ctx, w.ID(), before, limit)
		if err != nil {
			return nil, fmt.Errorf("reading the archives: %w", err)
		}
		for _, row := range rows {
			before = row.Seq
			a, err := openArchiveRow(ctx, w, row)
			if errors.Is(err, ErrForged) {
				continue
			}
			if err != nil {
				return nil, err
			}
			if found = append(found, a); len(found) == limit {
				break
			}
		}
		if len(rows) < limit {
			break
		}
	}
	return found, nil
}

// openArchiveRow checks the MAC of an archive's row and reads its statement.
func openArchiveRow(ctx context.Context, w *Wallet, row store.Archive) (a Archive, err error) {
	if _, err := Check(ctx, w, row); err != nil {
		return a, err
	}
	if err := json.Unmarshal(row.Statement, &a); err != nil || a.Chain != row.Chain || a.First != row.First || a.Last != row.Seq || !bytes.Equal(a.Hash, row.Hash) {
		return a, fmt.Errorf("%w: the archive of the entries from %d on", store.ErrDamaged, row.First)
	}
	return a, nil
}

// SealArchive returns the row of an archive, with the wallet's MAC.
func (w *Wallet) SealArchive(a Archive) (store.Archive, error) {
	text, err := json.Marshal(a)
	if err != nil {
		return store.Archive{}, fmt.Errorf("writing the archive: %w", err)
	}
	row := store.Archive{Chain: a.Chain, First: a.First, Seq: a.Last, Hash: a.Hash, Statement: text}
	row.MAC = w.MAC(row)
	return row, nil
}

// AdoptArchives returns what gives the wallet's MAC to the archives of its audit log that this keystore signed. It is for
// a wallet that is restored, from its words or from a backup, with another key, where the store still has its audit log.
func (l *Ledger) AdoptArchives(ctx context.Context, w *Wallet) ([]store.Write, error) {
	key, err := l.keystore.ServiceHeadKey()
	if err != nil {
		return nil, err
	}
	var writes []store.Write
	for before := int64(math.MaxInt64); ; {
		rows, err := l.store.Archives(ctx, w.ID(), before, 100)
		if err != nil {
			return nil, fmt.Errorf("reading the archives: %w", err)
		}
		for _, row := range rows {
			before = row.Seq
			var a Archive
			if json.Unmarshal(row.Statement, &a) != nil || a.Chain != w.ID() || !bytes.Equal(a.PublicKey, key) || !a.isSigned() {
				continue
			}
			sealed, err := w.SealArchive(a)
			if err != nil {
				return nil, err
			}
			writes = append(writes, store.PutRestoredArchive(sealed))
		}
		if len(rows) < 100 {
			return writes, nil
		}
	}
}

// archiveOf returns the archive that holds an entry.
func (l *Ledger) archiveOf(ctx context.Context, w *Wallet, seq int64) (Archive, error) {
	for before := int64(math.MaxInt64); ; {
		page, err := l.Archives(ctx, w, before, 100)
		if err != nil {
			return Archive{}, err
		}
		for _, a := range page {
			if before = a.Last; a.First <= seq {
				return a, nil
			}
		}
		if len(page) < 100 {
			return Archive{}, fmt.Errorf("looking for the archive of entry %d: %w", seq, store.ErrNotFound)
		}
	}
}

// NextArchive returns what can be archived next of the wallet's audit log, without a file: the entries since the newest
// archive, up to the newest signed head before which all are older than a time. It is nil if there are none.
func (l *Ledger) NextArchive(ctx context.Context, w *Wallet, before time.Time) (*Archive, error) {
	newest, err := l.Archived(ctx, w)
	if err != nil {
		return nil, err
	}
	next := Archive{Chain: w.ID(), First: newest.last() + 1, Prev: make([]byte, 32)}
	if newest != nil {
		next.Prev = newest.Hash
	}
	end, err := l.store.ChainEnd(ctx, next.Chain)
	if err != nil {
		return nil, fmt.Errorf("reading the end of the audit log: %w", err)
	}
	older, young := next.First-1, end.Seq+1 // the last that is known to be older, and the first that is not
	for young-older > 1 {
		middle := older + (young-older)/2
		r, err := l.record(ctx, next.Chain, middle)
		if err != nil {
			return nil, err
		}
		if r.Time < before.UnixMilli() {
			older = middle
		} else {
			young = middle
		}
	}
	head, err := l.store.HeadUpTo(ctx, next.Chain, older)
	if errors.Is(err, store.ErrNotFound) || err == nil && head.Seq < next.First {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking for a signed head: %w", err)
	}
	ours, err := l.signedHere(w, head)
	if err != nil || !ours {
		return nil, err // it came with a backup: the first head since then is waited for
	}
	r, err := l.record(ctx, next.Chain, head.Seq)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(r.Hash, head.Hash) {
		return nil, fmt.Errorf("%w: entry %d is not the one whose hash was signed", ErrUnverified, head.Seq)
	}
	next.Last, next.Hash = head.Seq, head.Hash
	next.Head = exportedHead{head.Chain, head.Seq, head.Hash, head.Time, head.PublicKey, head.Signature}
	return &next, nil
}

// record reads one entry of a chain.
func (l *Ledger) record(ctx context.Context, chain string, seq int64) (store.Record, error) {
	rows, err := l.store.Records(ctx, chain, seq-1, 1)
	if err != nil {
		return store.Record{}, fmt.Errorf("reading the audit log: %w", err)
	}
	if len(rows) == 0 || rows[0].Seq != seq {
		return store.Record{}, fmt.Errorf("%w: entry %d is missing", ErrUnverified, seq)
	}
	return rows[0], nil
}

// signedHere reports whether a head is valid, and signed by this keystore.
func (l *Ledger) signedHere(w *Wallet, h store.Head) (bool, error) {
	key := w.keys.HeadKey()
	if !keystore.IsAlone(h) {
		var err error
		if key, err = l.keystore.ServiceHeadKey(); err != nil {
			return false, err
		}
	}
	return bytes.Equal(h.PublicKey, key) && keystore.VerifyHead(h), nil
}

// RecordArchive signs an archive whose file was verified, and records it, durably: from then on the audit log goes on
// after it. event is of the operator. service is recorded in the service's audit log beside it. Errors are those of
// Wallet.Commit, and store.ErrExists if the same entries were archived meanwhile.
func (l *Ledger) RecordArchive(ctx context.Context, w *Wallet, a Archive, event, service Event) (Archive, error) {
	a.Time = l.store.Now().UnixMilli()
	a.PublicKey, a.Signature = nil, nil
	signed, err := l.keystore.SignArchive(a.message())
	if err != nil {
		return a, err
	}
	a.PublicKey, a.Signature = signed.PublicKey, signed.Signature
	row, err := w.SealArchive(a)
	if err != nil {
		return a, err
	}
	event.Disclosed = &Disclosure{Archive: &a}
	_, err = w.Commit(ctx, Change{Event: event, Service: &service, Writes: []store.Write{store.InsertArchive(row)}})
	return a, err
}
