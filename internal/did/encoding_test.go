package did

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

type encodingVectors struct {
	Base58    []struct{ Hex, Base58btc string }
	BadBase58 []struct{ Text string }
	Base64url []struct{ Hex, Base64url string }
	Loose     []struct{ Input, Hex string }
	Stable    []struct {
		Input  json.RawMessage
		Stable string
	}
}

func TestEncodingVectors(t *testing.T) {
	vectors := loadVectors[encodingVectors](t, "encodings.json")
	for _, v := range some(t, vectors.Base58) {
		want := unhex(t, v.Hex)
		if got := EncodeBase58(want); got != v.Base58btc {
			t.Errorf("base58 of %s: got %s, want %s", v.Hex, got, v.Base58btc)
		}
		if got, err := DecodeBase58(v.Base58btc, len(want)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: got %x, %v, want %s", v.Base58btc, got, err, v.Hex)
		}
	}
	for _, v := range some(t, vectors.BadBase58) {
		if got, err := DecodeBase58(v.Text, 64); !errors.Is(err, ErrBase58) {
			t.Errorf("%q: got %x, %v, want a refusal", v.Text, got, err)
		}
	}
	for _, v := range some(t, vectors.Base64url) {
		want := unhex(t, v.Hex)
		if got := EncodeBase64URL(want); got != v.Base64url {
			t.Errorf("base64url of %s: got %s, want %s", v.Hex, got, v.Base64url)
		}
		if got, err := DecodeBase64URL(v.Base64url); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: got %x, %v, want %s", v.Base64url, got, err, v.Hex)
		}
	}
	for _, v := range some(t, vectors.Loose) {
		if got := hex.EncodeToString(LooseBytes(v.Input)); got != v.Hex {
			t.Errorf("loose bytes of %q: got %s, want %s", v.Input, got, v.Hex)
		}
	}
}

func TestDecodeBase58Bounds(t *testing.T) {
	for n := range 200 {
		for _, fill := range []byte{0, 1, 0xff} {
			text := EncodeBase58(bytes.Repeat([]byte{fill}, n))
			if _, err := DecodeBase58(text, n); err != nil {
				t.Fatalf("refuses %d bytes of %#x: %v", n, fill, err)
			}
			if _, err := DecodeBase58(text, n-1); n > 0 && !errors.Is(err, ErrBase58) {
				t.Fatalf("takes %d bytes of %#x where %d are allowed", n, fill, n-1)
			}
		}
	}
	for _, c := range []struct{ name, text string }{
		{"refuses the empty text", ""},
		{"refuses bytes beyond ASCII", "z\x80\xff"},
		{"refuses other letters", "zä"},
		{"refuses a newline", "z2g\n"},
		{"refuses ten megabytes before decoding", "z" + strings.Repeat("z", 10<<20)},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := DecodeBase58(c.text, 64); !errors.Is(err, ErrBase58) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestDecodeBase64URLRefuses(t *testing.T) {
	for _, c := range []struct{ name, text string }{
		{"padding", "AA=="},
		{"a newline", "AA\n"},
		{"a newline inside", "A\nA"},
		{"a carriage return", "A\rA"},
		{"white space", "A A"},
		{"the standard alphabet", "++//"},
		{"trailing bits", "AB"},
		{"trailing bits of two bytes", "AAB"},
		{"one character", "A"},
	} {
		t.Run("refuses "+c.name, func(t *testing.T) {
			if b, err := DecodeBase64URL(c.text); !errors.Is(err, ErrBase64URL) {
				t.Errorf("got %x, %v", b, err)
			}
		})
	}
}

func TestLooseBytes(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"reads mixed-case hex", "0xaBcD", "\xab\xcd"},
		{"takes 0x with other letters as text", "0xyz", "0xyz"},
		{"takes z with a NUL behind as text", "zoo\x00", "zoo"},
		{"keeps NULs inside", "a\x00b", "a\x00b"},
		{"gives nothing for NULs alone", "\x00\x00", ""},
		{"keeps white space", " 0x61 ", " 0x61 "},
		{"takes text over 16 KiB as it is", "z" + strings.Repeat("1", maxLoose), "z" + strings.Repeat("1", maxLoose)},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := string(LooseBytes(c.in)); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestDecodePublicKey(t *testing.T) {
	pk := keyOf(t, Ed25519, 0x11).Public()
	digits := hex.EncodeToString(pk)
	for _, text := range []string{EncodeBase58(pk), digits, "0x" + digits, "0X" + strings.ToUpper(digits)} {
		if got, err := DecodePublicKey(text); err != nil || !bytes.Equal(got, pk) {
			t.Errorf("%s: got %x, %v", text, got, err)
		}
	}
	for _, c := range []struct{ name, text string }{
		{"the empty text", ""},
		{"z alone", "z"},
		{"0x alone", "0x"},
		{"31 bytes", digits[2:]},
		{"an odd number of digits", digits[1:]},
		{"two prefixes", "0x0x" + digits},
		{"white space", digits + " "},
		{"ten megabytes", strings.Repeat("ab", 5<<20)},
		{"ten megabytes of base58", "z" + strings.Repeat("z", 10<<20)},
	} {
		t.Run("refuses "+c.name, func(t *testing.T) {
			_, err := DecodePublicKey(c.text)
			wantCode(t, err, "pk_malformed")
		})
	}
}
