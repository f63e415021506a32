package keystore

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"walletd/internal/derive"
	"walletd/internal/did"
	"walletd/internal/store"
)

// cheap is what the slots of these tests cost.
var cheap = Argon2Params{MemoryKiB: minMemoryKiB, Time: 1, Threads: 4}

const (
	firstPass  = "correct horse battery staple"
	secondPass = "tr0ub4dor and three"
)

// house is a keystore over a real store that can be opened again.
type house struct {
	*Keystore
	t   *testing.T
	url string
}

// newHouse makes a keystore with one passphrase slot, locked.
func newHouse(t *testing.T, slots ...NewSlot) *house {
	return newHouseAt(t, "sqlite:"+filepath.Join(t.TempDir(), "data", "walletd.db"), slots...)
}

func newHouseAt(t *testing.T, url string, slots ...NewSlot) *house {
	t.Helper()
	h := &house{t: t, url: url}
	h.start(store.Options{Create: true})
	if len(slots) == 0 {
		slots = []NewSlot{{Name: "first", Passphrase: Passphrase([]byte(firstPass))}}
	}
	operator := store.Token{ID: store.NewID(), Role: store.RoleOperator, Name: "operator", Hash: make([]byte, 32), MAC: []byte{}, Created: 1}
	if err := h.Init(t.Context(), slots, operator); err != nil {
		t.Fatalf("Init: %v", err)
	}
	return h
}

func (h *house) start(o store.Options) {
	h.t.Helper()
	st, err := store.Open(context.Background(), h.url, o)
	if err != nil {
		h.t.Fatalf("opening the store: %v", err)
	}
	h.t.Cleanup(func() { st.Close() })
	h.Keystore = New(st, Options{Argon2: &cheap})
}

// restart closes the store and opens it as another process would.
func (h *house) restart() {
	h.t.Helper()
	if err := h.store.Close(); err != nil {
		h.t.Fatalf("closing the store: %v", err)
	}
	h.start(store.Options{})
}

func (h *house) mustUnlock(passphrase string) {
	h.t.Helper()
	if err := h.Unlock(h.t.Context(), "walletd", Passphrase([]byte(passphrase))); err != nil {
		h.t.Fatalf("Unlock: %v", err)
	}
}

func (h *house) status() Status {
	h.t.Helper()
	s, err := h.Status(h.t.Context())
	if err != nil {
		h.t.Fatalf("Status: %v", err)
	}
	return s
}

// addWallet makes and stores a wallet with a seed of the given byte.
func (h *house) addWallet(b byte) (store.Wallet, store.Account) {
	h.t.Helper()
	return h.addWalletOf(seedOf(h.t, strings.Repeat(hex.EncodeToString([]byte{b}), 64)))
}

func (h *house) addWalletOf(seed derive.Seed) (store.Wallet, store.Account) {
	h.t.Helper()
	row, account, w, err := h.NewWallet(seed, Content{Name: "alice", Rounds: 1}, 7)
	if err != nil {
		h.t.Fatalf("NewWallet: %v", err)
	}
	w.Close()
	c := h.change(-1, []store.Write{store.InsertWallet(row), store.InsertAccount(account)}, event{Event: "test"})
	if _, err := h.store.Commit(h.t.Context(), c); err != nil {
		h.t.Fatalf("storing the wallet: %v", err)
	}
	return h.wallet(row.ID), account
}

func (h *house) wallet(id string) store.Wallet {
	h.t.Helper()
	row, err := h.store.Wallet(h.t.Context(), id)
	if err != nil {
		h.t.Fatalf("reading the wallet: %v", err)
	}
	return row
}

func (h *house) epoch() int64 {
	h.t.Helper()
	epoch, err := h.store.Epoch(h.t.Context())
	if err != nil {
		h.t.Fatalf("Epoch: %v", err)
	}
	return epoch
}

// opens opens a wallet as a request would.
func (h *house) opens(id string) *Wallet {
	h.t.Helper()
	w, err := h.OpenWallet(h.wallet(id), h.epoch())
	if err != nil {
		h.t.Fatalf("OpenWallet: %v", err)
	}
	h.t.Cleanup(w.Close)
	return w
}

// events gives the events on the service's record.
func (h *house) events() []event {
	h.t.Helper()
	var events []event
	for after := int64(0); ; {
		records, err := h.store.Records(h.t.Context(), store.ServiceChain, after, 100)
		if err != nil {
			h.t.Fatalf("Records: %v", err)
		}
		for _, r := range records {
			var e event
			if err := json.Unmarshal(r.Sealed, &e); err != nil {
				h.t.Fatalf("reading the record: %v", err)
			}
			events = append(events, e)
			after = r.Seq
		}
		if len(records) == 0 {
			return events
		}
	}
}

func (h *house) recorded(name string) bool {
	h.t.Helper()
	for _, e := range h.events() {
		if e.Event == name {
			return true
		}
	}
	return false
}

// write changes rows behind the keystore's back, as a thief would.
func (h *house) write(writes ...store.Write) {
	h.t.Helper()
	if _, err := h.store.Commit(h.t.Context(), h.change(-1, writes, event{Event: "thief"})); err != nil {
		h.t.Fatalf("writing: %v", err)
	}
}

// headKey gives the public key of the service's heads.
func (h *house) headKey() []byte {
	h.t.Helper()
	pk, err := h.ServiceHeadKey()
	if err != nil {
		h.t.Fatalf("ServiceHeadKey: %v", err)
	}
	return pk
}

func (h *house) slots() []store.Slot {
	h.t.Helper()
	slots, err := h.store.Slots(h.t.Context())
	if err != nil {
		h.t.Fatalf("Slots: %v", err)
	}
	return slots
}

// slot finds a slot by its name.
func (h *house) slot(name string) store.Slot {
	h.t.Helper()
	for _, s := range h.slots() {
		if s.Name == name {
			return s
		}
	}
	h.t.Fatalf("no slot %q", name)
	return store.Slot{}
}

func (h *house) row() store.Keystore {
	h.t.Helper()
	row, err := h.store.Keystore(h.t.Context())
	if err != nil {
		h.t.Fatalf("Keystore: %v", err)
	}
	return row
}

func seedOf(t testing.TB, digits string) derive.Seed {
	t.Helper()
	b, err := hex.DecodeString(strings.TrimPrefix(digits, "0x"))
	if err != nil {
		t.Fatal(err)
	}
	seed, err := derive.NewSeed(b)
	if err != nil {
		t.Fatal(err)
	}
	return seed
}

// accountVectors is testdata/accounts.json.
type accountVectors struct {
	Seed  string
	Cases []struct{ Name, AppDid, Path, SK, PK, Address string }
}

func loadAccounts(t testing.TB) accountVectors {
	t.Helper()
	b, err := os.ReadFile("testdata/accounts.json")
	if err != nil {
		t.Fatal(err)
	}
	var v accountVectors
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Cases) == 0 {
		t.Fatal("no vectors in testdata/accounts.json")
	}
	return v
}

func parseDID(t testing.TB, text string) did.DID {
	t.Helper()
	d, err := did.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

var now = time.Unix(1_700_000_000, 0)

// releases gives the receipt of an entry on a chain that lets something leave: of a real commit, to a
// store of its own.
func releases(tb testing.TB, chain string) store.Receipt {
	tb.Helper()
	return receiptOf(tb, chain, true)
}

func receiptOf(tb testing.TB, chain string, releases bool) store.Receipt {
	tb.Helper()
	ctx := context.Background()
	st, err := store.Open(ctx, "sqlite:"+filepath.Join(tb.TempDir(), "data", "receipts.db"), store.Options{Create: true})
	if err != nil {
		tb.Fatal(err)
	}
	defer st.Close()
	receipt, err := st.Commit(ctx, store.Change{
		Chain: chain, Epoch: -1, Entries: []store.Entry{{ID: store.NewID(), Time: 1, Kind: "test", Sealed: []byte("{}"), Releases: releases}},
	})
	if err != nil {
		tb.Fatal(err)
	}
	return receipt
}
