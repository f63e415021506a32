// Package archive moves the oldest entries of a wallet's audit log out of the store, each time into one file of a
// directory that the operator names when the service is started. The file's format, and what verifies it, are package
// ledger's; here is the order in which it is done, so that a process that is killed at any point leaves the entries in the
// store, or a verified file that the audit log names.
//
//	NAME.part written ──► synced, read back and verified ──► linked to NAME ──► recorded ──► entries deleted
//	     │                                                        │                │
//	     └─ written anew by the next                              │                └─ what is left is deleted by the next
//	                                                              └─ verified again, and taken, by the next
package archive

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"walletd/internal/auth"
	"walletd/internal/ledger"
	"walletd/internal/store"
)

// Least is how old an entry is before it can be archived. The owner finds what was done of late in the wallet itself, and
// who has an operator's token for a while can move none of that out of sight.
const Least = 15 * 24 * time.Hour

var (
	// ErrNoDirectory: the service was started without a directory for archives.
	ErrNoDirectory = errors.New("the service has no directory for archives; its operator starts it with serve --archive DIR")
	// ErrBusy: another archive is being made.
	ErrBusy = errors.New("another archive is being made; try again when it is done")
	// ErrFile: the directory has another file of the archive's name.
	ErrFile = errors.New("the directory for archives has another file of this name; look at it, and move it away")
)

// Archives makes the archives of a keystore's wallets, one at a time. It is safe for concurrent use.
type Archives struct {
	auth   *auth.Auth
	store  *store.Store
	ledger *ledger.Ledger
	dir    string
	busy   sync.Mutex
}

// New returns the Archives of a keystore. dir is where the files go, "" for nowhere.
func New(st *store.Store, l *ledger.Ledger, a *auth.Auth, dir string) *Archives {
	return &Archives{auth: a, store: st, ledger: l, dir: dir}
}

// Made is what one Create did.
type Made struct {
	Archive *ledger.Archive // nil: nothing was there to archive
	Deleted int64           // entries that are no more in the store, of earlier archives too
}

// Create archives the entries of a wallet's audit log that are older than a time, for an operator, up to the last of
// them that has a signed head. It writes the file, verifies it as it lies on the disk, records it in the wallet's and in
// the service's audit log, and then deletes the entries in the store. Where an earlier call was stopped between these, it
// goes on. Errors: ErrNoDirectory, ErrBusy, ErrFile, auth.ErrNotFound, keystore.ErrLocked, ledger.ErrUnverified,
// ledger.ErrArchiveFile, store.ErrFull, store.ErrChanged if the wallet changed each time, and auth.ErrInput for a time
// that is too late.
func (ar *Archives) Create(ctx context.Context, c *auth.Caller, wallet string, before time.Time) (made Made, err error) {
	if err := c.RequireOperator(); err != nil {
		return Made{}, err
	}
	if ar.dir == "" {
		return Made{}, ErrNoDirectory
	}
	if before.After(ar.store.Now().Add(-Least)) {
		return Made{}, auth.Invalid("before must be %d days ago or more", int(Least.Hours()/24))
	}
	if !ar.busy.TryLock() {
		return Made{}, ErrBusy
	}
	defer ar.busy.Unlock()
	owner, err := ar.auth.OpenItself(ctx, wallet)
	if err != nil {
		return Made{}, err
	}
	defer owner.Close()
	next, err := ar.ledger.NextArchive(ctx, owner.Wallet, before)
	if err != nil {
		return Made{}, err
	}
	if next != nil {
		if made.Archive, err = ar.create(ctx, c, owner, *next); err != nil {
			return Made{}, err
		}
	}
	newest, err := ar.ledger.Archived(ctx, owner.Wallet) // of an earlier call, if this one made none
	if err != nil || newest == nil {
		return made, err
	}
	owner.Close() // to delete takes no key
	made.Deleted, err = ar.store.DeleteArchived(ctx, store.Archive{Chain: newest.Chain, Seq: newest.Last})
	return made, err
}

// create writes, verifies and records an archive.
func (ar *Archives) create(ctx context.Context, c, owner *auth.Caller, a ledger.Archive) (*ledger.Archive, error) {
	a.File = fmt.Sprintf("%s-%d-%d.ndjson", a.Chain, a.First, a.Last)
	a, err := ar.file(ctx, owner, a)
	if err != nil {
		return nil, err
	}
	event := c.Event(ledger.RecordArchived)
	service := event
	service.Wallet = a.Chain
	service.Reason = fmt.Sprintf("entries %d to %d into the file %s, SHA-256 %x", a.First, a.Last, a.File, a.Sum)
	for try := 1; ; try++ {
		recorded, err := ar.ledger.RecordArchive(ctx, owner.Wallet, a, event, service)
		if err == nil {
			return &recorded, nil
		}
		if !errors.Is(err, store.ErrChanged) || try == auth.Tries {
			return nil, fmt.Errorf("recording the archive: %w", err)
		}
		if err := ar.auth.Refresh(ctx, owner); err != nil {
			return nil, err
		}
	}
}

// file has the file of an archive on the disk, whole and verified, under its name.
func (ar *Archives) file(ctx context.Context, owner *auth.Caller, a ledger.Archive) (ledger.Archive, error) {
	name := filepath.Join(ar.dir, a.File)
	part := name + ".part"
	if err := os.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) { // of a call that was stopped while it wrote
		return a, fmt.Errorf("making room for the archive: %w", err)
	}
	verified, err := ar.taken(ctx, owner, name, a)
	if err == nil { // of a call that was stopped before it recorded the file
		return verified, ar.named()
	}
	if errors.Is(err, ledger.ErrArchiveFile) {
		return a, fmt.Errorf("%w: %s: %w", ErrFile, a.File, err)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return a, err
	}
	file, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return a, fmt.Errorf("writing the archive: %w", store.FullOf(err))
	}
	defer file.Close()
	defer os.Remove(part)
	if err := ar.write(ctx, owner, file, a); err != nil {
		return a, err
	}
	if a, err = ar.ledger.VerifyArchiveFile(ctx, owner.Wallet, a, file); err != nil {
		return a, err
	}
	if err := os.Link(part, name); err != nil { // which replaces nothing
		if errors.Is(err, fs.ErrExist) {
			return a, fmt.Errorf("%w: %s", ErrFile, a.File)
		}
		return a, fmt.Errorf("naming the archive: %w", store.FullOf(err))
	}
	if err := isNamed(file, name); err != nil { // who shares the directory may have written the part anew
		return a, err
	}
	return a, ar.named()
}

// write writes an archive to its file, and has it on the disk.
func (ar *Archives) write(ctx context.Context, owner *auth.Caller, file *os.File, a ledger.Archive) error {
	to := bufio.NewWriterSize(file, 64<<10)
	err := ar.ledger.WriteArchive(ctx, owner.Wallet, a, to)
	if err == nil {
		err = to.Flush()
	}
	if err == nil {
		err = file.Sync()
	}
	if err != nil {
		return fmt.Errorf("writing the archive: %w", store.FullOf(err))
	}
	return nil
}

// taken verifies a file that has the name of an archive already, and has it on the disk.
func (ar *Archives) taken(ctx context.Context, owner *auth.Caller, name string, a ledger.Archive) (ledger.Archive, error) {
	info, err := os.Lstat(name)
	if err != nil {
		return a, fmt.Errorf("reading the archive: %w", err)
	}
	if !info.Mode().IsRegular() { // to open it might wait
		return a, fmt.Errorf("%w: it is no regular file", ledger.ErrArchiveFile)
	}
	file, err := os.Open(name)
	if err != nil {
		return a, fmt.Errorf("reading the archive: %w", err)
	}
	defer file.Close()
	if a, err = ar.ledger.VerifyArchiveFile(ctx, owner.Wallet, a, file); err != nil {
		return a, err
	}
	if err := file.Sync(); err != nil { // whoever put it there
		return a, fmt.Errorf("writing the archive: %w", store.FullOf(err))
	}
	return a, isNamed(file, name)
}

// isNamed wants a file to be what a name in the directory is of: the file, and no link to it elsewhere.
func isNamed(file *os.File, name string) error {
	is, err := file.Stat()
	if err != nil {
		return fmt.Errorf("reading the archive: %w", err)
	}
	named, err := os.Lstat(name)
	if err != nil || !os.SameFile(is, named) {
		return fmt.Errorf("%w: its name is of another file", ledger.ErrArchiveFile)
	}
	return nil
}

// named has the archive's name on the disk.
func (ar *Archives) named() error {
	if err := store.SyncDirectory(ar.dir); err != nil {
		return fmt.Errorf("naming the archive: %w", err)
	}
	return nil
}

// List returns up to limit archives of a wallet's audit log that end before an entry, the newest first, for its owner.
func (ar *Archives) List(ctx context.Context, c *auth.Caller, before int64, limit int) ([]ledger.Archive, error) {
	if err := c.RequireReader(); err != nil {
		return nil, err
	}
	return ar.ledger.Archives(ctx, c.Wallet, before, limit)
}
