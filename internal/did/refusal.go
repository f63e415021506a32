package did

import (
	"errors"
	"fmt"
)

// Refusal says that something the other side sent was refused by a rule of the
// protocol. Code is one of the stable codes of DID Connect reference section l
// ("jwt_expired", "did_invalid") or of the Matrix secret storage reference
// section 12 ("bad_mac"); programs and tests rely on it. Reason is a sentence for
// people and never holds text of the other side.
type Refusal struct {
	Code   string
	Reason string
}

// Refuse makes a refusal. The reason must be text of our own.
func Refuse(code, reason string) *Refusal {
	return &Refusal{Code: code, Reason: reason}
}

// Malformed is the refusal request_malformed: what came is no request. It wraps
// the cause, if one is given.
func Malformed(reason string, cause error) error {
	refusal := Refuse("request_malformed", reason)
	if cause != nil {
		return fmt.Errorf("%w: %w", refusal, cause)
	}
	return refusal
}

// Error gives the reason and the code.
func (r *Refusal) Error() string {
	return r.Reason + " (" + r.Code + ")"
}

// CodeOf gives the code of the first [Refusal] in err's chain, or "" if there
// is none.
func CodeOf(err error) string {
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		return refusal.Code
	}
	return ""
}
