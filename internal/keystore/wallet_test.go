package keystore

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/sha3"

	"walletd/internal/did"
	"walletd/internal/store"
)

func wantDamaged(t *testing.T, err error, table, row string) {
	t.Helper()
	var damaged *DamagedError
	if !errors.As(err, &damaged) || damaged.Table != table || damaged.Row != row {
		t.Errorf("got %v, want a DamagedError of %s %s", err, table, row)
	}
}

// What "abandon … about" gives, against the packages' own accounts and a hash
// computed here.
func TestVectors(t *testing.T) {
	v := loadAccounts(t)
	h := newHouse(t)
	h.mustUnlock(firstPass)
	row, own := h.addWalletOf(seedOf(t, v.Seed))
	w := h.opens(row.ID)
	tested := 0
	for _, c := range v.Cases {
		if c.AppDid == "zfffffffffffffffffffffffffffffffff" {
			if parseDID(t, c.Address).Type() != did.AccountType() {
				continue
			}
			if own.Address != c.Address || row.ID != c.Address || own.Path != c.Path {
				t.Errorf("%s: wallet %s, account %+v", c.Name, row.ID, own)
			}
			tested++
			continue
		}
		app, err := did.Parse(c.AppDid)
		if err != nil || c.AppDid != app.Address() {
			continue // what the packages do with other texts
		}
		address := parseDID(t, c.Address)
		account, err := w.DeriveAccount(app, address.Type(), 5)
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		if account.Path != c.Path {
			continue // another index of the same app
		}
		tested++
		want := store.Account{Wallet: row.ID, Address: c.Address, App: c.AppDid, Path: c.Path, Type: address.Type().String(), Created: 5, Sealed: account.Sealed}
		if diff := cmp.Diff(want, account); diff != "" {
			t.Errorf("%s: %s", c.Name, diff)
		}
		secret, err := hex.DecodeString(c.SK[2:])
		if err != nil {
			t.Fatal(err)
		}
		salt := app.Bytes()
		sum := sha3.Sum256(append(bytes.Clone(secret), salt...))
		key, err := w.EncryptionKey(releases(t, row.ID), account, salt)
		if err != nil || key.Base58() != did.EncodeBase58(sum[:]) {
			t.Errorf("%s: key %s, want %s (%v)", c.Name, key.Base58(), did.EncodeBase58(sum[:]), err)
		}
		pk, err := w.PublicKey(account)
		if err != nil || "0x"+hex.EncodeToString(pk) != c.PK {
			t.Errorf("%s: public key %x, want %s (%v)", c.Name, pk, c.PK, err)
		}
		token, err := w.SignToken(releases(t, row.ID), account, map[string]any{"hello": "world"}, now)
		if err != nil {
			t.Errorf("%s: SignToken: %v", c.Name, err)
			continue
		}
		if _, err := did.VerifyToken(token, did.Check{PublicKey: pk, Now: now}); err != nil {
			t.Errorf("%s: the token does not verify: %v", c.Name, err)
		}
	}
	if tested < 4 {
		t.Errorf("only %d vectors tested", tested)
	}
	seed, _ := hex.DecodeString(v.Seed[2:])
	sum := sha3.Sum256(append(seed, "salt"...))
	if key, err := w.OwnerKey(releases(t, row.ID), []byte("salt")); err != nil || key.Base58() != did.EncodeBase58(sum[:]) {
		t.Errorf("OwnerKey: %v", err)
	}
}

func TestWallet(t *testing.T) {
	h := newHouse(t)
	h.mustUnlock(firstPass)
	row, own := h.addWallet(1)
	other, theirs := h.addWallet(2)
	w := h.opens(row.ID)
	app := parseDID(t, loadAccounts(t).Cases[0].AppDid)

	t.Run("keeps its content, and changes it", func(t *testing.T) {
		if diff := cmp.Diff(Content{Name: "alice", Rounds: 1}, w.Content()); diff != "" {
			t.Error(diff)
		}
		want := Content{Name: "Älice", Rounds: 3, Strangers: true, Owned: true}
		changed, err := h.WithContent(row, want)
		if err != nil {
			t.Fatal(err)
		}
		h.write(store.UpdateWallet(changed))
		after := h.opens(row.ID)
		if diff := cmp.Diff(want, after.Content()); diff != "" {
			t.Error(diff)
		}
		one, _ := w.EncryptionKey(releases(t, row.ID), own, nil)
		three, _ := after.EncryptionKey(releases(t, row.ID), own, nil)
		sum := sha3.Sum256(one.Reveal())
		sum = sha3.Sum256(sum[:])
		if !bytes.Equal(sum[:], three.Reveal()) {
			t.Error("three rounds are not one and two more")
		}
		a, _ := w.OwnerKey(releases(t, row.ID), nil)
		if b, err := after.OwnerKey(releases(t, row.ID), nil); err != nil || a.Base58() != b.Base58() {
			t.Errorf("the seed changed with the content: %v", err)
		}
		for _, bad := range []Content{{Name: "a"}, {Name: "a", Rounds: 256}, {Name: "\xff", Rounds: 1}, {Name: string(make([]byte, maxName+1)), Rounds: 1}} {
			if _, err := h.WithContent(row, bad); !errors.Is(err, ErrContent) {
				t.Errorf("%v: %v, want ErrContent", bad, err)
			}
		}
	})
	t.Run("opens nothing that was cut, flipped or moved", func(t *testing.T) {
		place := Place{Table: "grants", Row: "g1", Field: "content", Version: 1}
		sealed := w.Seal(place, []byte("yes"))
		if plain, err := w.Open(place, sealed); err != nil || string(plain) != "yes" {
			t.Fatalf("Open: %q, %v", plain, err)
		}
		for i := range sealed {
			_, err := w.Open(place, sealed[:i])
			wantDamaged(t, err, "grants", "g1")
			flipped := bytes.Clone(sealed)
			flipped[i] ^= 0x10
			_, err = w.Open(place, flipped)
			wantDamaged(t, err, "grants", "g1")
		}
		for _, p := range []Place{
			{"grant", "g1", "content", 1}, {"grants", "g2", "content", 1},
			{"grants", "g1", "answer", 1}, {"grants", "g1", "content", 2}, {"grants", "g", "1content", 1},
		} {
			_, err := w.Open(p, sealed)
			wantDamaged(t, err, p.Table, p.Row)
		}
		_, err := h.opens(other.ID).Open(place, sealed)
		wantDamaged(t, err, "grants", "g1")
	})
	t.Run("is not another wallet's row", func(t *testing.T) {
		for name, change := range map[string]func(*store.Wallet){
			"key of another":      func(r *store.Wallet) { r.SealedKey = other.SealedKey },
			"content of another":  func(r *store.Wallet) { r.Sealed = other.Sealed },
			"both of another":     func(r *store.Wallet) { r.SealedKey, r.Sealed = other.SealedKey, other.Sealed },
			"no key":              func(r *store.Wallet) { r.SealedKey = nil },
			"no content":          func(r *store.Wallet) { r.Sealed = nil },
			"an older generation": func(r *store.Wallet) { r.Generation-- },
			"a newer generation":  func(r *store.Wallet) { r.Generation++ },
		} {
			r := row
			change(&r)
			_, err := h.OpenWallet(r, h.epoch())
			if t.Run(name, func(t *testing.T) { wantDamaged(t, err, "wallets", row.ID) }); err == nil {
				t.Error(name)
			}
		}
	})
	t.Run("opens no account whose row was changed", func(t *testing.T) {
		account, err := w.DeriveAccount(app, did.AccountType(), 1)
		if err != nil {
			t.Fatal(err)
		}
		for name, change := range map[string]func(*store.Account){
			"app":     func(a *store.Account) { a.App = own.Address },
			"path":    func(a *store.Account) { a.Path = "" },
			"type":    func(a *store.Account) { a.Type = "account/secp256k1/sha3" },
			"address": func(a *store.Account) { a.Address = own.Address },
			"wallet":  func(a *store.Account) { a.Wallet = other.ID },
			"secret":  func(a *store.Account) { a.Sealed = own.Sealed },
			"theirs":  func(a *store.Account) { *a = theirs },
		} {
			if _, err := w.PublicKey(account); err != nil { // the one that is open
				t.Fatal(err)
			}
			a := account
			change(&a)
			_, err1 := w.EncryptionKey(releases(t, row.ID), a, nil)
			_, err2 := w.PublicKey(a)
			_, err3 := w.SignToken(releases(t, row.ID), a, nil, now)
			t.Run(name, func(t *testing.T) {
				for _, err := range []error{err1, err2, err3} {
					wantDamaged(t, err, "accounts", a.Address)
				}
			})
		}
	})
	t.Run("tells its own rows from forged ones", func(t *testing.T) {
		grant := store.Grant{ID: "g", Wallet: row.ID, Uses: 1}
		sum := w.MAC(grant.Canonical())
		if err := w.CheckMAC("grants", "g", grant.Canonical(), sum); err != nil {
			t.Error(err)
		}
		grant.Uses = -1
		wantForged(t, w.CheckMAC("grants", "g", grant.Canonical(), sum), "grants", "g")
		wantForged(t, w.CheckMAC("grants", "g", grant.Canonical(), nil), "grants", "g")
		grant.Uses = 1
		wantForged(t, h.opens(other.ID).CheckMAC("grants", "g", grant.Canonical(), sum), "grants", "g")
	})
	t.Run("refuses the salts that give another account's key", func(t *testing.T) {
		ed, err := w.DeriveAccount(app, did.AccountType(), 1)
		if err != nil {
			t.Fatal(err)
		}
		pk, err := w.PublicKey(ed)
		if err != nil {
			t.Fatal(err)
		}
		salt := append(bytes.Clone(pk), "more"...)
		for _, key := range []did.KeyType{did.Secp256k1, did.Ethereum} {
			twin := did.AccountType()
			if twin.Key = key; key == did.Ethereum {
				twin.Hash = did.Keccak
			}
			a, err := w.DeriveAccount(app, twin, 1)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.EncryptionKey(releases(t, row.ID), a, salt); did.CodeOf(err) != "salt_mismatch" {
				t.Errorf("%v: %v, want salt_mismatch", key, err)
			}
			if err := w.CheckSalt(a, pk); did.CodeOf(err) != "salt_mismatch" {
				t.Errorf("%v: %v, want salt_mismatch", key, err)
			}
			if _, err := w.EncryptionKey(releases(t, row.ID), a, pk[:31]); err != nil {
				t.Errorf("%v: %v", key, err)
			}
		}
		if err := w.CheckSalt(ed, salt); err != nil {
			t.Errorf("ed25519: %v", err)
		}
	})
	t.Run("keeps a key pair of an application", func(t *testing.T) {
		sk, err := did.SecretKeyFromSeed(did.Secp256k1, bytes.Repeat([]byte{3}, 32))
		if err != nil {
			t.Fatal(err)
		}
		typ := did.Type{Role: did.RoleApplication, Key: did.Secp256k1, Hash: did.SHA3}
		a, err := w.ImportAccount(sk, typ, 9)
		if err != nil {
			t.Fatal(err)
		}
		if a.App != a.Address || a.Path != "" || a.Type != "application/secp256k1/sha3" {
			t.Errorf("account %+v", a)
		}
		if pk, err := w.PublicKey(a); err != nil || !bytes.Equal(pk, sk.Public()) {
			t.Errorf("PublicKey: %v", err)
		}
		if _, err := w.ImportAccount(sk, did.AccountType(), 9); !errors.Is(err, ErrKeyType) {
			t.Errorf("a key of another type: %v", err)
		}
		if _, err := w.DeriveAccount(app, did.Type{Key: did.Passkey}, 9); !errors.Is(err, ErrKeyType) {
			t.Errorf("a passkey: %v", err)
		}
	})
	t.Run("wipes the account that it opened", func(t *testing.T) {
		open, err := h.OpenWallet(h.wallet(row.ID), h.epoch())
		if err != nil {
			t.Fatal(err)
		}
		account, err := open.DeriveAccount(app, did.AccountType(), 1)
		if err != nil {
			t.Fatal(err)
		}
		first, err := open.openAccount(account)
		if err != nil {
			t.Fatal(err)
		}
		second, err := open.openAccount(own)
		if err != nil {
			t.Fatal(err)
		}
		if none := make([]byte, 64); !bytes.Equal(first.secret, none) || bytes.Equal(second.secret, none) {
			t.Error("an account was not wiped when another one was opened")
		}
		if open.Close(); !bytes.Equal(second.secret, make([]byte, 64)) {
			t.Error("Close left an account")
		}
	})
	t.Run("seals nothing after Close", func(t *testing.T) {
		closed, err := h.OpenWallet(h.wallet(other.ID), h.epoch())
		if err != nil {
			t.Fatal(err)
		}
		closed.Close()
		defer func() {
			if recover() == nil {
				t.Error("sealed under no key")
			}
		}()
		closed.Seal(Place{}, nil)
	})
}

// FuzzOpen gives anybody's bytes to what opens rows: never a panic, never
// another content.
func FuzzOpen(f *testing.F) {
	w := (&Keystore{}).opening("z1", randomKey())
	w.content.Rounds = 1
	sk, err := did.SecretKeyFromSeed(did.Secp256k1, bytes.Repeat([]byte{3}, 32))
	if err != nil {
		f.Fatal(err)
	}
	secret, err := encodeAccount(sk)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(Content{Name: "alice", Rounds: 1, Owned: true}.encode([]byte("seed")))
	f.Add(secret)
	f.Add([]byte(w.Seal(Place{}, []byte("x"))))
	f.Add([]byte{1, 3, 1, 0, 200})
	receipt := releases(f, "z1")
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := w.Open(Place{Table: "t"}, b); err == nil {
			t.Error("opened what was not sealed there")
		}
		a := store.Account{Wallet: "z1", Address: "z2", Sealed: b}
		if _, err := w.EncryptionKey(receipt, a, b); err == nil {
			t.Error("a key of no account")
		}
		if c, seed, ok := decodeContent(b); ok && !bytes.Equal(c.encode(seed), b) {
			t.Error("two spellings of one content")
		}
		if s, ok := decodeAccount(b); ok && len(s.secret) != 64 && len(s.secret) != 32 {
			t.Error("a secret of no key")
		}
	})
}

func BenchmarkClaim(b *testing.B) {
	k := New(nil, Options{})
	k.open = &opened{generation: 1, epoch: 1, root: newKeyring(rootKeys, randomKey())}
	row, account, w, err := k.NewWallet(seedOf(b, loadAccounts(b).Seed), Content{Name: "alice", Rounds: 1}, 1)
	if err != nil {
		b.Fatal(err)
	}
	w.Close()
	salt := []byte("salt")
	receipt := releases(b, row.ID)
	b.ReportAllocs()
	for b.Loop() {
		w, err := k.OpenWallet(row, 1)
		if err != nil {
			b.Fatal(err)
		}
		key, err := w.EncryptionKey(receipt, account, salt)
		if err != nil {
			b.Fatal(err)
		}
		key.Wipe()
		w.Close()
	}
}

// BenchmarkSign is a token signed as an account, beside its signature alone.
func BenchmarkSign(b *testing.B) {
	k := New(nil, Options{})
	k.open = &opened{generation: 1, epoch: 1, root: newKeyring(rootKeys, randomKey())}
	for _, typ := range []did.Type{did.AccountType(), {Role: did.RoleAccount, Key: did.Secp256k1, Hash: did.SHA3}} {
		row, _, w, err := k.NewWallet(seedOf(b, loadAccounts(b).Seed), Content{Name: "alice", Rounds: 1}, 1)
		if err != nil {
			b.Fatal(err)
		}
		account, err := w.NewKeyPair("label", typ, 1)
		if err != nil {
			b.Fatal(err)
		}
		receipt := releases(b, row.ID)
		secret, err := w.Secret(receipt, account)
		if err != nil {
			b.Fatal(err)
		}
		sk, err := did.NewSecretKey(typ.Key, secret)
		if err != nil {
			b.Fatal(err)
		}
		digest := bytes.Repeat([]byte{7}, 32)
		b.Run(typ.Key.String()+"/bare", func(b *testing.B) {
			for b.Loop() {
				if _, err := sk.SignBytes(digest); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(typ.Key.String()+"/bytes", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := w.SignBytes(receipt, account, digest); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
