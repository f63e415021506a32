package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"walletd/internal/auth"
	"walletd/internal/consent"
	"walletd/internal/keystore"
	"walletd/internal/ledger"
	"walletd/internal/secrets"
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
	busy     sync.Mutex // held while a backup is in memory
}

// New returns the Backups of a keystore.
func New(st *store.Store, ks *keystore.Keystore, l *ledger.Ledger, a *auth.Auth, w *wallets.Wallets, p *consent.Pipeline) *Backups {
	return &Backups{auth: a, wallets: w, pipeline: p, store: st, keystore: ks, ledger: l}
}

// Backup is the file of a backup, and a summary of its contents.
type Backup struct {
	File []byte
	View
}

// Create creates a backup of the wallet, for its owner. The request needs no approval; it is recorded before anything
// is read. Create opens the file again and compares it before it returns it. The backup holds one state of the
// wallet; if the wallet changes each time it is read, the error is store.ErrChanged. withoutRecord leaves out the audit
// log. Other errors: ErrBusy, ErrSize, and ErrInvalid for an audit log that does not verify.
func (bk *Backups) Create(ctx context.Context, c *auth.Caller, withoutRecord bool) (Backup, error) {
	if err := c.RequireOwner(); err != nil {
		return Backup{}, err
	}
	if !bk.busy.TryLock() {
		return Backup{}, ErrBusy
	}
	defer bk.busy.Unlock()
	e := c.Event(ledger.BackupCreated)
	if withoutRecord {
		e.Reason = "without the audit log"
	}
	receipt, err := c.Commit(ctx, ledger.Change{Event: e})
	if err != nil {
		return Backup{}, err
	}
	b, err := bk.gatherConsistent(ctx, c, receipt, withoutRecord)
	if err != nil {
		return Backup{}, err
	}
	defer b.wipe()
	plain, err := b.encode()
	if err != nil {
		return Backup{}, err
	}
	defer clear(plain)
	key, err := backupKey(receipt, c.Wallet.Keys())
	if err != nil {
		return Backup{}, err
	}
	defer key.Wipe()
	file, err := sealBackup(c.WalletID, key, plain)
	if err != nil {
		return Backup{}, err
	}
	reopened, err := openBackup(file, c.WalletID, key)
	if err != nil {
		return Backup{}, fmt.Errorf("opening the new backup: %w", err)
	}
	defer clear(reopened)
	if !bytes.Equal(plain, reopened) {
		return Backup{}, errors.New("the backup does not open to what was sealed")
	}
	opened, err := readBackup(reopened, c.WalletID)
	if err != nil {
		return Backup{}, err
	}
	defer opened.wipe()
	return Backup{file, opened.view(len(file), string(reopened[:digestSize]))}, nil
}

// Inspect opens a backup with the wallet's own key, for its owner, and returns a summary. The request is recorded
// before the file is opened. Errors: ErrBusy, ErrInvalid, ErrWallet.
func (bk *Backups) Inspect(ctx context.Context, c *auth.Caller, file []byte) (View, error) {
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

// gatherConsistent gathers the wallet until no concurrent writer changed it meanwhile. Every change has an audit entry,
// so the entries show whether one did.
func (bk *Backups) gatherConsistent(ctx context.Context, c *auth.Caller, receipt store.Receipt, withoutRecord bool) (*backup, error) {
	for range auth.Tries {
		if err := bk.auth.Refresh(ctx, c); err != nil {
			return nil, err
		}
		end, err := bk.store.ChainEnd(ctx, c.WalletID)
		if err != nil {
			return nil, fmt.Errorf("reading the end of the audit log: %w", err)
		}
		last := end.Seq
		if withoutRecord {
			last = 0
		}
		b, err := bk.gather(ctx, c, receipt, last)
		if err != nil {
			return nil, err
		}
		unchanged, err := bk.unchangedSince(ctx, c, end.Seq)
		if err != nil || unchanged {
			return b, err
		}
		b.wipe()
	}
	return nil, fmt.Errorf("the wallet changed each time it was read: %w", store.ErrChanged)
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

// gather reads all that a backup holds, with the audit log up to the entry last (0 leaves it out). It counts forged
// rows and leaves them out.
func (bk *Backups) gather(ctx context.Context, c *auth.Caller, receipt store.Receipt, last int64) (*backup, error) {
	b := &backup{
		Format: backupFormat, Wallet: c.WalletID, Created: bk.store.Now().UTC().Truncate(time.Second), Settings: settingsOf(c.Wallet.Settings()),
		Accounts: []fileAccount{}, Apps: []fileApp{}, Revoked: []fileDelegation{}, Holdings: []fileHolding{}, Keys: []fileSecretKey{}, Secrets: []fileSecret{},
	}
	for _, part := range []func(context.Context, *auth.Caller, *backup) error{
		func(ctx context.Context, c *auth.Caller, b *backup) error {
			return bk.gatherAccounts(ctx, c, receipt, b)
		},
		bk.gatherDecisions, bk.gatherHoldings, bk.gatherSecrets,
	} {
		if err := part(ctx, c, b); err != nil {
			b.wipe()
			return nil, err
		}
	}
	if last > 0 {
		var err error
		if b.Record, err = bk.logUpTo(ctx, c, last); err != nil {
			b.wipe()
			return nil, err
		}
	}
	return b, nil
}

// skipForged counts a forged row and returns nil. It returns any other error.
func (b *backup) skipForged(err error) error {
	if errors.Is(err, ledger.ErrForged) {
		b.LeftOut++
		return nil
	}
	return err
}

func (bk *Backups) gatherAccounts(ctx context.Context, c *auth.Caller, receipt store.Receipt, b *backup) error {
	list := func(p store.Page) ([]store.Account, string, error) { return bk.store.Accounts(ctx, c.WalletID, p) }
	for a, err := range ledger.Rows(list) {
		if err != nil {
			return err
		}
		if a.Address == c.WalletID {
			continue // the wallet's own account, which every wallet has
		}
		k := fileAccount{Address: a.Address, App: a.App, Type: a.Type, Created: a.Created}
		if a.Path == "" {
			if k.Secret, err = c.Wallet.Keys().Secret(receipt, a); err != nil {
				if err := b.skipForged(c.Wallet.NoteForged(ctx, err)); err != nil {
					return err
				}
				continue
			}
		}
		b.Accounts = append(b.Accounts, k)
	}
	return nil
}

// gatherRows calls f for each authentic row of a list, and counts the forged ones.
func gatherRows[C any, R ledger.Sealed](ctx context.Context, c *auth.Caller, b *backup, list ledger.List[R], f func(R, C)) error {
	for row, err := range ledger.Rows(list) {
		if err != nil {
			return err
		}
		o, err := ledger.Open[C](ctx, c.Wallet, row)
		if err != nil {
			if err := b.skipForged(err); err != nil {
				return err
			}
			continue
		}
		f(o.Row(), o.Content())
	}
	return nil
}

// gatherDecisions reads what the owner decided: the policy, the registered and revoked apps, and the revoked
// delegations.
func (bk *Backups) gatherDecisions(ctx context.Context, c *auth.Caller, b *backup) error {
	p, version, err := bk.pipeline.ReadPolicy(ctx, c)
	if err = b.skipForged(err); err != nil {
		return err
	}
	if version > 0 {
		b.Policy = &p
	}
	apps := func(p store.Page) ([]store.App, string, error) { return bk.store.Apps(ctx, c.WalletID, p) }
	err = gatherRows(ctx, c, b, apps, func(row store.App, content auth.AppContent) {
		b.Apps = append(b.Apps, fileApp{row.App, row.State, content.Name, row.Created})
	})
	if err != nil {
		return err
	}
	delegations := func(p store.Page) ([]store.Delegation, string, error) {
		return bk.store.Delegations(ctx, c.WalletID, p)
	}
	return gatherRows(ctx, c, b, delegations, func(row store.Delegation, token ledger.Text) {
		if row.Revoked != 0 {
			b.Revoked = append(b.Revoked, fileDelegation{row.Hash, row.FromAddr, row.ToAddr, row.Expires, row.Approved, row.Revoked, string(token)})
		}
	})
}

func (bk *Backups) gatherHoldings(ctx context.Context, c *auth.Caller, b *backup) error {
	profile, _, err := bk.wallets.ProfileOf(ctx, c)
	if err = b.skipForged(err); err != nil {
		return err
	}
	b.Profile = profile
	list := func(p store.Page) ([]store.Credential, string, error) {
		return bk.store.Credentials(ctx, c.WalletID, p)
	}
	return gatherRows(ctx, c, b, list, func(_ store.Credential, h wallets.Holding) { b.Holdings = append(b.Holdings, fileHolding(h)) })
}

// gatherSecrets reads the secrets and keys of apps. The secrets stay encrypted with the apps' own keys, which the
// wallet's words restore.
func (bk *Backups) gatherSecrets(ctx context.Context, c *auth.Caller, b *backup) error {
	for after := []byte(nil); ; {
		rows, err := bk.store.WalletSecretKeys(ctx, c.WalletID, after)
		if err != nil {
			return fmt.Errorf("reading the wallet: %w", err)
		}
		if len(rows) == 0 {
			break
		}
		for _, row := range rows {
			after = row.Tag
			k, err := ledger.Open[secrets.KeyContent](ctx, c.Wallet, row)
			if err != nil {
				if err := b.skipForged(err); err != nil {
					return err
				}
				continue
			}
			content := fileKeyContent(k.Content())
			content.Makers = nil // ids of tokens, which a backup does not hold
			b.Keys = append(b.Keys, fileSecretKey{row.App, row.Created, content})
		}
	}
	list := func(p store.Page) ([]store.Secret, string, error) { return bk.store.Secrets(ctx, c.WalletID, "", p) }
	return gatherRows(ctx, c, b, list, func(row store.Secret, content secrets.Content) {
		b.Secrets = append(b.Secrets, fileSecret{row.App, row.Revision, row.Created, row.Updated, fileSecretContent(content)})
	})
}
