package claims

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"walletd/internal/derive"
	"walletd/internal/keystore"
	"walletd/internal/ledger"
	"walletd/internal/store"
)

// NewWallet asks for a wallet: of new words, or of those given, or of a raw seed. Words and seed
// are wiped by CreateWallet.
type NewWallet struct {
	Name  string
	Words []byte // a BIP-39 phrase, or nil
	Seed  []byte // 64 bytes, or nil
}

// Format keeps words and seed out of logs.
func (NewWallet) Format(f fmt.State, _ rune) { fmt.Fprint(f, "NewWallet{…}") }

// CreatedWallet is a wallet that was made. Words are set if they were made here, and are shown
// this once; wipe them.
type CreatedWallet struct {
	Wallet string
	Words  derive.Words
	Made   bool // Words were made here
}

// CreateWallet makes or imports a wallet, for an operator. The same seed makes the same wallet:
// one that is there already is ErrExists.
func (d *Door) CreateWallet(ctx context.Context, c *Caller, n NewWallet) (CreatedWallet, error) {
	defer clear(n.Words)
	defer clear(n.Seed)
	if err := c.operates(); err != nil {
		return CreatedWallet{}, err
	}
	if len(n.Name) > 200 || !utf8.ValidString(n.Name) || strings.ContainsRune(n.Name, 0) {
		return CreatedWallet{}, invalid("a wallet's name has at most 200 bytes of text")
	}
	created, seed, err := n.seed()
	if err != nil {
		return CreatedWallet{}, err
	}
	defer seed.Wipe()
	row, account, w, err := d.keystore.NewWallet(seed, keystore.Content{Name: n.Name, Rounds: 1}, d.store.Now().Unix())
	if err != nil {
		return CreatedWallet{}, fmt.Errorf("sealing the wallet: %w", err)
	}
	defer w.Close()
	created.Wallet = row.ID

	kind := ledger.WalletCreated
	if !created.Made {
		kind = ledger.WalletImported
	}
	e := c.event(kind)
	e.Wallet = row.ID
	_, err = d.ledger.CommitService(ctx, c.epoch, ledger.Change{
		Event: e, Once: c.once(), Created: row.ID, Secret: created.Made,
		Writes: []store.Write{store.InsertWallet(row), store.InsertAccount(account)},
	}, d.ledger.NewWallet(row, w))
	if errors.Is(err, store.ErrExists) {
		err = fmt.Errorf("%w: the wallet %s", ErrExists, row.ID)
	}
	if err != nil {
		created.Words.Wipe()
		return CreatedWallet{}, err
	}
	return created, nil
}

// seed returns the seed of the words or bytes given, or of new words.
func (n NewWallet) seed() (CreatedWallet, derive.Seed, error) {
	switch {
	case n.Words != nil && n.Seed != nil:
		return CreatedWallet{}, derive.Seed{}, invalid("words and seedHex exclude each other")
	case n.Words != nil:
		words, err := derive.ParseWords(string(n.Words))
		if err != nil {
			return CreatedWallet{}, derive.Seed{}, &WordsError{err}
		}
		defer words.Wipe()
		return CreatedWallet{}, words.Seed(), nil
	case n.Seed != nil:
		seed, err := derive.NewSeed(n.Seed)
		if err != nil {
			return CreatedWallet{}, derive.Seed{}, fmt.Errorf("%w: %w: %w", ErrInput, ErrSeed, err)
		}
		return CreatedWallet{}, seed, nil
	default:
		words, err := derive.NewWords()
		if err != nil {
			return CreatedWallet{}, derive.Seed{}, fmt.Errorf("drawing the words: %w", err)
		}
		return CreatedWallet{Words: words, Made: true}, words.Seed(), nil
	}
}

// WalletView is a wallet as operators and its owner see it.
type WalletView struct {
	Wallet    string
	Name      string
	Owned     bool // has, or had, an owner's token
	Strangers bool // signed requests of apps that are not known may ask
	Rounds    int  // of encryptionKey; 1 is what every known app expects
	Damaged   bool // its row does not open
	Created   time.Time
}

// Wallets lists all wallets for an operator, its own for an owner.
func (d *Door) Wallets(ctx context.Context, c *Caller, p store.Page) ([]WalletView, string, error) {
	if c.Role == Owner {
		return []WalletView{viewWallet(c.Wallet.Row(), c.Wallet.Settings())}, "", nil
	}
	if err := c.operates(); err != nil {
		return nil, "", err
	}
	rows, next, err := d.store.Wallets(ctx, p)
	if err != nil {
		return nil, "", fmt.Errorf("reading the wallets: %w", err)
	}
	views := make([]WalletView, 0, len(rows))
	for _, row := range rows {
		w, err := d.keystore.OpenWallet(row, c.epoch)
		if _, damaged := errors.AsType[*keystore.DamagedError](err); damaged {
			views = append(views, WalletView{Wallet: row.ID, Damaged: true, Created: time.Unix(row.Created, 0)})
			continue
		}
		if err != nil {
			return nil, "", fmt.Errorf("opening wallet %s: %w", row.ID, err)
		}
		views = append(views, viewWallet(row, w.Content()))
		w.Close()
	}
	return views, next, nil
}

func viewWallet(row store.Wallet, content keystore.Content) WalletView {
	return WalletView{
		Wallet: row.ID, Name: content.Name, Owned: content.Owned, Strangers: content.Strangers, Rounds: content.Rounds,
		Created: time.Unix(row.Created, 0),
	}
}

// Wallet returns one wallet, for its owner or an operator.
func (d *Door) Wallet(ctx context.Context, c *Caller, id string) (WalletView, error) {
	switch {
	case c.Role == Owner && c.WalletID == id:
		return viewWallet(c.Wallet.Row(), c.Wallet.Settings()), nil
	case c.Role != Operator:
		return WalletView{}, ErrNotFound
	}
	row, err := d.store.CallerWallet(ctx, id)
	if err != nil {
		return WalletView{}, absent(err)
	}
	w, err := d.keystore.OpenWallet(row.Wallet, row.Epoch)
	if err != nil {
		return WalletView{}, fmt.Errorf("opening the wallet: %w", err)
	}
	defer w.Close()
	return viewWallet(row.Wallet, w.Content()), nil
}

// WalletChange changes a wallet's settings; nil leaves one as it is.
type WalletChange struct {
	Name      *string
	Strangers *bool
	Rounds    *int
}

// UpdateWallet changes the settings of the caller's wallet, for its owner. Other rounds than one
// change every encryptionKey of the wallet (reference f.10).
func (d *Door) UpdateWallet(ctx context.Context, c *Caller, change WalletChange) (WalletView, error) {
	if err := c.decides(); err != nil {
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
	row, err := d.keystore.WithContent(c.Wallet.Row(), content)
	if errors.Is(err, keystore.ErrContent) {
		return WalletView{}, fmt.Errorf("%w: %w", ErrInput, err)
	}
	if err != nil {
		return WalletView{}, fmt.Errorf("sealing the wallet: %w", err)
	}
	e := c.event(ledger.WalletChanged)
	e.Reason = fmt.Sprintf("strangers %t, rounds %d", content.Strangers, content.Rounds)
	if err := c.record(ctx, e, store.UpdateWallet(row)); err != nil {
		return WalletView{}, err
	}
	if err := d.refresh(ctx, c); err != nil {
		return WalletView{}, err
	}
	return viewWallet(c.Wallet.Row(), c.Wallet.Settings()), nil
}

// DeleteWallet removes a wallet and all that is its own but the record, for its owner, or an
// operator while it has none. Without the words it is gone.
func (d *Door) DeleteWallet(ctx context.Context, c *Caller, id string) error {
	if err := d.enter(ctx, c, id); err != nil {
		return err
	}
	e := c.event(ledger.WalletDeleted)
	e.Wallet = id
	return c.record(ctx, e, store.DeleteWallet(id))
}
