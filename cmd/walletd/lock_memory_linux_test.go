package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"walletd/api"
	"walletd/api/client"
	"walletd/internal/derive"
	"walletd/internal/did"
	"walletd/internal/keystore"
	"walletd/internal/store"
	"walletd/internal/wallettest/memory"
	"walletd/internal/wallettest/port"
)

// imageBinary builds walletd as the Dockerfile does.
func imageBinary(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "walletd")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOEXPERIMENT=runtimesecret", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building walletd: %v\n%s", err, out)
	}
	return binary
}

// After a lock nothing secret is left in the memory of the service, which is read from outside: neither
// of what it held, nor of what passed through it.
func TestALockEmptiesMemory(t *testing.T) {
	const pass = "canary of a passphrase, for tests"
	dir := t.TempDir()
	data, passphrase := filepath.Join(dir, "data"), filepath.Join(dir, "passphrase")
	if err := os.WriteFile(passphrase, []byte(pass+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	operator := initStore(t, "--data", data, "--passphrase-file", passphrase)
	address := port.Free(t)
	service := command(t, "serve", "--data", data, "--passphrase-file", passphrase, "--listen", address, "--drain", "0s")
	service.Path = imageBinary(t)
	// As in the image; and without interrupting threads, at which the system writes their registers down, once in some
	// hundred runs of this test in the middle of a copy.
	service.Env = append(service.Env, "GODEBUG=clobberfree=1,asyncpreemptoff=1")
	service.Stderr = t.Output()
	if err := service.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(service.Process.Signal(syscall.SIGTERM), service.Wait()); err != nil {
			t.Error(err)
		}
	}()
	h := &watched{t: t, url: "http://" + address, service: service, canaries: map[string][]byte{"the passphrase": []byte(pass)}}
	op := h.as(operator)
	h.token("an operator", operator)
	h.await("it is unlocked", func() bool {
		k, err := op.Keystore(t.Context())
		return err == nil && k.State == "unlocked"
	})
	h.use(op)
	h.keys(op, filepath.Join(dir, "copy"), pass)
	h.holds("before a lock", true)

	if _, err := op.Lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.holds("after a lock", false)

	if _, err := op.Unlock(t.Context(), api.SlotSecret{Passphrase: api.NewSecretText([]byte(pass))}); err != nil {
		t.Fatal(err)
	}
	h.use(op)
	h.holds("unlocked again", true)
	db, err := sql.Open("sqlite", filepath.Join(data, storeFile))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), "update keystore set epoch = epoch + 1"); err != nil { // as another replica does
		t.Fatal(err)
	}
	h.holds("after a lock by another replica", false)
}

// watched is a service whose memory is looked into.
type watched struct {
	t        *testing.T
	url      string
	service  *exec.Cmd
	canaries map[string][]byte
	wallets  int
}

func (h *watched) as(token string) *client.Client {
	h.t.Helper()
	c, err := client.New(client.Config{URL: h.url, Token: api.NewSecretText([]byte(token))})
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(c.Close)
	return c
}

func (h *watched) await(what string, is func() bool) {
	h.t.Helper()
	for end := time.Now().Add(scriptPatience); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			h.t.Fatalf("waiting until %s", what)
		}
	}
}

func (h *watched) token(of, text string) {
	h.canaries["the token of "+of] = []byte(text[strings.LastIndexByte(text, '_')+1:])
}

// use makes wallets in each way there is, and lets one of them be asked.
func (h *watched) use(op *client.Client) {
	h.t.Helper()
	check := func(err error) {
		h.t.Helper()
		if err != nil {
			h.t.Fatal(err)
		}
	}
	ctx := h.t.Context()
	create := func(w api.NewWallet) api.CreatedWallet {
		h.t.Helper()
		made, err := op.CreateWallet(ctx, w)
		check(err)
		h.wallets++
		return made
	}
	alice := create(api.NewWallet{Name: "alice"})
	h.words("made here", alice.Words.Reveal())
	words, err := derive.NewWords()
	check(err)
	h.words("imported", words.Reveal())
	create(api.NewWallet{Name: "bob", Words: api.NewSecretText(bytes.Clone(words.Reveal()))})
	raw := make([]byte, derive.SeedSize)
	rand.Read(raw)
	seed, err := derive.NewSeed(raw)
	check(err)
	h.seed("imported", seed)
	create(api.NewWallet{Name: "carol", SeedHex: api.NewSecretText([]byte(hex.EncodeToString(raw)))})

	token, err := op.CreateToken(ctx, api.NewToken{Role: api.RoleOwner, Wallet: alice.Wallet, Name: "alice"})
	check(err)
	h.token("an owner", string(token.Token.Reveal()))
	owner := h.as(string(token.Token.Reveal()))
	token, err = owner.CreateToken(ctx, api.NewToken{Role: api.RoleApp, Wallet: alice.Wallet, Name: "Notes"})
	check(err)
	h.token("an app", string(token.Token.Reveal()))
	notes := h.as(string(token.Token.Reveal()))
	_, err = owner.Wallet(alice.Wallet).SetPolicy(ctx, api.Policy{Rules: []api.Rule{{App: "*", Claim: "*", Decision: api.DecisionAllow, Tokens: "any"}}})
	check(err)
	for range 20 {
		answer, err := notes.Ask(ctx, map[string]any{"type": "encryptionKey", "salt": "canary"})
		check(err)
		var claim struct{ Key string }
		check(json.Unmarshal(answer.RequestedClaims[0], &claim))
		h.canaries["a key given to an app"] = []byte(claim.Key)
	}
	kept := hex.EncodeToString(raw[:16]) + " is kept"
	h.canaries["a secret kept"] = []byte(kept)
	_, err = notes.Secrets("").MakeKey(ctx, api.MakeStorageKey{})
	check(err)
	_, err = notes.Secrets("").Put(ctx, "com.example.canary", "", api.NewSecret{Value: api.NewSecretText([]byte(kept))})
	check(err)
	salt := "canary"
	key, err := owner.Wallet(alice.Wallet).Derive(ctx, api.Derive{Salt: &salt})
	check(err)
	h.canaries["a key given to an owner"] = bytes.Clone(key.Key.Reveal())
}

func (h *watched) words(how string, phrase []byte) {
	h.t.Helper()
	words := bytes.Fields(phrase)
	for i := 0; i+4 <= len(words); i += 4 { // whole, or in parts
		h.canaries[fmt.Sprintf("words %d to %d of those %s", i+1, i+4, how)] = bytes.Join(words[i:i+4], []byte(" "))
	}
	w, err := derive.ParseWords(phrase)
	if err != nil {
		h.t.Fatal(err)
	}
	h.seed("of the words "+how, w.Seed())
}

func (h *watched) seed(how string, seed derive.Seed) {
	h.t.Helper()
	h.canaries["the seed "+how] = seed.Reveal()
	h.canaries["the seed "+how+", in hex"] = []byte(hex.EncodeToString(seed.Reveal()))
	sk, _, err := derive.Account(seed, derive.DefaultPath(), did.AccountType())
	if err != nil {
		h.t.Fatal(err)
	}
	h.canaries["the account's key of the seed "+how] = sk.Reveal()[:ed25519.SeedSize]
}

// keys finds out the keys that the service holds: it opens a copy of the store.
func (h *watched) keys(op *client.Client, dir, pass string) {
	t := h.t
	t.Helper()
	path := filepath.Join(dir, storeFile)
	snapshot, err := op.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(snapshot)
	if err := errors.Join(err, snapshot.Close(), os.Mkdir(dir, 0o700), os.WriteFile(path, b, 0o600)); err != nil {
		t.Fatal(err)
	}
	st, err := store.Open(t.Context(), "sqlite:"+path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	k := keystore.New(st, keystore.Options{})
	if err := k.Unlock(t.Context(), "walletd", keystore.Passphrase([]byte(pass))); err != nil {
		t.Fatal(err)
	}
	ring := func(name string, v reflect.Value) { // of a keyring, which the package keeps to itself
		for _, field := range []string{"base", "seal", "mac"} {
			key := (*[32]byte)(v.Elem().FieldByName(field).UnsafePointer())
			h.canaries[name+", "+field] = bytes.Clone(key[:])
		}
	}
	open := reflect.ValueOf(k).Elem().FieldByName("open").Elem()
	ring("the root key", open.FieldByName("root"))
	ring("the service's key", open.FieldByName("service"))
	rows, _, err := st.Wallets(t.Context(), store.Page{})
	if err != nil || len(rows) != h.wallets {
		t.Fatalf("%d wallets, %v", len(rows), err)
	}
	epoch, err := st.Epoch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i, row := range rows {
		w, err := k.OpenWallet(row, epoch)
		if err != nil {
			t.Fatal(err)
		}
		ring(fmt.Sprintf("the key of wallet %d", i+1), reflect.ValueOf(w).Elem().FieldByName("keys"))
		w.Close()
	}
}

// holds waits until canaries are in the memory of the service, or until none is.
func (h *watched) holds(when string, some bool) {
	h.t.Helper()
	start := time.Now()
	var found map[string]int
	for end := start.Add(scriptPatience); ; time.Sleep(200 * time.Millisecond) {
		if found = memory.Count(h.t, h.service.Process.Pid, h.canaries); (len(found) > 0) == some {
			break
		}
		if time.Now().After(end) {
			break
		}
	}
	if some {
		if found["the root key, seal"] == 0 || found["the token of an app"] == 0 {
			h.t.Fatalf("%s: the root key and a token are not found: the search looks in the wrong place; found %v", when, found)
		}
		return
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		h.t.Errorf("%s: %s is in memory %d times", when, name, found[name])
	}
	h.t.Logf("%s: empty after %v", when, time.Since(start))
}
