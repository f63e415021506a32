// Package ledger is what a decision may rest on and where it is written down: rows that are
// authentic, and the audit log of every wallet and of the service.
//
//	store row --Check, Open, All--> Checked, Opened    the MAC holds, the content opens; a forgery is
//	                                                   appended to the audit log, and is not returned
//	Change ----Wallet.Commit------> store.Receipt      one durable write; what leaves a wallet needs it
//
// A row that came from the database is not trusted: an attacker who can write to the database can
// delete rows and roll them back, but the type system keeps a row whose MAC nobody checked from being
// taken for one that was checked, because only this package makes a Checked or an Opened.
//
// What an entry means for safety stands in one table (kind.go): whether it holds only while the
// wallet's version is the one that was read, whether it consumes the nonce of a signed request, and
// whether it releases something. No other package can make a Kind.
//
// Each chain's entries are hashed one to the next; heads, signed by a key of the chain's own, say
// where it stood (heads.go). VerifyExport and a Verifier check a chain without any secret.
package ledger

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"walletd/internal/keystore"
	"walletd/internal/store"
)

// Options of New.
type Options struct {
	Log zerolog.Logger
	// Count is called once for every entry and refusal, with a short fixed name; nil counts nothing.
	Count func(outcome string)
}

// Ledger opens wallets and appends to their audit logs. It is safe for concurrent use, and keeps no
// state that a replica could miss.
type Ledger struct {
	store    *store.Store
	keystore *keystore.Keystore
	log      zerolog.Logger
	count    func(string)
	changed  changes
	forged   forgeries
	due      chan string  // chains whose end is to be signed now
	signed   atomic.Int64 // when all were last found to be signed, in unix seconds
}

// New returns the ledger of a store and the keystore over it.
func New(st *store.Store, ks *keystore.Keystore, o Options) *Ledger {
	l := &Ledger{store: st, keystore: ks, log: o.Log, count: o.Count, due: make(chan string, 16)}
	l.signed.Store(time.Now().Unix())
	if l.count == nil {
		l.count = func(string) {}
	}
	return l
}

// Wallet is one wallet, opened for one request: its keys, and its row and the keystore's epoch as they
// were read. A Commit of it fails with store.ErrChanged if the keystore was locked since, or, for a
// Kind that says so, if the wallet changed. It serves one goroutine; Close it.
type Wallet struct {
	ledger *Ledger
	keys   *keystore.Wallet
	row    store.Wallet
	epoch  int64
}

// OpenWallet opens a wallet's row with the epoch it was read at. Only package auth calls it. Errors are
// keystore.ErrLocked and *keystore.DamagedError.
func (l *Ledger) OpenWallet(row store.Wallet, epoch int64) (*Wallet, error) {
	w := &Wallet{ledger: l}
	return w, w.Reopen(row, epoch)
}

// NewWallet is the ledger's view of a wallet whose rows are being made and not stored yet.
func (l *Ledger) NewWallet(row store.Wallet, keys *keystore.Wallet) *Wallet {
	return &Wallet{ledger: l, keys: keys, row: row}
}

// Reopen opens the wallet anew, as it was read since. All who share w see it so.
func (w *Wallet) Reopen(row store.Wallet, epoch int64) error {
	w.Close()
	keys, err := w.ledger.keystore.OpenWallet(row, epoch)
	if err != nil {
		return fmt.Errorf("opening the wallet: %w", err)
	}
	w.keys, w.row, w.epoch = keys, row, epoch
	return nil
}

// Close wipes the wallet's keys. It may be called more than once, and on nil.
func (w *Wallet) Close() {
	if w != nil && w.keys != nil {
		w.keys.Close()
		w.keys = nil
	}
}

// IsOpen reports whether the wallet's keys are at hand.
func (w *Wallet) IsOpen() bool { return w != nil && w.keys != nil }

// ID is the address of the wallet's own account.
func (w *Wallet) ID() string { return w.row.ID }

// Row is the wallet's row as it was read.
func (w *Wallet) Row() store.Wallet { return w.row }

// Epoch is the keystore's epoch as it was read.
func (w *Wallet) Epoch() int64 { return w.epoch }

// Keys are the wallet's operations. Those whose result can leave take the Receipt of a Commit.
func (w *Wallet) Keys() *keystore.Wallet { return w.keys }

// Settings are what the wallet's row says of it.
func (w *Wallet) Settings() keystore.Content { return w.keys.Content() }

// Changed is closed at the next commit of this process that somebody may be waiting for. Those of
// other replicas are found by looking.
func (l *Ledger) Changed() <-chan struct{} { return l.changed.next() }

// Wake closes the channel of Changed, for a change that no Commit made.
func (l *Ledger) Wake() { l.changed.notify() }

// changes wakes those who wait. The zero value is ready.
type changes struct {
	mu   sync.Mutex
	wake chan struct{}
}

func (c *changes) next() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wake == nil {
		c.wake = make(chan struct{})
	}
	return c.wake
}

func (c *changes) notify() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wake != nil {
		close(c.wake)
		c.wake = nil
	}
}
