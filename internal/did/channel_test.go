package did

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"strings"
	"testing"

	"walletd/internal/secret"
)

type channelVectors struct {
	AES []struct{ Secret, KeyHex, Plain, CipherHex, CipherBase58 string }
	RSA []struct {
		Label, PublicKeyPem, PrivateKeyPem, SharedKey, SealedBase58 string
		Ek                                                          string `json:"_ek_"`
	}
}

func TestChannelVectors(t *testing.T) {
	vectors := loadVectors[channelVectors](t, "channel.json")
	for _, v := range some(t, vectors.AES) {
		aesKey := SHA3.Sum([]byte(v.Secret))
		if got := hex.EncodeToString(aesKey); got != v.KeyHex {
			t.Errorf("got AES key %s, want %s", got, v.KeyHex)
		}
		sealed := sealECB(aesKey, []byte(v.Plain))
		if got := EncodeBase58(sealed); hex.EncodeToString(sealed) != v.CipherHex || got != v.CipherBase58 {
			t.Errorf("%q seals to %s, want %s", v.Plain, got, v.CipherBase58)
		}
		if got, err := openECB(aesKey, sealed); err != nil || string(got) != v.Plain {
			t.Errorf("%s opens to %q, %v, want %q", v.CipherBase58, got, err, v.Plain)
		}
		if key, err := ParseChannelKey([]byte(v.Secret)); err == nil {
			if got, err := key.Open(v.CipherBase58); err != nil || string(got) != v.Plain || key.Seal(got) != v.CipherBase58 {
				t.Errorf("%s opens to %q, %v, want %q", v.CipherBase58, got, err, v.Plain)
			}
		}
	}
	for _, v := range some(t, vectors.RSA) {
		t.Run(v.Label, func(t *testing.T) {
			block, _ := pem.Decode([]byte(v.PrivateKeyPem))
			parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			priv := parsed.(*rsa.PrivateKey)
			if got := EncodeChannelPublicKey(&priv.PublicKey); got != v.Ek {
				t.Errorf("got _ek_ %s, want %s", got, v.Ek)
			}
			key, err := UnwrapChannelKey(v.SealedBase58, priv)
			if err != nil || string(key.bytes()) != v.SharedKey {
				t.Fatalf("does not open to the shared key: %v", err)
			}
			wrapped, err := WrapChannelKey(v.Ek, key)
			if err != nil {
				t.Fatal(err)
			}
			again, err := UnwrapChannelKey(wrapped, priv)
			if err != nil || string(again.bytes()) != v.SharedKey {
				t.Errorf("what was wrapped does not open: %v", err)
			}
		})
	}
}

func TestUnwrapChannelKeyRefuses(t *testing.T) {
	priv, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	ek := EncodeChannelPublicKey(&priv.PublicKey)
	wrap := func(text string) string {
		sealed, err := WrapChannelKey(ek, ChannelKey{text: secret.New([]byte(text))})
		if err != nil {
			t.Fatal(err)
		}
		return sealed
	}
	for _, c := range []struct{ name, sharedKey string }{
		{"no text", ""},
		{"z alone", "z"},
		{"text that is not base58", "z0OIl"},
		{"ciphertext of another length", "z2g"},
		{"a megabyte", "z" + strings.Repeat("z", 1<<20)},
		{"lower-case characters", wrap(strings.Repeat("a", 32))},
		{"31 characters", wrap(strings.Repeat("A", 31))},
		{"33 characters", wrap(strings.Repeat("A", 33))},
		{"characters that are no hex", wrap(strings.Repeat("G", 32))},
		{"nothing inside", wrap("")},
	} {
		t.Run("refuses "+c.name, func(t *testing.T) {
			_, err := UnwrapChannelKey(c.sharedKey, priv)
			wantCode(t, err, "shared_key_unreadable")
		})
	}
}

func TestWrapChannelKeyRefuses(t *testing.T) {
	text := loadVectors[channelVectors](t, "channel.json").RSA[0].PublicKeyPem
	small := "-----BEGIN PUBLIC KEY-----\nMFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAKj34GkxFhD90vcNLYLInFEX6Ppy1tPf\n9Cnzj4p4WGeKLs1Pt8QuKUpRKfFLfRYC9AIKjbJTWit+CqvjWYzvQwECAwEAAQ==\n-----END PUBLIC KEY-----\n"
	modulus := new(rsa.PublicKey)
	block, _ := pem.Decode([]byte(text))
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	modulus.N = parsed.(*rsa.PublicKey).N
	exponent := func(e int) string { return EncodeChannelPublicKey(&rsa.PublicKey{N: modulus.N, E: e}) }
	key := NewChannelKey()
	for _, c := range []struct{ name, ek string }{
		{"no text", ""},
		{"z alone", "z"},
		{"PEM without base58", text},
		{"text in front of the PEM", EncodeBase58([]byte("x" + text))},
		{"text behind the PEM", EncodeBase58([]byte(text + "x"))},
		{"two keys", EncodeBase58([]byte(text + text))},
		{"a PEM of another type", EncodeBase58([]byte(strings.ReplaceAll(text, "PUBLIC", "PRIVATE")))},
		{"a key of 512 bits", EncodeBase58([]byte(small))},
		{"an exponent of 1", exponent(1)},
		{"an even exponent", exponent(4)},
		{"a megabyte", "z" + strings.Repeat("z", 1<<20)},
	} {
		t.Run("refuses "+c.name, func(t *testing.T) {
			sealed, err := WrapChannelKey(c.ek, key)
			wantCode(t, err, "request_malformed")
			if sealed != "" {
				t.Errorf("got %s beside the refusal", sealed)
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	key := NewChannelKey()
	raw := func(plain []byte) string { // blocks with whatever padding they bring
		sealed := sealECB(key.aesKey(), plain)
		return EncodeBase58(sealed[:len(plain)])
	}
	pad := func(b ...byte) []byte { return append(make([]byte, 16-len(b)), b...) }
	for _, c := range []struct{ name, text string }{
		{"no text", ""},
		{"an empty ciphertext", "z"},
		{"half a block", EncodeBase58(make([]byte, 8))},
		{"a block and a half", EncodeBase58(make([]byte, 24))},
		{"a padding of 0", raw(pad(1, 0))},
		{"a padding of 17", raw(bytes.Repeat([]byte{17}, 32))},
		{"a padding of two kinds", raw(pad(1, 2))},
		{"text that is not base58", "zO0"},
		{"three megabytes", "z" + strings.Repeat("z", 3<<20)},
	} {
		t.Run("refuses "+c.name, func(t *testing.T) {
			_, err := key.Open(c.text)
			wantCode(t, err, "sealed_reply_unreadable")
		})
	}
	long := bytes.Repeat([]byte{0xff}, maxOpened)
	if got, err := key.Open(key.Seal(long)); err != nil || !bytes.Equal(got, long) {
		t.Errorf("does not open 64 KiB: %v", err)
	}
}

func TestChannelKey(t *testing.T) {
	key := NewChannelKey()
	if _, err := ParseChannelKey(key.bytes()); err != nil {
		t.Errorf("a key it drew does not parse: %v", err)
	}
	if bytes.Equal(key.bytes(), NewChannelKey().bytes()) {
		t.Error("two keys are equal")
	}
	key.Wipe()
	defer func() {
		if recover() == nil {
			t.Error("seals with a wiped key")
		}
	}()
	key.Seal(nil)
}
