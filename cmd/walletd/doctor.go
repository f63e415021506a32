package main

import (
	"context"
	"errors"
	"fmt"
)

// doctorCmd looks and changes nothing, but for bringing the store's schema up to date, as serve does.
type doctorCmd struct {
	storeFlags
	TLSCert        string `name:"tls-cert" type:"path" placeholder:"FILE" help:"The certificate chain that serve uses."`
	TLSKey         string `name:"tls-key" type:"path" placeholder:"FILE" help:"Its key."`
	PassphraseFile string `type:"path" placeholder:"FILE" help:"The passphrase file that serve uses. Its content is not looked at."`
	URL            string `name:"url" env:"WALLETD_URL" placeholder:"URL" help:"A running service to ask too. ${listen} on this machine, if not given."`
}

// finding is the outcome of one check.
type finding struct {
	Check string `json:"check"`
	State string `json:"state"` // ok, note, or bad
	Found string `json:"found"`
	Do    string `json:"do,omitempty"`
}

// States of a finding: a note is worth knowing and needs nothing done.
const (
	stateOK   = "ok"
	stateNote = "note"
	stateBad  = "bad"
)

// examination collects findings.
type examination struct{ findings []finding }

func (e *examination) ok(check, format string, args ...any) {
	e.findings = append(e.findings, finding{check, stateOK, fmt.Sprintf(format, args...), ""})
}

func (e *examination) note(check, do, format string, args ...any) {
	e.findings = append(e.findings, finding{check, stateNote, fmt.Sprintf(format, args...), do})
}

func (e *examination) bad(check, do, format string, args ...any) {
	e.findings = append(e.findings, finding{check, stateBad, fmt.Sprintf(format, args...), do})
}

// failed notes an error, with the hint that it would get as the end of a command.
func (e *examination) failed(check string, err error) {
	do := hintFor(err)
	if h, ok := errors.AsType[*hintError](err); ok && len(h.hints) > 0 {
		do = h.hints[0]
	}
	e.bad(check, do, "%s", err)
}

func (cmd *doctorCmd) Run(ctx context.Context, con *console, undone hardening) error {
	e := new(examination)
	e.memory(undone)
	if cmd.Data != "" {
		e.directory(cmd.Data)
	}
	if cmd.Data != "" || cmd.Store != "" {
		url, err := cmd.storeFlags.url()
		if err != nil {
			return err
		}
		e.store(ctx, url)
	} else {
		e.note("store", "name it: --data DIR, or --store URL", "not looked at")
	}
	if cmd.TLSCert != "" || cmd.TLSKey != "" {
		e.tls(cmd.TLSCert, cmd.TLSKey)
	}
	if cmd.PassphraseFile != "" {
		e.secretFile("passphrase file", cmd.PassphraseFile)
	}
	e.service(ctx, cmd.URL)
	e.leftovers()
	return con.printFindings(e.findings)
}

func (con *console) printFindings(findings []finding) error {
	bad := 0
	for _, f := range findings {
		if f.State == stateBad {
			bad++
		}
	}
	if con.json {
		if err := con.printJSON(map[string]any{"ok": bad == 0, "findings": findings}); err != nil {
			return err
		}
	} else {
		for _, f := range findings {
			con.printf("%-4s  %-16s %s\n", f.State, f.Check, shown(f.Found))
			if f.Do != "" {
				con.printf("      %-16s -> %s\n", "", shown(f.Do))
			}
		}
	}
	if bad > 0 {
		return withHint(fmt.Errorf("%d of %d checks found something wrong", bad, len(findings)))
	}
	return nil
}
