package did

import (
	"errors"
	"math/bits"
	"slices"
	"strings"
)

// ErrBase58 is returned for text that is not base58btc, of [DecodeBase58] with
// its leading z, or that is longer than the caller allows.
var ErrBase58 = errors.New("not base58btc text")

// Base58Digits is the alphabet of base58btc, in the order of the values.
const Base58Digits = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

// base58Values holds a digit's value, -1 for what is no digit.
var base58Values = func() (values [256]int8) {
	for c := range values {
		values[c] = int8(strings.IndexByte(Base58Digits, byte(c)))
	}
	return values
}()

// Ten digits fit into a word of 64 bits and are taken at a time.
const (
	base58Chunk = 10
	base58Base  = 58 * 58 * 58 * 58 * 58 * 58 * 58 * 58 * 58 * 58
)

// EncodeBase58 gives the base58btc text with the leading z that DID Connect
// always writes; no bytes give "z" (DID Connect reference b). It takes time
// quadratic in the length, which the caller bounds.
func EncodeBase58(b []byte) string {
	var room [96]byte // for a key or a signature
	return string(AppendBase58(append(room[:0], 'z'), b))
}

// AppendBase58 appends the digits of b, without a z, to out, which it grows
// before a digit is in it. It wipes what it calculated with.
func AppendBase58(out, b []byte) []byte {
	out = slices.Grow(out, len(b)*137/100+1)
	for len(b) > 0 && b[0] == 0 {
		out = append(out, Base58Digits[0])
		b = b[1:]
	}
	var room [8]uint64
	number := append(room[:0], make([]uint64, (len(b)+7)/8)...) // the most significant word first
	for i, c := range b {
		word := &number[len(number)-1-(len(b)-1-i)/8]
		*word = *word<<8 | uint64(c)
	}
	first := len(out)
	for rest := number; len(rest) > 0; {
		var chunk uint64
		for i := range rest {
			rest[i], chunk = bits.Div64(chunk, rest[i], base58Base)
		}
		if rest[0] == 0 {
			rest = rest[1:]
		}
		for i := 0; i < base58Chunk && (chunk > 0 || len(rest) > 0); i++ {
			out = append(out, Base58Digits[chunk%58])
			chunk /= 58
		}
	}
	clear(number)
	slices.Reverse(out[first:])
	return out
}

// DecodeBase58 reads base58btc text, leading z required, into at most maxBytes
// bytes. Longer text is refused before it is decoded. It fails with
// [ErrBase58].
func DecodeBase58(s string, maxBytes int) ([]byte, error) {
	digits, ok := strings.CutPrefix(s, "z")
	if !ok {
		return nil, ErrBase58
	}
	return decodeBase58(digits, maxBytes)
}

// ParseBase58 is [DecodeBase58] for digits without a z. It wipes what it
// calculated with.
func ParseBase58(digits []byte, maxBytes int) ([]byte, error) {
	return decodeBase58(digits, maxBytes)
}

func decodeBase58[T string | []byte](digits T, maxBytes int) ([]byte, error) {
	// A byte takes at most log(256)/log(58) = 1.3658 digits.
	if len(digits) > maxBytes*137/100+1 {
		return nil, ErrBase58
	}
	for i := range len(digits) {
		if base58Values[digits[i]] < 0 {
			return nil, ErrBase58
		}
	}
	zeros := 0
	for zeros < len(digits) && digits[zeros] == Base58Digits[0] {
		zeros++
	}
	digits = digits[zeros:]
	var room [8]uint64
	number := room[:0] // the least significant word first
	if n := len(digits)/base58Chunk + 1; n > len(room) {
		number = make([]uint64, 0, n) // ten digits take 58.6 bits
	}
	for len(digits) > 0 {
		n := (len(digits)-1)%base58Chunk + 1
		base, carry := uint64(1), uint64(0)
		for i := range n {
			base *= 58
			carry = carry*58 + uint64(base58Values[digits[i]])
		}
		digits = digits[n:]
		for i, word := range number {
			high, low := bits.Mul64(word, base)
			low, more := bits.Add64(low, carry, 0)
			number[i], carry = low, high+more
		}
		if carry > 0 {
			number = append(number, carry)
		}
	}
	defer clear(number)
	size := 0 // in bytes, of the number without zeros in front
	if n := len(number); n > 0 {
		size = 8*(n-1) + (bits.Len64(number[n-1])+7)/8
	}
	if zeros+size > maxBytes {
		return nil, ErrBase58
	}
	b := make([]byte, zeros+size)
	for i := range size {
		b[len(b)-1-i] = byte(number[i/8] >> (i % 8 * 8))
	}
	return b, nil
}
