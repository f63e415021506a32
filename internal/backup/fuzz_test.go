package backup

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
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
		sum := sha256.Sum256(body)
		plain := append([]byte(hex.EncodeToString(sum[:])+"\n"), body...)
		b, err := readBackup(plain, wallet)
		if err != nil {
			if !errors.Is(err, ErrInvalid) && !errors.Is(err, ErrWallet) {
				t.Fatal(err)
			}
			return
		}
		if again, err := b.encode(); err != nil {
			t.Fatal(err)
		} else if _, err := readBackup(again, b.Wallet); err != nil {
			t.Fatalf("does not come back: %v", err)
		}
		w, err := derive.ParseWords([]byte("abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about"))
		if err != nil {
			t.Fatal(err)
		}
		row, _, own, err := backups.keystore.NewWallet(w.Seed(), b.Settings.content(), 1)
		if err != nil {
			return
		}
		m := &rebuilt{backups: backups, caller: &auth.Caller{Role: auth.Owner, WalletID: row.ID, Wallet: backups.ledger.NewWallet(row, own)}}
		for _, part := range []func(*backup) error{m.accounts, m.decisions, m.holdings, m.secrets} {
			part(b)
		}
		if b.Record != nil {
			b.Record.oldChain(m.caller.Wallet)
		}
		b.view(0, "")
		if _, err := json.Marshal(b); err != nil {
			t.Fatal(err)
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
