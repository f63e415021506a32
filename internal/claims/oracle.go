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

// What an app chooses and an account signs could be something else than it is called: the bytes
// that a token's signature covers are the hash of its first two segments, which is just what a
// text is signed by (DID Connect reference f.3). These checks keep the two apart.

// checkText refuses to sign what is no text, cannot be shown, or could be a message of the
// account's own.
func checkText(text, method string) error {
	switch {
	case looksLikeToken(text):
		return did.Refuse("text_is_a_token", "the text is a token: signing it could give away the account")
	case looksLikePresentation(text):
		return did.Refuse("text_is_a_token", "the text is a credential or its presentation: signing it would prove what the person never said")
	case !show.IsShowable(text):
		return did.Refuse("blind_signature", "what is to be signed is no text that can be shown")
	case method == methodNone && len(text) == 32:
		// A token's hash that happens to be printable costs some 2^45 tries: within reach.
		return did.Refuse("blind_signature", "32 bytes signed as they are could be the hash of a token")
	}
	return nil
}

// looksLikeToken reports whether any reader could take the text for the beginning of a token.
// Readers of the reference skip padding, blanks and whatever else is not base64, in either
// alphabet, so this does too. Node, which runs them, knows a character by the lower byte of each
// UTF-16 unit: to it U+0165 is an e.
func looksLikeToken(text string) bool {
	header, rest, two := strings.Cut(text, ".")
	body, _, _ := strings.Cut(rest, ".")
	return two && isLooseJSON(header) && isLooseJSON(body)
}

func isLooseJSON(segment string) bool {
	narrow := narrowed(segment)
	before, _, _ := strings.Cut(segment, "=") // where some readers stop
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
		// Not strict: whatever some parser would read.
		if raw = bytes.TrimSpace(bytes.TrimPrefix(raw, []byte("\ufeff"))); len(raw) > 0 && raw[0] == '{' && json.Valid(raw) {
			return true
		}
	}
	return false
}

// narrowed gives the lower byte of each UTF-16 unit.
func narrowed(text string) string {
	units := utf16.Encode([]rune(text))
	low := make([]byte, len(units))
	for i, unit := range units {
		low[i] = byte(unit)
	}
	return string(low)
}

// looksLikeTransaction reports whether the text is what an Ethereum account signs for a transaction
// of the first kind: an RLP list of 6 texts, or of 9 with a chain's number. All its bytes can be those
// of letters; the later kinds begin with control characters.
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

// looksLikePresentation reports whether the text is JSON that is signed as a credential or a
// presentation (reference f.6).
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

// checkNonce refuses to sign a challenge or digest of the server's that is not 16 to 128 letters
// and digits (reference f.3, rule 5).
func checkNonce(text string) error {
	ok := len(text) >= 16 && len(text) <= 128
	for _, r := range text {
		ok = ok && ('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9')
	}
	if !ok {
		return did.Refuse("blind_signature", "the app's challenge or digest is not 16 to 128 letters and digits, and could be something else")
	}
	return nil
}
