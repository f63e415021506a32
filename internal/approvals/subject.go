package approvals

import (
	"slices"
	"strings"
)

// Subjects are what the claims of a request are for, one text for each: the type, the account, the bytes of
// the salt, the delegation, and what the claim is about. The words of the request do not count, so an app
// cannot make another request of a rejected one by changing them.
type Subjects []string

// NewSubjects returns the subjects of claims as they are shown to the owner. shown is nil for an approval
// that an earlier version stored.
func NewSubjects(claims []ClaimView, shown *Shown) Subjects {
	all := make(Subjects, len(claims))
	for i, c := range claims {
		parts := []string{c.Type, c.Account, "", "", ""}
		if c.Salt != nil {
			parts[2] = "salt " + c.Salt.Hex
		}
		if c.Delegation != nil {
			parts[3] = c.Delegation.Hash
		}
		if shown != nil && i < len(shown.Claims) {
			parts[4] = shown.Claims[i].About
		}
		all[i] = strings.Join(parts, "\x00")
	}
	return all
}

// Contain reports whether a request with these subjects asks for everything that another one did.
func (s Subjects) Contain(other Subjects) bool {
	for _, subject := range other {
		if !slices.Contains(s, subject) {
			return false
		}
	}
	return true
}

// salts are the salts alone that claims name.
func salts(claims []ClaimView) Subjects {
	var all Subjects
	for _, c := range claims {
		if c.Salt != nil {
			all = append(all, c.Salt.Hex)
		}
	}
	return all
}
