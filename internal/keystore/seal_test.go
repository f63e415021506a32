package keystore

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
)

func keyOf(t *testing.T, text string) *[keySize]byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil || len(b) > keySize {
		t.Fatalf("the key %q: %v", text, err)
	}
	key := new([keySize]byte)
	copy(key[:], b) // HMAC fills a shorter key with zeros (RFC 2104, section 2)
	return key
}

func TestMAC(t *testing.T) {
	// RFC 4231, sections 4.2 to 4.5.
	for _, v := range []struct{ key, message, want string }{
		{strings.Repeat("0b", 20), hex.EncodeToString([]byte("Hi There")), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
		{hex.EncodeToString([]byte("Jefe")), hex.EncodeToString([]byte("what do ya want for nothing?")), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
		{strings.Repeat("aa", 20), strings.Repeat("dd", 50), "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
		{"0102030405060708090a0b0c0d0e0f10111213141516171819", strings.Repeat("cd", 50), "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
	} {
		message, err := hex.DecodeString(v.message)
		if err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(mac(keyOf(t, v.key), message)); got != v.want {
			t.Errorf("of %q: %s, want %s", message, got, v.want)
		}
	}
	// Messages that end before, at and after each border of a block.
	for n := range 3*sha256.BlockSize + 2 {
		key, message := randomKey(), bytes.Repeat([]byte{byte(n)}, n)
		h := hmac.New(sha256.New, key[:])
		h.Write(message)
		if want := h.Sum(nil); !bytes.Equal(mac(key, message), want) {
			t.Errorf("%d bytes: not what crypto/hmac makes of them", n)
		}
	}
}

func TestSubkey(t *testing.T) {
	// RFC 5869, appendices A.1 and A.3: the first 32 bytes.
	for _, v := range []struct{ prk, info, want string }{
		{"077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5", "f0f1f2f3f4f5f6f7f8f9", "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"},
		{"19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04", "", "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"},
	} {
		info, err := hex.DecodeString(v.info)
		if err != nil {
			t.Fatal(err)
		}
		if got := subkey(keyOf(t, v.prk), string(info)); hex.EncodeToString(got[:]) != v.want {
			t.Errorf("of %s: %x, want %s", v.prk, got[:], v.want)
		}
	}
}
