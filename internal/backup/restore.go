package backup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"walletd/internal/auth"
	"walletd/internal/derive"
	"walletd/internal/did"
	"walletd/internal/keystore"
	"walletd/internal/ledger"
	"walletd/internal/policy"
	"walletd/internal/secret"
	"walletd/internal/secrets"
	"walletd/internal/store"
	"walletd/internal/wallets"
)

// Restoration describes a wallet to restore: the backup, and the wallet's words or, for a wallet without words, its
// seed. Restore wipes words and seed.
type Restoration struct {
	secret.Redacted

	Words []byte // a BIP-39 phrase, or nil
	Seed  []byte // 64 bytes, or nil
	File  []byte
	// WithoutRecord leaves out the audit log, because the store has another audit log of this wallet.
	WithoutRecord bool
}

// RestoredWallet is a wallet that was restored.
type RestoredWallet struct {
	View
	RulesOff int // rules that have no effect until the owner confirms them
}

// maxAhead is how far the last entry of an audit log may be in the future. The store's clock never goes back behind its
// newest entry, so an entry far in the future would stop every wallet (design section 7).
const maxAhead = 5 * time.Minute

// Restore restores a wallet from a backup, for an operator who has its words, in one transaction. A backup holds no
// grants and no tokens, rules that allow are restored as off, and the wallet has no owner until an operator creates the
// first owner's token. Errors: ErrInvalid, ErrWallet, auth.ErrExists if the wallet exists, store.ErrOtherRecord,
// ErrBusy, those of wallets.Wallets.Create about the words, and the store's.
func (bk *Backups) Restore(ctx context.Context, c *auth.Caller, r Restoration) (RestoredWallet, error) {
	defer clear(r.Words)
	defer clear(r.Seed)
	if err := c.RequireOperator(); err != nil {
		return RestoredWallet{}, err
	}
	if (r.Words == nil) == (r.Seed == nil) {
		return RestoredWallet{}, auth.Invalid("a restore takes either words or seedHex")
	}
	if !bk.busy.TryLock() {
		return RestoredWallet{}, ErrBusy
	}
	defer bk.busy.Unlock()
	_, seed, err := wallets.NewWallet{Words: r.Words, Seed: r.Seed}.ReadSeed()
	if err != nil {
		return RestoredWallet{}, err
	}
	defer seed.Wipe()
	m, view, err := bk.rebuild(seed, r.File)
	if err != nil {
		return RestoredWallet{}, err
	}
	defer m.caller.Close()
	if r.WithoutRecord {
		m.oldChain, view.Entries, view.Head = store.OldChain{}, 0, ""
	}
	if n := len(m.oldChain.Records); n > 0 && time.UnixMilli(m.oldChain.Records[n-1].Time).After(bk.store.Now().Add(maxAhead)) {
		return RestoredWallet{}, invalid("its audit log ends in the future; set the clock of this machine")
	}
	return RestoredWallet{view, m.rulesOff}, bk.commitRestored(ctx, c, m, view)
}

// commitRestored stores a rebuilt wallet, together with the audit entries of the restore, in one transaction.
func (bk *Backups) commitRestored(ctx context.Context, c *auth.Caller, m *rebuilt, view View) error {
	e := c.Event(ledger.WalletRestored)
	e.Wallet = m.caller.WalletID
	e.Reason = "from a backup of " + view.Created.UTC().Format(time.RFC3339)
	err := bk.ledger.Restore(ctx, c.Epoch, ledger.Change{Event: e, Writes: m.writes}, m.caller.Wallet, m.oldChain)
	switch {
	case errors.Is(err, store.ErrExists):
		return fmt.Errorf("%w: the wallet %s; delete it first, or keep it", auth.ErrExists, m.caller.WalletID)
	}
	return err
}

// rebuilt is a wallet from a backup: rows for the store, sealed with a new key.
type rebuilt struct {
	backups  *Backups
	caller   *auth.Caller // the wallet's owner, in whose name the rows are sealed
	now      int64
	writes   []store.Write
	oldChain store.OldChain
	rulesOff int
}

// rebuild opens a backup with the wallet's seed and returns its rows. The caller closes rebuilt.caller.
func (bk *Backups) rebuild(seed derive.Seed, file []byte) (_ *rebuilt, view View, err error) {
	now := bk.store.Now().Unix()
	row, own, w, err := bk.keystore.NewWallet(seed, keystore.Content{Rounds: 1}, now)
	if err != nil {
		return nil, view, fmt.Errorf("sealing the wallet: %w", err)
	}
	m := &rebuilt{backups: bk, caller: &auth.Caller{Role: auth.Owner, WalletID: row.ID, Wallet: bk.ledger.NewWallet(row, w)}, now: now}
	defer func() {
		if err != nil {
			m.caller.Close()
		}
	}()
	key, err := seedBackupKey(seed)
	if err != nil {
		return nil, view, err
	}
	defer key.Wipe()
	plain, err := openBackup(file, row.ID, key)
	if err != nil {
		return nil, view, err
	}
	defer clear(plain)
	b, err := readBackup(plain, row.ID)
	if err != nil {
		return nil, view, err
	}
	defer b.wipe()
	if row, err = bk.keystore.WithContent(row, b.Settings.content()); err != nil {
		return nil, view, fmt.Errorf("sealing the wallet: %w", err)
	}
	m.writes = append(m.writes, store.InsertWallet(row), store.InsertAccount(own))
	for _, part := range []func(*backup) error{m.accounts, m.decisions, m.holdings, m.secrets} {
		if err := part(b); err != nil {
			return nil, view, err
		}
	}
	if b.Record != nil {
		m.oldChain = b.Record.oldChain(m.caller.Wallet)
	}
	return m, b.view(len(file), string(plain[:digestSize])), nil
}

// accounts derives the accounts that the words restore, and seals the keys of the others. It refuses an account whose
// derived address differs from the one in the backup.
func (m *rebuilt) accounts(b *backup) error {
	w := m.caller.Wallet.Keys()
	for _, k := range b.Accounts {
		t, err := did.ParseTypeName(k.Type)
		if err != nil {
			return invalid("an account in it has no type")
		}
		var a store.Account
		if k.Secret != nil {
			key, err := did.NewSecretKey(t.Key, k.Secret)
			if err != nil {
				return invalid("the key of an account in it is not valid")
			}
			a, err = w.ImportAccount(key, t, k.Created)
			key.Wipe()
			if err != nil {
				return fmt.Errorf("sealing an account: %w", err)
			}
		} else {
			app, err := did.Parse(k.App)
			if err != nil {
				return invalid("an account in it belongs to no app")
			}
			if a, err = w.DeriveAccount(app, t, k.Created); err != nil {
				return fmt.Errorf("deriving an account: %w", err)
			}
		}
		if a.Address != k.Address || a.App != k.App {
			return invalid("an account in it does not belong to this wallet")
		}
		m.writes = append(m.writes, store.InsertAccount(a))
	}
	return nil
}

// decisions restores what the owner decided. Rules that allow are off.
func (m *rebuilt) decisions(b *backup) error {
	c := m.caller
	if b.Policy != nil {
		p, err := b.Policy.Check(m.backups.pipeline.IsType)
		if err != nil {
			return invalid("its policy is not valid")
		}
		for i := range p.Rules {
			if p.Rules[i].Decision == policy.Allow {
				p.Rules[i].Off = true
				m.rulesOff++
			}
		}
		row := store.Policy{Wallet: c.WalletID, Version: 1, Updated: m.now}
		if row.Sealed, err = c.Wallet.Seal(row, p); err != nil {
			return err
		}
		m.writes = append(m.writes, store.PutPolicy(row))
	}
	for _, k := range b.Apps {
		if k.State != store.Approved && k.State != store.Revoked {
			return invalid("an app in it is neither approved nor revoked")
		}
		row := store.App{Wallet: c.WalletID, App: k.App, State: k.State, Created: k.Created}
		var err error
		if row.Sealed, err = c.Wallet.Seal(row, auth.AppContent{Name: k.Name}); err != nil {
			return err
		}
		row.MAC = c.Wallet.MAC(row)
		m.writes = append(m.writes, store.PutApp(store.App{}, row))
	}
	for _, k := range b.Revoked {
		if k.Revoked == 0 || len(k.Hash) != 32 {
			return invalid("a delegation in it was not revoked")
		}
		row := store.Delegation{
			Wallet: c.WalletID, Hash: k.Hash, FromAddr: k.From, ToAddr: k.To, Expires: k.Expires, Approved: k.Approved, Revoked: k.Revoked,
		}
		var err error
		if row.Sealed, err = c.Wallet.Seal(row, ledger.Text(k.Token)); err != nil {
			return err
		}
		row.MAC = c.Wallet.MAC(row)
		m.writes = append(m.writes, store.PutDelegation(store.Delegation{}, row))
	}
	return nil
}

// holdings restores the profile, and the credentials and assets.
func (m *rebuilt) holdings(b *backup) error {
	c := m.caller
	if len(b.Profile) > 0 {
		p, err := b.Profile.Check()
		if err != nil {
			return invalid("its profile is not valid")
		}
		row := store.Profile{Wallet: c.WalletID, Version: 1, Updated: m.now}
		if row.Sealed, err = c.Wallet.Seal(row, p); err != nil {
			return err
		}
		m.writes = append(m.writes, store.PutProfile(row))
	}
	for _, stored := range b.Holdings {
		h := wallets.Holding(stored)
		row := store.Credential{Wallet: c.WalletID, ID: h.ID(), Created: h.Stored.Unix()}
		var err error
		if row.Sealed, err = c.Wallet.Seal(row, h); err != nil {
			return err
		}
		m.writes = append(m.writes, store.PutCredential(row, wallets.MaxHoldings))
	}
	return nil
}

// secrets restores the secrets and keys of apps, with tags under the new key.
func (m *rebuilt) secrets(b *backup) error {
	c := m.caller
	for _, k := range b.Keys {
		row := store.SecretKey{Wallet: c.WalletID, App: k.App, Tag: secrets.KeyTag(c, k.App, did.LooseBytes(k.Content.Salt)), Created: k.Created}
		var err error
		if row.Sealed, err = c.Wallet.Seal(row, secrets.KeyContent(k.Content)); err != nil {
			return err
		}
		m.writes = append(m.writes, store.InsertSecretKey(row, secrets.MaxKeys))
	}
	for _, k := range b.Secrets {
		row := store.Secret{
			Wallet: c.WalletID, App: k.App, Tag: secrets.Tag(c, k.App, k.Content.Name), Revision: k.Revision, Created: k.Created, Updated: k.Updated,
		}
		var err error
		if row.Sealed, err = c.Wallet.Seal(row, secrets.Content(k.Content)); err != nil {
			return err
		}
		m.writes = append(m.writes, store.PutRestoredSecret(row))
	}
	return nil
}
