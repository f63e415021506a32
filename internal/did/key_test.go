package did

import (
	"bytes"
	"encoding/asn1"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"walletd/internal/secret"
)

func TestSecretKeyVectors(t *testing.T) {
	for _, v := range some(t, loadVectors[didVectors](t, "did.json").Derive) {
		t.Run(v.Name, func(t *testing.T) {
			sk := unhex(t, v.Sk)
			newKey := NewSecretKey
			if v.Type.Key == Ed25519 && len(sk) == 32 {
				newKey = SecretKeyFromSeed
			}
			key, err := newKey(v.Type.Key, sk)
			if err != nil {
				t.Fatal(err)
			}
			if got := key.Public(); !bytes.Equal(got, unhex(t, v.Pk)) {
				t.Errorf("got public key %x, want %s", got, v.Pk)
			}
			if !bytes.HasPrefix(key.Reveal(), sk) {
				t.Error("the bytes are not those it was made of")
			}
		})
	}
}

func TestNewSecretKeyRefuses(t *testing.T) {
	order := unhex(t, "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141")
	good := keyOf(t, Ed25519, 1).Reveal()
	foreign := append(bytes.Clone(good[:32]), keyOf(t, Ed25519, 2).Public()...)
	for _, c := range []struct {
		name   string
		typ    KeyType
		secret []byte
	}{
		{"no bytes", Ed25519, nil},
		{"an ed25519 seed alone", Ed25519, good[:32]},
		{"an ed25519 key of 65 bytes", Ed25519, append(bytes.Clone(good), 0)},
		{"a foreign public half", Ed25519, foreign},
		{"a scalar of zero", Secp256k1, make([]byte, 32)},
		{"a scalar of the order", Secp256k1, order},
		{"a scalar over the order", Ethereum, bytes.Repeat([]byte{0xff}, 32)},
		{"a scalar of 31 bytes", Ethereum, make([]byte, 31)},
		{"a passkey", Passkey, good[:32]},
		{"an unknown type", KeyType(9), good[:32]},
	} {
		t.Run("refuses "+c.name, func(t *testing.T) {
			if _, err := NewSecretKey(c.typ, c.secret); !errors.Is(err, ErrSecretKey) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestRestoreSecretKey(t *testing.T) {
	digest := SHA3.Sum([]byte("digest"))
	for _, typ := range []KeyType{Ed25519, Secp256k1, Ethereum} {
		t.Run("gives the same key "+typ.String(), func(t *testing.T) {
			key := keyOf(t, typ, 0xb7)
			want, err := key.SignBytes(digest)
			if err != nil {
				t.Fatal(err)
			}
			again, err := RestoreSecretKey(typ, key.Reveal(), key.Public())
			if err != nil {
				t.Fatal(err)
			}
			key.Wipe() // the key restored is a copy
			if got, err := again.SignBytes(digest); err != nil || !bytes.Equal(got, want) {
				t.Errorf("signs otherwise: %x, %v", got, err)
			}
			if again.Type() != typ || !VerifyBytes(typ, again.Public(), digest, want) {
				t.Error("it is another key")
			}
		})
	}
	ed, secp, ethereum := keyOf(t, Ed25519, 1), keyOf(t, Secp256k1, 1), keyOf(t, Ethereum, 1)
	for _, c := range []struct {
		name           string
		typ            KeyType
		secret, public []byte
	}{
		{"nothing", Ed25519, nil, nil},
		{"an ed25519 seed alone", Ed25519, ed.Reveal()[:32], ed.Public()},
		{"an ed25519 key with the public key of another", Ed25519, ed.Reveal(), keyOf(t, Ed25519, 2).Public()},
		{"a secp256k1 key with a public key of ethereum", Secp256k1, secp.Reveal(), ethereum.Public()},
		{"an ethereum key without its public key", Ethereum, ethereum.Reveal(), nil},
		{"a scalar of zero", Secp256k1, make([]byte, 32), secp.Public()},
		{"a passkey", Passkey, secp.Reveal(), secp.Public()},
	} {
		t.Run("refuses "+c.name, func(t *testing.T) {
			if _, err := RestoreSecretKey(c.typ, c.secret, c.public); !errors.Is(err, ErrSecretKey) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestSignBytes(t *testing.T) {
	digest := SHA3.Sum([]byte("digest"))
	for _, typ := range []KeyType{Ed25519, Secp256k1, Ethereum} {
		t.Run(typ.String(), func(t *testing.T) {
			key := keyOf(t, typ, 0xb7)
			pk := key.Public()
			sig, err := key.SignBytes(digest)
			if err != nil {
				t.Fatal(err)
			}
			if !VerifyBytes(typ, pk, digest, sig) {
				t.Fatal("does not verify what it signed")
			}
			again, _ := key.SignBytes(digest)
			if !bytes.Equal(sig, again) {
				t.Error("two signatures of one message differ")
			}
			for i := range sig {
				bad := bytes.Clone(sig)
				bad[i] ^= 0x10
				if VerifyBytes(typ, pk, digest, bad) {
					t.Errorf("verifies a signature whose byte %d is changed", i)
				}
			}
			if VerifyBytes(typ, pk, SHA3.Sum(digest), sig) {
				t.Error("verifies another message")
			}
			if VerifyBytes(typ, keyOf(t, typ, 1).Public(), digest, sig) {
				t.Error("verifies under another key")
			}
			key.Wipe()
			if _, err := key.SignBytes(digest); !errors.Is(err, ErrSecretKey) {
				t.Errorf("signs after it was wiped: %v", err)
			}
		})
	}
	if _, err := keyOf(t, Ethereum, 1).SignBytes(make([]byte, 33)); !errors.Is(err, ErrDigest) {
		t.Errorf("got %v for 33 bytes, want ErrDigest", err)
	}
	if _, err := (SecretKey{}).SignBytes(digest); !errors.Is(err, ErrSecretKey) {
		t.Errorf("the zero key signs: %v", err)
	}
}

// TestVerifyBytesRefusesOtherSpellings changes a good ECDSA signature into
// others that lax readers take for the same or for a valid one.
func TestVerifyBytesRefusesOtherSpellings(t *testing.T) {
	key := keyOf(t, Secp256k1, 0xb7)
	digest := SHA3.Sum([]byte("digest"))
	sig, err := key.SignBytes(digest)
	if err != nil {
		t.Fatal(err)
	}
	var rs struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(sig, &rs); err != nil {
		t.Fatal(err)
	}
	order, _ := new(big.Int).SetString("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", 16)
	der := func(r, s *big.Int) []byte {
		b, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if !VerifyBytes(Secp256k1, key.Public(), digest, der(rs.R, rs.S)) {
		t.Fatal("refuses the signature as it is")
	}
	long := append([]byte{0x30, 0x81}, sig[1:]...)
	padded := append([]byte{0x30, sig[1] + 1, 0x02, sig[3] + 1, 0}, sig[4:]...)
	for _, c := range []struct {
		name string
		sig  []byte
	}{
		{"high S", der(rs.R, new(big.Int).Sub(order, rs.S))},
		{"S beyond the order", der(rs.R, new(big.Int).Add(rs.S, order))},
		{"R beyond the order", der(new(big.Int).Add(rs.R, order), rs.S)},
		{"S of zero", der(rs.R, new(big.Int))},
		{"R of zero", der(new(big.Int), rs.S)},
		{"R and S of zero", der(new(big.Int), new(big.Int))},
		{"negative S", der(rs.R, new(big.Int).Neg(rs.S))},
		{"a long length", long},
		{"a padded R", padded},
		{"a byte behind", append(bytes.Clone(sig), 0)},
		{"a hash type behind", append(bytes.Clone(sig), 1)},
		{"the compact form", append(rs.R.FillBytes(make([]byte, 32)), rs.S.FillBytes(make([]byte, 32))...)},
		{"nothing", nil},
	} {
		t.Run("refuses "+c.name, func(t *testing.T) {
			if VerifyBytes(Secp256k1, key.Public(), digest, c.sig) {
				t.Error("it verifies")
			}
		})
	}
	t.Run("refuses a message longer than a digest", func(t *testing.T) {
		if VerifyBytes(Secp256k1, key.Public(), append(digest, 0), sig) {
			t.Error("it verifies")
		}
	})
}

func TestSecretsDoNotPrint(t *testing.T) {
	const seed = "a very secret seed of 32 bytes!!"
	key, err := SecretKeyFromSeed(Secp256k1, []byte(seed))
	if err != nil {
		t.Fatal(err)
	}
	channel, err := ParseChannelKey([]byte("0123456789ABCDEF0123456789ABCDEF"))
	if err != nil {
		t.Fatal(err)
	}
	type inner struct {
		key     SecretKey
		channel ChannelKey
	}
	type outer struct {
		Key     SecretKey
		Channel ChannelKey
		inner   inner
	}
	value := outer{key, channel, inner{key, channel}}
	var out strings.Builder
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "%q", "%d"} {
		fmt.Fprintf(&out, format+format+format+"\n", value, key, &value)
	}
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(text)
	log := zerolog.New(&out)
	log.Info().Any("v", value).Interface("k", key).Interface("c", channel).Stringer("s", key).Msg("")

	digits := hex.EncodeToString([]byte(seed))
	for _, secret := range []string{seed, digits, strings.ToUpper(digits), "0123456789ABCDEF", hex.EncodeToString([]byte("0123456789ABCDEF")), "97 32 118", "48 49 50"} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("%q is printed:\n%s", secret, out.String())
		}
	}
	if strings.Count(out.String(), secret.Redaction) < 8 {
		t.Errorf("printed nothing to look at:\n%s", out.String())
	}
}
