package main

import (
	"errors"

	"walletd/internal/keystore"
	"walletd/internal/store"
)

// hintFor says what to try next about an error that carries no hint of its own; "" if there is
// nothing to say that the error does not say itself.
func hintFor(err error) string {
	if p, ok := errors.AsType[*problem](err); ok {
		return problemHints()[p.Code]
	}
	for _, h := range []struct {
		err  error
		hint string
	}{
		{store.ErrInUse, "stop the other one first: one walletd at a time has a data directory"},
		{store.ErrNotFound, "make it first: walletd init"},
		{store.ErrPasswordInURL, "put the password in a file that PGPASSFILE names, or use a service file or peer authentication"},
		{store.ErrNewerSchema, "run the walletd that wrote it, or a newer one"},
		{store.ErrDamaged, "restore the data directory from a copy; walletd doctor says more"},
		{store.ErrFull, "make room on its disk"},
		{store.ErrDevStore, "walletd serve --dev makes and removes its own store; use another directory"},
		{store.ErrUnavailable, "is the database running, and its address right?"},
		{keystore.ErrInitialised, "it has its operator's token already; walletd token create --role operator makes another"},
		{keystore.ErrNotInitialised, "make it first: walletd init"},
		{keystore.ErrRecipient, "a recipient begins with age1; age-keygen -y FILE shows the one of an identity"},
		{keystore.ErrIdentity, "an age identity file is what age-keygen writes"},
	} {
		if errors.Is(err, h.err) {
			return h.hint
		}
	}
	return ""
}

// problemHints says what to try next on this command line, by the code of the service's refusal.
func problemHints() map[string]string {
	return map[string]string{
		"locked":           "an operator unlocks it: walletd keystore unlock",
		"unauthorized":     "the token is unknown, revoked or expired, or another service's: look at WALLETD_TOKEN",
		"forbidden":        "owners decide, operators operate, apps ask: use a token of the other role (with serve --dev: --as ROLE)",
		"wrong_secret":     "each failure makes the next try slower; nothing is ever locked out",
		"busy":             "wait for the other unlock to end, then try again",
		"slots_missing":    "give each passphrase with another --passphrase-file, or --drop-missing to remove those slots",
		"last_slot":        "add another first: walletd keystore slot add",
		"host_refused":     "serve answers to its own address; name others with serve --host NAME",
		"rejected":         "the same question is not asked again for 10 minutes",
		"denied":           "the wallet's owner can see why: walletd policy test",
		"app_unknown":      "the wallet's owner makes a token for the app: walletd token create --role app",
		"expired":          "ask again: walletd claim",
		"changed":          "the question has ended; the app asks again and a new one is shown: walletd approvals list",
		"already_decided":  "see what was decided: walletd approvals show ID",
		"words_invalid":    "12 to 24 words of the English BIP-39 list, in their order",
		"backup_invalid":   "what it says it holds: walletd backup inspect; a copy that was not cut or changed is needed",
		"backup_too_large": "leave the record out with --without-record, and keep it with walletd audit export",
		"seed_invalid":     "a seed is 128 digits in hex",
		"clock":            "set the clock of the service's machine",
		"storage_full":     "make room on the store's disk; nothing was given",
		"salt_mismatch":    "the salt must name the account that the delegation is for",
		"account_not_held": "the wallet must hold the account: walletd account import",
	}
}
