package server_test

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"walletd/internal/derive"
	"walletd/internal/ledger"
	"walletd/internal/wallettest"
)

// Over HTTP an archived entry is refused by saying where it went; streams, lists, pages and verdicts begin after it; and what
// a passkey signed is still verified, on both sides of the archive.
func TestArchivesOverHTTP(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) { testArchivesOverHTTP(t) })
	t.Run("PostgreSQL", func(t *testing.T) { testArchivesOverHTTP(t, wallettest.PostgreSQL()) })
}

func testArchivesOverHTTP(t *testing.T, options ...wallettest.Option) {
	t.Parallel()
	const day = 24 * time.Hour
	var ahead atomic.Int64
	dir := t.TempDir()
	start := time.Now().Add(-100 * day)
	clock := func() time.Time { return start.Add(time.Duration(ahead.Load())) }
	w := wallettest.New(t, append(options, wallettest.Archives(dir), wallettest.Clock(clock))...)
	alice := w.Person("Alice")
	notes := w.App("Notes")
	alice.Approve(notes.Ask(notesKey...).Must(202).Text("id"), members{}).Must(200)
	sign := func() {
		t.Helper()
		if err := w.Ledger.SignHeads(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	sign()
	whole := w.Do("GET", w.Path("/audit/export"), w.Owner, nil).Must(200).Body
	archives := w.Path("/audit/archives")
	before := members{"before": start.Add(day).UTC().Format(time.RFC3339)}
	for body, code := range map[string]string{"": "member_invalid", "yesterday": "member_invalid", "2026-01-31": "member_invalid"} {
		in := members{"before": body}
		if body == "" {
			in = members{}
		}
		w.Do("POST", archives, w.Operator, in).Refused(400, code)
	}
	w.Do("POST", archives, w.Operator, before).Refused(400, "member_invalid") // it is of today
	ahead.Store(int64(100 * day))
	w.Do("POST", archives, w.Owner, before).Refused(403, "forbidden")
	w.Do("GET", archives, w.Operator, nil).Refused(403, "forbidden")
	w.Do("POST", "/v1/wallets/z1nobody/audit/archives", w.Operator, before).Refused(404, "not_found")

	type archive struct {
		First, Last, Size  int64
		File, SHA256, Hash string
	}
	var made struct {
		Archive archive
		Deleted int64
	}
	w.Do("POST", archives, w.Operator, before).Must(200).Into(&made)
	a := made.Archive
	if a.First != 1 || a.Last < 5 || made.Deleted != a.Last || len(a.SHA256) != 64 {
		t.Fatalf("archived %+v", made)
	}
	if again := w.Do("POST", archives, w.Operator, before).Must(200).Members(); again["archive"] != nil || again["deleted"] != 0.0 {
		t.Errorf("archived again: %v", again)
	}
	var list struct {
		Items []archive
		Next  string
	}
	w.Do("GET", archives+"?limit=1", w.Owner, nil).Must(200).Into(&list)
	if len(list.Items) != 1 || list.Items[0] != a || list.Next == "" {
		t.Errorf("listed %+v, want %+v", list, a)
	}
	w.Do("GET", archives+"?cursor="+list.Next, w.Owner, nil).Must(200).Into(&list)
	if len(list.Items) != 0 {
		t.Errorf("then %+v", list)
	}
	w.Do("GET", archives+"?cursor=x", w.Owner, nil).Refused(400, "member_invalid")

	refused := w.Do("GET", w.Path("/audit?after=2"), w.Owner, nil).Refused(410, "archived")
	if detail := refused.Text("detail"); !strings.Contains(detail, a.File) || !strings.Contains(detail, a.SHA256) || !strings.Contains(detail, "Entry 3 is archived") {
		t.Errorf("the refusal says %q", detail)
	}
	var entries struct {
		Items []struct {
			Seq  int64
			Kind string
		}
	}
	w.Do("GET", w.Path("/audit"), w.Owner, nil).Must(200).Into(&entries)
	if entries.Items[0].Seq != a.Last+1 || entries.Items[len(entries.Items)-1].Kind != "record.archived" {
		t.Errorf("listed %+v", entries)
	}
	if kind := <-stream(t, w, "2"); kind != "stream.reset" {
		t.Errorf("a stream from an archived entry begins with %s", kind)
	}
	var verdict struct {
		OK       bool
		Archived archive
	}
	w.Do("GET", w.Path("/audit/verify"), w.Owner, nil).Must(200).Into(&verdict)
	if !verdict.OK || verdict.Archived != a {
		t.Errorf("the verdict is %+v", verdict)
	}

	// The passkey was added in an archived entry. What it signs now verifies with the key that it shows, what it signed
	// before with the words.
	alice.Token = alice.SignIn().Must(201).Text("token")
	alice.Approve(notes.Ask(wallettest.EncryptionKey("another")).Must(202).Text("id"), members{}).Must(200)
	for _, query := range []string{"", "?before=3", "?q=session", "?verify=yes"} {
		r := w.Request("GET", "/record"+query, nil)
		r.Header.Set("Cookie", "walletd="+alice.Token)
		page, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(page.Body)
		if page.Body.Close(); err != nil || page.StatusCode != 200 {
			t.Fatal(page.Status, err)
		}
		if text := string(body); !strings.Contains(text, a.File) || strings.Contains(text, `href="/record?before=`) || strings.Contains(text, "wallet.created") {
			t.Errorf("the page of the record%s does not end where the archive does: %s", query, text)
		}
	}
	file, err := os.Open(filepath.Join(dir, a.File))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	export := w.Do("GET", w.Path("/audit/export"), w.Owner, nil).Must(200).Body
	for what, files := range map[string][]io.ReaderAt{"the export": {bytes.NewReader(export)}, "both": {bytes.NewReader(export), file}} {
		found, err := ledger.VerifyFiles(files, ledger.Given{})
		if err != nil || found.Bad != nil {
			t.Fatalf("%s: %+v, %v", what, found.Bad, err)
		}
		if uses := found.Passkeys; len(uses) != 1 || !uses[0].Archived || uses[0].Passkey != alice.Passkey || uses[0].Decisions != 1 {
			t.Errorf("%s shows %+v", what, uses)
		}
	}
	changed := bytes.Replace(export, []byte(`"signature":"30`), []byte(`"signature":"31`), 1)
	if found, err := ledger.VerifyExport(bytes.NewReader(changed), nil); bytes.Equal(changed, export) || err == nil && found.Bad == nil {
		t.Errorf("a changed touch verifies: %+v, %v", found, err)
	}
	words, err := derive.ParseWords([]byte(w.Words))
	if err != nil {
		t.Fatal(err)
	}
	opened, err := ledger.OpenArchive(file, words.Seed(), func(ledger.ArchivedEntry) error { return nil })
	if err != nil || opened.Bad != nil {
		t.Fatalf("the archive: %+v, %v", opened.Bad, err)
	}
	was, err := ledger.VerifyExport(bytes.NewReader(whole), nil)
	if err != nil || len(opened.Passkeys) != 1 || len(was.Passkeys) != 1 || opened.Passkeys[0] != was.Passkeys[0] {
		t.Errorf("the archive shows %+v, the export of before %+v, %v", opened.Passkeys, was.Passkeys, err)
	}
	if text, err := os.ReadFile(file.Name()); err != nil || bytes.Contains(text, []byte("authenticatorData")) || bytes.Contains(text, []byte("phone")) {
		t.Errorf("the archive shows what a passkey signed, %v", err)
	}
}

func TestWithoutADirectoryNothingIsArchived(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	w.Do("POST", w.Path("/audit/archives"), w.Operator, members{"before": "2020-01-01T00:00:00Z"}).Refused(409, "archive_unavailable")
}
