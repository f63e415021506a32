package did

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"strings"
)

// ErrBase58 is returned for text that is not base58btc with its leading z,
// or that is longer than the caller allows.
var ErrBase58 = errors.New("not base58btc text")

const base58Alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

// base58Values are the values of the digits, and notBase58 for other bytes.
var base58Values = func() (table [256]byte) {
	for i := range table {
		table[i] = notBase58
	}
	for i := range len(base58Alphabet) {
		table[base58Alphabet[i]] = byte(i)
	}
	return table
}()

const notBase58 = 0xff

// A long number is a list of limbs, the lowest first: of five digits each where
// text is made, of four bytes each where bytes are.
const (
	limbDigits = 5
	limbBound  = 58 * 58 * 58 * 58 * 58
	fewLimbs   = 20 // fit on the stack, and the longest keys in them
)

// EncodeBase58 gives the base58btc text with the leading z that DID Connect
// always writes; no bytes give "z" (DID Connect reference b). It takes time
// quadratic in the length.
func EncodeBase58(b []byte) string {
	var room [128]byte
	text := append(room[:0], 'z')
	for len(b) > 0 && b[0] == 0 {
		text, b = append(text, '1'), b[1:]
	}
	var few [fewLimbs]uint32
	limbs := few[:0]
	for len(b) > 0 {
		n := (len(b)-1)%4 + 1 // four, but for what is over at first
		carry := uint64(0)
		for _, c := range b[:n] {
			carry = carry<<8 | uint64(c)
		}
		for i, limb := range limbs {
			v := uint64(limb)<<(8*n) + carry
			limbs[i], carry = uint32(v%limbBound), v/limbBound
		}
		for ; carry > 0; carry /= limbBound {
			limbs = append(limbs, uint32(carry%limbBound))
		}
		b = b[n:]
	}
	for i := len(limbs) - 1; i >= 0; i-- {
		var digits [limbDigits]byte
		for at := limbDigits - 1; at >= 0; at-- {
			digits[at], limbs[i] = base58Alphabet[limbs[i]%58], limbs[i]/58
		}
		first := 0
		if i == len(limbs)-1 {
			for digits[first] == '1' { // a leading zero; the highest limb has other digits
				first++
			}
		}
		text = append(text, digits[first:]...)
	}
	return string(text)
}

// DecodeBase58 reads base58btc text, leading z required, into at most maxBytes
// bytes. Longer text is refused before it is decoded. It fails with
// [ErrBase58].
func DecodeBase58(s string, maxBytes int) ([]byte, error) {
	return appendBase58(nil, s, maxBytes)
}

// appendBase58 is DecodeBase58 into a buffer.
func appendBase58(out []byte, s string, maxBytes int) ([]byte, error) {
	digits, ok := strings.CutPrefix(s, "z")
	// A byte takes at most log(256)/log(58) = 1.3658 digits.
	if !ok || len(digits) > maxBytes*137/100+1 {
		return nil, ErrBase58
	}
	zeros := len(digits)
	digits = strings.TrimLeft(digits, "1")
	zeros -= len(digits)
	var few [fewLimbs]uint32
	limbs := few[:0]
	for len(digits) > 0 {
		n := (len(digits)-1)%limbDigits + 1
		carry, scale := uint64(0), uint64(1)
		for i := range n {
			value := base58Values[digits[i]]
			if value == notBase58 {
				return nil, ErrBase58
			}
			carry, scale = carry*58+uint64(value), scale*58
		}
		for i, limb := range limbs {
			v := uint64(limb)*scale + carry
			limbs[i], carry = uint32(v), v>>32
		}
		if carry > 0 {
			limbs = append(limbs, uint32(carry))
		}
		digits = digits[n:]
	}
	size := zeros + 4*len(limbs)
	if len(limbs) > 0 {
		size -= bits.LeadingZeros32(limbs[len(limbs)-1]) / 8
	}
	if size > maxBytes {
		return nil, ErrBase58
	}
	if out == nil {
		out = make([]byte, 0, size)
	}
	for range zeros {
		out = append(out, 0)
	}
	var word [4]byte
	for i := len(limbs) - 1; i >= 0; i-- {
		binary.BigEndian.PutUint32(word[:], limbs[i])
		skip := 0
		if i == len(limbs)-1 {
			skip = bits.LeadingZeros32(limbs[i]) / 8
		}
		out = append(out, word[skip:]...)
	}
	return out, nil
}
