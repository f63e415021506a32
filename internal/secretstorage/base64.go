package secretstorage

import (
	"encoding/base64"
	"strings"

	"walletd/internal/did"
)

// paddedBase64 is the spelling of the SDK for iv, ciphertext and mac (reference section 4).
func paddedBase64(b []byte) []byte { return base64.StdEncoding.AppendEncode(nil, b) }

// unpaddedBase64 is the spelling of the specification, for values inside secrets and for backups.
func unpaddedBase64(b []byte) []byte { return base64.RawStdEncoding.AppendEncode(nil, b) }

// decodeBase64 reads standard and URL-safe base64, with all of its padding or none; bits after the
// last byte are ignored, as all clients but one do. White space is refused: bad_base64.
func decodeBase64(text string) ([]byte, error) {
	bad := did.Refuse("bad_base64", "a value is not base64")
	// The standard library's decoder skips these two. (A search for one byte is far faster than one
	// for any of two, and a secret is long.)
	if strings.Contains(text, "\r") || strings.Contains(text, "\n") {
		return nil, bad
	}
	if strings.Contains(text, "-") || strings.Contains(text, "_") {
		text = strings.NewReplacer("-", "+", "_", "/").Replace(text)
	}
	encoding := base64.RawStdEncoding
	if strings.HasSuffix(text, "=") {
		encoding = base64.StdEncoding
	}
	b, err := encoding.DecodeString(text)
	if err != nil {
		return nil, bad
	}
	return b, nil
}
