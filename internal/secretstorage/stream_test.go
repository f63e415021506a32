package secretstorage

import (
	"bytes"
	"testing"
)

// A Stream does what Seal and Open do, in parts of any length.
func TestAStreamIsTheSameCipher(t *testing.T) {
	key, err := NewKey(bytes.Repeat([]byte{7}, KeySize))
	if err != nil {
		t.Fatal(err)
	}
	plain := bytes.Repeat([]byte("0123456789abcdefg"), 300)
	whole, err := Seal(key, "org.example.s", plain, len(plain))
	if err != nil {
		t.Fatal(err)
	}
	begin := func(name string, iv [IVSize]byte) *Stream {
		s, err := NewStream(key, name, iv)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Wipe)
		return s
	}
	sealing := begin("org.example.s", whole.IV)
	var sealed []byte
	for rest := plain; len(rest) > 0; {
		part := bytes.Clone(rest[:min(len(rest), 37)])
		rest = rest[len(part):]
		sealing.Crypt(part, part)
		sealing.Write(part)
		sealed = append(sealed, part...)
	}
	if !bytes.Equal(sealed, whole.Ciphertext) || sealing.MAC() != whole.MAC || !sealing.Fits(whole.MAC[:]) {
		t.Error("it seals something else")
	}
	opened, err := Open(key, "org.example.s", Sealed{IV: whole.IV, Ciphertext: sealed, MAC: sealing.MAC()})
	if err != nil || !bytes.Equal(opened, plain) {
		t.Errorf("it does not open: %v", err)
	}
	for what, s := range map[string]*Stream{"another name": begin("org.example.t", whole.IV), "changed ciphertext": begin("org.example.s", whole.IV)} {
		text := bytes.Clone(whole.Ciphertext)
		if what == "changed ciphertext" {
			text[100] ^= 1
		}
		if s.Write(text); s.Fits(whole.MAC[:]) || s.Fits(nil) {
			t.Errorf("%s fits", what)
		}
	}
	if _, err := NewStream(Key{}, "org.example.s", NewIV()); err == nil {
		t.Error("it begins without a key")
	}
	if _, err := NewStream(key, "m.direct", NewIV()); err == nil {
		t.Error("it begins under the name of something else")
	}
	if iv := NewIV(); iv[8]&0x80 != 0 || iv == NewIV() {
		t.Errorf("the IV is %x", iv)
	}
}
