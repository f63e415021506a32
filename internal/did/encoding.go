package did

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"

	"github.com/mr-tron/base58"
)

var (
	// ErrBase58 is returned for text that is not base58btc with its leading z,
	// or that is longer than the caller allows.
	ErrBase58 = errors.New("not base58btc text")
	// ErrBase64URL is returned for text that is not unpadded base64url in its
	// one canonical spelling.
	ErrBase64URL = errors.New("not base64url text")
)

// strictBase64URL refuses trailing bits that are not zero.
var strictBase64URL = base64.RawURLEncoding.Strict()

// maxLoose is the longest text, in bytes, that [LooseBytes] still tries to
// read as base58: decoding takes time quadratic in the length.
const maxLoose = 16 << 10

// EncodeBase58 gives the base58btc text with the leading z that DID Connect
// always writes; no bytes give "z" (DID Connect reference b).
func EncodeBase58(b []byte) string {
	return "z" + base58.Encode(b)
}

// DecodeBase58 reads base58btc text, leading z required, into at most maxBytes
// bytes. Longer text is refused before it is decoded. It fails with
// [ErrBase58].
func DecodeBase58(s string, maxBytes int) ([]byte, error) {
	// A byte takes at most log(256)/log(58) = 1.3658 digits.
	if !isBase58(s) || len(s)-1 > maxBytes*137/100+1 {
		return nil, ErrBase58
	}
	if s == "z" {
		return []byte{}, nil
	}
	b, err := base58.Decode(s[1:])
	if err != nil || len(b) > maxBytes || EncodeBase58(b) != s {
		return nil, ErrBase58
	}
	return b, nil
}

func isBase58(s string) bool {
	digits, ok := strings.CutPrefix(s, "z")
	if !ok {
		return false
	}
	for i := range len(digits) {
		c := digits[i]
		switch {
		case '1' <= c && c <= '9', 'a' <= c && c <= 'z' && c != 'l':
		case 'A' <= c && c <= 'Z' && c != 'I' && c != 'O':
		default:
			return false
		}
	}
	return true
}

// EncodeBase64URL gives unpadded base64url (RFC 4648 section 5).
func EncodeBase64URL(b []byte) string {
	return base64.RawURLEncoding.EncodeToString(b)
}

// DecodeBase64URL reads unpadded base64url. Padding, white space, the standard
// alphabet and trailing bits that are not zero are refused with
// [ErrBase64URL], so no two texts give the same bytes.
func DecodeBase64URL(s string) ([]byte, error) {
	// The decoder of the standard library skips newlines.
	if strings.IndexByte(s, '\r') >= 0 || strings.IndexByte(s, '\n') >= 0 {
		return nil, ErrBase64URL
	}
	b, err := strictBase64URL.DecodeString(s)
	if err != nil {
		return nil, ErrBase64URL
	}
	return b, nil
}

// LooseBytes turns text into bytes by the guess that the packages make (DID
// Connect reference b.1): 0x hex, else base58btc with z, else UTF-8 without
// NUL characters at either end. Different texts can give the same bytes.
//
// Callers bound the text, to 4 KiB for a salt. Text over 16 KiB is always
// taken as UTF-8, which the packages would not do.
func LooseBytes(s string) []byte {
	if strings.HasPrefix(s, "0x") || strings.HasPrefix(s, "0X") {
		digits := s[2:]
		if len(digits)%2 == 1 {
			digits = "0" + digits
		}
		if b, err := hex.DecodeString(digits); err == nil {
			return b
		}
	}
	if strings.HasPrefix(s, "z") && len(s) <= maxLoose {
		if b, err := DecodeBase58(s, len(s)); err == nil {
			return b
		}
	}
	return []byte(strings.Trim(s, "\x00"))
}

// DecodePublicKey reads a public key as it is written on the wire: base58btc,
// hex with 0x, or bare hex of the length of a known key (DID Connect reference
// b). It refuses with pk_malformed; whether the bytes are a key that fits an
// identifier is for [DID.CheckPublicKey] to say.
func DecodePublicKey(text string) ([]byte, error) {
	malformed := Refuse("pk_malformed", "the public key is not readable")
	if len(text) > 2+2*passkeyLength {
		return nil, malformed
	}
	var b []byte
	var err error
	if strings.HasPrefix(text, "z") {
		b, err = DecodeBase58(text, passkeyLength)
	} else {
		digits, found := strings.CutPrefix(text, "0x")
		if !found {
			digits, _ = strings.CutPrefix(text, "0X")
		}
		b, err = hex.DecodeString(digits)
	}
	if err != nil {
		return nil, malformed
	}
	switch len(b) {
	case ed25519Length, secp256k1Length, ethereumLength, passkeyLength:
		return b, nil
	}
	return nil, malformed
}
