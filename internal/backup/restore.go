package backup

import (
	"context"
	"errors"
	"fmt"
	"iter"
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
	File  File
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
	m, found, err := bk.rebuild(seed, r)
	if err != nil {
		return RestoredWallet{}, err
	}
	defer m.close()
	if r.WithoutRecord {
		found.Entries, found.Archived, found.Head = 0, 0, ""
	} else if time.UnixMilli(found.last.Time).After(bk.store.Now().Add(maxAhead)) {
		return RestoredWallet{}, invalid("its audit log ends in the future; set the clock of this machine")
	}
	err = bk.commitRestored(ctx, c, m, found.View)
	return RestoredWallet{found.View, m.rulesOff}, err
}

// commitRestored stores a wallet as it is rebuilt, together with the audit entries of the restore, in one transaction.
func (bk *Backups) commitRestored(ctx context.Context, c *auth.Caller, m *rebuilt, view View) error {
	e := c.Event(ledger.WalletRestored)
	e.Wallet = m.caller.WalletID
	e.Reason = "from a backup of " + view.Created.UTC().Format(time.RFC3339)
	adopted, err := bk.ledger.AdoptArchives(ctx, m.caller.Wallet)
	if err != nil {
		return err
	}
	m.own = append(m.own, adopted...)
	err = bk.ledger.Restore(ctx, c.Epoch, ledger.Change{Event: e, Writes: m.own}, m.caller.Wallet, m.rows())
	if errors.Is(err, store.ErrExists) {
		return fmt.Errorf("%w: the wallet %s; delete it first, or keep it", auth.ErrExists, m.caller.WalletID)
	}
	return err
}

// rebuilt is a wallet from a backup: rows for the store, sealed with a new key, which are made as the file is read.
type rebuilt struct {
	backups       *Backups
	file          *sealedFile
	withoutRecord bool
	caller        *auth.Caller // the wallet's owner, in whose name the rows are sealed
	now           int64
	own           []store.Write // the rows of the wallet itself
	rulesOff      int
}

func (m *rebuilt) close() {
	m.caller.Close()
	m.file.key.Wipe()
}

// rebuild opens a backup with the wallet's seed and checks all of it. The caller closes what it returns.
func (bk *Backups) rebuild(seed derive.Seed, r Restoration) (_ *rebuilt, _ found, err error) {
	now := bk.store.Now().Unix()
	row, own, w, err := bk.keystore.NewWallet(seed, keystore.Content{Rounds: 1}, now)
	if err != nil {
		return nil, found{}, fmt.Errorf("sealing the wallet: %w", err)
	}
	m := &rebuilt{
		backups: bk, withoutRecord: r.WithoutRecord, now: now,
		caller: &auth.Caller{Role: auth.Owner, WalletID: row.ID, Wallet: bk.ledger.NewWallet(row, w)},
	}
	key, err := seedBackupKey(seed)
	defer func() {
		if err != nil {
			m.caller.Close()
			key.Wipe()
		}
	}()
	if err != nil {
		return nil, found{}, err
	}
	if m.file, err = openFile(r.File, row.ID, key); err != nil {
		return nil, found{}, err
	}
	checked, err := m.file.check()
	if err != nil {
		return nil, found{}, err
	}
	if row, err = bk.keystore.WithContent(row, checked.header.Settings.content()); err != nil {
		return nil, found{}, fmt.Errorf("sealing the wallet: %w", err)
	}
	m.own = []store.Write{store.InsertWallet(row), store.InsertAccount(own)}
	return m, checked, nil
}

// rows yields what the file holds, as rows. An error is the last element: one of ErrInvalid, or of reading.
func (m *rebuilt) rows() iter.Seq2[store.OldRow, error] {
	return func(yield func(store.OldRow, error) bool) {
		m.rulesOff = 0
		give := func(row store.OldRow) error {
			if !yield(row, nil) {
				return errStop
			}
			return nil
		}
		plain, err := m.file.plaintext()
		if err == nil {
			defer plain.wipe()
			_, err = walk(plain, m.file.wallet, m.visitor(give))
		}
		if err != nil {
			yield(store.OldRow{}, err)
		}
	}
}

// visitor gives a row of the store for each of what a backup holds.
func (m *rebuilt) visitor(give func(store.OldRow) error) visitor {
	write := func(w store.Write, err error) error {
		if err != nil {
			return err
		}
		return give(store.OldRow{Write: &w})
	}
	v := visitor{
		account: func(a fileAccount) error { return write(m.account(a)) },
		policy:  func(p policy.Policy) error { return write(m.policy(p)) },
		profile: func(p wallets.Profile) error {
			if len(p) == 0 {
				return nil
			}
			return write(m.profile(p))
		},
		app:     func(a fileApp) error { return write(m.app(a)) },
		revoked: func(d fileDelegation) error { return write(m.revoked(d)) },
		holding: func(h fileHolding) error { return write(m.holding(h)) },
		key:     func(k fileSecretKey) error { return write(m.secretKey(k)) },
		secret:  func(s fileSecret) error { return write(m.secret(s)) },
	}
	if m.withoutRecord {
		return v
	}
	chain := behind(m.caller.WalletID, nil)
	v.archive = func(a ledger.Archive) error {
		row, err := m.caller.Wallet.SealArchive(a)
		if err != nil {
			return err
		}
		chain = behind(m.caller.WalletID, &a)
		return give(store.OldRow{Archive: &row})
	}
	v.head = func(h store.Head) error { return give(store.OldRow{Head: &h}) }
	v.entry = func(e fileEntry) error {
		r := chain.next(e)
		row := store.OldRow{Record: &r}
		if e.Content != nil {
			content := m.caller.Wallet.SealRestored(r, e.Content)
			row.Content = &content
		}
		return give(row)
	}
	return v
}

// account derives an account that the words restore, and seals the key of another. It refuses an account whose derived
// address differs from the one in the backup.
func (m *rebuilt) account(k fileAccount) (store.Write, error) {
	none := store.Write{}
	defer clear(k.Secret)
	w := m.caller.Wallet.Keys()
	t, err := did.ParseTypeName(k.Type)
	if err != nil {
		return none, invalid("an account in it has no type")
	}
	var a store.Account
	if k.Secret != nil {
		key, err := did.NewSecretKey(t.Key, k.Secret)
		if err != nil {
			return none, invalid("the key of an account in it is not valid")
		}
		a, err = w.ImportAccount(key, t, k.Created)
		key.Wipe()
		if err != nil {
			return none, fmt.Errorf("sealing an account: %w", err)
		}
	} else {
		app, err := did.Parse(k.App)
		if err != nil {
			return none, invalid("an account in it belongs to no app")
		}
		if a, err = w.DeriveAccount(app, t, k.Created); err != nil {
			return none, fmt.Errorf("deriving an account: %w", err)
		}
	}
	if a.Address != k.Address || a.App != k.App {
		return none, invalid("an account in it does not belong to this wallet")
	}
	return store.InsertAccount(a), nil
}

// policy restores the rules. Those that allow are off.
func (m *rebuilt) policy(restored policy.Policy) (store.Write, error) {
	p, err := restored.SpelledOut().Check(m.backups.pipeline.IsType)
	if err != nil {
		return store.Write{}, invalid("its policy is not valid")
	}
	for i := range p.Rules {
		if p.Rules[i].Decision == policy.Allow {
			p.Rules[i].Off = true
			m.rulesOff++
		}
	}
	row := store.Policy{Wallet: m.caller.WalletID, Version: 1, Updated: m.now}
	row.Sealed, err = m.caller.Wallet.Seal(row, p)
	return store.PutPolicy(row), err
}

func (m *rebuilt) app(k fileApp) (store.Write, error) {
	c := m.caller
	if k.State != store.Approved && k.State != store.Revoked {
		return store.Write{}, invalid("an app in it is neither approved nor revoked")
	}
	row := store.App{Wallet: c.WalletID, App: k.App, State: k.State, Created: k.Created}
	var err error
	if row.Sealed, err = c.Wallet.Seal(row, auth.AppContent{Name: k.Name}); err != nil {
		return store.Write{}, err
	}
	row.MAC = c.Wallet.MAC(row)
	return store.PutApp(store.App{}, row), nil
}

func (m *rebuilt) revoked(k fileDelegation) (store.Write, error) {
	c := m.caller
	if k.Revoked == 0 || len(k.Hash) != 32 {
		return store.Write{}, invalid("a delegation in it was not revoked")
	}
	row := store.Delegation{
		Wallet: c.WalletID, Hash: k.Hash, FromAddr: k.From, ToAddr: k.To, Expires: k.Expires, Approved: k.Approved, Revoked: k.Revoked,
	}
	var err error
	if row.Sealed, err = c.Wallet.Seal(row, ledger.Text(k.Token)); err != nil {
		return store.Write{}, err
	}
	row.MAC = c.Wallet.MAC(row)
	return store.PutDelegation(store.Delegation{}, row), nil
}

func (m *rebuilt) profile(restored wallets.Profile) (store.Write, error) {
	p, err := restored.Check()
	if err != nil {
		return store.Write{}, invalid("its profile is not valid")
	}
	row := store.Profile{Wallet: m.caller.WalletID, Version: 1, Updated: m.now}
	row.Sealed, err = m.caller.Wallet.Seal(row, p)
	return store.PutProfile(row), err
}

func (m *rebuilt) holding(stored fileHolding) (_ store.Write, err error) {
	h := wallets.Holding(stored)
	row := store.Credential{Wallet: m.caller.WalletID, ID: h.ID(), Created: h.Stored.Unix()}
	row.Sealed, err = m.caller.Wallet.Seal(row, h)
	return store.PutCredential(row, wallets.MaxHoldings), err
}

// secretKey restores a key of an app, with a tag under the new key.
func (m *rebuilt) secretKey(k fileSecretKey) (_ store.Write, err error) {
	c := m.caller
	row := store.SecretKey{Wallet: c.WalletID, App: k.App, Tag: secrets.KeyTag(c, k.App, did.LooseBytes(k.Content.Salt)), Created: k.Created}
	row.Sealed, err = c.Wallet.Seal(row, secrets.KeyContent(k.Content))
	return store.InsertSecretKey(row, secrets.MaxKeys), err
}

// secret restores a secret of an app, with a tag under the new key.
func (m *rebuilt) secret(k fileSecret) (_ store.Write, err error) {
	c := m.caller
	row := store.Secret{
		Wallet: c.WalletID, App: k.App, Tag: secrets.Tag(c, k.App, k.Content.Name), Revision: k.Revision, Created: k.Created, Updated: k.Updated,
	}
	row.Sealed, err = c.Wallet.Seal(row, secrets.Content(k.Content))
	return store.PutRestoredSecret(row), err
}
