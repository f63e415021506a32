package approvals

import (
	"encoding/hex"
	"encoding/json"
	"slices"

	"golang.org/x/crypto/sha3"
)

// Shown is what the person was shown of an answer, as far as the wallet and not the request
// decides it: whose keys answer, what would be given, what is missing, what is unusual and what no
// rule may decide. The request itself is sealed beside it, byte for byte.
//
// A yes is to what was shown (design section 7). The value is computed whenever a question is read,
// sealed into the approval when it is asked, and covered by the approval's digest. The yes and each
// collection compute it anew, and give nothing where it differs: the approval ends, the app hears
// ErrAnswerChanged and asks again, and the person sees a new question. That is simpler than to put
// other contents under an approval that somebody may be looking at.
//
// A yes changes two things itself, and so does the yes to another question of the same app: the app
// is known from then on, and so is the delegation. What is said about them stands in First. A
// sentence of First may go while the question waits, and none may come. Everything else must stay.
type Shown struct {
	Account       string       `json:"account"` // the session's, which signs the answer
	Unusual       []string     `json:"unusual,omitempty"`
	UntilApproved []string     `json:"first,omitempty"`
	Claims        []ShownClaim `json:"claims"`
}

// ShownClaim is one claim of a shown, in the request's order.
type ShownClaim struct {
	Type    string `json:"type"`
	Account string `json:"account"`         // whose key answers
	Owner   string `json:"owner,omitempty"` // address of the app whose account that is
	About   string `json:"about,omitempty"` // id of the credential, asset or secret; items of a profile
	// ContentHash is the hash, in hex, of the contents that would be given and that the wallet keeps: the
	// values of a profile's items, a credential, an asset, a secret.
	ContentHash   string   `json:"gives,omitempty"`
	NotHeld       string   `json:"missing,omitempty"` // why the app is declined whatever the person answers
	AlwaysAsk     string   `json:"never,omitempty"`   // why no rule may decide it
	Unusual       []string `json:"unusual,omitempty"`
	UntilApproved []string `json:"first,omitempty"`
}

// Without returns the notes that are not among those to leave out.
func Without(notes, out []string) []string {
	var rest []string
	for _, note := range notes {
		if !slices.Contains(out, note) {
			rest = append(rest, note)
		}
	}
	return rest
}

// Matches reports whether a question that was read anew gives what was shown. chosen is the account
// that the person chose instead of the session's, or "": it may stand wherever the session's did.
// A nil shown, which approvals of earlier versions have, is shown nothing and gives nothing.
func (s *Shown) Matches(now *Shown, chosen string) bool {
	if s == nil || len(s.Claims) != len(now.Claims) || !slices.Equal(s.Unusual, now.Unusual) || len(Without(now.UntilApproved, s.UntilApproved)) > 0 {
		return false
	}
	account := s.Account
	if chosen != "" {
		account = chosen
	}
	if now.Account != account {
		return false
	}
	for i, was := range s.Claims {
		is := now.Claims[i]
		if is.Account != was.Account && (was.Account != s.Account || is.Account != account) {
			return false
		}
		if was.Type != is.Type || was.Owner != is.Owner || was.About != is.About || was.ContentHash != is.ContentHash || was.NotHeld != is.NotHeld ||
			was.AlwaysAsk != is.AlwaysAsk || !slices.Equal(was.Unusual, is.Unusual) || len(Without(is.UntilApproved, was.UntilApproved)) > 0 {
			return false
		}
	}
	return true
}

// Digest is the approval's, in hex: SHA3-256 over the digest of what was asked, by whom and of
// which wallet, and over what was shown. It stands on record with the question, with the yes and with
// the collection.
func (s *Shown) Digest(question []byte) string {
	if s == nil {
		return ""
	}
	text, err := json.Marshal(s)
	if err != nil {
		return "" // texts alone always marshal
	}
	h := sha3.New256()
	h.Write([]byte("walletd approval v1\x00"))
	h.Write(question)
	h.Write(text)
	return hex.EncodeToString(h.Sum(nil))
}
