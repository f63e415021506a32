package backup

import (
	"bytes"
	"errors"
	"path/filepath"
	"testing"

	"walletd/internal/approvals"
	"walletd/internal/auth"
	"walletd/internal/claims"
	"walletd/internal/consent"
	"walletd/internal/derive"
	"walletd/internal/keystore"
	"walletd/internal/ledger"
	"walletd/internal/passkey"
	"walletd/internal/secrets"
	"walletd/internal/secretstorage"
	"walletd/internal/store"
	"walletd/internal/wallets"

	"github.com/rs/zerolog"
)

// Whoever has the words can seal anything: what is in a backup is read as strictly as the rest.
func FuzzBackup(f *testing.F) {
	const wallet = "z1nsdV7esuV3MfsGmcyckqErnvjyzU8RQGV"
	backups := unlocked(f)
	seeds := []string{
		`{}`, `{"format":1}`, `{"format":2}`, `{"format":1,"wallet":"z1nsdV7esuV3MfsGmcyckqErnvjyzU8RQGV","settings":{"name":"a","rounds":1}}`,
		`{"format":1,"wallet":"z1nsdV7esuV3MfsGmcyckqErnvjyzU8RQGV","settings":{"rounds":1},"accounts":[{"address":"a","app":"b","type":"account/ed25519/sha3"}]}`,
		`{"format":1,"wallet":"z1nsdV7esuV3MfsGmcyckqErnvjyzU8RQGV","settings":{"rounds":1},"record":{"entries":[{"seq":1,"hash":"AA=="}],"heads":[{}]}}`,
		`{"format":1,"wallet":"z1nsdV7esuV3MfsGmcyckqErnvjyzU8RQGV","settings":{"rounds":1},"record":{"entries":null},"policy":{"rules":[{"app":"*","claim":"*","decision":"allow"}]}}`,
		`{"format":1,"wallet":"z1nsdV7esuV3MfsGmcyckqErnvjyzU8RQGV","settings":{"rounds":1},"secrets":[{"app":"a","content":{"name":"n","data":{}}}],"secretKeys":[{"content":{"salt":"s"}}],"credentials":[{}],"apps":[{"state":"approved"}]}`,
	}
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var v View
		kinds := v.counts()
		kinds.head = func(store.Head) error { return nil }
		kinds.entry = func(fileEntry) error { return nil }
		h, err := walk(bytes.NewReader(body), wallet, kinds)
		if err != nil {
			if !errors.Is(err, ErrInvalid) && !errors.Is(err, ErrWallet) {
				t.Fatal(err)
			}
			return
		}
		if _, err := walk(bytes.NewReader(body), wallet, visitor{}); err != nil {
			t.Fatalf("what nobody looks at is refused: %v", err)
		}
		w, err := derive.ParseWords([]byte("abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about"))
		if err != nil {
			t.Fatal(err)
		}
		row, _, own, err := backups.keystore.NewWallet(w.Seed(), h.Settings.content(), 1)
		if err != nil {
			return
		}
		m := &rebuilt{backups: backups, caller: &auth.Caller{Role: auth.Owner, WalletID: row.ID, Wallet: backups.ledger.NewWallet(row, own)}}
		rows := 0
		if _, err := walk(bytes.NewReader(body), wallet, m.visitor(func(store.OldRow) error { rows++; return nil })); err == nil && rows < v.Apps+v.Credentials+v.Secrets {
			t.Errorf("%d rows of %+v", rows, v)
		}
	})
}

// FuzzFile holds that no file of somebody who has not the words is taken for a backup, and none makes it fail.
func FuzzFile(f *testing.F) {
	const wallet = "z1nsdV7esuV3MfsGmcyckqErnvjyzU8RQGV"
	key, err := secretstorage.NewKey(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{
		`{}`, `{"encrypted":{}}`, `{"encrypted":{"` + wallet + `":{"iv":"AAAAAAAAAAAAAAAAAAAAAA==","ciphertext":"AA==","mac":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}}}`,
		`{"encrypted":{"` + wallet + `":{"algorithm":"walletd.backup.chunks.v1","nonce":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","chunks":["AAAA","AAAA"]}}}`,
		`{"encrypted":{"z1muQ3xqHQK2uiACHyChikobsiY5kLqtShA":1}}`, `{"encrypted":{"\u007a":[[[[1.5e3,true,null,"\n"]]]]}} `,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		_, err := inspect(bytes.NewReader(file), wallet, key)
		if !errors.Is(err, ErrInvalid) && !errors.Is(err, ErrWallet) {
			t.Fatalf("%q: %v", file, err)
		}
	})
}

// unlocked are Backups over a store that has no wallet.
func unlocked(f *testing.F) *Backups {
	f.Helper()
	st, err := store.Open(f.Context(), "sqlite:"+filepath.Join(f.TempDir(), "data", "walletd.db"), store.Options{Create: true})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { st.Close() })
	ks := keystore.New(st, keystore.Options{Argon2: &keystore.Argon2Params{MemoryKiB: 64 << 10, Time: 1, Threads: 4}})
	_, row := auth.FirstToken(st.Now())
	pass := keystore.Passphrase([]byte("correct horse"))
	if err := ks.Init(f.Context(), []keystore.NewSlot{{Name: "first", Passphrase: pass}}, row); err != nil {
		f.Fatal(err)
	}
	if err := ks.Unlock(f.Context(), "walletd", pass); err != nil {
		f.Fatal(err)
	}
	l := ledger.New(st, ks, ledger.Options{})
	a := auth.New(st, ks, l, passkey.Party{})
	w := wallets.New(st, ks, l, a, zerolog.Nop())
	types := append(claims.Types(secrets.KeyInUse), secrets.Types()...)
	return New(st, ks, l, a, w, consent.New(st, l, a, w, approvals.New(st, a), types, consent.Options{}))
}
