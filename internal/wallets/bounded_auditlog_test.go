package wallets_test

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"walletd/internal/ledger"
	"walletd/internal/store"
	"walletd/internal/wallettest/fixture"
	"walletd/internal/wallettest/memory"
)

// headLine is a head as an export has it.
func headLine(t *testing.T, h store.Head) string {
	t.Helper()
	var line struct { // in the order of an export
		Head struct {
			Chain     string `json:"chain"`
			Seq       int64  `json:"seq"`
			Hash      string `json:"hash"`
			Time      int64  `json:"time"`
			PublicKey string `json:"publicKey"`
			Signature string `json:"signature"`
		} `json:"head"`
	}
	line.Head.Chain, line.Head.Seq, line.Head.Time = h.Chain, h.Seq, h.Time
	line.Head.Hash, line.Head.PublicKey, line.Head.Signature = hex.EncodeToString(h.Hash), hex.EncodeToString(h.PublicKey), hex.EncodeToString(h.Signature)
	text, err := json.Marshal(line)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// signHead signs one head, the only leaf of its tree.
func signHead(t *testing.T, f *fixture.Fixture, end store.End, time int64) store.Head {
	t.Helper()
	_, heads, err := f.Keystore.SignHeads([]store.End{end}, time)
	if err != nil {
		t.Fatal(err)
	}
	return heads[0]
}

// An audit log of 10,000 entries, each with a signed head, is 12 MB. None of what reads it holds it.
func TestAnAuditLogIsReadInBoundedMemory(t *testing.T) {
	const entries, most = 10_000, 3 << 20
	f := fixture.New(t)
	f.Grow(entries)
	owner := f.As(f.Owner)
	path := filepath.Join(t.TempDir(), "record.jsonl")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	bounded := func(what string, f func() error) {
		t.Helper()
		var err error
		if held := memory.HighWater(t, func() { err = f() }); err != nil || held > most {
			t.Errorf("%s held %.1f MB, %v", what, float64(held)/1e6, err)
		}
	}
	bounded("the export", func() error { return f.Wallets.ExportAuditLog(t.Context(), owner, file) })

	w := bufio.NewWriter(file)
	for after := int64(0); ; {
		rows, err := f.Store.Records(t.Context(), f.Wallet, after, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if len(rows) == 0 {
			break
		}
		for _, r := range rows {
			after = r.Seq
			io.WriteString(w, headLine(t, signHead(t, f, store.End{Chain: r.Chain, Seq: r.Seq, Hash: r.Hash}, r.Time))+"\n")
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if size, err := file.Seek(0, io.SeekCurrent); err != nil || size < 10<<20 {
		t.Fatalf("the export has %d bytes, %v", size, err)
	}
	bounded("the verification of the file", func() error {
		v, err := ledger.VerifyExport(file, nil)
		if v.Bad != nil || v.Heads != v.Entries || v.Entries < entries {
			t.Errorf("found %+v, %v", v, v.Bad)
		}
		return err
	})
	bounded("the verification by the service", func() error {
		v, err := f.Wallets.VerifyAuditLog(t.Context(), owner)
		if v.Bad != nil || v.Entries < entries {
			t.Errorf("found %+v", v)
		}
		return err
	})
}

// What is held does not grow with the entries, nor with how long they are: these are 18 MB in 300.
func TestLongEntriesAreReadInBoundedMemory(t *testing.T) {
	const entries, most = 300, 6 << 20
	f := fixture.New(t)
	owner := f.As(f.Owner)
	e := owner.Event(ledger.BackupInspected)
	e.Inert = true
	e.Reason = strings.Repeat("x", 60<<10)
	for range entries {
		if _, err := owner.Commit(t.Context(), ledger.Change{Event: e}); err != nil {
			t.Fatal(err)
		}
	}
	for what, f := range map[string]func() error{
		"the export":                      func() error { return f.Wallets.ExportAuditLog(t.Context(), owner, io.Discard) },
		"the verification by the service": func() error { _, err := f.Wallets.VerifyAuditLog(t.Context(), owner); return err },
	} {
		var err error
		if held := memory.HighWater(t, func() { err = f() }); err != nil || held > most {
			t.Errorf("%s held %.1f MB, %v", what, float64(held)/1e6, err)
		}
	}
}

func TestTheHeadsOfAnExportAreMatchedAsTheyCome(t *testing.T) {
	f := exportedHouse(t)
	f.Grow(5)
	rows, err := f.Store.Records(t.Context(), f.Wallet, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	lines := f.Export()[:len(rows)]
	head := func(n int, change ...func(*store.Head)) string {
		r := rows[n-1]
		end := store.End{Chain: r.Chain, Seq: r.Seq, Hash: r.Hash}
		h := signHead(t, f, end, r.Time)
		for _, c := range change {
			c(&h)
		}
		return headLine(t, h)
	}
	another := func(n int) string {
		return headLine(t, signHead(t, f, store.End{Chain: f.Wallet, Seq: int64(n), Hash: make([]byte, 32)}, 1))
	}
	last := len(rows)
	for name, c := range map[string]struct {
		lines []string
		bad   int64
		says  string
	}{
		"takes heads of some entries":            {slices.Concat(lines, []string{head(2), head(5), head(last)}), 0, ""},
		"takes the same head twice":              {slices.Concat(lines, []string{head(2), head(2), head(5)}), 0, ""},
		"names two that differ":                  {slices.Concat(lines, []string{head(2), another(2), head(5)}), 2, "differ"},
		"names one of another entry":             {slices.Concat(lines, []string{another(3), head(5)}), 3, "not the one whose hash was signed"},
		"names heads that are out of order":      {slices.Concat(lines, []string{head(5), head(2)}), 2, "out of order"},
		"names a signature that was changed":     {slices.Concat(lines, []string{head(4, func(h *store.Head) { h.Time++ })}), 4, "not signed by this keystore"},
		"names the entries that a head promises": {slices.Concat(lines[:last-2], []string{head(2), head(last - 1), head(last)}), int64(last - 1), "are missing"},
		"names an entry before a head":           {slices.Concat(lines[:2], lines[3:], []string{head(5)}), 3, "missing or out of order"},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := ledger.VerifyExport(strings.NewReader(strings.Join(c.lines, "\n")), nil)
			switch {
			case err != nil:
				t.Fatal(err)
			case c.bad == 0 && v.Bad == nil:
			case v.Bad == nil || v.Bad.Seq != c.bad || !strings.Contains(v.Bad.Why, c.says):
				t.Errorf("found %+v, want entry %d", v.Bad, c.bad)
			}
		})
	}
	for name, lines := range map[string][]string{
		"a head before an entry": slices.Concat(lines[:2], []string{head(2)}, lines[2:]),
		"a head before all":      slices.Concat([]string{head(2)}, lines),
		"no line":                slices.Concat(lines, []string{"", head(2)}),
	} {
		t.Run("refuses "+name, func(t *testing.T) {
			if v, err := ledger.VerifyExport(strings.NewReader(strings.Join(lines, "\n")), nil); !errors.Is(err, ledger.ErrExport) {
				t.Errorf("found %+v, %v", v, err)
			}
		})
	}
}
