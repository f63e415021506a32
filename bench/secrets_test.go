package bench

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/crypto/chacha20poly1305"
	"golang.org/x/crypto/sha3"

	"walletd/internal/secretstorage"
	"walletd/internal/server"
	"walletd/internal/wallettest"
	"walletd/internal/wallettest/matrix"
)

// bareEnvelope is the cryptography of a secret of Matrix, and of the check of a key (Matrix secret
// storage reference, section 3).
func bareEnvelope(key []byte, name string, iv, in, out []byte, opens bool) []byte {
	okm, err := hkdf.Key(sha256.New, key, nil, name, 64)
	if err != nil {
		panic(err) // 64 bytes are never too many
	}
	block, err := aes.NewCipher(okm[:32])
	if err != nil {
		panic(err)
	}
	h := hmac.New(sha256.New, okm[32:])
	if opens {
		h.Write(in)
	}
	cipher.NewCTR(block, iv).XORKeyStream(out, in)
	if !opens {
		h.Write(out)
	}
	return h.Sum(nil)
}

// BenchmarkSecret seals and opens secrets of the length of a key's value and of the longest there
// may be, as the JSON of account data, beside the bare cryptography.
func BenchmarkSecret(b *testing.B) {
	const name, id = "org.example.notes", "key"
	raw := random(32)
	key, err := secretstorage.NewKey(bytes.Clone(raw))
	if err != nil {
		b.Fatal(err)
	}
	for _, size := range []int{43, 64 << 10} {
		plaintext, out := bytes.Repeat([]byte{'x'}, size), make([]byte, size)
		seal := func() (text []byte, err error) {
			sealed, err := secretstorage.Seal(key, name, plaintext, secretstorage.MaxPlaintext)
			if err != nil {
				return nil, err
			}
			secret, err := secretstorage.Secret{}.With(id, sealed)
			if err != nil {
				return nil, err
			}
			return secret.MarshalJSON()
		}
		text, err := seal()
		if err != nil {
			b.Fatal(err)
		}
		beside(b, fmt.Sprintf("seal/%d", size), func() error { _, err := seal(); return err }, func() {
			bareEnvelope(raw, name, random(aes.BlockSize), plaintext, out, false)
		})
		beside(b, fmt.Sprintf("open/%d", size), func() error {
			secret, err := secretstorage.ParseSecret(text, secretstorage.MaxPlaintext)
			if err == nil {
				_, err = secret.Open(name, id, key)
			}
			return err
		}, func() { bareEnvelope(raw, name, raw[:aes.BlockSize], plaintext, out, true) })
	}
}

// beside runs do, and just before and after it the bare cryptography, on one processor.
func beside(b *testing.B, name string, do func() error, bare func()) {
	b.Run(name, func(b *testing.B) {
		b.StopTimer()
		some := func() time.Duration {
			began, n := time.Now(), min(b.N, 2000)
			for range n {
				bare()
			}
			return time.Since(began) / time.Duration(n)
		}
		before := some()
		b.StartTimer()
		for range b.N {
			if err := do(); err != nil {
				b.Fatal(err)
			}
		}
		b.StopTimer()
		each, alone := microseconds(b.Elapsed())/float64(b.N), microseconds(before+some())/2
		b.ReportMetric(each, "µs/secret")
		b.ReportMetric(alone, "bare-µs/secret")
		b.ReportMetric(alone/each, "ratio")
		b.ReportMetric(0, "ns/op")
	})
}

// candidates is how many keys of an app are tried when it asks which it has.
const candidates = 100

// BenchmarkSecretStorageKey asks which key fits one description, over HTTP, of an app that has a
// hundred of which the last fits; 64 callers at once.
func BenchmarkSecretStorageKey(b *testing.B) {
	for _, on := range []struct {
		name    string
		options []wallettest.Option
	}{
		{"SQLite", nil},
		{"PostgreSQL", []wallettest.Option{wallettest.PostgreSQL()}},
	} {
		b.Run(on.name, func(b *testing.B) {
			quiet := wallettest.Config(func(c *server.Config) { c.Log = zerolog.New(io.Discard).Level(zerolog.InfoLevel) })
			w := wallettest.New(b, append(on.options, quiet)...)
			app := w.App("Notes")
			w.Rules(
				wallettest.Members{"app": app.DID.String(), "claim": "secretStorageKey", "decision": "allow", "tokens": "any"},
				wallettest.Members{"app": app.DID.String(), "claim": "encryptionKey", "decision": "allow"},
			)
			description := makeKeys(b, w, app)
			b.Run(fmt.Sprint(candidates), func(b *testing.B) { measureFind(b, w, app, description) })
		})
	}
}

// makeKeys makes the app's keys, all but the default one, which is always a candidate, and describes
// the last.
func makeKeys(b *testing.B, w *wallettest.Wallet, app *wallettest.App) json.RawMessage {
	b.Helper()
	var last string
	for n := range candidates - 1 {
		body := wallettest.Members{"salt": fmt.Sprintf("the storage number %d", n)}
		last = w.Do("POST", "/v1/secret-storage/keys", app.Token, body).Must(http.StatusOK).Text("key")
	}
	raw, err := base64.StdEncoding.DecodeString(last)
	if err != nil {
		b.Fatal(err)
	}
	return matrix.Description(raw, "Notes")
}

func measureFind(b *testing.B, w *wallettest.Wallet, app *wallettest.App, description json.RawMessage) {
	b.StopTimer()
	asks := wallettest.Members{"keys": wallettest.Members{"abcDEF123": description}, "name": "m.cross_signing.master"}
	l := load{
		Address: strings.TrimPrefix(w.URL, "http://"), Total: b.N,
		Requests: [][]byte{postRequest(b, w, "/v1/secret-storage/key", asks, app.Token)},
	}
	w.Do("POST", "/v1/secret-storage/key", app.Token, asks).Must(http.StatusOK)
	cryptography := bareFind(b, w, app)
	long := min(time.Second/4, time.Duration(b.N)*200*time.Microsecond)
	before, eachBefore := measure(cryptography, long)
	runtime.GC()
	var spent time.Duration
	result := l.run(b, func() { spent = cpuTime(); b.StartTimer() }, func() { b.StopTimer(); spent = cpuTime() - spent })
	after, eachAfter := measure(cryptography, long)
	report(b, "question", result, spent, (before+after)/2, (eachBefore+eachAfter)/2)
}

// bareFind is the cryptography of such a question: that of a claim with a token, and of each
// candidate the opening of its row, its key, and the check of it.
func bareFind(b *testing.B, w *wallettest.Wallet, app *wallettest.App) func() func() {
	ctx := b.Context()
	var answer struct{ UserDID string }
	app.Ask(wallettest.EncryptionKey(salt)).Must(http.StatusOK).Into(&answer)
	account, err := w.Store.Account(ctx, w.Address, answer.UserDID)
	if err != nil {
		b.Fatal(err)
	}
	wallet, err := w.Store.Wallet(ctx, w.Address)
	if err != nil {
		b.Fatal(err)
	}
	token, err := w.Store.Token(ctx, strings.Split(app.Token, "_")[2])
	if err != nil {
		b.Fatal(err)
	}
	claim := bare{
		token: []byte(app.Token), row: token.Canonical(), walletKey: newSealed(wallet.SealedKey), account: newSealed(account.Sealed),
		records: []record{newRecord(newest(b, w))},
	}
	keys, err := w.Store.SecretKeys(ctx, w.Address, app.DID.Address())
	if err != nil || len(keys) != candidates-1 {
		b.Fatal(len(keys), err)
	}
	rows := make([]sealed, len(keys))
	for i, k := range keys {
		rows[i] = newSealed(k.Sealed)
	}
	return func() func() {
		once, opened, check := claim.loop(), make([]byte, 0, 8<<10), make([]byte, 32)
		secret, zero, iv := random(ed25519.PrivateKeySize), make([]byte, 32), random(aes.BlockSize)
		return func() {
			once()
			for _, row := range rows {
				aead, err := chacha20poly1305.NewX(row.key)
				if err == nil {
					_, err = aead.Open(opened, row.nonce, row.cipher, row.place)
				}
				if err != nil {
					panic(err)
				}
			}
			for range candidates {
				h := sha3.New256()
				h.Write(secret)
				h.Write([]byte(salt))
				bareEnvelope(h.Sum(nil), "", iv, zero, check, false)
			}
		}
	}
}
