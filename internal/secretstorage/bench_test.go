package secretstorage

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"walletd/internal/did"
)

// bare is the cryptography of reference section 3 and nothing else: what there is to compare with.
func bare(key []byte, name string, iv, in []byte, opens bool) (out, mac []byte) {
	okm, _ := hkdf.Key(sha256.New, key, nil, name, 64)
	block, _ := aes.NewCipher(okm[:32])
	out = make([]byte, len(in))
	h := hmac.New(sha256.New, okm[32:])
	if opens {
		h.Write(in)
	}
	cipher.NewCTR(block, iv).XORKeyStream(out, in)
	if !opens {
		h.Write(out)
	}
	return out, h.Sum(nil)
}

// BenchmarkSecret seals and opens secrets of the length of a key's value and of the longest there
// may be: bare, as values, and as the JSON of account data.
func BenchmarkSecret(b *testing.B) {
	const name = "org.example.s"
	key := mustKey(b, strings.Repeat("a5", KeySize))
	for _, size := range []int{43, 64 << 10} {
		plaintext := bytes.Repeat([]byte{'x'}, size)
		sealed, err := Seal(key, name, plaintext, MaxPlaintext)
		if err != nil {
			b.Fatal(err)
		}
		secret, err := Secret{}.With("k", sealed)
		if err != nil {
			b.Fatal(err)
		}
		raw := mustMarshal(b, secret)
		run := func(what string, f func() error) {
			b.Run(fmt.Sprintf("%s/%d", what, size), func(b *testing.B) {
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					if err := f(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		run("seal/bare", func() error {
			var iv [IVSize]byte
			_, _ = rand.Read(iv[:])
			bare(key.Reveal(), name, iv[:], plaintext, false)
			return nil
		})
		run("seal", func() error {
			_, err := Seal(key, name, plaintext, MaxPlaintext)
			return err
		})
		run("seal/json", func() error {
			sealed, err := Seal(key, name, plaintext, MaxPlaintext)
			if err != nil {
				return err
			}
			s, err := Secret{}.With("k", sealed)
			if err != nil {
				return err
			}
			_, err = s.MarshalJSON()
			return err
		})
		run("open/bare", func() error {
			_, mac := bare(key.Reveal(), name, sealed.IV[:], sealed.Ciphertext, true)
			if !hmac.Equal(mac, sealed.MAC[:]) {
				return did.Refuse("bad_mac", "")
			}
			return nil
		})
		run("open", func() error {
			_, err := Open(key, name, sealed)
			return err
		})
		run("open/json", func() error {
			s, err := ParseSecret(raw, MaxPlaintext)
			if err != nil {
				return err
			}
			_, err = s.Open(name, "k", key)
			return err
		})
	}
}

// BenchmarkCheck is one key against one description, as a client's question asks it for each key
// and id.
func BenchmarkCheck(b *testing.B) {
	key := mustKey(b, strings.Repeat("a5", KeySize))
	v := some(b, loadVectors[checkVectors](b, "key-check.json").Known)[0]
	d, err := ParseDescription(v.Description)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("bare", func(b *testing.B) {
		for b.Loop() {
			bare(key.Reveal(), "", d.iv[:], make([]byte, KeySize), false)
		}
	})
	b.Run("check", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			d.Check(key)
		}
	})
	b.Run("parse", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := ParseDescription(v.Description); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkSession seals and opens one room key.
func BenchmarkSession(b *testing.B) {
	v := some(b, loadVectors[backupVectors](b, "megolm-backup.json").Sealed)[0]
	key := mustBackupKey(b, v.PrivateHex)
	public, err := key.Public()
	if err != nil {
		b.Fatal(err)
	}
	b.Run("seal", func(b *testing.B) {
		for b.Loop() {
			data, err := public.Seal([]byte(v.Plaintext))
			if err != nil {
				b.Fatal(err)
			}
			if _, err := json.Marshal(data); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			if _, err := openSession(key, v.SessionData); err != nil {
				b.Fatal(err)
			}
		}
	})
}
