package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"walletd/internal/keystore"
	"walletd/internal/store"
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
		if err := con.JSON(map[string]any{"ok": bad == 0, "findings": findings}); err != nil {
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

// memory looks at what else could write this machine's memory down.
func (e *examination) memory(undone hardening) {
	if len(undone) == 0 {
		e.ok("core files", "off, and the process is not dumpable")
	}
	for _, err := range undone {
		e.note("core files", "", "%s", err)
	}
	// The first line is a heading. Where there is no such file there is nothing to say.
	if swaps, err := os.ReadFile("/proc/swaps"); err == nil {
		if strings.Count(string(swaps), "\n") > 1 {
			e.note("swap", "encrypt it or turn it off: swapoff -a", "on: memory that holds keys may be written to it")
		} else {
			e.ok("swap", "off")
		}
	}
	if readBuild().RuntimeSecret {
		e.ok("runtime secret", "on")
	} else {
		e.note("runtime secret", "build with GOEXPERIMENT=runtimesecret", "off: registers and stack are not erased behind keys")
	}
}

// directory looks at the modes of a data directory and of what is in it.
func (e *examination) directory(dir string) {
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		e.bad("data directory", "make it: walletd init --data "+shellQuote(dir), "%s is not there", dir)
		return
	}
	if err != nil || !info.IsDir() {
		e.bad("data directory", "", "%s cannot be looked at, or is no directory", dir)
		return
	}
	sound := true
	check := func(path string, info fs.FileInfo, mode string) {
		switch {
		case info.Mode().Perm()&0o077 != 0:
			sound = false
			e.bad("data directory", "chmod "+mode+" "+shellQuote(path), "%s can be read by others (mode %04o)", path, info.Mode().Perm())
		case !ownedByMe(info):
			sound = false
			e.bad("data directory", "run walletd as the user that owns it", "%s is another user's", path)
		}
	}
	check(dir, info, "700")
	entries, err := os.ReadDir(dir)
	if err != nil {
		e.failed("data directory", err)
		return
	}
	var strange []string
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() {
			check(filepath.Join(dir, entry.Name()), info, "600")
		}
		if strings.HasPrefix(entry.Name(), "before-") || entry.Name() == ".walletd.db-litestream" {
			continue // what store restore moved away, or was copied before a migration; and Litestream's own
		}
		if !slices.Contains([]string{storeFile, storeFile + "-wal", storeFile + "-shm", "walletd.lock"}, entry.Name()) {
			strange = append(strange, entry.Name())
		}
	}
	if len(strange) > 0 {
		e.note("data directory", "move away what does not belong there", "it holds what walletd did not make: %s", strings.Join(strange, ", "))
	}
	if sound {
		e.ok("data directory", "%s is closed to others", dir)
	}
}

// store opens the store as serve does, and looks at the keystore in it.
func (e *examination) store(ctx context.Context, url string) {
	st, err := store.Open(ctx, url, store.Options{Migrating: func(m store.Migration) {
		if m.Copy != "" {
			e.note("store", "", "its schema was brought up to date; as it was, it is in %s", m.Copy)
		}
	}})
	if errors.Is(err, store.ErrInUse) {
		e.note("store", "", "in use: a walletd runs with it, so that only that one can look inside")
		return
	}
	if err != nil {
		e.failed("store", err)
		return
	}
	defer st.Close()
	e.ok("store", "it opens, and its schema is this walletd's")
	e.clock(ctx, st)
	state, err := keystore.New(st, keystore.Options{}).Status(ctx)
	if err != nil {
		e.failed("keystore", err)
		return
	}
	e.ok("keystore", "%d slots, root key %d", len(state.Slots), state.Generation)
	if len(state.Slots) == 1 {
		e.note("keystore", "add another: walletd keystore slot add --name recovery --recipient age1…", "one slot: if its secret is lost, all is lost")
	}
	for _, slot := range state.Slots {
		if slot.Weak {
			e.note("keystore", "unlock once with that passphrase: the slot is made anew", "a guess at the passphrase of the slot %q costs too little", slot.Name)
		}
	}
	if state.Rotating {
		e.note("keystore", "unlock it: the rotation goes on by itself", "a rotation of the root key is not finished")
	}
	if state.Failures > 0 {
		e.note("keystore", "if those were not you: walletd audit show --service", "%d failed unlocks since the last that worked", state.Failures)
	}
}

// clock compares the clock with the newest time in the store, and with the database's.
func (e *examination) clock(ctx context.Context, st *store.Store) {
	behind, ahead := st.ClockBehind(), st.ClockAhead()
	switch newest, err := st.NewestEnd(ctx); {
	case ahead > store.MaxAhead:
		e.bad("clock", "set the clock: nothing is written while it is 30 seconds ahead", "%s ahead of the database's", ahead.Round(time.Second))
	case err != nil:
		e.failed("clock", err)
	case behind > time.Minute:
		e.bad("clock", "set the clock; if it is right, and a clock was once ahead: walletd keystore clock --accept",
			"%s behind the newest time in the store: entry %d on the record of %s is of %s", behind.Round(time.Second), newest.Seq, newest.Chain, time.UnixMilli(newest.Time).UTC().Format(time.DateTime))
	default:
		e.ok("clock", "not behind the store")
	}
}

// tls looks at a certificate and its key as serve would use them.
func (e *examination) tls(certFile, keyFile string) {
	if info, err := os.Stat(keyFile); err == nil && info.Mode().Perm()&0o004 != 0 {
		e.bad("TLS", "chmod 600 "+shellQuote(keyFile), "everybody can read the key %s", keyFile)
	}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		e.bad("TLS", "give --tls-cert and --tls-key PEM files that belong together", "%s", err)
		return
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		e.bad("TLS", "", "the certificate cannot be read: %s", err)
		return
	}
	left := time.Until(leaf.NotAfter)
	switch names := strings.Join(leaf.DNSNames, ", "); {
	case left <= 0:
		e.bad("TLS", "renew it; walletd takes the new one up by itself", "the certificate for %s ended on %s", names, leaf.NotAfter.Format(time.DateOnly))
	case time.Now().Before(leaf.NotBefore):
		e.bad("TLS", "look at the clock", "the certificate for %s begins on %s", names, leaf.NotBefore.Format(time.DateOnly))
	case left < 14*24*time.Hour:
		e.note("TLS", "renew it; walletd takes the new one up by itself", "the certificate for %s ends on %s", names, leaf.NotAfter.Format(time.DateOnly))
	default:
		e.ok("TLS", "the certificate for %s is good until %s", names, leaf.NotAfter.Format(time.DateOnly))
	}
}

// secretFile looks at the mode of a file, not at what is in it.
func (e *examination) secretFile(check, path string) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		e.failed(check, err)
	case info.Mode().Perm()&0o066 != 0:
		e.bad(check, "chmod 600 "+shellQuote(path), "%s can be read or written by others (mode %04o)", path, info.Mode().Perm())
	default:
		e.ok(check, "%s is closed to others", path)
	}
}

// service asks a running service for its state. That none runs is a fault only if one was named.
func (e *examination) service(ctx context.Context, url string) {
	named := url != ""
	if !named {
		url = "http://" + defaultListen
	}
	status, state, err := probe(ctx, url, "/readyz")
	switch {
	case err != nil && named:
		e.bad("service", "start it: walletd serve", "%s does not answer: %s", url, err)
	case err != nil:
		e.note("service", "", "none runs at %s", url)
	case status != http.StatusOK:
		e.note("service", notReady(state), "%s is not ready: %s", url, state)
	default:
		e.ok("service", "%s is ready", url)
	}
}

// leftovers looks for what a serve --dev that was killed left here.
func (e *examination) leftovers() {
	if _, err := os.Lstat(devDir); err != nil {
		return
	}
	found, err := devFile("url")
	url := string(found.Reveal())
	if err != nil {
		e.note("leftovers", "serve --dev replaces its own; remove any other", "%s is here, and no serve --dev", devDir)
		return
	}
	if _, _, err := probe(context.Background(), url, "/healthz"); err != nil {
		e.note("leftovers", "rm -r "+devDir, "%s is here, but its service is gone", devDir)
		return
	}
	e.ok("leftovers", "serve --dev runs here, at %s", url)
}
