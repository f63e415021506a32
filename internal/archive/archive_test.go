package archive_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"walletd/internal/archive"
	"walletd/internal/derive"
	"walletd/internal/ledger"
	"walletd/internal/store"
	"walletd/internal/wallettest/fixture"
)

const day = 24 * time.Hour

// old returns a fixture whose audit log has old entries, some of them behind the last signed head, and a few of today.
func old(t *testing.T) *fixture.Fixture {
	t.Helper()
	f := fixture.NewAt(t, time.Now().Add(-100*day).Truncate(time.Second))
	f.Grow(30)
	sign(t, f)
	f.Grow(10)
	sign(t, f)
	f.Grow(5)
	later(f, 100*day)
	f.Grow(3)
	sign(t, f)
	return f
}

func sign(t *testing.T, f *fixture.Fixture) {
	t.Helper()
	if err := f.Ledger.SignHeads(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func later(f *fixture.Fixture, d time.Duration) { f.Clock = f.Clock.Add(d) }

// create archives what is older than 90 days.
func create(t *testing.T, f *fixture.Fixture) archive.Made {
	t.Helper()
	made, err := f.Archives.Create(t.Context(), f.As(f.Operator), f.Wallet, f.Clock.Add(-90*day))
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// file opens an archive.
func file(t *testing.T, f *fixture.Fixture, a *ledger.Archive) *os.File {
	t.Helper()
	opened, err := os.Open(filepath.Join(f.ArchiveDir(), a.File))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { opened.Close() })
	return opened
}

func export(f *fixture.Fixture) *strings.Reader {
	return strings.NewReader(strings.Join(f.Export(), "\n") + "\n")
}

// stored returns the numbers of the first and the last entry in the store.
func stored(t *testing.T, f *fixture.Fixture) (first, last int64) {
	t.Helper()
	rows, err := f.Store.Records(t.Context(), f.Wallet, 0, 1)
	if err != nil || len(rows) != 1 {
		t.Fatal(rows, err)
	}
	end, err := f.Store.ChainEnd(t.Context(), f.Wallet)
	if err != nil {
		t.Fatal(err)
	}
	return rows[0].Seq, end.Seq
}

// verified verifies files together, and wants them to hold.
func verified(t *testing.T, files ...io.ReaderAt) ledger.Verification {
	t.Helper()
	v, err := ledger.VerifyFiles(files, ledger.Given{})
	if err != nil || v.Bad != nil {
		t.Fatalf("the files: %+v, %v", v.Bad, err)
	}
	return v
}

func TestTheAuditLogGoesOnAfterItsArchive(t *testing.T) {
	f := old(t)
	whole := f.Export()
	_, end := stored(t, f)
	made := create(t, f)
	a := made.Archive
	if a == nil || a.First != 1 || a.Last != 42 || made.Deleted != 42 { // 2 of the wallet, 30 and 10: those after had no head
		t.Fatalf("archived %+v", made)
	}
	if first, last := stored(t, f); first != a.Last+1 || last != end+1 {
		t.Errorf("the store has entries %d to %d", first, last)
	}
	info, err := os.Stat(filepath.Join(f.ArchiveDir(), a.File))
	if err != nil || info.Mode() != 0o600 || info.Size() != a.Size {
		t.Errorf("the file: %v, %v", info, err)
	}
	if left, err := filepath.Glob(filepath.Join(f.ArchiveDir(), "*.part")); err != nil || len(left) != 0 {
		t.Errorf("left are %v, %v", left, err)
	}

	// What the service says of it.
	live := f.VerifyAuditLog()
	if live.Archived == nil || live.Archived.Last != a.Last || live.Entries != end+1-a.Last || live.Heads != 2 {
		t.Errorf("the service says %+v", live)
	}
	owner := f.As(f.Owner)
	entries, err := f.Wallets.AuditEntries(t.Context(), owner, 0, 200)
	if err != nil || entries[0].Seq != a.Last+1 {
		t.Errorf("the list begins with %+v, %v", entries, err)
	}
	if entries, err = f.Wallets.AuditEntries(t.Context(), owner, a.Last, 200); err != nil || entries[0].Seq != a.Last+1 {
		t.Errorf("the list after the archive begins with %+v, %v", entries, err)
	}
	_, err = f.Wallets.AuditEntries(t.Context(), owner, 7, 200)
	if e, ok := errors.AsType[*ledger.ArchivedError](err); !ok || e.Seq != 8 || e.Archive.File != a.File || !strings.Contains(err.Error(), fmt.Sprintf("%x", a.Sum)) {
		t.Errorf("an archived entry: %v", err)
	}
	if kind, event := f.LastEvent(); kind != "record.archived" || event.By != "operator" || event.Disclosed == nil || event.Disclosed.Archive.File != a.File {
		t.Errorf("recorded is %s %+v", kind, event)
	}
	service, err := f.Wallets.AuditEntries(t.Context(), f.As(f.Operator), 0, 200)
	if last := service[len(service)-1]; err != nil || last.Kind != "record.archived" || !strings.Contains(string(last.Entry), fmt.Sprintf("%x", a.Sum)) || !strings.Contains(string(last.Entry), f.Wallet) {
		t.Errorf("the service's audit log: %s, %v", last.Entry, err)
	}

	// What anybody can verify.
	alone := verified(t, file(t, f, a))
	if alone.Entries != 42 || alone.Heads != 2 || alone.Head.Seq != 42 {
		t.Errorf("the archive alone: %+v", alone)
	}
	since := verified(t, export(f))
	if since.Archived == nil || since.Archived.Last != 42 || !strings.Contains(since.Unknown, "entries 1 to 42 are archived") {
		t.Errorf("the export alone: %+v", since)
	}
	both := verified(t, export(f), file(t, f, a)) // in any order
	if both.Entries != end+1 || both.Heads != 3 || strings.Contains(both.Unknown, "archive") {
		t.Errorf("both: %+v", both)
	}
	if _, err := ledger.VerifyFiles([]io.ReaderAt{file(t, f, a), strings.NewReader(strings.Join(whole, "\n"))}, ledger.Given{}); !errors.Is(err, ledger.ErrExport) {
		t.Errorf("an archive and an export of before: %v", err)
	}

	// The second archive holds the entry that recorded the first.
	sign(t, f)
	later(f, 100*day)
	f.Grow(4)
	sign(t, f)
	second := create(t, f)
	if second.Archive == nil || second.Archive.First != 43 || second.Archive.Last != end+1 || second.Deleted == 0 {
		t.Fatalf("archived %+v", second)
	}
	if again := create(t, f); again.Archive != nil || again.Deleted != 0 {
		t.Errorf("archived again: %+v", again)
	}
	f.VerifyAuditLog()
	one, two := file(t, f, a), file(t, f, second.Archive)
	verified(t, two)
	verified(t, two, export(f))
	if v := verified(t, two, one, export(f)); v.Entries != end+6 || strings.Contains(v.Unknown, "archive") {
		t.Errorf("all three: %+v", v)
	}
	if v := verified(t, one, two); !strings.Contains(v.Unknown, "no entry here says that this is the archive of entries 43") || strings.Contains(v.Unknown, "entries 1 to 42") {
		t.Errorf("the two archives: %+v", v)
	}
	v, err := ledger.VerifyFiles([]io.ReaderAt{one, export(f)}, ledger.Given{})
	if err != nil || v.Bad == nil || v.Bad.Seq != 43 || !strings.Contains(v.Bad.Why, "are in none of the files") {
		t.Errorf("without the second: %+v, %v", v.Bad, err)
	}
	_, err = f.Wallets.AuditEntries(t.Context(), owner, 7, 200)
	if e, ok := errors.AsType[*ledger.ArchivedError](err); !ok || e.Archive.File != a.File {
		t.Errorf("an entry of the first archive: %v", err)
	}
	list, err := f.Archives.List(t.Context(), owner, 1<<62, 10)
	if err != nil || len(list) != 2 || list[0].Last != second.Archive.Last || list[1].Last != 42 {
		t.Errorf("the list of archives: %+v, %v", list, err)
	}
}

// What an archive holds opens with the words, and with nothing else that its keeper may have.
func TestAnArchiveIsReadWithTheWords(t *testing.T) {
	f := old(t)
	owner := f.As(f.Owner)
	want, err := f.Wallets.AuditEntries(t.Context(), owner, 0, 42)
	if err != nil {
		t.Fatal(err)
	}
	a := create(t, f).Archive
	text, err := io.ReadAll(file(t, f, a))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(text, []byte("so that it is long")) {
		t.Error("the archive shows what is sealed")
	}
	words, err := derive.ParseWords([]byte(fixture.Words))
	if err != nil {
		t.Fatal(err)
	}
	var got []ledger.Entry
	v, err := ledger.OpenArchive(file(t, f, a), words.Seed(), func(e ledger.ArchivedEntry) error {
		got = append(got, e.Entry)
		return nil
	})
	if err != nil || v.Bad != nil || len(got) != 42 {
		t.Fatalf("%d entries, %+v, %v", len(got), v.Bad, err)
	}
	for i, e := range got {
		if e.Seq != want[i].Seq || string(e.Entry) != string(want[i].Entry) || e.Hash != want[i].Hash {
			t.Fatalf("entry %d opens to %s", e.Seq, e.Entry)
		}
	}
	other, err := derive.NewSeed(make([]byte, 64))
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	if _, err := ledger.OpenArchive(file(t, f, a), other, func(ledger.ArchivedEntry) error { read++; return nil }); err == nil || read > 0 {
		t.Errorf("with other words %d entries are read, %v", read, err)
	}
	if _, err := ledger.OpenArchive(export(f), words.Seed(), func(ledger.ArchivedEntry) error { return nil }); !errors.Is(err, ledger.ErrNoArchive) {
		t.Errorf("an export: %v", err)
	}
}

// A file that was changed is not the archive any more, by itself or beside the export.
func TestAChangedArchiveIsNoticed(t *testing.T) {
	f := old(t)
	a := create(t, f).Archive
	text, err := io.ReadAll(file(t, f, a))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	content := func(line string) string {
		i := strings.Index(line, `"content":"`) + len(`"content":"`)
		other := map[byte]string{'A': "B"}[line[i+20]]
		if other == "" {
			other = "A"
		}
		return line[:i+20] + other + line[i+21:]
	}
	changed := slices.Clone(lines)
	changed[5] = content(changed[5])
	for name, c := range map[string]struct {
		lines []string
		alone bool // it is noticed without the export
	}{
		"an entry is missing":              {slices.Concat(lines[:5], lines[6:]), true},
		"the first entry is missing":       {slices.Concat(lines[:1], lines[2:]), true},
		"its end is missing":               {slices.Concat(lines[:40], lines[43:]), true},
		"its heads are missing":            {lines[:43], true},
		"its last head is missing":         {lines[:44], true},
		"an older head is missing":         {slices.Concat(lines[:43], lines[44:]), false},
		"it says that it begins later":     {slices.Concat([]string{strings.Replace(lines[0], `"first":1`, `"first":2`, 1)}, lines[1:]), true},
		"it says that it ends later":       {slices.Concat([]string{strings.Replace(lines[0], `"last":42`, `"last":43`, 1)}, lines[1:]), true},
		"it says that it ends earlier":     {slices.Concat([]string{strings.Replace(lines[0], `"last":42`, `"last":41`, 1)}, lines[1:]), true},
		"an entry is of another time":      {slices.Concat(lines[:5], []string{strings.Replace(lines[5], `"time":1`, `"time":2`, 1)}, lines[6:]), true},
		"what an entry says was changed":   {changed, false},
		"its first line is not there":      {lines[1:], false},
		"it has the first line of another": {slices.Concat([]string{`{"archive":{"chain":"z1other","first":1,"last":42,"prev":"` + strings.Repeat("0", 64) + `"}}`}, lines[1:]), true},
	} {
		t.Run(name, func(t *testing.T) {
			read := strings.NewReader(strings.Join(c.lines, "\n") + "\n")
			if v, err := ledger.VerifyFiles([]io.ReaderAt{read}, ledger.Given{}); c.alone != (err != nil || v.Bad != nil) {
				t.Errorf("alone: %+v, %v", v.Bad, err)
			}
			if v, err := ledger.VerifyFiles([]io.ReaderAt{read, export(f)}, ledger.Given{}); err == nil && v.Bad == nil {
				t.Errorf("beside the export it is not noticed: %+v", v)
			}
		})
	}
	// A head that was kept elsewhere is looked for where it is.
	heads := verified(t, file(t, f, a))
	for name, files := range map[string][]io.ReaderAt{"the archive": {file(t, f, a)}, "both": {file(t, f, a), export(f)}} {
		if v, err := ledger.VerifyFiles(files, ledger.Given{Head: heads.Head}); err != nil || v.Bad != nil {
			t.Errorf("%s with a head: %+v, %v", name, v.Bad, err)
		}
		other := *heads.Head
		_, signed, err := f.Keystore.SignHeads([]store.End{{Chain: f.Wallet, Seq: other.Seq, Hash: make([]byte, 32)}}, 5)
		if err != nil {
			t.Fatal(err)
		}
		if v, err := ledger.VerifyFiles(files, ledger.Given{Head: &signed[0]}); err != nil || v.Bad == nil {
			t.Errorf("%s with a head of another entry: %+v, %v", name, v, err)
		}
	}
	_, signed, err := f.Keystore.SignHeads([]store.End{{Chain: f.Wallet, Seq: a.Last, Hash: make([]byte, 32)}}, 5)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := ledger.VerifyExport(export(f), &signed[0]); err != nil || v.Bad == nil || v.Bad.Seq != a.Last {
		t.Errorf("the export with a head of another last entry of the archive: %+v, %v", v, err)
	}
	signed[0].Seq = 7
	_, signed, err = f.Keystore.SignHeads([]store.End{{Chain: f.Wallet, Seq: 7, Hash: make([]byte, 32)}}, 5)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := ledger.VerifyExport(export(f), &signed[0]); err != nil || v.Bad != nil || !strings.Contains(v.Unknown, "its entry 7 is archived") {
		t.Errorf("the export with a head of an archived entry: %+v, %v", v, err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// recordOf reads an entry from a line of an archive.
func recordOf(t *testing.T, line string) (r store.Record) {
	t.Helper()
	var v struct {
		Record struct {
			Chain, ID, Kind, Prev, Hash string
			Seq, Time                   int64
			Sealed                      []byte
		}
	}
	if err := json.Unmarshal([]byte(line), &v); err != nil {
		t.Fatal(err)
	}
	r = store.Record{Chain: v.Record.Chain, Seq: v.Record.Seq, ID: v.Record.ID, Time: v.Record.Time, Kind: v.Record.Kind, Sealed: v.Record.Sealed}
	r.Prev, r.Hash = fixture.MustHex(t, v.Record.Prev), fixture.MustHex(t, v.Record.Hash)
	return r
}
