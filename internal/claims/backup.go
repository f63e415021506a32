package claims

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

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
	e := c.event("backup.created")
	if withoutRecord {
		e.Reason = "without the record"
	}
	if err := d.record(ctx, c, e); err != nil {
		return Backup{}, err
	}
	b, err := d.gatherAtOnce(ctx, c, withoutRecord)
	if err != nil {
		return Backup{}, err
	}
	defer b.wipe()
	plain, err := b.encode()
	if err != nil {
		return Backup{}, err
	}
	defer clear(plain)
	key, err := backupKey(c.wallet)
	if err != nil {
		return Backup{}, err
	}
	defer key.Wipe()
	file, err := sealBackup(c.Wallet, key, plain)
	if err != nil {
		return Backup{}, err
	}
	again, err := openBackup(file, c.Wallet, key)
	if err != nil {
		return Backup{}, fmt.Errorf("opening what was made: %w", err)
	}
	defer clear(again)
	if !bytes.Equal(plain, again) {
		return Backup{}, errors.New("the backup does not open to what was sealed")
	}
	opened, err := readBackup(again, c.Wallet)
	if err != nil {
		return Backup{}, err
	}
	defer opened.wipe()
	return Backup{file, opened.view(len(file), string(again[:digestSize]))}, nil
}

// InspectBackup opens a file with the wallet's own key, for its owner, and says what it holds.
func (d *Door) InspectBackup(_ context.Context, c *Caller, file []byte) (BackupView, error) {
	if err := c.decides(); err != nil {
		return BackupView{}, err
	}
	if !d.backups.TryLock() {
		return BackupView{}, ErrBusy
	}
	defer d.backups.Unlock()
	key, err := backupKey(c.wallet)
	if err != nil {
		return BackupView{}, err
	}
	defer key.Wipe()
	return inspect(file, c.Wallet, key)
}

// gatherAtOnce gathers until nothing changed meanwhile: there is no change without an entry.
func (d *Door) gatherAtOnce(ctx context.Context, c *Caller, withoutRecord bool) (*backup, error) {
	for range tries {
		if err := d.refresh(ctx, c); err != nil {
			return nil, err
		}
		end, err := d.store.ChainEnd(ctx, c.Wallet)
		if err != nil {
			return nil, fmt.Errorf("reading the end of the record: %w", err)
		}
		last := end.Seq
		if withoutRecord {
			last = 0
		}
		b, err := d.gather(ctx, c, last)
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
	row, err := d.store.Wallet(ctx, c.Wallet)
	if err != nil {
		return false, fmt.Errorf("reading the wallet again: %w", err)
	}
	if row.Version != c.row.Version {
		return false, nil
	}
	for {
		rows, err := d.store.Records(ctx, c.Wallet, seq, recordPage)
		if err != nil {
			return false, fmt.Errorf("reading the record: %w", err)
		}
		for _, r := range rows {
			plain, err := c.wallet.Open(recordPlace(r.ID), r.Sealed)
			var e Event
			if err != nil || json.Unmarshal(plain, &e) != nil || !onlyGives(r.Kind, e) {
				return false, nil
			}
			seq = r.Seq
		}
		if len(rows) < recordPage {
			return true, nil
		}
	}
}

// onlyGives reports whether an event is of claims that leave the wallet as it is.
func onlyGives(kind string, e Event) bool {
	if !strings.HasPrefix(kind, "claim.") {
		return false
	}
	for _, c := range e.Claims {
		switch c.Type {
		case "encryptionKey", "signature", "authPrincipal", "profile", secretRead().name:
		default:
			return false
		}
	}
	return true
}

// gather reads all that a backup holds, with the record up to an entry (0: without it). Rows that
// somebody else wrote are counted and left out.
func (d *Door) gather(ctx context.Context, c *Caller, last int64) (*backup, error) {
	b := &backup{
		Format: backupFormat, Wallet: c.Wallet, Created: d.store.Now().UTC().Truncate(time.Second), Settings: settingsOf(c.wallet.Content()),
		Accounts: []keptAccount{}, Apps: []keptApp{}, Revoked: []keptRefusal{}, Holdings: []holding{}, Keys: []keptSecretKey{}, Secrets: []storedSecret{},
	}
	for _, part := range []func(context.Context, *Caller, *backup) error{
		d.gatherAccounts, d.gatherDecisions, d.gatherHoldings, d.gatherSecrets,
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

// pages calls f for each row of a list.
func pages[T any](list func(store.Page) ([]T, string, error), f func(T) error) error {
	for page := (store.Page{}); ; {
		rows, next, err := list(page)
		if err != nil {
			return fmt.Errorf("reading the wallet: %w", err)
		}
		for _, row := range rows {
			if err := f(row); err != nil {
				return err
			}
		}
		if page.Cursor = next; next == "" {
			return nil
		}
	}
}

// leaveOut counts a row that is not genuine, which goes on record. Other errors are returned.
func (b *backup) leaveOut(err error) error {
	if errors.Is(err, ErrForged) {
		b.LeftOut++
		return nil
	}
	return err
}

func (d *Door) gatherAccounts(ctx context.Context, c *Caller, b *backup) error {
	list := func(p store.Page) ([]store.Account, string, error) { return d.store.Accounts(ctx, c.Wallet, p) }
	return pages(list, func(a store.Account) error {
		if a.Address == c.Wallet {
			return nil // the wallet's own, which names it
		}
		k := keptAccount{Address: a.Address, App: a.App, Type: a.Type, Created: a.Created}
		if a.Path == "" {
			var err error
			if k.Secret, err = c.wallet.Secret(a); err != nil {
				return b.leaveOut(d.noteForged(ctx, c, err))
			}
		}
		b.Accounts = append(b.Accounts, k)
		return nil
	})
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
	apps := func(p store.Page) ([]store.App, string, error) { return d.store.Apps(ctx, c.Wallet, p) }
	err = pages(apps, func(row store.App) error {
		_, content, err := d.app(ctx, c, row.App)
		if err != nil {
			return b.leaveOut(d.noteForged(ctx, c, err))
		}
		b.Apps = append(b.Apps, keptApp{row.App, row.State, content.Name, row.Created})
		return nil
	})
	if err != nil {
		return err
	}
	delegations := func(p store.Page) ([]store.Delegation, string, error) { return d.store.Delegations(ctx, c.Wallet, p) }
	return pages(delegations, func(row store.Delegation) error {
		if err := c.wallet.CheckMAC("delegations", hex.EncodeToString(row.Hash), row.Canonical(), row.MAC); err != nil {
			return b.leaveOut(d.noteForged(ctx, c, err))
		}
		if row.Revoked == 0 {
			return nil
		}
		token, err := c.wallet.Open(delegationPlace(row.Hash), row.Sealed)
		if err != nil {
			return b.leaveOut(d.noteForged(ctx, c, err))
		}
		b.Revoked = append(b.Revoked, keptRefusal{row.Hash, row.FromAddr, row.ToAddr, row.Expires, row.Approved, row.Revoked, string(token)})
		return nil
	})
}

func (d *Door) gatherHoldings(ctx context.Context, c *Caller, b *backup) error {
	profile, _, err := d.profileOf(ctx, c)
	if err = b.leaveOut(err); err != nil {
		return err
	}
	b.Profile = profile
	list := func(p store.Page) ([]store.Credential, string, error) { return d.store.Credentials(ctx, c.Wallet, p) }
	return pages(list, func(row store.Credential) error {
		h, err := openHolding(c.wallet, row)
		if err != nil {
			return b.leaveOut(d.noteForged(ctx, c, err))
		}
		b.Holdings = append(b.Holdings, h)
		return nil
	})
}

// gatherSecrets reads what is kept for apps. Their secrets stay sealed with the apps' own keys,
// which the words bring back.
func (d *Door) gatherSecrets(ctx context.Context, c *Caller, b *backup) error {
	for after := []byte(nil); ; {
		rows, err := d.store.WalletSecretKeys(ctx, c.Wallet, after)
		if err != nil {
			return fmt.Errorf("reading the wallet: %w", err)
		}
		if len(rows) == 0 {
			break
		}
		for _, row := range rows {
			after = row.Tag
			k, err := d.openKey(ctx, c, row)
			if err != nil {
				if err := b.leaveOut(err); err != nil {
					return err
				}
				continue
			}
			k.content.Makers = nil // tokens, which are not in a backup
			b.Keys = append(b.Keys, keptSecretKey{row.App, row.Created, k.content})
		}
	}
	list := func(p store.Page) ([]store.Secret, string, error) { return d.store.Secrets(ctx, c.Wallet, "", p) }
	return pages(list, func(row store.Secret) error {
		s, err := d.openSecret(ctx, c, row)
		if err != nil {
			return b.leaveOut(err)
		}
		b.Secrets = append(b.Secrets, storedSecret{row.App, row.Revision, row.Created, row.Updated, s.content})
		return nil
	})
}
