package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"walletd/api"
	"walletd/api/client"
	"walletd/internal/keystore"
	"walletd/internal/ledger"
	"walletd/internal/store"
)

type auditCmd struct {
	Show     auditShowCmd     `cmd:"" help:"Show entries of the record."`
	Verify   auditVerifyCmd   `cmd:"" help:"Check that the record holds together: by the service, or an exported FILE and archives offline."`
	Export   auditExportCmd   `cmd:"" help:"Write the whole record but for what is archived, to be checked offline."`
	Heads    auditHeadsCmd    `cmd:"" help:"Look in a store for every head that was signed, and for what the service's log names. No service is needed."`
	Archive  auditArchiveCmd  `cmd:"" help:"Move the oldest entries of wallets' records into files of the service's directory for archives (operator)."`
	Archives auditArchivesCmd `cmd:"" help:"List the files that entries of the record were moved to (owner)."`
	Open     auditOpenCmd     `cmd:"" help:"Check an archive, and show its entries with the wallet's words. No service is needed."`
}

// chainFlags say whose record is meant.
type chainFlags struct {
	remote
	Wallet  string `xor:"chain" placeholder:"WALLET" help:"The record of this wallet (owner). An owner's own, if not given."`
	Service bool   `xor:"chain" help:"The service's own record: what operators do (operator)."`
}

// ProvideAudit opens the record for whoever may read it.
func (f chainFlags) ProvideAudit(con *console) (*client.Audit, error) {
	if f.Service {
		c, err := f.open(con, api.RoleOperator)
		if err != nil {
			return nil, err
		}
		return c.Audit(), nil
	}
	c, err := f.open(con, api.RoleOwner)
	if err != nil {
		return nil, err
	}
	return c.Wallet(f.Wallet).Audit(), nil
}

type auditShowCmd struct {
	chainFlags
	After int64 `placeholder:"N" help:"Only entries after this number."`
	Limit int   `default:"50" placeholder:"N" help:"At most this many, up to 200."`
}

// Run lists entries.
func (cmd *auditShowCmd) Run(ctx context.Context, a *client.Audit, out *console) error {
	l, err := a.Records(ctx, api.RecordsQuery{After: cmd.After, Limit: cmd.Limit})
	return show(out, l, err, func(l api.List[api.Record]) {
		rows := make([][]string, len(l.Items))
		for i, e := range l.Items {
			rows[i] = []string{formatInt(e.Seq), day(e.Time), e.Kind, string(e.Entry)}
		}
		out.Table("NUMBER TIME KIND ENTRY", rows)
		if l.Next != "" {
			out.notef("There are more: --after %s\n", shown(l.Next))
		}
	})
}

func formatInt(n int64) string { return strconv.FormatInt(n, 10) }

type auditExportCmd struct {
	chainFlags
	outFlag
}

// Run writes the record.
func (cmd *auditExportCmd) Run(ctx context.Context, a *client.Audit, out *console) error {
	record, err := a.Export(ctx)
	if err != nil {
		return err
	}
	defer record.Close()
	if err := cmd.write(out, record); err != nil {
		return fmt.Errorf("reading the record from the service: %w", err)
	}
	return nil
}

type auditVerifyCmd struct {
	chainFlags
	File []string `arg:"" optional:"" type:"path" help:"A record that audit export wrote, and archives of what was before it, in any order; they are checked here as one record, without a key or a service."`
	Head string   `placeholder:"FILE" type:"path" help:"A head kept elsewhere that the record in FILE must contain: a line of the service's log, or the head that audit verify --json shows."`
}

// Validate refuses flags that do not go together.
func (cmd *auditVerifyCmd) Validate() error {
	if len(cmd.File) == 0 && cmd.Head != "" {
		return usagef("--head is for a record in a file: walletd audit verify FILE --head HEAD")
	}
	if len(cmd.File) > 0 && (cmd.Service || cmd.Wallet != "") {
		return usagef("a file says itself whose record it is: leave --wallet and --service out")
	}
	return nil
}

// verification is what was found; a record in a file says itself whose it is.
type verification struct {
	api.Verification
	Head     *chainHead    `json:"head,omitempty"`
	Passkeys []passkeyUses `json:"passkeys,omitempty"`
	// Files are those of several that FirstBad is about, between which entries are missing if Missing says so.
	Files   []string `json:"files,omitempty"`
	Missing bool     `json:"missing,omitempty"`
}

// passkeyUses is what a passkey of an exported record signed.
type passkeyUses struct {
	Passkey   string `json:"passkey"`
	Owner     string `json:"owner"`
	Name      string `json:"name"`
	Decisions int64  `json:"decisions"`
	Actions   int64  `json:"actions"`
	Removed   bool   `json:"removed,omitempty"`
	Archived  bool   `json:"archived,omitempty"` // it was added in an entry that is archived, and not shown
}

type chainHead struct {
	Chain string `json:"chain,omitempty"`
	api.Head
}

// Run checks a record, and fails if it does not hold together.
func (cmd *auditVerifyCmd) Run(ctx context.Context, out *console) error {
	v, err := cmd.verify(ctx, out)
	if err := show(out, v, err, out.printVerification); err != nil {
		return err
	}
	if !v.OK {
		return withHint(errors.New("the record does not hold together"), cmd.hint(v))
	}
	return nil
}

// hint says what to do about a record that does not hold together.
func (cmd *auditVerifyCmd) hint(v verification) string {
	switch {
	case v.Missing:
		return "entries are missing between " + quoted(v.Files) + ": give the archives of them too; walletd audit archives lists all"
	case len(v.Files) == 1:
		return "somebody changed " + quoted(v.Files) + ": look for another copy of it, and at who can write to it"
	case len(v.Files) > 1:
		return "one of " + quoted(v.Files) + " was changed, or is another's: look for other copies of them, and at who can write to them"
	}
	return "somebody changed it: store a copy as it is, and look at who can write to the store"
}

// quoted lists files as a shell takes them.
func quoted(files []string) string {
	all := make([]string, len(files))
	for i, f := range files {
		all[i] = shellQuote(f)
	}
	if last := len(all) - 1; last > 0 {
		return strings.Join(all[:last], ", ") + " and " + all[last]
	}
	return strings.Join(all, "")
}

func (cmd *auditVerifyCmd) verify(ctx context.Context, out *console) (v verification, err error) {
	if len(cmd.File) > 0 {
		return cmd.offline()
	}
	a, err := cmd.ProvideAudit(out)
	if err != nil {
		return v, err
	}
	v.Verification, err = a.Verify(ctx)
	if h := v.Verification.Head; h != nil {
		v.Head = &chainHead{Head: *h}
	}
	return v, err
}

func (con *console) printVerification(v verification) {
	switch {
	case v.FirstBad != nil && len(v.Files) > 0:
		con.printf("entry %d does not fit: %s (%s)\n", v.FirstBad.Seq, shown(v.FirstBad.Why), shown(quoted(v.Files)))
	case v.FirstBad != nil:
		con.printf("entry %d does not fit: %s\n", v.FirstBad.Seq, shown(v.FirstBad.Why))
	default:
		con.printf("%d entries follow from each other, %d signed heads fit\n", v.Entries, v.Heads)
	}
	if a := v.Archived; a != nil {
		con.printf("entries 1-%d are archived: the newest archive is %s, of entries %s, SHA-256 %s\n", a.Last, shown(a.File), entriesOf(*a), shown(a.SHA256))
	}
	if v.Head != nil {
		con.printf("newest head: entry %d, %s, %s\n", v.Head.Seq, shown(v.Head.Hash), v.Head.Time.UTC().Format(time.RFC3339))
	}
	for _, p := range v.Passkeys {
		name := p.Name
		switch {
		case p.Archived:
			con.printf("a passkey (%s) that was added in an archived entry signed %d approvals and %d other requests; all of it verifies with the key shown\n", shown(p.Passkey), p.Decisions, p.Actions)
			continue
		case name == "":
			name = "a passkey"
		}
		con.printf("%s (%s) of owner %s signed %d approvals and %d other requests; all of it verifies\n", shown(name), shown(p.Passkey), shown(p.Owner), p.Decisions, p.Actions)
	}
	if v.Unknown != "" {
		con.printf("not known: %s\n", shown(v.Unknown))
	}
}

// offline checks files without a key and without the service.
func (cmd *auditVerifyCmd) offline() (v verification, err error) {
	files := make([]io.ReaderAt, len(cmd.File))
	for i, path := range cmd.File {
		file, err := openSeekable(path)
		if err != nil {
			return v, err
		}
		defer file.Close()
		files[i] = file
	}
	found, err := cmd.verifyFiles(files)
	if err != nil {
		return v, cmd.naming(err)
	}
	v.Verification = api.Verification{OK: found.Bad == nil, Entries: found.Entries, Heads: found.Heads, Unknown: found.Unknown}
	if found.Bad != nil {
		v.FirstBad = &api.BadEntry{Seq: found.Bad.Seq, Why: found.Bad.Why}
		if v.Missing = found.Bad.Missing; len(files) > 1 {
			v.Files = cmd.named(found.Bad.Files)
		}
	}
	if a := found.Archived; a != nil {
		v.Archived = &api.Archive{
			First: a.First, Last: a.Last, At: time.UnixMilli(a.Time).UTC(), File: a.File, Size: a.Size, SHA256: hex.EncodeToString(a.Sum), Hash: hex.EncodeToString(a.Hash),
		}
	}
	for _, p := range found.Passkeys {
		v.Passkeys = append(v.Passkeys, passkeyUses(p))
	}
	if h := found.Head; h != nil {
		v.Head = &chainHead{h.Chain, api.Head{
			Seq: h.Seq, Hash: hex.EncodeToString(h.Hash), Time: time.UnixMilli(h.Time).UTC(),
			PublicKey: hex.EncodeToString(h.PublicKey), Signature: hex.EncodeToString(h.Signature),
		}}
	}
	return v, nil
}

// named returns the names of files.
func (cmd *auditVerifyCmd) named(numbers []int) []string {
	var names []string
	for _, n := range numbers {
		names = append(names, cmd.File[n])
	}
	return names
}

// naming has an error name the files that it is about.
func (cmd *auditVerifyCmd) naming(err error) error {
	of, ok := errors.AsType[*ledger.FileError](err)
	if !ok {
		return err
	}
	names := quoted(cmd.named(of.Files))
	if len(cmd.File) > 1 {
		err = fmt.Errorf("%s: %w", names, err)
	}
	if len(of.Files) > 1 {
		return withHint(err, "are "+names+" of one record, and what walletd audit export or audit archive wrote?")
	}
	return withHint(err, "is "+names+" what walletd audit export or audit archive wrote, whole?")
}

// verifyFiles checks the record in files, against the head that was given.
func (cmd *auditVerifyCmd) verifyFiles(files []io.ReaderAt) (ledger.Verification, error) {
	if cmd.Head == "" {
		return ledger.VerifyFiles(files, ledger.Given{})
	}
	chain, err := ledger.ChainIn(files[0])
	if err != nil {
		return ledger.Verification{}, err
	}
	known, err := os.ReadFile(cmd.Head)
	if err != nil {
		return ledger.Verification{}, err
	}
	if root, seq, ok := parseRoot(known, chain); ok {
		return ledger.VerifyFiles(files, ledger.Given{Root: &root, Seq: seq})
	}
	head, ok := parseHead(known)
	if !ok {
		return ledger.Verification{}, withHint(fmt.Errorf("%s holds no head", cmd.Head),
			`a head is a line of the service's log that says "heads of the audit logs", or what walletd audit verify --json prints once one was signed, a minute after the first entry`)
	}
	if head.Chain == "" {
		head.Chain = chain
	}
	return ledger.VerifyFiles(files, ledger.Given{Head: head})
}

// parseRoot reads the root of a tree of heads from a line of the service's log, and which entry of a chain it has a
// head of: 0 if the line does not say.
func parseRoot(b []byte, chain string) (root keystore.SignedRoot, seq int64, ok bool) {
	t, ok := ledger.ReadLogLine(b)
	for _, end := range t.Ends {
		if end.Chain == chain {
			seq = end.Seq
		}
	}
	return t.SignedRoot, seq, ok && t.Hash != nil
}

// openSeekable opens a file that is read more than once. What a pipe gives is first copied to a file without a name.
func openSeekable(path string) (*os.File, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
		return file, nil
	}
	defer file.Close()
	kept, err := os.CreateTemp("", "walletd-*")
	if err != nil {
		return nil, err
	}
	os.Remove(kept.Name())
	if _, err := io.Copy(kept, file); err != nil {
		kept.Close()
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return kept, nil
}

// parseHead reads a head in one of the forms it is met in: as the service shows it, by itself or
// in a whole answer of audit verify; and as a line of an earlier version's log, which has the chain, key for publicKey,
// and milliseconds in at. The chain is empty if it is not said.
func parseHead(b []byte) (*store.Head, bool) {
	type head struct {
		api.Head
		Chain, Key string
		At         int64
	}
	var v struct {
		Whole json.RawMessage `json:"head"`
		head
	}
	if json.Unmarshal(b, &v) != nil || v.Whole != nil && json.Unmarshal(v.Whole, &v.head) != nil {
		return nil, false
	}
	h := &store.Head{Chain: v.Chain, Seq: v.Seq, Time: v.At}
	if h.Time == 0 {
		h.Time = v.Time.UnixMilli()
	}
	var bad [3]error
	h.Hash, bad[0] = hex.DecodeString(v.Hash)
	h.PublicKey, bad[1] = hex.DecodeString(v.PublicKey + v.Key)
	h.Signature, bad[2] = hex.DecodeString(v.Signature)
	return h, errors.Join(bad[:]...) == nil && len(h.Hash) == 32 && len(h.PublicKey) == 32 && len(h.Signature) >= 64
}
