package secretstorage

import (
	"unicode"
	"unicode/utf8"

	"walletd/internal/did"
)

// A recovery key is base58 of two bytes of prefix, the key, and a byte that makes the XOR of all
// of them zero (reference section 7).
const (
	recoverySize   = 2 + KeySize + 1
	recoveryDigits = 48 // always, because of the prefix
	recoveryFirst  = 0x8b
	recoverySecond = 0x01
)

// RecoveryKey gives the key as text for people: 48 letters in 12 groups, 59 bytes with the spaces
// between them; nil for a zero Key. The caller wipes it.
func (k Key) RecoveryKey() []byte {
	if k.IsZero() {
		return nil
	}
	var b [recoverySize]byte
	defer clear(b[:])
	b[0], b[1] = recoveryFirst, recoverySecond
	copy(b[2:], k.Reveal())
	b[recoverySize-1] = xor(b[:])
	var digits [recoveryDigits]byte
	defer clear(digits[:])
	encodeBase58(&digits, &b)
	text := make([]byte, 0, recoveryDigits+recoveryDigits/4-1)
	for i, c := range digits {
		if i > 0 && i%4 == 0 {
			text = append(text, ' ')
		}
		text = append(text, c)
	}
	return text
}

// DecodeRecoveryKey reads a recovery key as a person may paste it: white space of any kind does not
// count. What fails first names the refusal: bad_base58, bad_length, bad_prefix, bad_parity. One
// mistake in 256 goes unseen, so the key must still be checked against its description.
func DecodeRecoveryKey(text []byte) (Key, error) {
	digits := make([]byte, 0, recoveryDigits)
	defer func() { clear(digits[:cap(digits)]) }()
	long := false
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		text = text[size:]
		switch {
		case unicode.IsSpace(r):
		case r >= utf8.RuneSelf || base58Value(byte(r)) < 0:
			return Key{}, did.Refuse("bad_base58", "a recovery key has letters and digits only, and no 0, O, I or l")
		case len(digits) == cap(digits):
			long = true
		default:
			digits = append(digits, byte(r))
		}
	}
	var b [recoverySize]byte
	defer clear(b[:])
	// With the prefix 35 bytes have 48 digits; with another they may have fewer, never more.
	if long || !decodeBase58(&b, digits) {
		return Key{}, did.Refuse("bad_length", "a recovery key has 48 letters")
	}
	if b[0] != recoveryFirst || b[1] != recoverySecond {
		return Key{}, did.Refuse("bad_prefix", "this is not a recovery key, or its first letters are wrong")
	}
	if xor(b[:]) != 0 {
		return Key{}, did.Refuse("bad_parity", "a letter of the recovery key is wrong")
	}
	return NewKey(b[2 : 2+KeySize])
}

func xor(b []byte) byte {
	var x byte
	for _, c := range b {
		x ^= c
	}
	return x
}
