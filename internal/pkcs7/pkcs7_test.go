package pkcs7

import (
	"bytes"
	"crypto/aes"
	"testing"
)

func TestPadding(t *testing.T) {
	for n := range 3*aes.BlockSize + 1 {
		plain := bytes.Repeat([]byte{0x10}, n) // which looks like padding
		padded := Append([]byte("before"), plain)
		padded = padded[len("before"):]
		pad := 16 - n%16
		if want := append(bytes.Clone(plain), bytes.Repeat([]byte{byte(pad)}, pad)...); !bytes.Equal(padded, want) {
			t.Errorf("%d bytes are padded to %x", n, padded)
		}
		if cut, ok := Cut(padded); !ok || !bytes.Equal(cut, plain) {
			t.Errorf("%d bytes come back as %x, %t", n, cut, ok)
		}
	}
}

func TestCutRefuses(t *testing.T) {
	block := func(end ...byte) []byte { return append(make([]byte, 16-len(end)), end...) }
	for name, padded := range map[string][]byte{
		"nothing":                        nil,
		"part of a block":                bytes.Repeat([]byte{15}, 15),
		"a block and a part":             append(block(1), 1),
		"no bytes of padding":            block(0),
		"more than a block of padding":   append(bytes.Repeat([]byte{17}, 16), block(17)...),
		"255 bytes":                      block(255),
		"padding whose first differs":    block(2, 3, 3),
		"padding that is cut":            block(7, 7, 7, 7, 7, 7),
		"a block of padding but for one": append([]byte{0}, bytes.Repeat([]byte{16}, 15)...),
	} {
		if cut, ok := Cut(padded); ok || cut != nil {
			t.Errorf("it takes %s: %x", name, cut)
		}
	}
}

func TestCutLooksAtEveryByte(t *testing.T) {
	for last := range 256 {
		block := bytes.Repeat([]byte{byte(last)}, 32)
		cut, ok := Cut(block)
		if want := last >= 1 && last <= 16; ok != want || ok && len(cut) != 32-last {
			t.Errorf("padding %d: got %d bytes, %t", last, len(cut), ok)
		}
		if last < 2 || last > 16 {
			continue
		}
		for at := 2; at <= last; at++ {
			wrong := bytes.Clone(block)
			wrong[32-at] ^= 0x10
			if _, ok := Cut(wrong); ok {
				t.Errorf("padding %d: byte %d from the end may be anything", last, at)
			}
		}
	}
}
