package claims

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"walletd/internal/ledger"
	"walletd/internal/store"
)

// Backup is a wallet's backup as it is written, and what it holds.
type Backup struct {
	File []byte
	BackupView
}

// CreateBackup makes a backup of the wallet, for its owner, whose request is its own yes: it is on
// record before anything is read. The file is opened again and compared before it is given. What
// is in it was so at one moment; ErrChanged says that the wallet changes all the time. The record
// can be left out. Errors besides: ErrBusy, ErrBackupSize, and ErrBackup for a record that does
// not hold together.
func (d *Door) CreateBackup(ctx context.Context, c *Caller, withoutRecord bool) (Backup, error) {
	if err := c.decides(); err != nil {
		return Backup{}, err
	}
	if !d.backups.TryLock() {
		return Backup{}, ErrBusy
	}
	defer d.backups.Unlock()
	e := c.event(ledger.BackupCreated)
	if withoutRecord {
		e.Reason = "without the record"
	}
	receipt, err := c.commit(ctx, ledger.Change{Event: e})
	if err != nil {
		return Backup{}, err
	}
	b, err := d.gatherAtOnce(ctx, c, receipt, withoutRecord)
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
	again, err := openBackup(file, c.WalletID, key)
	if err != nil {
		return Backup{}, fmt.Errorf("opening what was made: %w", err)
	}
	defer clear(again)
	if !bytes.Equal(plain, again) {
		return Backup{}, errors.New("the backup does not open to what was sealed")
	}
	opened, err := readBackup(again, c.WalletID)
	if err != nil {
		return Backup{}, err
	}
	defer opened.wipe()
	return Backup{file, opened.view(len(file), string(again[:digestSize]))}, nil
}

// InspectBackup opens a file with the wallet's own key, for its owner, and says what it holds. That it
// was opened is on record before it is.
func (d *Door) InspectBackup(ctx context.Context, c *Caller, file []byte) (BackupView, error) {
	if err := c.decides(); err != nil {
		return BackupView{}, err
	}
	if !d.backups.TryLock() {
		return BackupView{}, ErrBusy
	}
	defer d.backups.Unlock()
	e := c.event(ledger.BackupInspected)
	e.Inert = true
	receipt, err := c.commit(ctx, ledger.Change{Event: e})
	if err != nil {
		return BackupView{}, err
	}
	key, err := backupKey(receipt, c.Wallet.Keys())
	if err != nil {
		return BackupView{}, err
	}
	defer key.Wipe()
	return inspect(file, c.WalletID, key)
}

// gatherAtOnce gathers until nothing changed meanwhile: there is no change without an entry.
func (d *Door) gatherAtOnce(ctx context.Context, c *Caller, receipt store.Receipt, withoutRecord bool) (*backup, error) {
	for range Tries {
		if err := d.refresh(ctx, c); err != nil {
			return nil, err
		}
		end, err := d.store.ChainEnd(ctx, c.WalletID)
		if err != nil {
			return nil, fmt.Errorf("reading the end of the record: %w", err)
		}
		last := end.Seq
		if withoutRecord {
			last = 0
		}
		b, err := d.gather(ctx, c, receipt, last)
		if err != nil {
			return nil, err
		}
		unchanged, err := d.unchangedSince(ctx, c, end.Seq)
		if err != nil || unchanged {
			return b, err
		}
		b.wipe()
	}
	return nil, fmt.Errorf("the wallet changed each time it was read: %w", store.ErrChanged)
}

// unchangedSince reports whether nothing that a backup holds changed after an entry. Claims that
// only gave something away go on meanwhile.
func (d *Door) unchangedSince(ctx context.Context, c *Caller, seq int64) (bool, error) {
	row, err := d.store.Wallet(ctx, c.WalletID)
	if err != nil {
		return false, fmt.Errorf("reading the wallet again: %w", err)
	}
	if row.Version != c.Wallet.Row().Version {
		return false, nil
	}
	return c.Wallet.IsInertSince(ctx, seq)
}

// gather reads all that a backup holds, with the record up to an entry (0: without it). Rows that
// somebody else wrote are counted and left out.
func (d *Door) gather(ctx context.Context, c *Caller, receipt store.Receipt, last int64) (*backup, error) {
	b := &backup{
		Format: backupFormat, Wallet: c.WalletID, Created: d.store.Now().UTC().Truncate(time.Second), Settings: settingsOf(c.Wallet.Settings()),
		Accounts: []keptAccount{}, Apps: []keptApp{}, Revoked: []keptRefusal{}, Holdings: []keptHolding{}, Keys: []keptSecretKey{}, Secrets: []storedSecret{},
	}
	for _, part := range []func(context.Context, *Caller, *backup) error{
		func(ctx context.Context, c *Caller, b *backup) error { return d.gatherAccounts(ctx, c, receipt, b) },
		d.gatherDecisions, d.gatherHoldings, d.gatherSecrets,
	} {
		if err := part(ctx, c, b); err != nil {
			b.wipe()
			return nil, err
		}
	}
	if last > 0 {
		var err error
		if b.Record, err = d.recordUpTo(ctx, c, last); err != nil {
			b.wipe()
			return nil, err
		}
	}
	return b, nil
}

// leaveOut counts a row that is not genuine, which goes on record. Other errors are returned.
func (b *backup) leaveOut(err error) error {
	if errors.Is(err, ledger.ErrForged) {
		b.LeftOut++
		return nil
	}
	return err
}

func (d *Door) gatherAccounts(ctx context.Context, c *Caller, receipt store.Receipt, b *backup) error {
	list := func(p store.Page) ([]store.Account, string, error) { return d.store.Accounts(ctx, c.WalletID, p) }
	for a, err := range ledger.Rows(list) {
		if err != nil {
			return err
		}
		if a.Address == c.WalletID {
			continue // the wallet's own, which names it
		}
		k := keptAccount{Address: a.Address, App: a.App, Type: a.Type, Created: a.Created}
		if a.Path == "" {
			if k.Secret, err = c.Wallet.Keys().Secret(receipt, a); err != nil {
				if err := b.leaveOut(c.Wallet.NoteForged(ctx, err)); err != nil {
					return err
				}
				continue
			}
		}
		b.Accounts = append(b.Accounts, k)
	}
	return nil
}

// gatherRows calls f for each authentic row of a list, and counts those that are not.
func gatherRows[C any, R ledger.Sealed](ctx context.Context, c *Caller, b *backup, list ledger.List[R], f func(R, C)) error {
	for row, err := range ledger.Rows(list) {
		if err != nil {
			return err
		}
		o, err := ledger.Open[C](ctx, c.Wallet, row)
		if err != nil {
			if err := b.leaveOut(err); err != nil {
				return err
			}
			continue
		}
		f(o.Row(), o.Content())
	}
	return nil
}

// gatherDecisions reads what the person decided: the policy, the apps they know, the delegations
// they withdrew.
func (d *Door) gatherDecisions(ctx context.Context, c *Caller, b *backup) error {
	p, version, err := d.readPolicy(ctx, c)
	if err = b.leaveOut(err); err != nil {
		return err
	}
	if version > 0 {
		b.Policy = &p
	}
	apps := func(p store.Page) ([]store.App, string, error) { return d.store.Apps(ctx, c.WalletID, p) }
	err = gatherRows(ctx, c, b, apps, func(row store.App, content appContent) {
		b.Apps = append(b.Apps, keptApp{row.App, row.State, content.Name, row.Created})
	})
	if err != nil {
		return err
	}
	delegations := func(p store.Page) ([]store.Delegation, string, error) { return d.store.Delegations(ctx, c.WalletID, p) }
	return gatherRows(ctx, c, b, delegations, func(row store.Delegation, token ledger.Text) {
		if row.Revoked != 0 {
			b.Revoked = append(b.Revoked, keptRefusal{row.Hash, row.FromAddr, row.ToAddr, row.Expires, row.Approved, row.Revoked, string(token)})
		}
	})
}

func (d *Door) gatherHoldings(ctx context.Context, c *Caller, b *backup) error {
	profile, _, err := d.profileOf(ctx, c)
	if err = b.leaveOut(err); err != nil {
		return err
	}
	b.Profile = profile
	list := func(p store.Page) ([]store.Credential, string, error) { return d.store.Credentials(ctx, c.WalletID, p) }
	return gatherRows(ctx, c, b, list, func(_ store.Credential, h holding) { b.Holdings = append(b.Holdings, keptHolding(h)) })
}

// gatherSecrets reads what is kept for apps. Their secrets stay sealed with the apps' own keys,
// which the words bring back.
func (d *Door) gatherSecrets(ctx context.Context, c *Caller, b *backup) error {
	for after := []byte(nil); ; {
		rows, err := d.store.WalletSecretKeys(ctx, c.WalletID, after)
		if err != nil {
			return fmt.Errorf("reading the wallet: %w", err)
		}
		if len(rows) == 0 {
			break
		}
		for _, row := range rows {
			after = row.Tag
			k, err := ledger.Open[keyContent](ctx, c.Wallet, row)
			if err != nil {
				if err := b.leaveOut(err); err != nil {
					return err
				}
				continue
			}
			content := keptKey(k.Content())
			content.Makers = nil // tokens, which are not in a backup
			b.Keys = append(b.Keys, keptSecretKey{row.App, row.Created, content})
		}
	}
	list := func(p store.Page) ([]store.Secret, string, error) { return d.store.Secrets(ctx, c.WalletID, "", p) }
	return gatherRows(ctx, c, b, list, func(row store.Secret, content secretContent) {
		b.Secrets = append(b.Secrets, storedSecret{row.App, row.Revision, row.Created, row.Updated, keptContent(content)})
	})
}
