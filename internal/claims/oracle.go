package claims

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"unicode/utf16"

	"walletd/internal/did"
	"walletd/internal/show"
)

// A text that an app chooses and an account signs could be another message. The signature of a token covers the
// hash of its first two segments, and the signature of a text covers the hash of the text (DID Connect reference
// f.3). These checks refuse texts that could be a token or another message of the account.

// checkText refuses to sign bytes that are not a text that can be shown, and a text that could be a message of the
// account.
func checkText(text, method string) error {
	switch {
	case looksLikeToken(text):
		return did.Refuse("text_is_a_token", "the text is a token: signing it could give away the account")
	case looksLikePresentation(text):
		return did.Refuse("text_is_a_token", "the text is a credential or its presentation: a signature of it would prove a statement that the owner never made")
	case !show.IsShowable(text):
		return did.Refuse("blind_signature", "the bytes to sign are not a text that can be shown")
	case method == methodNone && len(text) == 32:
		// A token's hash that happens to be printable costs some 2^45 tries: within reach.
		return did.Refuse("blind_signature", "32 bytes that are signed without hashing could be the hash of a token")
	}
	return nil
}

// checkDigest refuses to sign bytes without hashing them that are not a digest of the method.
//
// No check can tell what a digest is of: 32 bytes can be the hash of a token of the account, of a delegation, of a
// presentation or of a transaction, and the signature is then that message's own. So what an app gets with one is
// whatever the account can sign. That is why readBlind lets only the account sign that is the app's own, and only
// the owner decide. What is refused here is what no owner can mean:
//
//   - Bytes under the method none. They are no digest, and 32 of them would be signed as a text was asked for.
//   - Bytes that are not as long as a digest of the method. Ed25519 signs bytes of any length, and longer ones could
//     be a message that is signed without hashing, as tokens of version 1.0.0 are. A digest in hex without 0x or in
//     base64 stands for its characters (reference b.1), so these too are accepted, if they pass as a text that is
//     signed without hashing.
//   - What reads as a token, whatever its length.
func checkDigest(digest []byte, method string) error {
	if method == methodNone {
		return did.Refuse("blind_signature", "bytes under the method none are not a digest")
	}
	hash, err := did.ParseHashType(method)
	if err != nil {
		return did.Refuse("claim_unsupported", "this wallet does not know the hash function of the digest")
	}
	if looksLikeToken(string(digest)) {
		return did.Refuse("text_is_a_token", "what the app calls a digest is a token: signing it could give away the account")
	}
	if len(digest) == len(hash.Sum()) {
		return nil
	}
	if !isDigestText(string(digest)) {
		return did.Refuse("blind_signature", "the digest is not as long as one of its method, and could be another message")
	}
	return checkText(string(digest), methodNone)
}

// isDigestText reports whether a text could be a digest in letters: hex, base58, base64 or base64url, of 16 to 128
// characters.
func isDigestText(text string) bool {
	ok := len(text) >= 16 && len(text) <= 128
	for _, r := range strings.TrimRight(text, "=") {
		ok = ok && ('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("+/-_", r))
	}
	return ok
}

// looksLikeToken reports whether any parser could read the text as the beginning of a token. Parsers of the
// reference skip padding, blanks and whatever else is not base64, in either alphabet, so this does too. Node, on
// which they run, reads only the lower byte of each UTF-16 unit: it reads U+0165 as an e.
func looksLikeToken(text string) bool {
	header, rest, two := strings.Cut(text, ".")
	body, _, _ := strings.Cut(rest, ".")
	return two && isLooseJSON(header) && isLooseJSON(body)
}

func isLooseJSON(segment string) bool {
	narrow := narrowed(segment)
	before, _, _ := strings.Cut(segment, "=") // some parsers stop here
	narrowBefore, _, _ := strings.Cut(narrow, "=")
	for _, text := range []string{segment, before, narrow, narrowBefore} {
		digits := strings.Map(func(r rune) rune {
			switch {
			case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '-', r == '_':
				return r
			case r == '+':
				return '-'
			case r == '/':
				return '_'
			}
			return -1
		}, text)
		if len(digits)%4 == 1 {
			digits = digits[:len(digits)-1]
		}
		raw, err := base64.RawURLEncoding.DecodeString(digits)
		if err != nil {
			continue
		}
		// Not strict: this accepts whatever some parser would read.
		if raw = bytes.TrimSpace(bytes.TrimPrefix(raw, []byte("\ufeff"))); len(raw) > 0 && raw[0] == '{' && json.Valid(raw) {
			return true
		}
	}
	return false
}

// narrowed returns a string of the lower byte of each UTF-16 unit.
func narrowed(text string) string {
	units := utf16.Encode([]rune(text))
	low := make([]byte, len(units))
	for i, unit := range units {
		low[i] = byte(unit)
	}
	return string(low)
}

// checkTransaction refuses to sign a text that is a transaction of the account.
func checkTransaction(text string, account did.DID) error {
	if account.Type().Hash == did.Keccak && looksLikeTransaction(text) {
		return did.Refuse("blind_signature", "the text is an Ethereum transaction, which this wallet cannot show")
	}
	return nil
}

// looksLikeTransaction reports whether the text is what an Ethereum account signs for a legacy transaction: an RLP
// list of 6 strings, or of 9 with a chain id. All its bytes can be printable; the later types of transactions begin
// with a control character.
func looksLikeTransaction(text string) bool {
	if text == "" || text[0] < 0xc0 || int(text[0]-0xc0) != len(text)-1 {
		return false
	}
	items := 0
	for rest := text[1:]; rest != ""; items++ {
		size := 1
		switch first := rest[0]; {
		case first >= 0xb8:
			return false
		case first >= 0x80:
			size += int(first - 0x80)
		}
		if size > len(rest) {
			return false
		}
		rest = rest[size:]
	}
	return items == 6 || items == 9
}

// looksLikePresentation reports whether the text is JSON in the form of a credential or a presentation (reference
// f.6).
func looksLikePresentation(text string) bool {
	var members map[string]json.RawMessage
	if json.Unmarshal([]byte(text), &members) != nil {
		return false
	}
	for _, name := range []string{"@context", "verifiableCredential", "credentialSubject"} {
		if _, found := members[name]; found {
			return true
		}
	}
	return false
}

// checkNonce refuses to sign a challenge of the app that is not 16 to 128 letters and digits (reference f.3, rule 5).
func checkNonce(text string) error {
	ok := len(text) >= 16 && len(text) <= 128
	for _, r := range text {
		ok = ok && ('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9')
	}
	if !ok {
		return did.Refuse("blind_signature", "the app's challenge is not 16 to 128 letters and digits, and could be another message")
	}
	return nil
}
