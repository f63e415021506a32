package keystore

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"time"

	"walletd/internal/derive"
	"walletd/internal/did"
	"walletd/internal/secret"
	"walletd/internal/store"
)

// DeriveAccount walks the path of an app's account and gives its row (DID
// Connect reference h); t is what the app asked for: its key and hash, and its
// role. Nothing is stored, and store.ErrCollision, another app on the same
// path, is found when it is. now is unix seconds. Errors are ErrKeyType,
// *DamagedError and derive's.
func (w *Wallet) DeriveAccount(app did.DID, t did.Type, now int64) (account store.Account, err error) {
	if !canSign(t.Key) {
		return store.Account{}, ErrKeyType
	}
	path := derive.AppPath(app, 0)
	secret.Do(func() {
		var seed derive.Seed
		if seed, err = w.seed(); err != nil {
			return
		}
		defer seed.Wipe()
		var sk did.SecretKey
		var address did.DID
		if sk, address, err = derive.Account(seed, path, t); err != nil {
			err = fmt.Errorf("deriving the app's account: %w", err)
			return
		}
		defer sk.Wipe()
		account, err = w.sealAccount(sk, address, app.Address(), path.String(), now)
	})
	return account, err
}

// ImportAccount gives the row of an account with a key of its own, which
// belongs to the application it is. Its Path is "". The caller wipes sk. Errors
// are ErrKeyType, also when t is of another key, and did's.
func (w *Wallet) ImportAccount(sk did.SecretKey, t did.Type, now int64) (store.Account, error) {
	if !canSign(t.Key) || sk.Type() != t.Key {
		return store.Account{}, ErrKeyType
	}
	own, err := did.FromPublicKey(sk.Public(), t)
	if err != nil {
		return store.Account{}, fmt.Errorf("naming the account: %w", err)
	}
	return w.sealAccount(sk, own, own.Address(), "", now)
}

func canSign(t did.KeyType) bool {
	return t == did.Ed25519 || t == did.Secp256k1 || t == did.Ethereum
}

func (w *Wallet) sealAccount(sk did.SecretKey, address did.DID, app, path string, now int64) (store.Account, error) {
	a := store.Account{
		Wallet:  w.id,
		Address: address.Address(),
		App:     app,
		Path:    path,
		Type:    address.Type().String(),
		Created: now,
	}
	secret, err := encodeAccount(sk)
	if err != nil {
		return store.Account{}, err
	}
	defer clear(secret)
	a.Sealed = seal(w.keys.seal, accountPlace(w.id, a), secret)
	return a, nil
}

// accountPlace binds every column that says whose account it is and where it
// comes from, so that none can be changed beside the sealed key.
func accountPlace(wallet string, a store.Account) []byte {
	p := Place{Table: tableAccounts, Row: a.Address, Field: "secret", Version: 1}
	return p.associated(wallet, a.App, a.Type, a.Path)
}

// EncryptionKey answers an encryptionKey claim, for an entry that releases it:
// SHA3-256(sk ‖ salt), with the wallet's rounds; sk is the account's secret in
// the packages' form and salt the bytes of reference b.1 (DID Connect reference
// f.10). The caller wipes the key. Errors are ErrReceipt, *DamagedError and what
// CheckSalt says.
func (w *Wallet) EncryptionKey(r store.Receipt, a store.Account, salt []byte) (Key, error) {
	if err := w.allows(r); err != nil {
		return Key{}, err
	}
	return w.encryptionKey(a, salt)
}

func (w *Wallet) encryptionKey(a store.Account, salt []byte) (key Key, err error) {
	secret.Do(func() {
		var s accountSecret
		if s, err = w.openAccount(a); err != nil {
			return
		}
		if err = s.checkSalt(salt); err == nil {
			key = newKey(s.secret, salt, w.content.Rounds)
		}
	})
	return key, err
}

// CheckSalt refuses (salt_mismatch) the salts with which an account whose
// secret has 32 bytes would give the key of another account: those that begin
// with the public key of the ed25519 account with the same 32 bytes (design
// section 5). It costs the opening of the account's row.
func (w *Wallet) CheckSalt(a store.Account, salt []byte) error {
	s, err := w.openAccount(a)
	if err != nil {
		return err
	}
	return s.checkSalt(salt)
}

// PublicKey gives the account's public key in the form that identifiers hash
// (did.SecretKey.Public). It is kept with the secret, so no curve is worked
// on. The only error is *DamagedError.
func (w *Wallet) PublicKey(a store.Account) (PublicKey, error) {
	s, err := w.openAccount(a)
	if err != nil {
		return nil, err
	}
	return bytes.Clone(s.public), nil
}

// SignToken signs a token as the account (did.SignToken: what it adds to the
// payload), for an entry that releases it. Errors are ErrReceipt, *DamagedError
// and did's.
func (w *Wallet) SignToken(r store.Receipt, a store.Account, payload map[string]any, now time.Time) (token string, err error) {
	if err := w.allows(r); err != nil {
		return "", err
	}
	signer, err := did.Parse(a.Address)
	if err != nil {
		return "", &DamagedError{Table: tableAccounts, Row: a.Address}
	}
	err = w.withKey(a, func(sk did.SecretKey) (err error) {
		token, err = did.SignToken(sk, signer, payload, now)
		return err
	})
	return token, err
}

// accountSecret is what an account's row holds sealed. The slices share one
// array.
type accountSecret struct {
	public []byte // in the form that identifiers hash
	twin   []byte // nil for ed25519; else the ed25519 public key of the same 32 bytes
	secret []byte // in the packages' form
}

func (s accountSecret) wipe() { clear(s.secret) }

func (s accountSecret) checkSalt(salt []byte) error {
	if s.twin != nil && bytes.HasPrefix(salt, s.twin) {
		return did.Refuse("salt_mismatch", "this salt would give the key of another account")
	}
	return nil
}

// openedAccount is a row with what it holds.
type openedAccount struct {
	row store.Account
	accountSecret
}

func (o openedAccount) is(a store.Account) bool {
	r := o.row
	return r.Wallet == a.Wallet && r.Address == a.Address && r.App == a.App && r.Type == a.Type && r.Path == a.Path && bytes.Equal(r.Sealed, a.Sealed)
}

// openAccount opens an account's row, and keeps it open until another one is
// opened or Close: a request asks several things of one account. What it
// returns is the Wallet's, which wipes it. The only error is *DamagedError.
func (w *Wallet) openAccount(a store.Account) (accountSecret, error) {
	if w.account.secret != nil && w.account.is(a) {
		return w.account.accountSecret, nil
	}
	plain, err := open(w.keys.seal, accountPlace(w.id, a), a.Sealed)
	if err == nil && a.Wallet == w.id {
		if s, ok := decodeAccount(plain); ok {
			w.account.wipe()
			w.account = openedAccount{a, s}
			return s, nil
		}
	}
	clear(plain)
	return accountSecret{}, &DamagedError{Table: tableAccounts, Row: a.Address, Seen: sha256.Sum256(a.Sealed)}
}

// encodeAccount gives length ‖ public key ‖ length ‖ twin ‖ secret, lengths of
// one byte.
func encodeAccount(sk did.SecretKey) ([]byte, error) {
	public, secret := sk.Public(), sk.Reveal()
	var twin []byte
	if len(secret) == ed25519.SeedSize {
		other, err := did.SecretKeyFromSeed(did.Ed25519, secret)
		if err != nil {
			return nil, fmt.Errorf("finding the ed25519 account with the same secret: %w", err)
		}
		twin = other.Public()
		other.Wipe()
	}
	if len(secret) == 0 {
		return nil, did.ErrSecretKey
	}
	b := make([]byte, 0, 2+len(public)+len(twin)+len(secret)) // never grown: no copy stays behind
	b = append(b, byte(len(public)))
	b = append(b, public...)
	b = append(b, byte(len(twin)))
	b = append(b, twin...)
	return append(b, secret...), nil
}

// decodeAccount is the reverse of encodeAccount.
func decodeAccount(b []byte) (s accountSecret, ok bool) {
	part := func() []byte {
		if len(b) == 0 || len(b) < 1+int(b[0]) {
			ok = false
			return nil
		}
		p := b[1 : 1+int(b[0])]
		b = b[1+int(b[0]):]
		return p
	}
	ok = true
	s.public, s.twin = part(), part()
	s.secret = b
	if !ok {
		return accountSecret{}, false
	}
	switch {
	case len(s.twin) == 0 && len(s.secret) == ed25519.PrivateKeySize:
		s.twin = nil
	case len(s.twin) == ed25519.PublicKeySize && len(s.secret) == ed25519.SeedSize:
	default:
		return accountSecret{}, false
	}
	return s, len(s.public) > 0
}
