package wallettest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// listed is what go list says of a package.
type listed struct {
	ImportPath, Dir string
	Imports         []string
	GoFiles         []string
}

// arrows say which packages of the house each may import (design section 3): one way, and the
// leaves nothing. Who is not named here may import nothing.
var arrows = map[string][]string{
	"cmd/walletd":            {"api", "api/client", "internal/passkey", "internal/secret", "internal/blocklet", "internal/secretstorage", "internal/server", "internal/pages", "internal/events", "internal/push", "internal/connect", "internal/core", "internal/backup", "internal/wallets", "internal/auth", "internal/ledger", "internal/policy", "internal/keystore", "internal/derive", "internal/did", "internal/show", "internal/strictjson", "internal/store"},
	"bench/populate":         {"internal/core", "internal/auth", "internal/keystore", "internal/policy", "internal/store", "internal/wallets"},
	"internal/core":          {"internal/archive", "internal/backup", "internal/claims", "internal/owner", "internal/secrets", "internal/consent", "internal/approvals", "internal/wallets", "internal/auth", "internal/ledger", "internal/keystore", "internal/passkey", "internal/store"},
	"internal/server":        {"api", "internal/show", "internal/owner", "internal/passkey", "internal/dpop", "internal/events", "internal/push", "internal/connect", "internal/archive", "internal/backup", "internal/secrets", "internal/consent", "internal/approvals", "internal/wallets", "internal/auth", "internal/ledger", "internal/policy", "internal/keystore", "internal/did", "internal/secretstorage", "internal/store", "internal/strictjson"},
	"internal/pages":         {"api", "internal/owner", "internal/passkey", "web", "internal/events", "internal/push", "internal/connect", "internal/archive", "internal/backup", "internal/secrets", "internal/consent", "internal/approvals", "internal/wallets", "internal/auth", "internal/ledger", "internal/policy", "internal/keystore", "internal/did", "internal/secret", "internal/show", "internal/store"},
	"internal/owner":         {"internal/passkey", "internal/consent", "internal/auth", "internal/ledger", "internal/keystore", "internal/show", "internal/store"},
	"internal/connect":       {"internal/consent", "internal/approvals", "internal/wallets", "internal/auth", "internal/ledger", "internal/show", "internal/keystore", "internal/delegation", "internal/did", "internal/store"},
	"internal/backup":        {"internal/secret", "internal/secrets", "internal/consent", "internal/approvals", "internal/wallets", "internal/auth", "internal/ledger", "internal/policy", "internal/keystore", "internal/derive", "internal/did", "internal/secretstorage", "internal/store", "internal/strictjson"},
	"internal/archive":       {"internal/auth", "internal/ledger", "internal/store"},
	"internal/push":          {"internal/connect", "internal/approvals", "internal/auth", "internal/ledger", "internal/keystore", "internal/show", "internal/did", "internal/store"},
	"internal/claims":        {"internal/consent", "internal/approvals", "internal/wallets", "internal/auth", "internal/policy", "internal/show", "internal/keystore", "internal/delegation", "internal/did", "internal/store"},
	"internal/secrets":       {"internal/secret", "internal/consent", "internal/approvals", "internal/wallets", "internal/auth", "internal/ledger", "internal/policy", "internal/show", "internal/keystore", "internal/did", "internal/secretstorage", "internal/store", "internal/strictjson"},
	"internal/consent":       {"internal/passkey", "internal/approvals", "internal/wallets", "internal/auth", "internal/ledger", "internal/policy", "internal/show", "internal/keystore", "internal/delegation", "internal/did", "internal/store", "internal/strictjson"},
	"internal/approvals":     {"internal/passkey", "internal/wallets", "internal/auth", "internal/ledger", "internal/policy", "internal/show", "internal/delegation", "internal/did", "internal/store"},
	"internal/wallets":       {"internal/auth", "internal/ledger", "internal/policy", "internal/show", "internal/keystore", "internal/derive", "internal/did", "internal/store"},
	"internal/auth":          {"internal/ledger", "internal/passkey", "internal/dpop", "internal/show", "internal/keystore", "internal/delegation", "internal/did", "internal/store", "internal/strictjson"},
	"internal/ledger":        {"internal/keystore", "internal/derive", "internal/passkey", "internal/policy", "internal/did", "internal/store"},
	"internal/policy":        {"internal/did"},
	"internal/show":          {},
	"internal/merkle":        {},
	"internal/keystore":      {"internal/merkle", "internal/derive", "internal/did", "internal/secret", "internal/secretstorage", "internal/store"},
	"internal/blocklet":      {"internal/pkcs7", "internal/secret"},
	"internal/derive":        {"internal/did", "internal/secret"},
	"internal/delegation":    {"internal/did", "internal/strictjson"},
	"internal/dpop":          {"internal/strictjson"},
	"internal/did":           {"internal/pkcs7", "internal/secret", "internal/strictjson"},
	"internal/secretstorage": {"internal/did", "internal/pkcs7", "internal/secret", "internal/strictjson"},
	"internal/pkcs7":         {},
	"internal/secret":        {},
	"internal/strictjson":    {},
	"internal/events":        {"internal/store"},
	"internal/store":         {},
	"internal/passkey":       {"internal/strictjson"},
	"api":                    {"internal/secret", "internal/strictjson"},
	"api/client":             {"api"},
	"web":                    {},
}

func listPackages(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,Imports,GoFiles", "walletd/...")
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v: %s", err, problems.String())
	}
	var all []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		p.ImportPath = strings.TrimPrefix(p.ImportPath, "walletd/")
		all = append(all, p)
	}
	if len(all) < 9 {
		t.Fatalf("go list finds %d packages; the house has more", len(all))
	}
	return all
}

// isTestHelp says that a package is made for tests, which may use everything.
func isTestHelp(path string) bool { return strings.HasPrefix(path, "internal/wallettest") }

func TestImportsRunOneWay(t *testing.T) {
	for _, p := range listPackages(t) {
		if isTestHelp(p.ImportPath) {
			continue
		}
		for _, path := range p.Imports {
			path, ours := strings.CutPrefix(path, "walletd/")
			if ours && !slices.Contains(arrows[p.ImportPath], path) {
				t.Errorf("%s imports %s", p.ImportPath, path)
			}
		}
	}
}

// Only auth opens a wallet for a caller, by way of ledger, and nothing runs before main.
func TestOnlyAuthOpensWallets(t *testing.T) {
	found := false
	for _, p := range listPackages(t) {
		for _, name := range p.GoFiles {
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.SelectorExpr:
					if n.Sel.Name != "OpenWallet" {
						break
					}
					if found = true; !slices.Contains([]string{"internal/auth", "internal/ledger", "internal/keystore"}, p.ImportPath) {
						t.Errorf("%s in %s opens a wallet", name, p.ImportPath)
					}
				case *ast.FuncDecl:
					if n.Recv == nil && n.Name.Name == "init" {
						t.Errorf("%s in %s has an init", name, p.ImportPath)
					}
				}
				return true
			})
		}
	}
	if !found {
		t.Error("nobody opens a wallet; was OpenWallet renamed?")
	}
}
