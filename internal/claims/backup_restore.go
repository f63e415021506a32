package claims

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"walletd/internal/derive"
	"walletd/internal/did"
	"walletd/internal/keystore"
	"walletd/internal/store"
)

// Restoration asks for a wallet as a backup holds it: of its words, or of the seed of one that
// has none. All three are wiped by RestoreWallet.
type Restoration struct {
	Words []byte // a BIP-39 phrase, or nil
	Seed  []byte // 64 bytes, or nil
	File  []byte
	// WithoutRecord leaves the record out: where the store has another one of this wallet.
	WithoutRecord bool
}

// Format keeps words and seed out of logs.
func (Restoration) Format(f fmt.State, _ rune) { fmt.Fprint(f, "Restoration{…}") }

// RestoredWallet is a wallet that was restored.
type RestoredWallet struct {
	BackupView
	RulesOff int // that count for nothing until the owner confirms them
}

// maxAhead is how far the end of a record may be ahead of now. The store takes its newest time
// for now, so a time far ahead would stop every wallet (design section 7).
const maxAhead = 5 * time.Minute

// RestoreWallet makes a wallet as a backup holds it, for an operator, who has its words: all of
// it or nothing, beside whatever other wallets there are. Grants and tokens are not in a backup,
// rules that allow come back off, and the wallet has no owner until an operator makes the first
// owner's token. Errors: ErrBackup, ErrBackupWallet, ErrExists if the wallet is there,
// store.ErrOtherRecord, ErrBusy, those of CreateWallet about the words, and the store's.
func (d *Door) RestoreWallet(ctx context.Context, c *Caller, r Restoration) (RestoredWallet, error) {
	defer clear(r.Words)
	defer clear(r.Seed)
	if err := c.operates(); err != nil {
		return RestoredWallet{}, err
	}
	if (r.Words == nil) == (r.Seed == nil) {
		return RestoredWallet{}, invalid("a restore takes either words or seedHex")
	}
	if !d.backups.TryLock() {
		return RestoredWallet{}, ErrBusy
	}
	defer d.backups.Unlock()
	_, seed, err := NewWallet{Words: r.Words, Seed: r.Seed}.seed()
	if err != nil {
		return RestoredWallet{}, err
	}
	defer seed.Wipe()
	m, view, err := d.remake(seed, r.File)
	if err != nil {
		return RestoredWallet{}, err
	}
	defer m.caller.Close()
	if r.WithoutRecord {
		m.old, view.Entries, view.Head = store.OldChain{}, 0, ""
	}
	if n := len(m.old.Records); n > 0 && time.UnixMilli(m.old.Records[n-1].Time).After(d.store.Now().Add(maxAhead)) {
		return RestoredWallet{}, badBackup("its record ends in the future; set the clock of this machine")
	}
	return RestoredWallet{view, m.rulesOff}, d.putBack(ctx, c, m, view)
}

// putBack stores a remade wallet, with the entries that say so, in one transaction.
func (d *Door) putBack(ctx context.Context, c *Caller, m *remade, view BackupView) error {
	e := c.event("wallet.restored")
	e.Wallet = m.caller.Wallet
	e.Reason = "from a backup of " + view.Created.UTC().Format(time.RFC3339)
	service, err := d.plainEntry(e)
	if err != nil {
		return err
	}
	own, err := d.entry(m.caller.wallet, e)
	if err != nil {
		return err
	}
	err = d.store.Restore(ctx, store.Change{
		Chain: store.ServiceChain, Entries: []store.Entry{service},
		Also:  []store.ChainEntries{{Chain: m.caller.Wallet, Entries: []store.Entry{own}}},
		Epoch: c.epoch, Writes: m.writes,
	}, m.old)
	switch {
	case errors.Is(err, store.ErrExists):
		return fmt.Errorf("%w: the wallet %s; delete it first, or keep it", ErrExists, m.caller.Wallet)
	case err != nil:
		return fmt.Errorf("restoring the wallet: %w", err)
	}
	d.count(e.Kind)
	d.changed.notify()
	select {
	case d.due <- m.caller.Wallet: // its heads are signed with another key from here on
	default:
	}
	return nil
}

// remade is a wallet made again: rows for the store, sealed with a new key.
type remade struct {
	door     *Door
	caller   *Caller // its owner, in whose name the rows are made
	now      int64
	writes   []store.Write
	old      store.OldChain
	rulesOff int
}

// remake opens a backup with a wallet's seed and makes its rows. The caller closes remade.caller.
func (d *Door) remake(seed derive.Seed, file []byte) (_ *remade, view BackupView, err error) {
	now := d.store.Now().Unix()
	row, own, w, err := d.keystore.NewWallet(seed, keystore.Content{Rounds: 1}, now)
	if err != nil {
		return nil, view, fmt.Errorf("sealing the wallet: %w", err)
	}
	m := &remade{door: d, caller: restoredOwner(w, row, 0), now: now}
	defer func() {
		if err != nil {
			m.caller.Close()
		}
	}()
	key, err := backupKey(w)
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
	if row, err = d.keystore.WithContent(row, b.Settings.content()); err != nil {
		return nil, view, fmt.Errorf("sealing the wallet: %w", err)
	}
	m.writes = append(m.writes, store.InsertWallet(row), store.InsertAccount(own))
	for _, part := range []func(*backup) error{m.accounts, m.decisions, m.holdings, m.secrets} {
		if err := part(b); err != nil {
			return nil, view, err
		}
	}
	if b.Record != nil {
		m.old = b.Record.old(w)
	}
	return m, b.view(len(file), string(plain[:digestSize])), nil
}

// accounts derives again what the words give, and seals the keys of the others. An account that
// comes out with another address is refused.
func (m *remade) accounts(b *backup) error {
	w := m.caller.wallet
	for _, k := range b.Accounts {
		t, err := did.ParseTypeName(k.Type)
		if err != nil {
			return badBackup("an account in it has no type")
		}
		var a store.Account
		if k.Secret != nil {
			key, err := did.NewSecretKey(t.Key, k.Secret)
			if err != nil {
				return badBackup("the key of an account in it is none")
			}
			a, err = w.ImportAccount(key, t, k.Created)
			key.Wipe()
			if err != nil {
				return fmt.Errorf("sealing an account: %w", err)
			}
		} else {
			app, err := did.Parse(k.App)
			if err != nil {
				return badBackup("an account in it is of no app")
			}
			if a, err = w.DeriveAccount(app, t, k.Created); err != nil {
				return fmt.Errorf("deriving an account: %w", err)
			}
		}
		if a.Address != k.Address || a.App != k.App {
			return badBackup("an account in it is not of this wallet")
		}
		m.writes = append(m.writes, store.InsertAccount(a))
	}
	return nil
}

// decisions puts back what the person decided. Rules that allow are off.
func (m *remade) decisions(b *backup) error {
	c := m.caller
	if b.Policy != nil {
		p, err := b.Policy.check()
		if err != nil {
			return badBackup("its policy is not valid")
		}
		for i := range p.Rules {
			if p.Rules[i].Decision == Allow {
				p.Rules[i].Off = true
				m.rulesOff++
			}
		}
		sealed, err := sealJSON(c.wallet, policyPlace(c.Wallet), p)
		if err != nil {
			return err
		}
		m.writes = append(m.writes, store.PutPolicy(store.Policy{Wallet: c.Wallet, Version: 1, Sealed: sealed, Updated: m.now}))
	}
	for _, k := range b.Apps {
		if k.State != store.Approved && k.State != store.Revoked {
			return badBackup("an app in it is neither approved nor revoked")
		}
		sealed, err := sealJSON(c.wallet, appPlace(k.App), appContent{Name: k.Name})
		if err != nil {
			return err
		}
		row := store.App{Wallet: c.Wallet, App: k.App, State: k.State, Created: k.Created, Sealed: sealed}
		row.MAC = c.wallet.MAC(row.Canonical())
		m.writes = append(m.writes, store.PutApp(store.App{}, row))
	}
	for _, k := range b.Revoked {
		if k.Revoked == 0 || len(k.Hash) != 32 {
			return badBackup("a delegation in it was not withdrawn")
		}
		row := store.Delegation{
			Wallet: c.Wallet, Hash: k.Hash, FromAddr: k.From, ToAddr: k.To, Expires: k.Expires, Approved: k.Approved, Revoked: k.Revoked,
			Sealed: c.wallet.Seal(delegationPlace(k.Hash), []byte(k.Token)),
		}
		row.MAC = c.wallet.MAC(row.Canonical())
		m.writes = append(m.writes, store.PutDelegation(store.Delegation{}, row))
	}
	return nil
}

// holdings puts back the profile, and the credentials and assets.
func (m *remade) holdings(b *backup) error {
	c := m.caller
	if len(b.Profile) > 0 {
		p, err := b.Profile.check()
		if err != nil {
			return badBackup("its profile is not valid")
		}
		sealed, err := sealJSON(c.wallet, profilePlace(c.Wallet), p)
		if err != nil {
			return err
		}
		m.writes = append(m.writes, store.PutProfile(store.Profile{Wallet: c.Wallet, Version: 1, Sealed: sealed, Updated: m.now}))
	}
	for _, h := range b.Holdings {
		id := h.id()
		sealed, err := sealJSON(c.wallet, holdingPlace(id), h)
		if err != nil {
			return err
		}
		m.writes = append(m.writes, store.PutCredential(store.Credential{Wallet: c.Wallet, ID: id, Sealed: sealed, Created: h.Stored.Unix()}, maxHeld))
	}
	return nil
}

// secrets puts back what is kept for apps, under the tags of the new key.
func (m *remade) secrets(b *backup) error {
	c := m.caller
	for _, k := range b.Keys {
		row := store.SecretKey{Wallet: c.Wallet, App: k.App, Tag: c.tag("secret key", k.App, did.LooseBytes(k.Content.Salt)), Created: k.Created}
		var err error
		if row.Sealed, err = sealJSON(c.wallet, keyPlace(row.App, row.Tag), k.Content); err != nil {
			return err
		}
		m.writes = append(m.writes, store.InsertSecretKey(row, maxSecretKeys))
	}
	for _, k := range b.Secrets {
		row := store.Secret{
			Wallet: c.Wallet, App: k.App, Tag: c.tag("secret", k.App, []byte(k.Content.Name)), Revision: k.Revision, Created: k.Created, Updated: k.Updated,
		}
		var err error
		if row.Sealed, err = sealJSON(c.wallet, secretPlace(row), k.Content); err != nil {
			return err
		}
		m.writes = append(m.writes, store.PutRestoredSecret(row))
	}
	return nil
}

// sealJSON seals a value as JSON.
func sealJSON(w *keystore.Wallet, p keystore.Place, v any) ([]byte, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("writing %s: %w", p.Table, err)
	}
	defer clear(plain)
	return w.Seal(p, plain), nil
}
