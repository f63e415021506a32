package wallets_test

import (
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"walletd/internal/ledger"
	"walletd/internal/wallettest/fixture"

	"github.com/google/go-cmp/cmp"
)

func exportedHouse(t *testing.T) *fixture.Fixture {
	f := fixture.New(t)
	f.SetPolicy(fixture.AllowAll)
	f.Answer(f.AppToken(fixture.Notes), fixture.KeyClaim("diary"))
	if err := f.Ledger.SignHeads(t.Context()); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestTheExportedAuditLogIsAsDescribed(t *testing.T) {
	f := exportedHouse(t)
	rows, err := f.Store.Records(t.Context(), f.Wallet, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	heads, err := f.Store.Heads(t.Context(), f.Wallet, 0, 100)
	if err != nil || len(heads) != 1 {
		t.Fatal(heads, err)
	}
	lines := f.Export()
	if len(lines) != len(rows)+1 {
		t.Fatalf("%d lines of %d entries", len(lines), len(rows))
	}
	number := func(n int64) any { return float64(n) }
	for i, r := range rows {
		want := map[string]any{"record": map[string]any{
			"chain": f.Wallet, "seq": number(r.Seq), "id": r.ID, "time": number(r.Time), "kind": r.Kind,
			"sealed": base64Of(t, r.Sealed), "prev": hex.EncodeToString(r.Prev), "hash": hex.EncodeToString(r.Hash),
		}}
		if diff := cmp.Diff(want, lineOf(t, lines[i])); diff != "" {
			t.Errorf("entry %d (-want +got):\n%s", r.Seq, diff)
		}
	}
	want := map[string]any{"head": map[string]any{
		"chain": f.Wallet, "seq": number(heads[0].Seq), "hash": hex.EncodeToString(heads[0].Hash), "time": number(heads[0].Time),
		"publicKey": hex.EncodeToString(heads[0].PublicKey), "signature": hex.EncodeToString(heads[0].Signature),
	}}
	if diff := cmp.Diff(want, lineOf(t, lines[len(rows)])); diff != "" {
		t.Errorf("the head (-want +got):\n%s", diff)
	}
}

func lineOf(t *testing.T, line string) (v map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(line), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func base64Of(t *testing.T, b []byte) string {
	t.Helper()
	text, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Trim(string(text), `"`)
}

func TestReadExportTakesWhatWasWrittenOnly(t *testing.T) {
	f := exportedHouse(t)
	lines := f.Export()
	read := func(lines ...string) (ledger.Verification, error) {
		return ledger.VerifyExport(strings.NewReader(strings.Join(lines, "\n")+"\n"), nil)
	}
	if v, err := read(lines...); err != nil || v.Bad != nil || v.Heads != 1 {
		t.Fatalf("as it was written: %+v, %v", v, err)
	}
	for name, change := range map[string]func(line string) string{
		"a member more":             func(l string) string { return strings.Replace(l, `"seq"`, `"more":1,"seq"`, 1) },
		"a member less":             func(l string) string { return strings.Replace(l, `"seq":1,`, ``, 1) },
		"a member twice":            func(l string) string { return strings.Replace(l, `"seq":1`, `"seq":1,"seq":1`, 1) },
		"a member in capitals":      func(l string) string { return strings.Replace(l, `"seq"`, `"Seq"`, 1) },
		"a hash in capitals":        func(l string) string { i := strings.Index(l, `"hash":"`) + 8; return l[:i] + strings.ToUpper(l[i:]) },
		"a hash that is no hex":     func(l string) string { i := strings.Index(l, `"hash":"`) + 8; return l[:i] + "x" + l[i+1:] },
		"a blank":                   func(l string) string { return " " + l },
		"something behind it":       func(l string) string { return l + "{}" },
		"neither entry nor head":    func(string) string { return `{}` },
		"both":                      func(l string) string { return strings.TrimSuffix(l, "}") + `,"head":{}}` },
		"nothing":                   func(string) string { return `` },
		"longer than is ever kept":  func(l string) string { return l + strings.Repeat(" ", 1<<20) },
		"an entry that is no entry": func(string) string { return `{"record":7}` },
	} {
		t.Run("refuses a line with "+name, func(t *testing.T) {
			if changed := change(lines[0]); changed == lines[0] {
				t.Fatal("nothing was changed")
			} else if v, err := read(append([]string{changed}, lines[1:]...)...); err == nil {
				t.Errorf("got %+v", v)
			}
		})
	}
}
