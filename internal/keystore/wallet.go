package keystore

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"sync/atomic"

	"walletd/internal/derive"
	"walletd/internal/did"
	"walletd/internal/secret"
	"walletd/internal/store"
)

const (
	tableWallets  = "wallets"
	tableAccounts = "accounts"
)

// Wallet is one opened wallet for the length of a request. It is not for
// concurrent use, and any use after Close panics or fails. A lock does not
// close it: whoever releases something commits with the epoch it was opened at.
type Wallet struct {
	id         string
	keys       *keyring
	content    Content
	sealedSeed []byte
	account    openedAccount // the one that was opened last; none if it has no secret
	among      *atomic.Int64 // the wallets that are open
}

// Content is what the wallet's row says about it.
func (w *Wallet) Content() Content { return w.content }

// Close wipes the wallet's keys.
func (w *Wallet) Close() {
	if w.keys != nil {
		w.keys.wipe()
		w.account.wipe()
		w.keys, w.account = nil, openedAccount{}
		w.among.Add(-1)
	}
}

// opening makes a Wallet of a key, which it takes over.
func (k *Keystore) opening(id string, key *[keySize]byte) *Wallet {
	k.wallets.Add(1)
	return &Wallet{id: id, keys: newKeyring(walletKeys, key), among: &k.wallets}
}

func walletPlace(id, field string) Place {
	return Place{Table: tableWallets, Row: id, Field: field, Version: 1}
}

// NewWallet makes the rows of a wallet with the given seed, which it copies,
// and of the wallet's own account, and opens it. Nothing is stored: the caller
// commits the rows with a record, and with the epoch it saw, because a rotation
// of the root key meanwhile leaves rows that nobody can open. now is unix
// seconds. The own account belongs to no app: App is "". Errors are ErrLocked,
// ErrContent and derive's.
func (k *Keystore) NewWallet(seed derive.Seed, c Content, now int64) (store.Wallet, store.Account, *Wallet, error) {
	fail := func(err error) (store.Wallet, store.Account, *Wallet, error) {
		return store.Wallet{}, store.Account{}, nil, err
	}
	if err := c.check(); err != nil {
		return fail(err)
	}
	path := derive.DefaultPath()
	var sk did.SecretKey
	var own did.DID
	var err error
	secret.Do(func() { sk, own, err = derive.Account(seed, path, did.AccountType()) })
	if err != nil {
		return fail(fmt.Errorf("making the wallet's own account: %w", err))
	}
	defer sk.Wipe()

	id := own.Address()
	w := k.opening(id, randomKey())
	w.content = c
	w.sealedSeed = w.seal(walletPlace(id, "seed"), seed.Reveal())
	row := store.Wallet{ID: id, Sealed: w.sealContent(c), Version: 1, Created: now}
	account, err := w.sealAccount(sk, own, "", path.String(), now)
	if err != nil {
		w.Close()
		return fail(err)
	}

	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.open == nil {
		w.Close()
		return fail(ErrLocked)
	}
	row.Generation = k.open.generation
	row.SealedKey = sealWalletKey(k.open.root, id, w.keys.base)
	return row, account, w, nil
}

// OpenWallet opens a wallet's row. epoch is the store's, read with the row.
// Errors are ErrLocked and *DamagedError.
func (k *Keystore) OpenWallet(row store.Wallet, epoch int64) (*Wallet, error) {
	if !k.Unlocked(epoch) {
		return nil, ErrLocked
	}
	return k.openWallet(row)
}

// Settings reads the name and the settings of a wallet's row. epoch is the store's, read with the row.
// Errors are ErrLocked and *DamagedError.
func (k *Keystore) Settings(row store.Wallet, epoch int64) (Content, error) {
	w, err := k.OpenWallet(row, epoch)
	if err != nil {
		return Content{}, err
	}
	defer w.Close()
	return w.Content(), nil
}

func (k *Keystore) openWallet(row store.Wallet) (w *Wallet, err error) {
	secret.Do(func() {
		var key *[keySize]byte
		if key, err = k.walletKey(row); err != nil {
			return
		}
		w = k.opening(row.ID, key)
		var plain []byte
		if plain, err = w.open(walletPlace(row.ID, "content"), row.Sealed); err == nil {
			var ok bool
			if w.content, w.sealedSeed, ok = decodeContent(plain); ok {
				return
			}
			err = &DamagedError{Table: tableWallets, Row: row.ID}
		}
		w.Close()
		w = nil
	})
	return w, err
}

// WithContent gives the row with another content, re-sealed, as
// store.UpdateWallet takes it: Version stays the one that was seen. Errors are
// ErrLocked, ErrContent and *DamagedError.
func (k *Keystore) WithContent(row store.Wallet, c Content) (store.Wallet, error) {
	if err := c.check(); err != nil {
		return store.Wallet{}, err
	}
	w, err := k.openWallet(row)
	if err != nil {
		return store.Wallet{}, err
	}
	defer w.Close()
	row.Sealed = w.sealContent(c)
	return row, nil
}

// walletKey opens the key of a wallet with the root key of its generation.
func (k *Keystore) walletKey(row store.Wallet) (*[keySize]byte, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.open == nil {
		return nil, ErrLocked
	}
	root := k.open.rootOf(row.Generation)
	if root == nil {
		return nil, &DamagedError{Table: tableWallets, Row: row.ID}
	}
	return openWalletKey(root, row)
}

func sealWalletKey(root *keyring, id string, key *[keySize]byte) []byte {
	return seal(root.seal, walletPlace(id, "key").associated(id), key[:])
}

func openWalletKey(root *keyring, row store.Wallet) (*[keySize]byte, error) {
	plain, err := open(root.seal, walletPlace(row.ID, "key").associated(row.ID), row.SealedKey)
	if err != nil || len(plain) != keySize {
		return nil, &DamagedError{Table: tableWallets, Row: row.ID}
	}
	return (*[keySize]byte)(plain), nil
}

func (w *Wallet) sealContent(c Content) []byte {
	return w.seal(walletPlace(w.id, "content"), c.encode(w.sealedSeed))
}

// seed opens the wallet's seed. The caller wipes it.
func (w *Wallet) seed() (derive.Seed, error) {
	plain, err := w.open(walletPlace(w.id, "seed"), w.sealedSeed)
	if err != nil {
		return derive.Seed{}, err
	}
	defer clear(plain)
	seed, err := derive.NewSeed(plain)
	if err != nil {
		return derive.Seed{}, &DamagedError{Table: tableWallets, Row: w.id}
	}
	return seed, nil
}

// OwnerKey is SHA3-256(seed ‖ salt), the owner's own key, which no app can
// reach (design section 5), for an entry that releases it. The caller wipes it.
// Errors are ErrReceipt and *DamagedError.
func (w *Wallet) OwnerKey(r store.Receipt, salt []byte) (key Key, err error) {
	if err := w.allows(r); err != nil {
		return Key{}, err
	}
	secret.Do(func() {
		var seed derive.Seed
		if seed, err = w.seed(); err != nil {
			return
		}
		defer seed.Wipe()
		key = newKey(seed.Reveal(), salt, 1)
	})
	return key, err
}

// Seal seals plaintext for its place in this wallet, with the place and the
// wallet as associated data. The tables of wallets and accounts are the
// keystore's own: it panics for a place in them.
func (w *Wallet) Seal(p Place, plaintext []byte) Sealed {
	if p.isOwn() {
		panic("keystore: " + p.Table + " are sealed by the keystore alone")
	}
	return w.seal(p, plaintext)
}

func (w *Wallet) seal(p Place, plaintext []byte) []byte {
	return seal(w.keys.seal, p.associated(w.id), plaintext)
}

// Open opens what Seal made for the same place. The only error is
// *DamagedError, naming table and row; seeds and accounts, which the keystore
// sealed itself, are damaged to it.
func (w *Wallet) Open(p Place, sealed []byte) (RowContent, error) {
	if p.isOwn() {
		return nil, &DamagedError{Table: p.Table, Row: p.Row}
	}
	return w.open(p, sealed)
}

func (w *Wallet) open(p Place, sealed []byte) ([]byte, error) {
	plain, err := open(w.keys.seal, p.associated(w.id), sealed)
	if err != nil {
		return nil, &DamagedError{Table: p.Table, Row: p.Row, Seen: sha256.Sum256(sealed)}
	}
	return plain, nil
}

// MAC is HMAC-SHA-256 over a row's Canonical bytes, under a key of the wallet
// that does nothing else: 32 bytes.
func (w *Wallet) MAC(canonical []byte) MAC { return mac(w.keys.mac, canonical) }

// CheckMAC says whether this wallet made the row. The only error is
// *ForgedError, naming table and row.
func (w *Wallet) CheckMAC(table, row string, canonical, mac []byte) error {
	if !w.keys.checkMAC(canonical, mac) {
		return &ForgedError{Table: table, Row: row, Seen: sha256.Sum256(append(bytes.Clone(canonical), mac...))}
	}
	return nil
}
