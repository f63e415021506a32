package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"time"

	"walletd/internal/ledger"
	"walletd/internal/store"
)

type auditHeadsCmd struct {
	storeFlags
	Log []string `sep:"none" placeholder:"FILE" help:"The service's log, kept elsewhere, as it was written: each tree of heads that it names must be in the store. - is the standard input; may be given again."`
}

const (
	patientRead = time.Minute // for the heads of one moment
	maxLogLine  = 1 << 20
	faultsShown = 20   // as text
	faultsJSON  = 1000 // as JSON
)

// headsFound is the outcome, as JSON.
type headsFound struct {
	OK          bool        `json:"ok"`
	Trees       int64       `json:"trees"`
	Heads       int64       `json:"heads"`
	Archived    int64       `json:"archived"`
	Twice       int64       `json:"twice"`
	Unstored    int64       `json:"unstored"`
	Unnamed     int64       `json:"unnamedTrees"`
	Alone       int64       `json:"alone"`
	Foreign     int64       `json:"foreign"`
	Logged      int64       `json:"logged"`
	LoggedOther int64       `json:"loggedOther"`
	Key         string      `json:"key"`
	Faults      int64       `json:"faults"`
	Found       []headFault `json:"found"` // the first of the faults
	Unknown     []string    `json:"unknown"`
}

type headFault struct {
	SignedAt time.Time `json:"signedAt"`
	Chain    string    `json:"chain,omitempty"`
	Seq      int64     `json:"seq,omitempty"`
	Heads    int64     `json:"heads,omitempty"`
	Why      string    `json:"why"`
}

// Run looks for the heads in a store. Nothing is opened that is sealed, and nothing is written but for bringing the schema
// up to date, as serve does.
func (cmd *auditHeadsCmd) Run(ctx context.Context, out *console) (err error) {
	url, err := cmd.storeFlags.url()
	if err != nil {
		return err
	}
	st, err := store.Open(ctx, url, store.Options{Patience: patientRead, Migrating: func(m store.Migration) {
		if m.Copy != "" {
			out.notef("The schema of the store is brought up to date; as it was, it is in %s\n", shown(m.Copy))
		}
	}})
	if errors.Is(err, store.ErrInUse) {
		return withHint(err, "look at a copy: walletd keystore snapshot --out DIR/"+storeFile+", then walletd audit heads --data DIR")
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()

	found := headsFound{Found: []headFault{}, Unknown: []string{}}
	p := out.startProgress("looking for heads")
	log := logFiles{paths: cmd.Log}
	check := ledger.HeadCheck{
		Store: st,
		Seen:  func(at time.Time) { p.phase("looked for the heads until "+at.UTC().Format(time.RFC3339), 0) },
		Fault: func(f ledger.HeadFault) {
			if len(found.Found) < faultsJSON {
				found.Found = append(found.Found, headFault{time.UnixMilli(f.Time).UTC(), f.Chain, f.Seq, f.Heads, f.Why})
			}
		},
	}
	if len(cmd.Log) > 0 {
		check.Log = log.trees()
	}
	checked, err := check.Check(ctx)
	p.end()
	if err == nil && log.damaged > 0 {
		checked.Unknown = append(checked.Unknown, fmt.Sprintf("what %d lines of the log name that are cut, or were changed; the first is line %s", log.damaged, log.first))
	}
	found.take(checked)
	switch {
	case err != nil && found.Faults == 0:
		return cmd.failed(err)
	case err == nil && len(cmd.Log) > 0 && checked.Logged == 0:
		err = withHint(errors.New("the log names no heads"), `its lines that do say "heads of the audit logs": give them as walletd wrote them, as JSON`)
	}
	if e := show(out, found, nil, func(f headsFound) { out.printHeads(f, checked) }); e != nil {
		return e
	}
	if found.Faults > 0 {
		err = withHint(errors.Join(fmt.Errorf("heads that were signed are missing, or are not as they were signed: %d faults", found.Faults), err),
			"store a copy of the store as it is, and look at who can write to it; older copies and exports (walletd audit verify FILE) show what the records held",
			"if an older copy of the store was put in its place, this is what was recorded since")
	}
	return err
}

func (cmd *auditHeadsCmd) failed(err error) error {
	if errors.Is(err, ledger.ErrOtherLog) {
		return withHint(err, "is this the store's log? If it is, another store was put in its place, or its heads were signed anew with another key")
	}
	return err
}

func (f *headsFound) take(c ledger.CheckedHeads) {
	f.OK = c.Faults == 0
	f.Trees, f.Heads, f.Archived, f.Twice, f.Unstored, f.Unnamed = c.Trees, c.Heads, c.Archived, c.Twice, c.Unstored, c.Unnamed.Trees
	f.Alone, f.Foreign, f.Logged, f.LoggedOther, f.Faults = c.Alone, c.Foreign, c.Logged, c.LoggedOther, c.Faults
	f.Key = hex.EncodeToString(c.Key)
	f.Unknown = append(f.Unknown, c.Unknown...)
}

func (con *console) printHeads(f headsFound, c ledger.CheckedHeads) {
	for i, fault := range f.Found {
		at := fault.SignedAt.Format(time.RFC3339)
		switch {
		case i == faultsShown:
			con.printf("… and %d more; --json shows %d\n", f.Faults-faultsShown, len(f.Found))
		case i > faultsShown:
		case fault.Chain == "":
			con.printf("bad: the tree of %d heads signed %s: %s\n", fault.Heads, at, shown(fault.Why))
		default:
			con.printf("bad: entry %d on the record of %s, signed %s: %s\n", fault.Seq, shown(fault.Chain), at, shown(fault.Why))
		}
	}
	con.printf("looked for %d heads of %d trees, as the store names them\n", f.Heads, f.Trees)
	if f.OK {
		con.printf("none is missing that should be there\n")
	}
	for _, line := range []struct {
		n    int64
		what string
	}{
		{f.Archived, "of them are of entries that are archived"},
		{f.Twice, "of them are in the tree of another replica, which signed the same"},
		{f.Unstored, "of them were never stored, since the process ended; their entries are there as they were signed"},
		{c.Unnamed.Trees - c.Unnamed.Broken, "other trees are whole, which the store does not name the heads of"},
		{f.Alone, "heads are in no tree, as earlier versions signed them"},
		{f.Foreign, "heads came with wallets that were restored, and were signed by another service"},
		{f.LoggedOther, "lines of the log are of other services"},
	} {
		if line.n > 0 {
			con.printf("%d %s\n", line.n, line.what)
		}
	}
	if f.Logged > 0 {
		con.printf("the log names %d trees, from %s to %s\n", f.Logged, time.UnixMilli(c.First).UTC().Format(time.RFC3339), time.UnixMilli(c.Last).UTC().Format(time.RFC3339))
	}
	if f.Key != "" {
		con.printf("signed with the key %s\n", f.Key)
	}
	for _, unknown := range f.Unknown {
		con.printf("not known: %s\n", shown(unknown))
	}
}

// logFiles are files with lines of the service's log.
type logFiles struct {
	paths   []string
	damaged int64  // lines that name heads and are not what was signed
	first   string // of those
}

// trees yields the trees of heads that the lines name, in their order. An error is the last element.
func (l *logFiles) trees() iter.Seq2[ledger.LoggedTree, error] {
	return func(yield func(ledger.LoggedTree, error) bool) {
		for _, path := range l.paths {
			if more, err := l.read(path, func(t ledger.LoggedTree) bool { return yield(t, nil) }); err != nil {
				yield(ledger.LoggedTree{}, err)
				return
			} else if !more {
				return
			}
		}
	}
}

func (l *logFiles) read(path string, yield func(ledger.LoggedTree) bool) (more bool, err error) {
	in := io.Reader(os.Stdin)
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return false, err
		}
		defer file.Close()
		in = file
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLogLine)
	for n := 1; lines.Scan(); n++ {
		_, text, _ := bytes.Cut(lines.Bytes(), []byte("{")) // what a journal writes before it
		if !bytes.Contains(text, []byte(`of the audit log`)) || !bytes.Contains(text, []byte(`"signature"`)) {
			continue
		}
		tree, ok := ledger.ReadLogLine(append([]byte("{"), text...))
		if !ok {
			if l.damaged++; l.damaged == 1 {
				l.first = fmt.Sprintf("%d of %s", n, path)
			}
			continue
		}
		if !yield(tree) {
			return false, nil
		}
	}
	if err := lines.Err(); err != nil {
		return false, withHint(fmt.Errorf("reading %s: %w", path, err), "is it the log of walletd serve, a line of JSON each?")
	}
	return true, nil
}
