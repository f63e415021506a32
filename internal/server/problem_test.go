package server

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"walletd/api"
	"walletd/internal/did"
	"walletd/internal/dpop"
	"walletd/internal/keystore"
	"walletd/internal/ledger"
	"walletd/internal/policy"
	"walletd/internal/store"
)

// contractCodes reads the codes of the contract with their statuses.
func contractCodes(t *testing.T) map[string][]int {
	t.Helper()
	var doc struct {
		Components struct {
			Schemas struct {
				ProblemCode struct {
					Descriptions map[string]string `yaml:"x-enumDescriptions"`
				} `yaml:"ProblemCode"`
			}
		}
	}
	if err := yaml.Unmarshal(api.OpenAPI, &doc); err != nil {
		t.Fatal(err)
	}
	codes := map[string][]int{}
	for code, text := range doc.Components.Schemas.ProblemCode.Descriptions {
		statuses, _, _ := strings.Cut(text, ": ")
		for status := range strings.SplitSeq(statuses, " or ") {
			n, err := strconv.Atoi(status)
			if err != nil {
				t.Errorf("%s does not begin with its status: %s", code, text)
			}
			codes[code] = append(codes[code], n)
		}
	}
	if len(codes) < 50 {
		t.Fatalf("the contract has %d codes; was it moved?", len(codes))
	}
	return codes
}

// tableCodes reads the codes of problem.go: of its table, of its switch, and of the errors that
// bring members.
func tableCodes(t *testing.T) map[string][]int {
	t.Helper()
	codes := map[string][]int{}
	add := func(code string, status int) {
		if !slices.Contains(codes[code], status) {
			codes[code] = append(codes[code], status)
			slices.Sort(codes[code])
		}
	}
	for _, r := range refusals() {
		add(string(r.code), r.status)
	}
	file, err := parser.ParseFile(token.NewFileSet(), "problem.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	text := func(e ast.Expr) string {
		lit, ok := e.(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING {
			return ""
		}
		s, _ := strconv.Unquote(lit.Value)
		return s
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CaseClause:
			for _, e := range n.List {
				if code := text(e); code != "" {
					status, _ := codeStatus(api.Code(code))
					add(code, status)
				}
			}
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.Ident); !ok || f.Name != "newProblem" {
				break
			}
			status, isNumber := n.Args[0].(*ast.BasicLit)
			if code := text(n.Args[1]); code != "" && isNumber {
				n, _ := strconv.Atoi(status.Value)
				add(code, n)
			}
		}
		return true
	})
	return codes
}

func TestTableAndContractHaveTheSameCodes(t *testing.T) {
	if diff := cmp.Diff(contractCodes(t), tableCodes(t)); diff != "" {
		t.Errorf("(-contract +table)\n%s", diff)
	}
}

// A refusal that a package below can make and the table does not know would be answered 500.
func TestTableKnowsEveryRefusal(t *testing.T) {
	// Of DID Connect sessions, which nobody can open over HTTP yet.
	ofSessions := []string{"delegation_is_a_session_message", "sealed_reply_unreadable", "shared_key_unreadable"}
	found := 0
	refuse := regexp.MustCompile(`Refuse\("([a-z_0-9]+)"`)
	for _, dir := range []string{"auth", "backup", "claims", "consent", "delegation", "did", "keystore", "approvals", "secrets", "wallets"} {
		files, err := filepath.Glob("../" + dir + "/*.go")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range refuse.FindAllStringSubmatch(string(text), -1) {
				found++
				if _, known := codeStatus(api.Code(m[1])); !known && !slices.Contains(ofSessions, m[1]) && !strings.HasSuffix(name, "_test.go") {
					t.Errorf("%s refuses with %s, which the table does not know", name, m[1])
				}
			}
		}
	}
	if found < 50 {
		t.Errorf("found %d refusals; were they moved?", found)
	}
}

func TestProblemOf(t *testing.T) {
	for _, c := range []struct {
		name   string
		err    error
		status int
		code   string
		says   string
	}{
		{"answers a wrapped sentinel", fmt.Errorf("opening the wallet: %w", keystore.ErrLocked), 423, "locked", ""},
		{"answers a protocol code", fmt.Errorf("reading: %w", did.Refuse("jwt_expired", "the token has expired")), 403, "jwt_expired", "The token has expired."},
		{"answers a rule that names no DID as a rule", fmt.Errorf("%w: rule 2: %w", policy.ErrPolicy, did.Refuse("did_invalid", "it is none")), 422, "policy_invalid", "The policy is not valid: rule 2: it is none (did_invalid)."},
		{"tells an exhausted disk", fmt.Errorf("recording the decision: %w", store.ErrFull), 507, "storage_full", ""},
		{"names the slots that are missing", &keystore.MissingSlotsError{Names: []string{"spare"}}, 409, "slots_missing", ""},
		{"names what was made before", &ledger.AlreadyCreatedError{ID: "z1abc"}, 409, "already_done", ""},
		{"tells nothing of what it does not know", errors.New("pq: password of walletd is hunter2"), 500, "internal", "This is a fault of the service. Its log says more."},
		{"tells nothing of a code it does not know", did.Refuse("no_such_code", "hunter2"), 500, "internal", "This is a fault of the service. Its log says more."},
		{"names the table of a damaged row", fmt.Errorf("opening: %w", &keystore.DamagedError{Table: "wallets", Row: "z1abc"}), 500, "internal",
			"A row of the store's table wallets is damaged or not where it belongs, and nothing was given. Its operator restores a backup."},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, expected := problemOf(c.err)
			if p.Status != c.status || string(p.Code) != c.code || expected != (c.status != 500) {
				t.Errorf("got %d %s (expected: %t), want %d %s", p.Status, p.Code, expected, c.status, c.code)
			}
			if c.says != "" && p.Detail != c.says {
				t.Errorf("it says %q, want %q", p.Detail, c.says)
			}
			if strings.Contains(p.Detail, "hunter2") {
				t.Errorf("it tells %q", p.Detail)
			}
		})
	}
}

func TestEveryRefusalSaysWhatToDo(t *testing.T) {
	for _, r := range refusals() {
		p, _ := problemOf(fmt.Errorf("doing something: %w", r.is))
		if p.Detail == "" || p.Code != r.code || p.Status != r.status {
			t.Errorf("%v is answered %+v", r.is, p)
		}
		w := httptest.NewRecorder()
		p.write(w)
		answer := w.Result()
		if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != r.status || answer.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%v is written with %d %v", r.is, answer.StatusCode, answer.Header)
		}
		want := ""
		switch {
		case errors.Is(r.is, dpop.ErrNonce) || errors.Is(r.is, dpop.ErrProof):
			want = challenge(string(r.code))
		case r.status == http.StatusUnauthorized:
			want = `Bearer realm="walletd"`
		}
		if asks := answer.Header.Get("WWW-Authenticate"); asks != want {
			t.Errorf("%v is written with WWW-Authenticate %q", r.is, asks)
		}
	}
}
