package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"walletd/api"
	"walletd/api/client"
	"walletd/internal/keystore"
	"walletd/internal/store"
)

// Exit codes of every command.
const (
	exitOK      = 0
	exitFailed  = 1 // refused, or failed
	exitUsage   = 2 // the command line is not one
	exitPending = 3 // the owner has not answered
)

// hintError is an error and what to try next.
type hintError struct {
	err   error
	hints []string
}

// Error is that of the error.
func (e *hintError) Error() string { return e.err.Error() }

// Unwrap returns the error.
func (e *hintError) Unwrap() error { return e.err }

// withHint adds what to try next to an error. Hints are sentences without a full stop.
func withHint(err error, hints ...string) error {
	return &hintError{err, hints}
}

// usageError is a command line that cannot be run as it is.
type usageError struct{ err error }

// Error is that of the error.
func (e usageError) Error() string { return e.err.Error() }

// Unwrap returns the error.
func (e usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// fail shows an error, if there is one, and returns the exit code.
func (con *console) fail(err error) int {
	if err == nil {
		return exitOK
	}
	var hints []string
	if h, ok := errors.AsType[*hintError](err); ok {
		hints = h.hints
	} else if h := hintFor(err); h != "" {
		hints = []string{h}
	}
	if con.json {
		con.failJSON(err, hints)
	} else {
		fmt.Fprintf(con.err, "walletd: %s\n", inWords(err))
		for _, hint := range hints {
			fmt.Fprintf(con.err, "walletd: hint: %s\n", hint)
		}
	}
	switch {
	case isUsage(err):
		return exitUsage
	case isPending(err):
		return exitPending
	}
	return exitFailed
}

func isUsage(err error) bool {
	_, ok := errors.AsType[usageError](err)
	return ok || errors.Is(err, client.ErrURL) || errors.Is(err, client.ErrWhichWallet)
}

func isPending(err error) bool {
	_, ok := errors.AsType[*client.PendingError](err)
	return ok
}

// inWords is an error for people: a refusal of the service is its sentence with the code behind.
func inWords(err error) string {
	p, ok := errors.AsType[*api.Problem](err)
	if !ok {
		return err.Error()
	}
	s := fmt.Sprintf("%s (%s)", shown(p.Detail), shown(string(p.Code)))
	if p.ID != "" {
		s += " id " + shown(p.ID)
	}
	for _, slot := range p.Slots {
		s += fmt.Sprintf(" slot %q", slot)
	}
	return s
}

// failJSON shows an error as one JSON object; that of a service with its code.
func (con *console) failJSON(err error, hints []string) {
	out := struct {
		Error  string   `json:"error"`
		Status int      `json:"status,omitempty"`
		Code   api.Code `json:"code,omitempty"`
		ID     string   `json:"id,omitempty"`
		Slots  []string `json:"slots,omitempty"`
		Hints  []string `json:"hints,omitempty"`
	}{Error: err.Error(), Hints: hints}
	if p, ok := errors.AsType[*api.Problem](err); ok {
		out.Error, out.Status, out.Code, out.ID, out.Slots = p.Detail, p.Status, p.Code, p.ID, p.Slots
	}
	b, err := json.Marshal(out)
	if err != nil {
		b = []byte(`{"error":"an error that cannot be shown"}`)
	}
	io.WriteString(con.err, string(b)+"\n")
}

// hintFor says what to try next about an error that carries no hint of its own; "" if there is
// nothing to say that the error does not say itself.
func hintFor(err error) string {
	if p, ok := errors.AsType[*api.Problem](err); ok {
		return problemHints()[p.Code]
	}
	if e, ok := errors.AsType[*client.UnreachableError](err); ok {
		return fmt.Sprintf("is walletd running at %s? Start it with walletd serve, or set WALLETD_URL", shown(e.URL))
	}
	if _, ok := errors.AsType[*client.AnswerError](err); ok {
		return "is the address that of walletd? It answers GET /healthz"
	}
	for _, h := range []struct {
		err  error
		hint string
	}{
		{client.ErrWhichWallet, "give --wallet z1…; walletd wallet list shows them"},
		{api.ErrNotText, "it holds bytes that are no text: encode them first, as with base64"},
		{client.ErrNoSuchCode, "walletd approvals list shows what waits"},
		{store.ErrInUse, "stop the other one first: one walletd at a time has a data directory"},
		{store.ErrNotFound, "make it first: walletd init"},
		{store.ErrPasswordInURL, "put the password in a file that PGPASSFILE names, or use a service file or peer authentication"},
		{store.ErrNewerSchema, "run the walletd that wrote it, or a newer one"},
		{store.ErrDamaged, "restore the data directory from a copy; walletd doctor says more"},
		{store.ErrFull, "make room on its disk"},
		{store.ErrDevStore, "walletd serve --dev makes and removes its own store; use another directory"},
		{store.ErrUnavailable, "may this user read and write its file; or, with PostgreSQL, is the database running, and its address right?"},
		{keystore.ErrInitialised, "it has its operator's token already; walletd token create --role operator makes another, and where all are lost, walletd store token"},
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
func problemHints() map[api.Code]string {
	return map[api.Code]string{
		api.CodeJSONUnknownMember:  "members are called as --help and walletd openapi have them, in the same case",
		api.CodeLocked:             "an operator unlocks it: walletd keystore unlock",
		api.CodeUnauthorized:       "the token is unknown, revoked or expired, or another service's: look at WALLETD_TOKEN",
		api.CodeForbidden:          "owners decide, operators operate, apps ask: use a token of the other role (with serve --dev: --as ROLE)",
		api.CodeWrongSecret:        "each failure makes the next try slower; nothing is ever locked out",
		api.CodeBusy:               "wait until the other one is done, then try again",
		api.CodeSlotsMissing:       "give each passphrase with another --passphrase-file, or --drop-missing to remove those slots",
		api.CodePassphraseShort:    "choose one of 12 characters or more, as of several words",
		api.CodeLastSlot:           "add another first: walletd keystore slot add",
		api.CodeHostRefused:        "serve answers to its own address; name others with serve --host NAME",
		api.CodeRejected:           "the same request is not put to the owner again for 10 minutes",
		api.CodeDenied:             "the wallet's owner can see why: walletd policy test",
		api.CodeAppUnknown:         "the wallet's owner makes a token for the app: walletd token create --role app",
		api.CodeExpired:            "ask again: walletd claim",
		api.CodeChanged:            "the approval has ended; the app asks again and a new one is shown: walletd approvals list",
		api.CodeAlreadyDecided:     "see what was decided: walletd approvals show ID",
		api.CodePreconditionFailed: "walletd secret list shows the ETag that it has now; --replace replaces whatever is there",
		api.CodeRateLimited:        "wait until some of what waits is decided: walletd approvals list",
		api.CodeWordsInvalid:       "12 to 24 words of the English BIP-39 list, in their order",
		api.CodeBackupInvalid:      "what it says it holds: walletd backup inspect; a copy that was not cut or changed is needed",
		api.CodeBackupTooLarge:     "leave the record out with --without-record, and store it with walletd audit export",
		api.CodeSeedInvalid:        "a seed is 128 digits in hex",
		api.CodeClock:              "set the clock of the service's machine",
		api.CodeStorageFull:        "make room on the store's disk; nothing was issued",
		api.CodeUnavailable:        "is the service's database running? walletd health --ready says what is missing",
		api.CodeSaltMismatch:       "the salt must name the account that the delegation is for",
		api.CodeAccountNotHeld:     "the wallet must hold the account: walletd account import",
	}
}
