package wallets

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"walletd/internal/auth"
	"walletd/internal/derive"
	"walletd/internal/keystore"
	"walletd/internal/ledger"
	"walletd/internal/store"
)

// NewWallet describes a wallet to create: from the given words or the given seed, or from new words if both are
// nil. Create wipes both.
type NewWallet struct {
	Name  string
	Words []byte // a BIP-39 phrase, or nil
	Seed  []byte // 64 bytes, or nil
}

// Format keeps words and seed out of logs.
func (NewWallet) Format(f fmt.State, _ rune) { fmt.Fprint(f, "NewWallet{…}") }

// CreatedWallet is a wallet that was created. Words are set if they were generated; they are shown this once, and
// the caller wipes them.
type CreatedWallet struct {
	Wallet    string
	Words     derive.Words
	Generated bool // Words were generated
}

// Create creates or imports a wallet, for an operator. The same seed gives the same wallet; if it exists already,
// the error is auth.ErrExists.
func (w *Wallets) Create(ctx context.Context, c *auth.Caller, n NewWallet) (CreatedWallet, error) {
	defer clear(n.Words)
	defer clear(n.Seed)
	if err := c.RequireOperator(); err != nil {
		return CreatedWallet{}, err
	}
	if len(n.Name) > 200 || !utf8.ValidString(n.Name) || strings.ContainsRune(n.Name, 0) {
		return CreatedWallet{}, auth.Invalid("a wallet's name has at most 200 bytes of text")
	}
	created, seed, err := n.ReadSeed()
	if err != nil {
		return CreatedWallet{}, err
	}
	defer seed.Wipe()
	row, account, keys, err := w.keystore.NewWallet(seed, keystore.Content{Name: n.Name, Rounds: 1}, w.store.Now().Unix())
	if err != nil {
		return CreatedWallet{}, fmt.Errorf("sealing the wallet: %w", err)
	}
	defer keys.Close()
	created.Wallet = row.ID

	owned := w.ledger.NewWallet(row, keys)
	kind := ledger.WalletCreated
	writes := []store.Write{store.InsertWallet(row), store.InsertAccount(account)}
	if !created.Generated {
		kind = ledger.WalletImported
		adopted, err := w.ledger.AdoptArchives(ctx, owned) // of a wallet of the same words that was deleted
		if err != nil {
			return CreatedWallet{}, err
		}
		writes = append(writes, adopted...)
	}
	e := c.Event(kind)
	e.Wallet = row.ID
	_, err = w.ledger.CommitService(ctx, c.Epoch, ledger.Change{
		Event: e, IdempotencyKey: c.IdempotencyKey(), Created: row.ID, Secret: created.Generated,
		Writes: writes,
	}, owned)
	if errors.Is(err, store.ErrExists) {
		err = fmt.Errorf("%w: the wallet %s", auth.ErrExists, row.ID)
	}
	if err != nil {
		created.Words.Wipe()
		return CreatedWallet{}, err
	}
	return created, nil
}

// ReadSeed returns the seed of the given words or bytes, or of new words, which it returns too.
func (n NewWallet) ReadSeed() (CreatedWallet, derive.Seed, error) {
	switch {
	case n.Words != nil && n.Seed != nil:
		return CreatedWallet{}, derive.Seed{}, auth.Invalid("words and seedHex exclude each other")
	case n.Words != nil:
		words, err := derive.ParseWords(n.Words)
		if err != nil {
			return CreatedWallet{}, derive.Seed{}, &WordsError{err}
		}
		defer words.Wipe()
		return CreatedWallet{}, words.Seed(), nil
	case n.Seed != nil:
		seed, err := derive.NewSeed(n.Seed)
		if err != nil {
			return CreatedWallet{}, derive.Seed{}, fmt.Errorf("%w: %w: %w", auth.ErrInput, ErrSeed, err)
		}
		return CreatedWallet{}, seed, nil
	default:
		words, err := derive.NewWords()
		if err != nil {
			return CreatedWallet{}, derive.Seed{}, fmt.Errorf("generating the words: %w", err)
		}
		return CreatedWallet{Words: words, Generated: true}, words.Seed(), nil
	}
}

// WalletView is a wallet as operators and its owner see it.
type WalletView struct {
	Wallet    string
	Name      string
	Owned     bool // an owner's token was created once
	Strangers bool // unregistered apps may send signed requests
	Passkey   bool // the owner approves with a passkey alone
	Rounds    int  // of encryptionKey; existing apps expect 1
	Damaged   bool // the row does not open
	Created   time.Time
}

// List lists all wallets for an operator, and the caller's wallet for an owner.
func (w *Wallets) List(ctx context.Context, c *auth.Caller, p store.Page) ([]WalletView, string, error) {
	if c.Role == auth.Owner {
		return []WalletView{viewWallet(c.Wallet.Row(), c.Wallet.Settings())}, "", nil
	}
	if err := c.RequireOperator(); err != nil {
		return nil, "", err
	}
	rows, next, err := w.store.Wallets(ctx, p)
	if err != nil {
		return nil, "", fmt.Errorf("reading the wallets: %w", err)
	}
	views := make([]WalletView, 0, len(rows))
	for _, row := range rows {
		settings, err := w.keystore.Settings(row, c.Epoch)
		if _, damaged := errors.AsType[*keystore.DamagedError](err); damaged {
			views = append(views, WalletView{Wallet: row.ID, Damaged: true, Created: time.Unix(row.Created, 0)})
			continue
		}
		if err != nil {
			return nil, "", fmt.Errorf("opening wallet %s: %w", row.ID, err)
		}
		views = append(views, viewWallet(row, settings))
	}
	return views, next, nil
}

func viewWallet(row store.Wallet, content keystore.Content) WalletView {
	return WalletView{
		Wallet: row.ID, Name: content.Name, Owned: content.Owned, Strangers: content.Strangers, Passkey: content.Passkey, Rounds: content.Rounds,
		Created: time.Unix(row.Created, 0),
	}
}

// Get returns one wallet, for its owner or an operator.
func (w *Wallets) Get(ctx context.Context, c *auth.Caller, id string) (WalletView, error) {
	switch {
	case c.Role == auth.Owner && c.WalletID == id:
		return viewWallet(c.Wallet.Row(), c.Wallet.Settings()), nil
	case c.Role != auth.Operator:
		return WalletView{}, auth.ErrNotFound
	}
	row, err := w.store.CallerWallet(ctx, id)
	if err != nil {
		return WalletView{}, auth.NotFound(err)
	}
	settings, err := w.keystore.Settings(row.Wallet, row.Epoch)
	if err != nil {
		return WalletView{}, fmt.Errorf("opening the wallet: %w", err)
	}
	return viewWallet(row.Wallet, settings), nil
}

// WalletChange holds new values of a wallet's settings; nil leaves a setting as it is.
type WalletChange struct {
	Name      *string
	Strangers *bool
	// Passkey has the owner approve with a passkey alone: an owner's token by itself approves nothing then, and decides
	// about no later request. The wallet must have a passkey.
	Passkey *bool
	Rounds  *int
}

// Update changes the settings of the caller's wallet, for its owner. Changing the rounds changes every
// encryptionKey of the wallet (reference f.10).
func (w *Wallets) Update(ctx context.Context, c *auth.Caller, change WalletChange) (WalletView, error) {
	if err := c.RequireDecider(); err != nil {
		return WalletView{}, err
	}
	content := c.Wallet.Settings()
	if change.Name != nil {
		content.Name = *change.Name
	}
	if change.Strangers != nil {
		content.Strangers = *change.Strangers
	}
	if change.Rounds != nil {
		content.Rounds = *change.Rounds
	}
	if change.Passkey != nil {
		if *change.Passkey && !content.Passkey {
			if err := w.requirePasskey(ctx, c); err != nil {
				return WalletView{}, err
			}
		}
		content.Passkey = *change.Passkey
	}
	row, err := w.keystore.WithContent(c.Wallet.Row(), content)
	if errors.Is(err, keystore.ErrContent) {
		return WalletView{}, fmt.Errorf("%w: %w", auth.ErrInput, err)
	}
	if err != nil {
		return WalletView{}, fmt.Errorf("sealing the wallet: %w", err)
	}
	e := c.Event(ledger.WalletChanged)
	e.Reason = fmt.Sprintf("strangers %t, rounds %d", content.Strangers, content.Rounds)
	if content.Passkey || change.Passkey != nil {
		e.Reason += fmt.Sprintf(", passkey %t", content.Passkey)
	}
	if err := c.Record(ctx, e, store.UpdateWallet(row)); err != nil {
		return WalletView{}, err
	}
	if err := w.auth.Refresh(ctx, c); err != nil {
		return WalletView{}, err
	}
	return viewWallet(c.Wallet.Row(), c.Wallet.Settings()), nil
}

// requirePasskey returns nil if an owner of the caller's wallet has a passkey: without one nobody could approve.
func (w *Wallets) requirePasskey(ctx context.Context, c *auth.Caller) error {
	if err := w.auth.RequireParty(); err != nil {
		return err
	}
	list := func(page store.Page) ([]store.Passkey, string, error) { return w.store.Passkeys(ctx, c.WalletID, page) }
	for _, err := range ledger.AllChecked(ctx, c.Wallet, list) {
		return err
	}
	return fmt.Errorf("%w: no owner of the wallet has a passkey", auth.ErrNoPasskey)
}

// Delete deletes a wallet and all its rows but the audit log, for its owner, or for an operator while it has none.
// Only the wallet's words can restore it.
func (w *Wallets) Delete(ctx context.Context, c *auth.Caller, id string) error {
	if err := w.auth.AuthorizeWallet(ctx, c, id); err != nil {
		return err
	}
	e := c.Event(ledger.WalletDeleted)
	e.Wallet = id
	return c.Record(ctx, e, store.DeleteWallet(id))
}
