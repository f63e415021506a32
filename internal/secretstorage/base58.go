package secretstorage

import "strings"

// The alphabet of Bitcoin. Written here because a library would leave copies of the key in strings.
const base58Alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

// base58Value gives a digit's value, -1 for what is no digit.
func base58Value(c byte) int { return strings.IndexByte(base58Alphabet, c) }

// encodeBase58 fills digits with the number b, most significant first. Its value must have that
// many digits, as the prefix of a recovery key sees to.
func encodeBase58(digits *[recoveryDigits]byte, b *[recoverySize]byte) {
	number := *b
	defer clear(number[:])
	for i := len(digits) - 1; i >= 0; i-- {
		rest := 0
		for j, c := range number {
			rest = rest<<8 | int(c)
			number[j] = byte(rest / 58)
			rest %= 58
		}
		digits[i] = base58Alphabet[rest]
	}
}

// decodeBase58 fills b with the number of the digits, which must all be valid, and says whether it
// is exactly as long: a leading 1 is a byte of zero.
func decodeBase58(b *[recoverySize]byte, digits []byte) bool {
	for _, c := range digits {
		carry := base58Value(c)
		for j := len(b) - 1; j >= 0; j-- {
			carry += int(b[j]) * 58
			b[j] = byte(carry)
			carry >>= 8
		}
		if carry != 0 {
			return false
		}
	}
	ones, zeros := 0, 0
	for ones < len(digits) && digits[ones] == '1' {
		ones++
	}
	for zeros < len(b) && b[zeros] == 0 {
		zeros++
	}
	return ones == zeros
}
