package did

import (
	"bytes"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// bigBase58 writes digits by the arithmetic of math/big.
func bigBase58(b []byte) string {
	n, rest, base := new(big.Int).SetBytes(b), new(big.Int), big.NewInt(58)
	var digits []byte
	for n.Sign() > 0 {
		n.DivMod(n, base, rest)
		digits = append(digits, Base58Digits[rest.Int64()])
	}
	slices.Reverse(digits)
	zeros := len(b) - len(bytes.TrimLeft(b, "\x00"))
	return strings.Repeat("1", zeros) + string(digits)
}

// Lengths around each word of 64 bits and each ten digits, with bytes of zero in every place.
func TestBase58IsTheNumber(t *testing.T) {
	random := rand.NewChaCha8([32]byte{58})
	for n := range 150 {
		for i := range 20 {
			b := make([]byte, n)
			random.Read(b)
			for j := range b {
				if i&1 == 1 && j < n*i/20 || i&2 == 2 && j >= n-n*i/20 || i == 4 {
					b[j] = 0
				}
			}
			want := bigBase58(b)
			if got := string(AppendBase58([]byte("before "), b)); got != "before "+want {
				t.Fatalf("%x is written %s, want %s", b, got, want)
			}
			if got, err := ParseBase58([]byte(want), n); err != nil || !bytes.Equal(got, b) {
				t.Fatalf("%s is read as %x, %v, want %x", want, got, err, b)
			}
			if got, err := ParseBase58([]byte("1"+want), n); err == nil {
				t.Fatalf("%d bytes are read where %d are allowed", len(got), n)
			}
		}
	}
}

// Powers of 58 and of 2^64, and their neighbours, are where a carry goes wrong.
func TestBase58Carries(t *testing.T) {
	for _, base := range []*big.Int{big.NewInt(58), new(big.Int).Lsh(big.NewInt(1), 64)} {
		power := big.NewInt(1)
		for range 40 {
			for _, add := range []int64{-1, 0, 1} {
				b := new(big.Int).Add(power, big.NewInt(add)).Bytes()
				text := EncodeBase58(b)
				if want := "z" + bigBase58(b); text != want {
					t.Fatalf("%x is written %s, want %s", b, text, want)
				}
				if got, err := DecodeBase58(text, len(b)); err != nil || !bytes.Equal(got, b) {
					t.Fatalf("%s is read as %x, %v, want %x", text, got, err, b)
				}
			}
			power = new(big.Int).Mul(power, base)
		}
	}
}
