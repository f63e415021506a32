// Package pkcs7 is the padding of PKCS #7 (RFC 5652 section 6.3) for blocks of AES: 1 to 16 bytes,
// each of which says how many there are. It authenticates nothing.
package pkcs7

import (
	"crypto/aes"
	"crypto/subtle"
	"slices"
)

// Append appends plain and its padding to out. It grows out once, before plain is in it.
func Append(out, plain []byte) []byte {
	n := aes.BlockSize - len(plain)%aes.BlockSize
	out = append(slices.Grow(out, len(plain)+n), plain...)
	for range n {
		out = append(out, byte(n))
	}
	return out
}

// Cut returns padded without its padding, as a part of it, and false for what Append does not make.
// The time it takes does not depend on the bytes.
func Cut(padded []byte) ([]byte, bool) {
	if len(padded) == 0 || len(padded)%aes.BlockSize != 0 {
		return nil, false
	}
	last := padded[len(padded)-1]
	good := subtle.ConstantTimeLessOrEq(1, int(last)) & subtle.ConstantTimeLessOrEq(int(last), aes.BlockSize)
	for i := range aes.BlockSize {
		beyond := subtle.ConstantTimeLessOrEq(int(last), i)
		good &= beyond | subtle.ConstantTimeByteEq(padded[len(padded)-1-i], last)
	}
	if good != 1 {
		return nil, false
	}
	return padded[:len(padded)-int(last)], true
}
