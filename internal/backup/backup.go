package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"walletd/internal/auth"
	"walletd/internal/consent"
	"walletd/internal/keystore"
	"walletd/internal/ledger"
	"walletd/internal/secrets"
	"walletd/internal/secretstorage"
	"walletd/internal/store"
	"walletd/internal/wallets"
)

// Backups creates, inspects and restores backups of a keystore's wallets, one at a time. It is safe for concurrent
// use.
type Backups struct {
	auth     *auth.Auth
	wallets  *wallets.Wallets
	pipeline *consent.Pipeline
	store    *store.Store
	keystore *keystore.Keystore
	ledger   *ledger.Ledger
	busy     sync.Mutex // held while a backup is created, inspected or restored

	mu     sync.Mutex
	unsent map[string]bool // the wallets with a backup that was created and is not released

	// secretLimit is MaxPlaintext, which bounds the plaintext of a Matrix secret.
	secretLimit int64
}

// New returns the Backups of a keystore.
func New(st *store.Store, ks *keystore.Keystore, l *ledger.Ledger, a *auth.Auth, w *wallets.Wallets, p *consent.Pipeline) *Backups {
	return &Backups{auth: a, wallets: w, pipeline: p, store: st, keystore: ks, ledger: l, unsent: map[string]bool{}, secretLimit: MaxPlaintext}
}

// Backup is the file of a backup, and a summary of its contents. Whoever has it closes it.
type Backup struct {
	File *store.Spool
	Sum  [sha256.Size]byte // SHA-256 of the file
	View
	release func()
}

// Release lets the wallet create another backup, before this one is closed: when all but its last byte was sent, say.
func (b Backup) Release() { b.release() }

// Close gives back what the file takes. It may be called once.
func (b Backup) Close() error {
	b.release()
	return b.File.Close()
}

// maxUnsent is how many files of backups there are at one time, each of another wallet.
const maxUnsent = 8

// take counts the file of a wallet until it is released; false if there is one, or too many of others.
func (bk *Backups) take(wallet string) (release func(), ok bool) {
	bk.mu.Lock()
	defer bk.mu.Unlock()
	if bk.unsent[wallet] || len(bk.unsent) >= maxUnsent {
		return nil, false
	}
	bk.unsent[wallet] = true
	return sync.OnceFunc(func() {
		bk.mu.Lock()
		defer bk.mu.Unlock()
		delete(bk.unsent, wallet)
	}), true
}

// Create creates a backup of the wallet, for its owner. The request needs no approval; it is recorded before anything
// is read. What is read is sealed as it comes, so that memory does not grow with the wallet. Create opens the file again
// and compares it before it returns it. The backup holds one state of the wallet; if the wallet changes each time it is
// read, the error is store.ErrChanged. withoutRecord leaves out the audit log. Other errors: ErrBusy (also while the last
// backup of the wallet is not released), ErrSize, store.ErrFull, and ErrInvalid for an audit log that does not verify.
func (bk *Backups) Create(ctx context.Context, c *auth.Caller, withoutRecord bool) (_ Backup, err error) {
	if err := c.RequireOwner(); err != nil {
		return Backup{}, err
	}
	if !bk.busy.TryLock() {
		return Backup{}, ErrBusy
	}
	defer bk.busy.Unlock()
	release, ok := bk.take(c.WalletID)
	if !ok {
		return Backup{}, ErrBusy
	}
	defer func() {
		if err != nil {
			release()
		}
	}()
	e := c.Event(ledger.BackupCreated)
	if withoutRecord {
		e.Reason = "without the audit log"
	}
	receipt, err := c.Commit(ctx, ledger.Change{Event: e})
	if err != nil {
		return Backup{}, err
	}
	key, err := backupKey(receipt, c.Wallet.Keys())
	if err != nil {
		return Backup{}, err
	}
	defer key.Wipe()
	file, digest, err := bk.sealConsistent(ctx, c, receipt, key, withoutRecord)
	if err != nil {
		return Backup{}, err
	}
	defer func() {
		if err != nil {
			file.Close()
		}
	}()
	opened, err := openFile(file, c.WalletID, key)
	if err != nil {
		return Backup{}, fmt.Errorf("opening the new backup: %w", err)
	}
	found, err := opened.check()
	if err != nil {
		return Backup{}, err
	}
	if found.Digest != digest {
		return Backup{}, errors.New("the backup does not open to what was sealed")
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(file, 0, file.Size())); err != nil {
		return Backup{}, fmt.Errorf("reading the new backup: %w", err)
	}
	return Backup{file, [sha256.Size]byte(sum.Sum(nil)), found.View, release}, nil
}

// Inspect opens a backup with the wallet's own key, for its owner, and returns a summary. The request is recorded
// before the file is opened. Errors: ErrBusy, ErrInvalid, ErrWallet.
func (bk *Backups) Inspect(ctx context.Context, c *auth.Caller, file File) (View, error) {
	if err := c.RequireOwner(); err != nil {
		return View{}, err
	}
	if !bk.busy.TryLock() {
		return View{}, ErrBusy
	}
	defer bk.busy.Unlock()
	e := c.Event(ledger.BackupInspected)
	e.Inert = true
	receipt, err := c.Commit(ctx, ledger.Change{Event: e})
	if err != nil {
		return View{}, err
	}
	key, err := backupKey(receipt, c.Wallet.Keys())
	if err != nil {
		return View{}, err
	}
	defer key.Wipe()
	return inspect(file, c.WalletID, key)
}

// sealConsistent seals the wallet until no concurrent writer changed it meanwhile. Every change has an audit entry, so
// the entries show whether one did. It returns the file, which the caller closes, and the digest of its plaintext. What
// is too long for a Matrix secret is sealed in chunks.
func (bk *Backups) sealConsistent(ctx context.Context, c *auth.Caller, receipt store.Receipt, key secretstorage.Key, withoutRecord bool) (*store.Spool, string, error) {
	chunked := false
	for try := 0; try < auth.Tries; {
		if err := bk.auth.Refresh(ctx, c); err != nil {
			return nil, "", err
		}
		end, err := bk.store.ChainEnd(ctx, c.WalletID)
		if err != nil {
			return nil, "", fmt.Errorf("reading the end of the audit log: %w", err)
		}
		last := end.Seq
		if withoutRecord {
			last = 0
		}
		file := bk.store.NewSpool()
		digest, err := bk.seal(ctx, c, receipt, key, last, file, chunked)
		if errors.Is(err, errOverSecret) {
			file.Close()
			chunked = true
			continue
		}
		unchanged := false
		if err == nil {
			unchanged, err = bk.unchangedSince(ctx, c, end.Seq)
		}
		if err == nil && unchanged {
			return file, digest, nil
		}
		if file.Close(); err != nil {
			return nil, "", err
		}
		try++
	}
	return nil, "", fmt.Errorf("the wallet changed each time it was read: %w", store.ErrChanged)
}

// seal writes the file of a backup in either form, and returns the digest of its plaintext.
func (bk *Backups) seal(ctx context.Context, c *auth.Caller, receipt store.Receipt, key secretstorage.Key, last int64, file *store.Spool, chunked bool) (string, error) {
	var to sealing
	var err error
	if chunked {
		to, err = sealChunks(file, c.WalletID, key)
	} else {
		to, err = sealSecret(file, c.WalletID, key, bk.secretLimit)
	}
	if err != nil {
		return "", err
	}
	defer to.wipe()
	sum := sha256.New()
	if err := bk.gather(ctx, c, receipt, last, io.MultiWriter(to, sum)); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), to.finish()
}

// unchangedSince reports whether nothing that a backup holds has changed since an entry. Answers to claims that change
// nothing do not count.
func (bk *Backups) unchangedSince(ctx context.Context, c *auth.Caller, seq int64) (bool, error) {
	row, err := bk.store.Wallet(ctx, c.WalletID)
	if err != nil {
		return false, fmt.Errorf("reading the wallet again: %w", err)
	}
	if row.Version != c.Wallet.Row().Version {
		return false, nil
	}
	return c.Wallet.IsInertSince(ctx, seq)
}

// gather writes all that a backup holds, with the audit log up to the entry last (0 leaves it out). It counts forged
// rows and leaves them out.
func (bk *Backups) gather(ctx context.Context, c *auth.Caller, receipt store.Receipt, last int64, to io.Writer) error {
	g := gathering{bk, c, newContentsWriter(to), 0}
	defer g.wipe()
	format := backupFormat
	var archives []ledger.Archive
	if last > 0 {
		var err error
		if archives, err = bk.archives(ctx, c); err != nil {
			return err
		}
		if len(archives) > 0 {
			format = backupFormatArchives
		}
	}
	for _, m := range []struct {
		name  string
		value any
	}{
		{"format", format}, {"wallet", c.WalletID}, {"createdAt", bk.store.Now().UTC().Truncate(time.Second)}, {"settings", settingsOf(c.Wallet.Settings())},
	} {
		if err := g.member(m.name, m.value); err != nil {
			return err
		}
	}
	for _, part := range []func(context.Context) error{
		func(ctx context.Context) error { return g.accounts(ctx, receipt) },
		g.decisions, g.holdings, g.secrets,
	} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	if last > 0 {
		if err := bk.writeLog(ctx, c, archives, last, g.contentsWriter); err != nil {
			return err
		}
	}
	if g.leftOut > 0 {
		if err := g.member("leftOut", g.leftOut); err != nil {
			return err
		}
	}
	return g.finish()
}

// gathering is one reading of a wallet.
type gathering struct {
	*Backups
	c *auth.Caller
	*contentsWriter
	leftOut int
}

// skipForged counts a forged row and returns nil. It returns any other error.
func (g *gathering) skipForged(err error) error {
	if errors.Is(err, ledger.ErrForged) {
		g.leftOut++
		return nil
	}
	return err
}

// few is how many rows are in memory at once: one may have megabytes.
const few = 20

func (g *gathering) accounts(ctx context.Context, receipt store.Receipt) error {
	return g.list("accounts", func() error {
		rows := func(p store.Page) ([]store.Account, string, error) { return g.store.Accounts(ctx, g.c.WalletID, p) }
		for a, err := range ledger.Rows(rows) {
			if err != nil {
				return err
			}
			if a.Address == g.c.WalletID {
				continue // the wallet's own account, which every wallet has
			}
			k := fileAccount{Address: a.Address, App: a.App, Type: a.Type, Created: a.Created}
			if a.Path == "" {
				if k.Secret, err = g.c.Wallet.Keys().Secret(receipt, a); err != nil {
					if err := g.skipForged(g.c.Wallet.NoteForged(ctx, err)); err != nil {
						return err
					}
					continue
				}
			}
			err = g.element(k)
			if clear(k.Secret); err != nil {
				return err
			}
		}
		return nil
	})
}

// gatherRows writes a list of what f makes of each authentic row, and counts the forged ones. What f returns nil for is
// left out.
func gatherRows[C any, R ledger.Sealed](ctx context.Context, g *gathering, name string, rows ledger.List[R], f func(R, C) any) error {
	return g.list(name, func() error {
		for row, err := range ledger.Rows(rows) {
			if err != nil {
				return err
			}
			if err := gatherRow(ctx, g, row, f); err != nil {
				return err
			}
		}
		return nil
	})
}

func gatherRow[C any, R ledger.Sealed](ctx context.Context, g *gathering, row R, f func(R, C) any) error {
	o, err := ledger.Open[C](ctx, g.c.Wallet, row)
	if err != nil {
		return g.skipForged(err)
	}
	if element := f(o.Row(), o.Content()); element != nil {
		return g.element(element)
	}
	return nil
}

// decisions writes what the owner decided, and the profile: the policy, the registered and revoked apps, and the
// revoked delegations.
func (g *gathering) decisions(ctx context.Context) error {
	p, version, err := g.pipeline.ReadPolicy(ctx, g.c)
	if err = g.skipForged(err); err != nil {
		return err
	}
	if version > 0 {
		if err := g.member("policy", p); err != nil {
			return err
		}
	}
	profile, _, err := g.wallets.ProfileOf(ctx, g.c)
	if err = g.skipForged(err); err != nil {
		return err
	}
	if len(profile) > 0 {
		if err := g.member("profile", profile); err != nil {
			return err
		}
	}
	apps := func(p store.Page) ([]store.App, string, error) { return g.store.Apps(ctx, g.c.WalletID, p) }
	err = gatherRows(ctx, g, "apps", apps, func(row store.App, content auth.AppContent) any {
		return fileApp{row.App, row.State, content.Name, row.Created}
	})
	if err != nil {
		return err
	}
	delegations := func(p store.Page) ([]store.Delegation, string, error) {
		p.Limit = few
		return g.store.Delegations(ctx, g.c.WalletID, p)
	}
	return gatherRows(ctx, g, "revokedDelegations", delegations, func(row store.Delegation, token ledger.Text) any {
		if row.Revoked == 0 {
			return nil
		}
		return fileDelegation{row.Hash, row.FromAddr, row.ToAddr, row.Expires, row.Approved, row.Revoked, string(token)}
	})
}

func (g *gathering) holdings(ctx context.Context) error {
	rows := func(p store.Page) ([]store.Credential, string, error) {
		p.Limit = few
		return g.store.Credentials(ctx, g.c.WalletID, p)
	}
	return gatherRows(ctx, g, "credentials", rows, func(_ store.Credential, h wallets.Holding) any { return fileHolding(h) })
}

// secrets writes the secrets and keys of apps. The secrets stay encrypted with the apps' own keys, which the wallet's
// words restore.
func (g *gathering) secrets(ctx context.Context) error {
	err := g.list("secretKeys", func() error {
		for after := []byte(nil); ; {
			rows, err := g.store.WalletSecretKeys(ctx, g.c.WalletID, after)
			if err != nil {
				return fmt.Errorf("reading the wallet: %w", err)
			}
			if len(rows) == 0 {
				return nil
			}
			for _, row := range rows {
				after = row.Tag
				err := gatherRow(ctx, g, row, func(row store.SecretKey, content secrets.KeyContent) any {
					content.Makers = nil // ids of tokens, which a backup does not hold
					return fileSecretKey{row.App, row.Created, fileKeyContent(content)}
				})
				if err != nil {
					return err
				}
			}
		}
	})
	if err != nil {
		return err
	}
	rows := func(p store.Page) ([]store.Secret, string, error) {
		p.Limit = few
		return g.store.Secrets(ctx, g.c.WalletID, "", p)
	}
	return gatherRows(ctx, g, "secrets", rows, func(row store.Secret, content secrets.Content) any {
		return fileSecret{row.App, row.Revision, row.Created, row.Updated, fileSecretContent(content)}
	})
}
