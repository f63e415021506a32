package claims

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"walletd/internal/derive"
	"walletd/internal/did"
	"walletd/internal/keystore"
	"walletd/internal/ledger"
	"walletd/internal/policy"
	"walletd/internal/store"
)

const words = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about"

// house is a real store and keystore in a temporary directory, with one wallet, its owner, and a
// clock that a test can move.
type house struct {
	t        *testing.T
	path     string
	store    *store.Store
	keystore *keystore.Keystore
	door     *Door
	clock    time.Time
	wallet   string
	operator string // tokens
	owner    string
}

func newHouse(t *testing.T) *house {
	t.Helper()
	return newHouseAt(t, time.Now().Truncate(time.Second))
}

func newHouseAt(t *testing.T, clock time.Time) *house {
	t.Helper()
	h := &house{t: t, path: filepath.Join(t.TempDir(), "data", "walletd.db"), clock: clock}
	h.open(true)
	t.Cleanup(func() { h.store.Close() })
	ctx := t.Context()
	text, row := FirstToken(h.clock)
	h.operator = text
	slot := keystore.NewSlot{Name: "first", Recipient: opener().recipient}
	if err := h.keystore.Init(ctx, []keystore.NewSlot{slot}, row); err != nil {
		t.Fatal(err)
	}
	h.unlock()
	operator := h.as(h.operator)
	w, err := h.door.CreateWallet(ctx, operator, NewWallet{Name: "alice", Words: []byte(words)})
	if err != nil {
		t.Fatal(err)
	}
	h.wallet = w.Wallet
	h.owner = h.token(h.operator, NewToken{Role: Owner, Wallet: h.wallet}).Text
	return h
}

func (h *house) open(create bool) {
	h.t.Helper()
	st, err := store.Open(h.t.Context(), "sqlite:"+h.path, store.Options{Create: create, Clock: func() time.Time { return h.clock }})
	if err != nil {
		h.t.Fatal(err)
	}
	h.store = st
	h.keystore = keystore.New(st, keystore.Options{Argon2: &keystore.Argon2Params{MemoryKiB: 64 << 10, Time: 1, Threads: 4}})
	h.door = New(st, h.keystore, Options{})
}

func (h *house) unlock() {
	h.t.Helper()
	if err := h.keystore.Unlock(h.t.Context(), "walletd", opener().identity); err != nil {
		h.t.Fatal(err)
	}
}

type identity struct {
	identity  keystore.Secret
	recipient string
}

// opener is what opens every house: an age identity, which takes no half second as a passphrase
// does.
var opener = sync.OnceValue(func() identity {
	secret, recipient, err := keystore.GenerateRecovery()
	if err != nil {
		panic(err)
	}
	return identity{secret, recipient}
})

// releases gives the receipt of an entry that lets something leave the caller's wallet, committed to a
// store of its own, so that the wallet's record stays as it is.
func (h *house) releases(c *Caller) store.Receipt {
	h.t.Helper()
	st, err := store.Open(h.t.Context(), "sqlite:"+filepath.Join(h.t.TempDir(), "data", "receipts.db"), store.Options{Create: true})
	if err != nil {
		h.t.Fatal(err)
	}
	defer st.Close()
	receipt, err := st.Commit(h.t.Context(), store.Change{
		Chain: c.WalletID, Epoch: -1, Entries: []store.Entry{{ID: store.NewID(), Time: 1, Kind: "test", Sealed: []byte("{}"), Releases: true}},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return receipt
}

// restart closes the store and opens all of it again.
func (h *house) restart() {
	h.t.Helper()
	h.store.Close()
	h.open(false)
	h.unlock()
}

func (h *house) as(token string) *Caller {
	h.t.Helper()
	c, err := h.door.Authenticate(h.t.Context(), token)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(c.Close)
	return c
}

func (h *house) token(by string, n NewToken) CreatedToken {
	h.t.Helper()
	created, err := h.door.CreateToken(h.t.Context(), h.as(by), n)
	if err != nil {
		h.t.Fatal(err)
	}
	return created
}

func (h *house) appToken(app string) string {
	h.t.Helper()
	return h.token(h.owner, NewToken{Role: App, Wallet: h.wallet, App: app, Name: "Notes"}).Text
}

func (h *house) policy(rules ...policy.Rule) {
	h.t.Helper()
	if _, err := h.door.SetPolicy(h.t.Context(), h.as(h.owner), policy.Policy{Rules: rules}); err != nil {
		h.t.Fatal(err)
	}
}

func raw(claims ...string) []json.RawMessage {
	all := make([]json.RawMessage, len(claims))
	for i, c := range claims {
		all[i] = json.RawMessage(c)
	}
	return all
}

func keyClaim(salt string) string {
	return fmt.Sprintf(`{"type":"encryptionKey","salt":%q}`, salt)
}

func (h *house) ask(token string, claims ...string) (Outcome, error) {
	h.t.Helper()
	return h.door.Answer(h.t.Context(), h.as(token), raw(claims...))
}

func (h *house) pending(token string, claims ...string) *Pending {
	h.t.Helper()
	out, err := h.ask(token, claims...)
	if err != nil || out.Pending == nil {
		h.t.Fatalf("got %v and %v, want a question", out, err)
	}
	return out.Pending
}

func (h *house) answer(token string, claims ...string) *Answer {
	h.t.Helper()
	out, err := h.ask(token, claims...)
	if err != nil || out.Answer == nil {
		h.t.Fatalf("got %v and %v, want an answer", out, err)
	}
	return out.Answer
}

func (h *house) approve(id string, choice Choice) error {
	h.t.Helper()
	_, err := h.door.Approve(h.t.Context(), h.as(h.owner), id, choice)
	return err
}

func (h *house) collect(token, id string) (Outcome, error) {
	h.t.Helper()
	return h.door.Collect(h.t.Context(), h.as(token), id, 0)
}

// account returns the app's account of a type as an owner creates it.
func (h *house) account(app string, t did.Type) AccountView {
	h.t.Helper()
	d, err := did.Parse(app)
	if err != nil {
		h.t.Fatal(err)
	}
	a, err := h.door.CreateAccount(h.t.Context(), h.as(h.owner), d, t)
	if err != nil {
		h.t.Fatal(err)
	}
	return a
}

// secret derives an app's key as the packages do, beside the house.
func secret(t *testing.T, app string, typ did.Type) (did.SecretKey, did.DID) {
	t.Helper()
	d, err := did.Parse(app)
	if err != nil {
		t.Fatal(err)
	}
	w, err := derive.ParseWords(words)
	if err != nil {
		t.Fatal(err)
	}
	key, account, err := derive.Account(w.Seed(), derive.AppPath(d, 0), typ)
	if err != nil {
		t.Fatal(err)
	}
	return key, account
}

// key is SHA3-256(sk ‖ salt) in base58, computed beside the house.
func key(sk did.SecretKey, salt string) string {
	return did.EncodeBase58(did.SHA3.Sum(sk.Reveal(), did.LooseBytes(salt)))
}

// member returns a text member of the n-th answered claim.
func member(t *testing.T, a *Answer, n int, name string) string {
	t.Helper()
	o, err := did.ParseObject(a.Claims[n])
	if err != nil {
		t.Fatal(err)
	}
	s, _ := o.Text(name)
	return s
}

// events returns the kinds of the wallet's record, oldest first.
func (h *house) events() []string {
	h.t.Helper()
	entries, err := h.door.Record(h.t.Context(), h.as(h.owner), 0, 200)
	if err != nil {
		h.t.Fatal(err)
	}
	var kinds []string
	for _, e := range entries {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

func (h *house) lastEvent() (kind string, e ledger.Event) {
	h.t.Helper()
	entries, err := h.door.Record(h.t.Context(), h.as(h.owner), 0, 200)
	if err != nil {
		h.t.Fatal(err)
	}
	last := entries[len(entries)-1]
	if err := json.Unmarshal(last.Entry, &e); err != nil {
		h.t.Fatal(err)
	}
	return last.Kind, e
}

func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	if got := did.CodeOf(err); got != code {
		t.Errorf("got code %q (%v), want %q", got, err, code)
	}
}

func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
}

// peer is an application with a key of its own, as a dApp has.
type peer struct {
	key did.SecretKey
	did did.DID
}

func newPeer(t *testing.T, fill byte) peer {
	t.Helper()
	key, err := did.SecretKeyFromSeed(did.Ed25519, []byte(strings.Repeat(string([]byte{fill}), 32)))
	if err != nil {
		t.Fatal(err)
	}
	d, err := did.FromPublicKey(key.Public(), did.Type{Role: did.RoleApplication, Key: did.Ed25519, Hash: did.SHA3})
	if err != nil {
		t.Fatal(err)
	}
	return peer{key, d}
}

func (p peer) pk() string { return did.EncodeBase58(p.key.Public()) }

// sign signs a token of the peer's; members whose value is nil are left out.
func (p peer) sign(t *testing.T, now time.Time, members map[string]any) string {
	t.Helper()
	token, err := did.SignToken(p.key, p.did, members, now)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// request is a signed request for the house's wallet, with the members changed as given.
func (h *house) request(p peer, jti string, change map[string]any) SignedRequest {
	h.t.Helper()
	members := map[string]any{
		"action": "responseAuth", "aud": h.wallet, "jti": jti, "challenge": "C0FFEE",
		"requestedClaims": raw(keyClaim("diary")),
	}
	for name, value := range change {
		members[name] = value
	}
	return SignedRequest{AppPk: p.pk(), AuthInfo: p.sign(h.t, h.clock, members)}
}

func (h *house) askSigned(r SignedRequest) (Outcome, error) {
	h.t.Helper()
	c, asked, err := h.door.AuthenticateSigned(h.t.Context(), r)
	if err != nil {
		return Outcome{}, err
	}
	defer c.Close()
	return h.door.Answer(h.t.Context(), c, asked)
}

// delegate makes the delegation of reference g.ii: from lets to ask for its encryption key.
func delegate(t *testing.T, from did.SecretKey, account did.DID, to did.DID, now time.Time, change map[string]any) string {
	t.Helper()
	members := map[string]any{
		"from": account.Address(), "to": to.Address(), "userPk": did.EncodeBase58(from.Public()),
		"permissions": []any{map[string]any{"role": "DIDConnectAgent", "claims": []string{"encryptionKey"}}},
		"exp":         now.Add(time.Hour).Unix(),
	}
	for name, value := range change {
		members[name] = value
	}
	token, err := did.SignToken(from, account, members, now)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func delegatedClaim(salt, delegation string) string {
	return fmt.Sprintf(`{"type":"encryptionKey","salt":%q,"delegation":%q}`, salt, delegation)
}

func mustHex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
