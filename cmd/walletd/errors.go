package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Exit codes of every command.
const (
	exitOK      = 0
	exitFailed  = 1 // refused, or failed
	exitUsage   = 2 // the command line is not one
	exitPending = 3 // claim: the person has not answered
)

// hintError is an error and what to try next.
type hintError struct {
	err   error
	hints []string
}

func (e *hintError) Error() string { return e.err.Error() }
func (e *hintError) Unwrap() error { return e.err }

// withHint adds what to try next to an error. Hints are sentences without a full stop.
func withHint(err error, hints ...string) error {
	return &hintError{err, hints}
}

// usageError is a command line that cannot be run as it is.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// errPending: the person has not answered; it is not a failure, but there is no answer either.
var errPending = errors.New("the person has not answered yet")

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
		fmt.Fprintf(con.err, "walletd: %s\n", err)
		for _, hint := range hints {
			fmt.Fprintf(con.err, "walletd: hint: %s\n", hint)
		}
	}
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	if errors.Is(err, errPending) {
		return exitPending
	}
	return exitFailed
}

// failJSON shows an error as one JSON object; that of a service with its code.
func (con *console) failJSON(err error, hints []string) {
	out := struct {
		Error  string   `json:"error"`
		Status int      `json:"status,omitempty"`
		Code   string   `json:"code,omitempty"`
		Slots  []string `json:"slots,omitempty"`
		Hints  []string `json:"hints,omitempty"`
	}{Error: err.Error(), Hints: hints}
	if p, ok := errors.AsType[*problem](err); ok {
		out.Error, out.Status, out.Code, out.Slots = p.Detail, p.Status, p.Code, p.Slots
	}
	b, err := json.Marshal(out)
	if err != nil {
		b = []byte(`{"error":"an error that cannot be shown"}`)
	}
	io.WriteString(con.err, string(b)+"\n")
}
