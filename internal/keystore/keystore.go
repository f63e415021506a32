package keystore

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"walletd/internal/store"
)

// Options of New.
type Options struct {
	// Argon2 is what new passphrase slots cost to open. Nil: calibrated on first
	// use to about half a second on this machine, never under 64 MiB and three passes.
	Argon2 *Argon2Params
	// Now is the clock. Nil: the store's.
	Now func() time.Time
	// Dev is what the store was opened with; only Init asks.
	Dev bool
}

// Keystore holds the root key while it is unlocked. All methods may be called
// concurrently; those that try a secret answer ErrBusy to all but one at a time.
type Keystore struct {
	store  *store.Store
	now    func() time.Time
	argon2 func() Argon2Params
	dev    bool

	locked   chan struct{} // see Locked
	unlooked chan struct{} // has a value when Run is to look at all wallets
	wallets  atomic.Int64  // that are open

	gate sync.Mutex // held while a secret is tried: it costs memory and is counted

	mu   sync.RWMutex // guards what follows, and what is in it from being wiped while in use
	open *opened      // nil: locked
	next *opened      // what a rotation makes of open, from before its first commit until that is known
	lost lostKeys     // what was open until the epoch was raised elsewhere; zero: nothing, or unlocked since
}

// opened is what an unlocked keystore holds.
type opened struct {
	generation int64 // of root
	epoch      int64 // of the store, when it was unlocked
	root       *keyring
	old        *keyring // of generation-1, while rotating and shortly after; else nil
	service    *keyring // the same in every generation
}

// rootOf gives the root key of a generation, nil if it is not held.
func (o *opened) rootOf(generation int64) *keyring {
	switch {
	case generation == o.generation:
		return o.root
	case generation == o.generation-1:
		return o.old
	}
	return nil
}

func (o *opened) wipe() {
	if o != nil {
		o.root.wipe()
		o.old.wipe()
		o.service.wipe()
	}
}

// New makes a Keystore over the store, locked.
func New(st *store.Store, o Options) *Keystore {
	k := &Keystore{store: st, now: o.Now, argon2: sync.OnceValue(calibrate), dev: o.Dev, locked: make(chan struct{}, 1), unlooked: make(chan struct{}, 1)}
	if k.now == nil {
		k.now = st.Now
	}
	if o.Argon2 != nil {
		params := *o.Argon2
		k.argon2 = func() Argon2Params { return params }
	}
	return k
}

// Init makes the keystore: a new root key, sealed into each slot, the service's
// key, sealed under it, the first operator's token, and the first entry of the
// service's chain. The keystore stays locked. Errors are ErrInitialised, ErrSlot,
// ErrSlots, ErrRecipient, those of CheckPassphrase and the store's.
func (k *Keystore) Init(ctx context.Context, slots []NewSlot, operator store.Token) error {
	if !k.gate.TryLock() {
		return ErrBusy
	}
	defer k.gate.Unlock()
	switch _, err := k.store.Keystore(ctx); {
	case err == nil:
		return ErrInitialised
	case !errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("looking for a keystore: %w", err)
	}
	if len(slots) == 0 || len(slots) > maxSlots {
		return ErrSlots
	}
	defer debug.FreeOSMemory() // Argon2's
	root := newKeyring(rootKeys, randomKey())
	defer root.wipe()
	service := newKeyring(serviceKeys, randomKey())
	defer service.wipe()
	row := store.Keystore{ID: store.NewID(), Generation: 1, Epoch: 1, SealedOldRoot: []byte{}, Dev: k.dev}
	row.SealedService = sealService(root, row, service)
	rows := make([]store.Slot, len(slots))
	for i, n := range slots {
		var err error
		if rows[i], err = k.makeSlot(row, root, n); err != nil {
			return err
		}
	}
	row.Check = checkOf(root, row, rows)
	entry := k.entry(event{Event: "init", Slots: names(rows)})
	if err := k.store.InitKeystore(ctx, row, rows, operator, entry); errors.Is(err, store.ErrExists) {
		return ErrInitialised
	} else if err != nil {
		return fmt.Errorf("storing the new keystore: %w", err)
	}
	return nil
}

// Lock locks every replica from its next request, wipes the keys of this
// process, and puts on record who did it. The keys are wiped also if the store
// fails.
func (k *Keystore) Lock(ctx context.Context, by string) error {
	k.replace(nil)
	epoch, err := k.store.RaiseEpoch(ctx)
	if err != nil {
		return fmt.Errorf("locking the other replicas: %w", err)
	}
	return k.record(ctx, event{Event: "lock", By: by, Epoch: epoch})
}

// Unlocked tells whether this process holds the root key and epoch, read from
// the store, is not newer than the one it was unlocked at. If it is the epoch of
// the rotation that this process has begun, the new root key takes the place of
// the old one. If it is any other, another replica has locked, rotated or accepted
// its clock, and the keys are wiped.
func (k *Keystore) Unlocked(epoch int64) bool {
	k.mu.RLock()
	o := k.open
	ok := o != nil && epoch <= o.epoch
	k.mu.RUnlock()
	if ok || o == nil {
		return ok
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.open == nil || epoch <= k.open.epoch: // locked or unlocked anew meanwhile
		return k.open != nil
	case k.next != nil && epoch == k.next.epoch:
		k.open.wipe()
		k.open, k.next = k.next, nil
		return true
	}
	k.lost = lostKeys{k.open.generation, k.open.epoch}
	k.become(nil)
	return false
}

// replace puts another state in place of the one there; nil locks.
func (k *Keystore) replace(o *opened) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.become(o)
	k.lost = lostKeys{}
}

// become wipes all that is held but o, which is from now on. The caller holds mu.
func (k *Keystore) become(o *opened) {
	if k.open != nil && o == nil {
		select {
		case k.locked <- struct{}{}:
		default: // nobody has taken the last one yet
		}
	}
	k.open.wipe()
	k.next.wipe()
	k.open, k.next = o, nil
}

// Locked gets a value whenever this process stops being unlocked, by Lock or
// because it noticed that another replica has raised the epoch. The keys that the
// keystore held are wiped by then. Those of OpenWallets are not, and neither are
// copies that libraries made: secret.Sweep removes what is not in use any more.
// One value may stand for several locks.
func (k *Keystore) Locked() <-chan struct{} { return k.locked }

// OpenWallets tells how many wallets are open: their keys are in memory until they
// are closed.
func (k *Keystore) OpenWallets() int { return int(k.wallets.Load()) }

// Status is what can be said of the keystore without a secret.
type Status struct {
	Unlocked   bool // this process
	Generation int64
	Epoch      int64
	Rotating   bool  // a rotation of the root key is not finished
	Failures   int64 // failed unlocks since the last good one
	Slots      []SlotStatus
}

// SlotStatus is what can be said of a slot. Forged is known only while
// unlocked: somebody else wrote or changed the slot, and it opens nothing. Weak
// says that a guess at its passphrase costs less than at one of a new slot,
// which the next Unlock with that passphrase mends.
type SlotStatus struct {
	ID, Kind, Name string
	Created        int64 // unix seconds
	Forged         bool
	Weak           bool
}

// Status reads the state; it works while locked. ErrNotInitialised before Init.
func (k *Keystore) Status(ctx context.Context) (Status, error) {
	row, slots, err := k.load(ctx)
	if err != nil {
		return Status{}, err
	}
	s := Status{
		Unlocked:   k.Unlocked(row.Epoch),
		Generation: row.Generation,
		Epoch:      row.Epoch,
		Rotating:   len(row.SealedOldRoot) > 0,
		Failures:   row.Failures,
	}
	k.mu.RLock()
	defer k.mu.RUnlock()
	for _, slot := range slots {
		known := k.open != nil && k.open.epoch == row.Epoch
		s.Slots = append(s.Slots, SlotStatus{
			ID: slot.ID, Kind: slot.Kind, Name: slot.Name, Created: slot.Created,
			Forged: known && !genuine(k.open.root, row, slot),
			Weak:   isWeak(slot),
		})
	}
	return s, nil
}

// load reads the keystore's row and its slots.
func (k *Keystore) load(ctx context.Context) (store.Keystore, []store.Slot, error) {
	row, err := k.store.Keystore(ctx)
	if errors.Is(err, store.ErrNotFound) {
		return store.Keystore{}, nil, ErrNotInitialised
	} else if err != nil {
		return store.Keystore{}, nil, fmt.Errorf("reading the keystore: %w", err)
	}
	slots, err := k.store.Slots(ctx)
	if err != nil {
		return store.Keystore{}, nil, fmt.Errorf("reading the slots: %w", err)
	}
	return row, slots, nil
}
