package approvals

import (
	"encoding/hex"
	"encoding/json"
	"slices"

	"golang.org/x/crypto/sha3"
)

// Shown is what the owner was shown of an answer, as far as the wallet decides it and not the request: whose
// keys answer, what is disclosed, what the wallet does not hold, what is unusual, and why the owner is always
// asked. The request itself is sealed beside it, byte for byte.
//
// An approval is for the answer that was shown (design section 7). Shown is computed whenever a request is
// read, is sealed into the approval when the request arrives, and is covered by the approval's digest. The
// approval and each collection compute it again. If it differs, they answer nothing: the approval is
// cancelled, the app gets ErrAnswerChanged and sends the request again, and the owner sees a new approval.
// That is simpler than to replace the contents of an approval that somebody may be reading.
//
// An approval itself changes two things, and so does the approval of another request of the same app: it
// registers the app, and the delegation. The sentences about these are in UntilApproved. A sentence of
// UntilApproved may disappear while the request waits, and none may appear. Everything else must stay.
type Shown struct {
	Account       string       `json:"account"` // the account that signs the answer
	Unusual       []string     `json:"unusual,omitempty"`
	UntilApproved []string     `json:"first,omitempty"`
	Claims        []ShownClaim `json:"claims"`
}

// ShownClaim is one claim of a Shown, in the request's order.
type ShownClaim struct {
	Type    string `json:"type"`
	Account string `json:"account"`         // the account whose key answers
	Owner   string `json:"owner,omitempty"` // address of the app that the account belongs to
	About   string `json:"about,omitempty"` // id of the credential, asset or secret; items of a profile
	// ContentHash is the hash, in hex, of the stored contents that the answer discloses: the values of a
	// profile's items, a credential, an asset, a secret.
	ContentHash   string   `json:"gives,omitempty"`
	NotHeld       string   `json:"missing,omitempty"` // why the app is declined whatever the owner decides
	AlwaysAsk     string   `json:"never,omitempty"`   // why the owner is always asked
	Unusual       []string `json:"unusual,omitempty"`
	UntilApproved []string `json:"first,omitempty"`
	// Offers are what the claim can be answered with, of which the owner may choose one. The members above are
	// those of the one that answers without a choice; About is "" if the owner has to choose.
	Offers []ShownOffer `json:"offers,omitempty"`
}

// ShownOffer is one of several things that a claim can be answered with.
type ShownOffer struct {
	About       string   `json:"about"`
	Account     string   `json:"account"`
	Owner       string   `json:"owner,omitempty"`
	ContentHash string   `json:"gives"`
	AlwaysAsk   string   `json:"never,omitempty"`
	Unusual     []string `json:"unusual,omitempty"`
}

// offer returns the offer with an id, and whether it was shown.
func (c ShownClaim) offer(id string) (ShownOffer, bool) {
	i := slices.IndexFunc(c.Offers, func(o ShownOffer) bool { return o.About == id })
	if i < 0 {
		return ShownOffer{}, false
	}
	return c.Offers[i], true
}

// answers returns the id of the offer that answers, given what the owner chose.
func (c ShownClaim) answers(choice Choice) string {
	ids := make([]string, len(c.Offers))
	for i, o := range c.Offers {
		ids[i] = o.About
	}
	if i := choice.Offered(ids); i >= 0 {
		return ids[i]
	}
	return c.About
}

// Without returns the sentences of notes that are not in out.
func Without(notes, out []string) []string {
	var rest []string
	for _, note := range notes {
		if !slices.Contains(out, note) {
			rest = append(rest, note)
		}
	}
	return rest
}

// Matches reports whether the answer of a request that was read again, as now describes it, is the one that
// was shown. An account that the owner chose instead of the session's may replace the session's everywhere. Of what a
// claim offers, that answers which the owner chose among what was offered, or else the one that was shown; it must be
// as it was offered, while the other offers may have changed. A nil Shown, as approvals of earlier versions have,
// matches nothing.
func (s *Shown) Matches(now *Shown, choice Choice) bool {
	if s == nil || len(s.Claims) != len(now.Claims) || !slices.Equal(s.Unusual, now.Unusual) || len(Without(now.UntilApproved, s.UntilApproved)) > 0 {
		return false
	}
	account := s.Account
	if chosen := choice.AccountAddress(); chosen != "" {
		account = chosen
	}
	if now.Account != account {
		return false
	}
	for i, was := range s.Claims {
		is := now.Claims[i]
		if len(was.Offers) > 0 {
			if !was.matchesOffer(is, choice) {
				return false
			}
		} else if len(is.Offers) > 0 {
			return false
		} else if is.Account != was.Account && (was.Account != s.Account || is.Account != account) {
			return false
		} else if was.Owner != is.Owner || was.About != is.About || was.ContentHash != is.ContentHash {
			return false
		}
		if was.Type != is.Type || was.NotHeld != is.NotHeld ||
			was.AlwaysAsk != is.AlwaysAsk || !slices.Equal(was.Unusual, is.Unusual) || len(Without(is.UntilApproved, was.UntilApproved)) > 0 {
			return false
		}
	}
	return true
}

// matchesOffer reports whether a claim that offers something is answered with what was chosen or shown, as it was.
func (c ShownClaim) matchesOffer(now ShownClaim, choice Choice) bool {
	about := c.answers(choice)
	if now.About != about {
		return false
	}
	if about == "" {
		return now.Account == c.Account // the owner has to choose, now as before
	}
	was, shown := c.offer(about)
	is, offered := now.offer(about)
	return shown && offered && was.Account == is.Account && was.Owner == is.Owner && was.ContentHash == is.ContentHash &&
		was.AlwaysAsk == is.AlwaysAsk && slices.Equal(was.Unusual, is.Unusual)
}

// Digest returns the digest of an approval, in hex: SHA3-256 over the digest of the request, which covers the
// requester and the wallet, and over what was shown. The audit entries of the request, of the approval and of
// the collection hold it.
func (s *Shown) Digest(request []byte) string {
	if s == nil {
		return ""
	}
	text, err := json.Marshal(s)
	if err != nil {
		return "" // a value of strings alone always marshals
	}
	h := sha3.New256()
	h.Write([]byte("walletd approval v1\x00"))
	h.Write(request)
	h.Write(text)
	return hex.EncodeToString(h.Sum(nil))
}
