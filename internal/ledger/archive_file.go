package ledger

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"walletd/internal/derive"
	"walletd/internal/keystore"
	"walletd/internal/store"
)

// archiveHeader is the first line of an archive.
type archiveHeader struct {
	Chain string   `json:"chain"`
	First int64    `json:"first"`
	Last  int64    `json:"last"`
	Prev  hexBytes `json:"prev"`
}

func (a Archive) header() archiveHeader { return archiveHeader{a.Chain, a.First, a.Last, a.Prev} }

// WriteArchive writes the file of what NextArchive returned: JSON lines, as Export does, with the content of each entry
// sealed for the words of the wallet. What an export shows of entries, so that anybody can verify it, is left sealed, but
// for what is said about archives: the file tells whoever keeps it no more than the store does.
func (l *Ledger) WriteArchive(ctx context.Context, w *Wallet, a Archive, to io.Writer) error {
	e := json.NewEncoder(to)
	header := a.header()
	if err := e.Encode(exported{Archive: &header}); err != nil {
		return err
	}
	contents := l.contents(w)
	for r, err := range l.records(ctx, w, a.First-1) {
		if err != nil {
			return err
		}
		if r.Seq > a.Last {
			break
		}
		if !l.keystore.Unlocked(w.epoch) {
			return keystore.ErrLocked // a lock does not wait until the file is written
		}
		line := exportedRecordOf(r)
		content, err := contents.open(ctx, r)
		if err != nil {
			return err
		}
		if content != nil {
			line.Content, err = w.keys.SealArchived(r, content)
			if clear(content); err != nil {
				return fmt.Errorf("sealing entry %d for its archive: %w", r.Seq, err)
			}
		}
		if line.Disclosed, err = l.archiveDisclosed(ctx, w, r); err != nil {
			return err
		}
		if err := e.Encode(exported{Record: line}); err != nil {
			return err
		}
	}
	for h, err := range l.Heads(ctx, a.Chain, a.First-1) {
		if err != nil {
			return err
		}
		if h.Seq > a.Last {
			break
		}
		if err := e.Encode(exported{Head: exportedHeadOf(h)}); err != nil {
			return err
		}
	}
	return nil
}

// archiveDisclosed returns what an entry discloses about an archive; nil if it discloses something else, or nothing.
func (l *Ledger) archiveDisclosed(ctx context.Context, w *Wallet, r store.Record) (*Disclosure, error) {
	if w == nil || r.Kind != RecordArchived.name || !discloses(r) {
		return nil, nil
	}
	for before := r.Seq; ; {
		page, err := l.Archives(ctx, w, before, 100)
		if err != nil {
			return nil, err
		}
		for _, a := range page {
			if before = a.Last; a.IsRecordedBy(r) {
				return &Disclosure{Archive: &a}, nil
			}
		}
		if len(page) < 100 {
			return nil, nil
		}
	}
}

// VerifyArchiveFile verifies that a file, as it is read now, is the archive that WriteArchive was to write: that it holds
// these entries and no others, that each says for the words what it says in the store, and that its end is signed. It
// returns the archive with the file's size and hash. Other errors than ErrArchiveFile and ErrUnverified are those of
// reading.
func (l *Ledger) VerifyArchiveFile(ctx context.Context, w *Wallet, a Archive, file io.ReaderAt) (Archive, error) {
	f, err := openRecordFile(file)
	if err != nil {
		return a, fmt.Errorf("%w: %w", ErrArchiveFile, err)
	}
	if h := f.archive; h == nil || h.Chain != a.Chain || h.First != a.First || h.Last != a.Last || !bytes.Equal(h.Prev, a.Prev) {
		return a, fmt.Errorf("%w: it does not begin as it was to", ErrArchiveFile)
	}
	v := Verifier{Chain: a.Chain, Key: w.keys.HeadKey()}
	if v.RootKey, err = l.keystore.ServiceHeadKey(); err != nil {
		return a, err
	}
	contents := l.contents(w)
	found, err := v.verifyFiles([]*recordFile{f}, func(line *exportedRecord) error {
		if !l.keystore.Unlocked(w.epoch) {
			return keystore.ErrLocked
		}
		content, err := contents.open(ctx, line.row())
		if err != nil {
			return err
		}
		defer clear(content)
		if content == nil && line.Content == nil {
			return nil // it does not open in the store either
		}
		fits, err := w.keys.FitsArchived(line.row(), line.Content, content)
		if err == nil && !fits {
			err = fmt.Errorf("%w: what entry %d says is not what it said", ErrArchiveFile, line.Seq)
		}
		return err
	})
	switch {
	case errors.Is(err, ErrExport):
		return a, fmt.Errorf("%w: %w", ErrArchiveFile, err)
	case err != nil:
		return a, err
	case found.Bad != nil:
		return a, fmt.Errorf("%w: entry %d: %s", ErrUnverified, found.Bad.Seq, found.Bad.Why)
	case found.Head == nil || found.Head.Seq != a.Last || !bytes.Equal(found.Head.Hash, a.Hash):
		return a, fmt.Errorf("%w: it does not end with the entry whose hash was signed", ErrArchiveFile)
	}
	a.Sum, a.Size = f.sum, f.size
	return a, nil
}

// ArchivedEntry is an entry of an archive, opened with the words.
type ArchivedEntry struct {
	Entry
	Opens bool // false: it did not open when it was archived
}

// OpenArchive verifies an archive and, with the seed of the wallet's words, what its entries disclose, and then calls each
// for every entry, in order. Nothing is called if it does not hold: see the Verification. Other errors: ErrExport,
// keystore.ErrArchived, and those of each.
func OpenArchive(file io.ReaderAt, seed derive.Seed, each func(ArchivedEntry) error) (Verification, error) {
	f, err := openRecordFile(file)
	if err != nil {
		return Verification{}, err
	}
	if f.archive == nil {
		return Verification{}, ErrNoArchive
	}
	open := func(line *exportedRecord) ([]byte, error) {
		if line.Content == nil {
			return nil, nil
		}
		return keystore.OpenArchived(seed, line.row(), line.Content)
	}
	found, err := Verifier{}.verifyFiles([]*recordFile{f}, func(line *exportedRecord) error {
		content, err := open(line)
		var event Event
		if err == nil && json.Unmarshal(content, &event) == nil {
			line.Disclosed = event.Disclosed
		}
		return err
	})
	if err != nil || found.Bad != nil {
		return found, err
	}
	for line, err := range f.records() {
		if err != nil {
			return found, err
		}
		content, err := open(line)
		if err != nil {
			return found, err
		}
		e := ArchivedEntry{entryOf(line.row(), content), content != nil}
		if err := each(e); err != nil {
			return found, err
		}
	}
	return found, nil
}
