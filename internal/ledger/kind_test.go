package ledger

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Every kind that is declared is one of kinds, has a name of its own, and is used by a package above.
func TestEveryKindIsUsedOnce(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "kind.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	declared := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		if literal, ok := spec.Values[0].(*ast.CompositeLit); ok {
			if name, ok := literal.Type.(*ast.Ident); ok && name.Name == "Kind" {
				declared[spec.Names[0].Name] = false
			}
		}
		return true
	})
	if len(declared) != len(kinds()) {
		t.Errorf("%d kinds are declared, kinds gives %d", len(declared), len(kinds()))
	}
	names := map[string]bool{}
	for _, k := range kinds() {
		if names[k.name] {
			t.Errorf("%s is the name of two kinds", k.name)
		}
		names[k.name] = true
	}
	out, err := exec.Command("go", "list", "-f", "{{$d := .Dir}}{{range .GoFiles}}{{$d}}/{{.}}\n{{end}}", "walletd/internal/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for path := range strings.FieldsSeq(string(out)) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for name := range declared {
			if strings.Contains(string(text), "ledger."+name) || strings.Contains(string(text), "Kind: "+name) {
				declared[name] = true
			}
		}
	}
	for name, used := range declared {
		if !used {
			t.Errorf("%s is used by nobody", name)
		}
	}
}

// What a kind means for safety, said once more: a change of the table is a change of the rule.
func TestWhatAKindMeans(t *testing.T) {
	for name, want := range map[string]string{
		"fresh":    "claim.allowed claim.collected claim.asked approval.approved policy.set grant.revoked token.revoked app.revoked delegation.revoked token.created pairing.approved owner.invited owner.added owner.recovered owner.removed owner.signed_out passkey.added passkey.removed passkey.signed_in record.archived",
		"consumes": "claim.allowed claim.collected claim.asked claim.denied claim.refused passkey.added passkey.signed_in passkey.touched",
		"releases": "claim.allowed claim.collected claim.own key.derived backup.created backup.inspected session.declined",
		"begins":   "wallet.imported wallet.restored",
	} {
		m := map[string]meaning{"fresh": fresh, "consumes": consumes, "releases": releases, "begins": begins}[name]
		var got []string
		for _, k := range kinds() {
			if k.is(m) {
				got = append(got, k.name)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %s\nwant %s", name, strings.Join(got, " "), want)
		}
	}
}
