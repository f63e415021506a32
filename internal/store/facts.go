package store

import (
	"bytes"
	"container/list"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// Facts reads the rows that a decision about one wallet depends on. Those of Store.Facts read the store each
// time. Those of Recall and Keep remember what was read, for the requests that follow.
//
// What is remembered may be out of date. A decision by it holds only if the Change that records it has the Epoch
// and the wallet (Seen) of the CallerRow that came with the Facts, and is committed. That is enough: a wallet's
// version only rises, and every write that could change a fact raises it, in the same transaction. A fact is
// read after the CallerRow, and if the commit still finds its version, the wallet had that version all the time,
// and the fact did not change. Whatever is not committed so, a refusal too, must be decided anew from rows that
// were read for it.
//
// Uses that are left of a grant change without that: such grants are not remembered.
type Facts struct {
	store  *Store
	wallet string
	kept   *keptWallet // nil: nothing is remembered
}

// Facts returns the facts of a wallet as the store has them.
func (s *Store) Facts(wallet string) *Facts { return &Facts{store: s, wallet: wallet} }

// Account is Store.Account.
func (f *Facts) Account(ctx context.Context, address string) (Account, error) {
	return recall(f, "account "+address, func() (Account, error) { return f.store.Account(ctx, f.wallet, address) })
}

// AccountOf is Store.AccountOf.
func (f *Facts) AccountOf(ctx context.Context, app, typ string) (Account, error) {
	return recall(f, "account of "+app+" "+typ, func() (Account, error) { return f.store.AccountOf(ctx, f.wallet, app, typ) })
}

// App is Store.App.
func (f *Facts) App(ctx context.Context, app string) (App, error) {
	return recall(f, "app "+app, func() (App, error) { return f.store.App(ctx, f.wallet, app) })
}

// Delegation is Store.Delegation.
func (f *Facts) Delegation(ctx context.Context, hash []byte) (Delegation, error) {
	return recall(f, "delegation "+string(hash), func() (Delegation, error) { return f.store.Delegation(ctx, f.wallet, hash) })
}

// Policy is Store.Policy.
func (f *Facts) Policy(ctx context.Context) (Policy, error) {
	return recall(f, "policy", func() (Policy, error) { return f.store.Policy(ctx, f.wallet) })
}

// Grants is Store.Grants; some of them may have ended since they were read. The caller does not change the slice.
func (f *Facts) Grants(ctx context.Context, app string, now int64) ([]Grant, error) {
	rows, err := recall(f, "grants of "+app, func() (grantRows, error) { return f.store.Grants(ctx, f.wallet, app, now) })
	return rows, err
}

type grantRows []Grant

// fact is a row as it was read, or that there is none.
type fact[R any] struct {
	row R
	err error // nil, or ErrNotFound
}

// weighed is a row that knows what it takes to keep it.
type weighed interface {
	weight() (bytes int, keeps bool)
}

// recall returns what read returned before, or now.
func recall[R weighed](f *Facts, name string, read func() (R, error)) (R, error) {
	if f.kept == nil {
		return read()
	}
	k := &f.store.kept
	if found, ok := k.fact(f.kept, name); ok {
		known := found.(fact[R])
		return known.row, known.err
	}
	row, err := read()
	if err == nil || errors.Is(err, ErrNotFound) {
		if bytes, keeps := row.weight(); keeps {
			k.add(f.kept, name, fact[R]{row, err}, bytes+len(name))
		}
	}
	return row, err
}

func (a Account) weight() (int, bool)    { return weightOf(a.columns()), true }
func (a App) weight() (int, bool)        { return weightOf(a.columns()), true }
func (d Delegation) weight() (int, bool) { return weightOf(d.columns()), true }
func (p Policy) weight() (int, bool)     { return weightOf(p.columns()), true }

func (rows grantRows) weight() (sum int, keeps bool) {
	for _, g := range rows {
		if g.Uses >= 0 {
			return 0, false
		}
		sum += weightOf(g.columns())
	}
	return sum, true
}

func (c CallerRow) weight() int {
	return weightOf(c.Token.columns()) + weightOf(c.Wallet.columns()) + weightOf(c.Account.columns()) + weightOf(c.App.columns())
}

// weightOf is about how many bytes of memory a row takes.
func weightOf(columns []column) int {
	sum := 0
	for _, c := range columns {
		switch v := c.field.(type) {
		case *string:
			sum += len(*v)
		case *[]byte:
			sum += len(*v)
		}
		sum += 24
	}
	return sum
}

// CallerName names whoever sends requests, so that what was read of them can be found again.
type CallerName string

// TokenCaller names the caller with a token, by its id.
func TokenCaller(id string) CallerName { return CallerName("token " + id) }

// SigningCaller names an app that signs for a wallet, as its requests name that.
func SigningCaller(app, audience string) CallerName { return CallerName("app " + app + " " + audience) }

// SessionCaller names the wallet in which sessions are held.
func SessionCaller(wallet string) CallerName { return CallerName("sessions " + wallet) }

const (
	maxKept       = 24 << 20  // bytes of all that is remembered: some 13,000 wallets
	maxKeptWallet = 256 << 10 // bytes of one wallet

	// keptFor is how long a wallet is remembered, so that rows that somebody deletes or puts back behind our back, which
	// raises no version, count for nothing after a while.
	keptFor = time.Minute
)

// kept is what is remembered of all wallets. The zero value is ready.
type kept struct {
	mu      sync.Mutex
	callers map[CallerName]*keptWallet
	wallets map[string]*keptWallet
	recent  list.List // of *keptWallet, those used last first
	bytes   int

	recalled, read, again atomic.Int64 // see KeptStats
}

// keptWallet is a wallet at one version. What may change of it is guarded by kept.mu.
type keptWallet struct {
	wallet  Wallet
	epoch   int64
	until   time.Time
	callers []CallerName
	found   map[string]any // fact[R], by a name that says R
	bytes   int
	place   *list.Element // nil once it was dropped
}

// Recall returns what Keep remembered of a caller, with the wallet's facts.
func (s *Store) Recall(name CallerName) (CallerRow, *Facts, bool) {
	k := &s.kept
	k.mu.Lock()
	defer k.mu.Unlock()
	w := k.callers[name]
	if w != nil && time.Now().After(w.until) {
		k.drop(w)
		w = nil
	}
	if w == nil {
		k.read.Add(1)
		return CallerRow{}, nil, false
	}
	k.recalled.Add(1)
	k.recent.MoveToFront(w.place)
	return w.found[string(name)].(CallerRow), &Facts{s, w.wallet.ID, w}, true
}

// Keep remembers a caller whose row was just read and found good, and returns the facts of the wallet to go on with.
// What is remembered of the wallet at another version is forgotten.
func (s *Store) Keep(name CallerName, row CallerRow) *Facts {
	k := &s.kept
	k.mu.Lock()
	defer k.mu.Unlock()
	w := k.wallets[row.Wallet.ID]
	if w != nil && (w.epoch != row.Epoch || w.wallet.Version != row.Wallet.Version || !bytes.Equal(w.wallet.SealedKey, row.Wallet.SealedKey)) {
		k.drop(w)
		w = nil
	}
	if w == nil {
		w = &keptWallet{wallet: row.Wallet, epoch: row.Epoch, until: time.Now().Add(keptFor), found: make(map[string]any)}
		w.place = k.recent.PushFront(w)
		if k.wallets == nil {
			k.wallets, k.callers = make(map[string]*keptWallet), make(map[CallerName]*keptWallet)
		}
		k.wallets[row.Wallet.ID] = w
	}
	k.put(w, string(name), row, row.weight()+len(name))
	if _, kept := w.found[string(name)]; kept {
		k.callers[name] = w
		w.callers = append(w.callers, name)
	}
	return &Facts{s, w.wallet.ID, w}
}

// Forget forgets what is remembered of a wallet, since nothing came of a decision by it.
func (s *Store) Forget(wallet string) {
	s.kept.again.Add(1)
	s.kept.forget(wallet)
}

// ForgetAll forgets all that is remembered, at a lock.
func (s *Store) ForgetAll() {
	s.kept.mu.Lock()
	defer s.kept.mu.Unlock()
	for _, w := range s.kept.wallets {
		s.kept.drop(w)
	}
}

// KeptStats says how much is remembered, and how often it served.
type KeptStats struct {
	Wallets, Bytes int
	// Recalled counts the callers that were remembered, Read those that had to be read, and Again the decisions by what
	// was remembered that were made again, because it was out of date or because they were refusals.
	Recalled, Read, Again int64
}

// Kept says how much is remembered, and how often it served.
func (s *Store) Kept() KeptStats {
	k := &s.kept
	k.mu.Lock()
	defer k.mu.Unlock()
	return KeptStats{len(k.wallets), k.bytes, k.recalled.Load(), k.read.Load(), k.again.Load()}
}

func (k *kept) forget(wallet string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if w := k.wallets[wallet]; w != nil {
		k.drop(w)
	}
}

func (k *kept) fact(w *keptWallet, name string) (any, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	found, ok := w.found[name]
	return found, ok
}

func (k *kept) add(w *keptWallet, name string, fact any, bytes int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if w.place != nil {
		k.put(w, name, fact, bytes)
	}
}

// put adds a fact if there is room for it in its wallet; wallets that were not used for long make room. The caller
// holds mu.
func (k *kept) put(w *keptWallet, name string, fact any, bytes int) {
	if _, there := w.found[name]; there || w.bytes+bytes > maxKeptWallet {
		return
	}
	w.found[name] = fact
	w.bytes += bytes
	for k.bytes += bytes; k.bytes > maxKept; {
		k.drop(k.recent.Back().Value.(*keptWallet))
	}
}

// drop forgets a wallet. The caller holds mu.
func (k *kept) drop(w *keptWallet) {
	if w.place == nil {
		return
	}
	k.recent.Remove(w.place)
	k.bytes -= w.bytes
	delete(k.wallets, w.wallet.ID)
	for _, name := range w.callers {
		delete(k.callers, name)
	}
	w.place, w.found = nil, nil
}
