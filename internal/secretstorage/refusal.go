package secretstorage

import "errors"

// Refusal says why something was refused. Code is stable; programs and tests rely on it. Reason is
// a sentence for people and holds nothing of what was refused.
//
// The codes of reference section 12 that arise here: malformed, bad_base64, bad_iv, bad_mac,
// bad_secret, not_utf8, bad_key, unknown_algorithm, no_match, no_default_key, no_usable_copy,
// not_encrypted, not_found, bad_passphrase_info, bad_base58, bad_length, bad_prefix, bad_parity,
// bad_padding. Our own, for the limits of section 3: bad_name (a secret may not have this name),
// empty_secret (clients could not read it back), too_large.
type Refusal struct {
	Code   string
	Reason string
}

func refuse(code, reason string) *Refusal { return &Refusal{Code: code, Reason: reason} }

// Error gives the reason and the code.
func (r *Refusal) Error() string { return r.Reason + " (" + r.Code + ")" }

// CodeOf gives the code of the first [Refusal] in err's chain, "" if there is none.
func CodeOf(err error) string {
	if r, ok := errors.AsType[*Refusal](err); ok {
		return r.Code
	}
	return ""
}
