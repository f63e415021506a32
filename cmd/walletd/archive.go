package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"walletd/api"
	"walletd/api/client"
	"walletd/internal/derive"
	"walletd/internal/ledger"
	"walletd/internal/secret"
	"walletd/internal/store"
)

// moment is a time, or the beginning of a day in UTC.
type moment time.Time

// UnmarshalText reads 2026-01-31, or a time of RFC 3339.
func (m *moment) UnmarshalText(text []byte) error {
	t, err := time.Parse(time.DateOnly, string(text))
	if err != nil {
		t, err = time.Parse(time.RFC3339, string(text))
	}
	if err != nil {
		return errors.New("takes a day, as 2026-01-31, or a time, as 2026-01-31T12:00:00Z")
	}
	*m = moment(t)
	return nil
}

type auditArchiveCmd struct {
	asOperator
	Wallet string    `placeholder:"WALLET" help:"Only the record of this wallet. Those of all, if not given."`
	Keep   retention `placeholder:"TIME" help:"Archive what is older than this: 15d or more, in days or as 2160h."`
	Before moment    `placeholder:"TIME" help:"Or archive what is from before this time, as 2026-01-31 or 2026-01-31T12:00:00Z."`
}

// Validate wants one of the two times.
func (cmd *auditArchiveCmd) Validate() error {
	if (cmd.Keep == 0) == time.Time(cmd.Before).IsZero() {
		return usagef("say what is to be archived: --keep 365d, or --before 2026-01-31")
	}
	return nil
}

// madeArchive is what was archived of one wallet.
type madeArchive struct {
	Wallet string `json:"wallet"`
	api.MadeArchive
	Error string `json:"error,omitempty"`
}

// Run archives records, wallet by wallet. One that cannot be archived keeps none of the others from it.
func (cmd *auditArchiveCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	before := time.Time(cmd.Before)
	if cmd.Keep != 0 {
		before = time.Now().Add(-time.Duration(cmd.Keep))
	}
	p := out.startProgress("archiving")
	made, wallets, err := cmd.archive(ctx, c, api.NewArchive{Before: before.UTC()})
	p.end()
	refused := 0
	for _, m := range made {
		if m.Error != "" {
			refused++
		}
	}
	if err == nil || len(made) > 0 { // what was done before it stopped was done
		if e := show(out, made, nil, func(made []madeArchive) { out.printArchives(made, wallets) }); err == nil {
			err = e
		}
	}
	if err != nil {
		return err
	}
	if refused > 0 {
		return withHint(fmt.Errorf("%d of %d records were not archived", refused, wallets), "walletd audit verify says of each what does not fit; nothing of it was deleted")
	}
	return nil
}

// archive returns what was done, and of how many wallets.
func (cmd *auditArchiveCmd) archive(ctx context.Context, c *client.Client, n api.NewArchive) (made []madeArchive, wallets int, err error) {
	made = []madeArchive{}
	one := func(wallet string) error {
		wallets++
		m, err := c.Wallet(wallet).Audit().Archive(ctx, n)
		problem, _ := errors.AsType[*api.Problem](err)
		switch {
		case problem != nil && isOfOneRecord(problem.Code) && cmd.Wallet == "":
			made = append(made, madeArchive{Wallet: wallet, Error: problem.Detail})
		case err != nil:
			return err
		case m.Archive != nil || m.Deleted > 0:
			made = append(made, madeArchive{Wallet: wallet, MadeArchive: m})
		}
		return nil
	}
	if cmd.Wallet != "" {
		return made, 1, one(cmd.Wallet)
	}
	for w, err := range client.All(ctx, c.Wallets) {
		if err == nil {
			err = one(w.Wallet)
		}
		if problem, _ := errors.AsType[*api.Problem](err); problem != nil && problem.Code == api.CodeNotFound {
			err = nil // it was deleted meanwhile
		}
		if err != nil {
			return made, wallets, err
		}
	}
	return made, wallets, nil
}

// isOfOneRecord reports whether the service says by the code that one record could not be archived. Others, as that it is
// locked, are true of all.
func isOfOneRecord(code api.Code) bool {
	return code == api.CodeArchiveRefused || code == api.CodeConflict || code == api.CodeInternal
}

func (con *console) printArchives(made []madeArchive, wallets int) {
	var rows [][]string
	for _, m := range made {
		switch {
		case m.Error != "":
			rows = append(rows, []string{m.Wallet, "-", "-", m.Error})
		case m.Archive == nil:
			rows = append(rows, []string{m.Wallet, "-", formatInt(m.Deleted), "-"})
		default:
			rows = append(rows, []string{m.Wallet, entriesOf(*m.Archive), formatInt(m.Deleted), m.Archive.File})
		}
	}
	con.Table("WALLET ENTRIES DELETED FILE", rows)
	con.notef("%d wallets were looked at. The files are in the service's directory for archives; walletd audit verify FILE checks one.\n", wallets)
}

func entriesOf(a api.Archive) string { return fmt.Sprintf("%d-%d", a.First, a.Last) }

type auditArchivesCmd struct {
	asOwner
	walletFlag
	pageFlags
}

// Run lists archives.
func (cmd *auditArchivesCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	l, err := c.Wallet(cmd.Wallet).Audit().Archives(ctx, cmd.page())
	return table(out, l, err, "ENTRIES ARCHIVED FILE SHA-256", func(a api.Archive) []string {
		return []string{entriesOf(a), day(a.At), a.File, a.SHA256}
	})
}

type auditOpenCmd struct {
	seedFlags
	File string `arg:"" type:"path" help:"An archive that audit archive made."`
}

// Run verifies an archive and shows its entries. It needs no service.
func (cmd *auditOpenCmd) Run(ctx context.Context, out *console) error {
	file, err := openSeekable(cmd.File)
	if err != nil {
		return err
	}
	defer file.Close()
	seed, err := cmd.seed(ctx, out)
	if err != nil {
		return err
	}
	defer seed.Wipe()
	found, err := ledger.OpenArchive(file, seed, out.printArchivedEntry)
	switch {
	case errors.Is(err, ledger.ErrNoArchive):
		return withHint(err, "walletd audit show shows the entries that are not archived")
	case err != nil:
		return withHint(err, "is "+shellQuote(cmd.File)+" what walletd audit archive wrote, whole, and of the wallet of these words?")
	case found.Bad != nil:
		return withHint(fmt.Errorf("entry %d does not fit: %s", found.Bad.Seq, found.Bad.Why), "somebody changed the archive: look for another copy of it")
	}
	out.notef("%d entries follow from each other, %d signed heads fit\n", found.Entries, found.Heads)
	return nil
}

// seed reads the words, or the seed of a wallet without words.
func (cmd *auditOpenCmd) seed(ctx context.Context, out *console) (derive.Seed, error) {
	words, digits, err := cmd.read(ctx, out)
	if err != nil {
		return derive.Seed{}, err
	}
	defer words.Wipe()
	defer digits.Wipe()
	if !words.IsZero() {
		w, err := derive.ParseWords(words.Reveal())
		if err != nil {
			return derive.Seed{}, err
		}
		defer w.Wipe()
		return w.Seed(), nil
	}
	raw, err := unhex(digits)
	if err != nil {
		return derive.Seed{}, err
	}
	defer raw.Wipe()
	return derive.NewSeed(raw.Reveal())
}

// printArchivedEntry shows an entry, as audit show does, or with --json as a line of it.
func (con *console) printArchivedEntry(e ledger.ArchivedEntry) error {
	if con.json {
		line, err := json.Marshal(api.Record{Seq: e.Seq, ID: e.ID, Time: e.Time.UTC(), Kind: e.Kind, Entry: e.Entry.Entry, Hash: e.Hash})
		if err == nil {
			con.printf("%s\n", line)
		}
		return err
	}
	con.printf("%d  %s  %s  %s\n", e.Seq, day(e.Time), shown(e.Kind), shown(string(e.Entry.Entry)))
	return nil
}

// makeArchiveDir makes the directory for archives, closed to others, if it is not there, and has its name on the disk.
func makeArchiveDir(dir string) error {
	if dir == "" {
		return nil
	}
	if err := store.MakeDirectory(dir); err != nil {
		return fmt.Errorf("the directory for archives: %w", err)
	}
	return nil
}

// unhex decodes hexadecimal digits.
func unhex(digits secret.Bytes) (secret.Bytes, error) {
	raw := make([]byte, hex.DecodedLen(len(digits.Reveal())))
	if _, err := hex.Decode(raw, digits.Reveal()); err != nil {
		clear(raw)
		return secret.Bytes{}, errors.New("the seed is not 128 hex digits")
	}
	return secret.New(raw), nil
}
