// Package ledger holds what a decision may depend on and where it is recorded: authentic rows, and the audit
// logs of every wallet and of the service.
//
//	store row --Check, Open, All--> Checked, Opened    the MAC holds, the content opens; a forgery is
//	                                                   appended to the audit log, and is not returned
//	Change ----Wallet.Commit------> store.Receipt      one durable write; what leaves a wallet needs it
//
// A row that came from the database is not trusted: an attacker with write access to the database can delete
// rows and roll them back. The type system keeps a row whose MAC nobody checked apart from one that was
// checked, because only this package makes a Checked or an Opened.
//
// One table (kind.go) says what an entry means for safety: whether it is valid only while the wallet has the
// version that was read, whether it consumes the nonce of a signed request, and whether it releases something.
// No other package can make a Kind.
//
// The entries of a chain are hashed one to the next. Heads, signed by a key of the chain's own, say where the
// chain stood (heads.go). VerifyExport and a Verifier verify a chain without any secret.
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

// Options are the settings of a Ledger.
type Options struct {
	Log zerolog.Logger
	// Count is called once for every entry and refusal, with a short fixed name; nil counts nothing.
	Count func(outcome string)
}

// Ledger opens wallets and appends to their audit logs. It is safe for concurrent use, and holds no state that
// another replica needs.
type Ledger struct {
	store    *store.Store
	keystore *keystore.Keystore
	log      zerolog.Logger
	count    func(string)
	changed  changes
	forged   forgeries
	due      chan string  // chains whose head is to be signed now
	signed   atomic.Int64 // when all heads were last signed, in unix seconds
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

// Wallet is one wallet, opened for one request: its keys, and its row and the keystore's epoch as they were
// read. Commit fails with store.ErrChanged if the keystore was locked since or, for a Kind that says so, if the
// wallet changed. A Wallet belongs to one goroutine, which closes it.
type Wallet struct {
	ledger *Ledger
	keys   *keystore.Wallet
	row    store.Wallet
	epoch  int64
	facts  *store.Facts
	// remembered, if not 0, is when the row was remembered, and not read for this request (unix milliseconds). Nothing
	// that follows from it holds before a Commit of a fresh Kind.
	remembered int64
}

// OpenWallet opens a wallet's row with the epoch that was read with it. Only package auth calls it. Errors are
// keystore.ErrLocked and *keystore.DamagedError.
func (l *Ledger) OpenWallet(row store.Wallet, epoch int64) (*Wallet, error) {
	w := &Wallet{ledger: l}
	return w, w.Reopen(row, epoch)
}

// NewWallet returns a Wallet whose rows are not stored yet.
func (l *Ledger) NewWallet(row store.Wallet, keys *keystore.Wallet) *Wallet {
	return &Wallet{ledger: l, keys: keys, row: row, facts: l.store.Facts(row.ID)}
}

// Reopen opens the wallet again, as it was read now. All who share w use it from then on.
func (w *Wallet) Reopen(row store.Wallet, epoch int64) error {
	w.Close()
	keys, err := w.ledger.keystore.OpenWallet(row, epoch)
	if err != nil {
		return fmt.Errorf("opening the wallet: %w", err)
	}
	w.keys, w.row, w.epoch = keys, row, epoch
	w.facts, w.remembered = w.ledger.store.Facts(row.ID), 0
	return nil
}

// Facts returns the rows that decisions about the wallet depend on.
func (w *Wallet) Facts() *store.Facts { return w.facts }

// Keep has the wallet's facts remembered, whose row was read for this request.
func (w *Wallet) Keep(facts *store.Facts) { w.facts = facts }

// Recall says that the wallet's row was remembered from an earlier request, with these facts, and not read for this one.
func (w *Wallet) Recall(facts *store.Facts) {
	w.facts, w.remembered = facts, w.ledger.store.Now().UnixMilli()
}

// IsRemembered reports whether the wallet's row was remembered, and no Commit has shown since that the wallet is still
// as it was. Then nothing may be answered: read the wallet again, and decide again.
func (w *Wallet) IsRemembered() bool { return w != nil && w.remembered != 0 }

// Close wipes the wallet's keys. It may be called more than once, and on nil.
func (w *Wallet) Close() {
	if w != nil && w.keys != nil {
		w.keys.Close()
		w.keys = nil
	}
}

// IsOpen reports whether the wallet's keys are in memory.
func (w *Wallet) IsOpen() bool { return w != nil && w.keys != nil }

// ID returns the address of the wallet's own account, which names the wallet.
func (w *Wallet) ID() string { return w.row.ID }

// Row returns the wallet's row as it was read.
func (w *Wallet) Row() store.Wallet { return w.row }

// Epoch returns the keystore's epoch as it was read.
func (w *Wallet) Epoch() int64 { return w.epoch }

// Keys returns the wallet's operations. Those whose result may leave the service take the receipt of a Commit.
func (w *Wallet) Keys() *keystore.Wallet { return w.keys }

// Settings returns the sealed settings of the wallet's row.
func (w *Wallet) Settings() keystore.Content { return w.keys.Content() }

// Changed returns a channel that is closed at the next commit of this process whose kind wakes those who wait.
// Commits of other replicas do not close it; whoever waits polls for them.
func (l *Ledger) Changed() <-chan struct{} { return l.changed.next() }

// Wake closes the channel of Changed, for a change that was not made by Commit.
func (l *Ledger) Wake() { l.changed.notify() }

// changes wakes those who wait. The zero value is ready to use.
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
