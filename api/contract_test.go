package api_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"walletd/api"
)

// schema is what the contract says of one type.
type schema struct {
	Ref        string `yaml:"$ref"`
	Type       oneOrMore
	Required   []string
	Properties map[string]schema
	Items      *schema
	OneOf      []schema `yaml:"oneOf"`
	AllOf      []schema `yaml:"allOf"`
	Enum       []string
	Told       map[string]string `yaml:"x-enumDescriptions"`
	Minimum    *int
	Maximum    *int
	MinLength  *int `yaml:"minLength"`
	MaxLength  *int `yaml:"maxLength"`
	MinItems   *int `yaml:"minItems"`
	MaxItems   *int `yaml:"maxItems"`
}

// oneOrMore is the type of a value, or its types.
type oneOrMore []string

func (o *oneOrMore) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*o = oneOrMore{n.Value}
		return nil
	}
	return n.Decode((*[]string)(o))
}

// parameter is a query parameter of the contract.
type parameter struct {
	Ref    string `yaml:"$ref"`
	Name   string
	In     string
	Schema schema
}

type document struct {
	Paths      map[string]map[string]yaml.Node
	Components struct {
		Schemas    map[string]schema
		Parameters map[string]parameter
	}
}

func contract(t *testing.T) document {
	t.Helper()
	var d document
	if err := yaml.Unmarshal(api.OpenAPI, &d); err != nil {
		t.Fatal(err)
	}
	if len(d.Components.Schemas) < 60 {
		t.Fatalf("the contract has %d schemas; was it moved?", len(d.Components.Schemas))
	}
	return d
}

// follow returns a schema in place of a reference to it.
func (d document) follow(s schema) schema {
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		return d.Components.Schemas[name]
	}
	return s
}

// member is a member of an object on the wire. Bounds are of a number, a list or a text.
type member struct {
	Required, List bool
	Min, Max       string
}

// membersOf returns the members of a schema. A member of a oneOf is required if each alternative
// requires it.
func (d document) membersOf(s schema) map[string]member {
	s = d.follow(s)
	all := map[string]member{}
	for name, p := range s.Properties {
		p = d.follow(p)
		m := member{Required: slices.Contains(s.Required, name), List: slices.Contains(p.Type, "array")}
		for _, bound := range []*int{p.Minimum, p.MinLength, p.MinItems} {
			if bound != nil {
				m.Min = strconv.Itoa(*bound)
			}
		}
		for _, bound := range []*int{p.Maximum, p.MaxLength, p.MaxItems} {
			if bound != nil {
				m.Max = strconv.Itoa(*bound)
			}
		}
		all[name] = m
	}
	for _, part := range s.AllOf {
		for name, m := range d.membersOf(part) {
			all[name] = m
		}
	}
	seen := map[string]int{}
	for _, one := range s.OneOf {
		for name, m := range d.membersOf(one) {
			seen[name]++
			if before, ok := all[name]; ok {
				m.Required = m.Required && before.Required
			}
			all[name] = m
		}
	}
	for name, n := range seen {
		if m := all[name]; n < len(s.OneOf) {
			m.Required = false
			all[name] = m
		}
	}
	return all
}

// fieldsOf returns the members of a Go type.
func fieldsOf(t reflect.Type) map[string]member {
	all := map[string]member{}
	for f := range t.Fields() {
		if f.Anonymous {
			for name, m := range fieldsOf(f.Type) {
				all[name] = m
			}
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		element := f.Type
		if element.Kind() == reflect.Pointer {
			element = element.Elem()
		}
		m := member{
			Required: options == "" && f.Type.Kind() != reflect.Pointer,
			List:     element.Kind() == reflect.Slice && element != reflect.TypeFor[json.RawMessage](),
			Min:      f.Tag.Get("min"), Max: f.Tag.Get("max"),
		}
		if f.Tag.Get("form") == "name" {
			m.Min, m.Max = "1", "100"
		}
		all[name] = m
	}
	return all
}

// types are the types of this package that a schema of the same name describes.
var types = []any{
	api.Ask{}, api.AskSigned{}, api.EncryptionKeyClaim{}, api.AuthPrincipalClaim{}, api.ProfileClaim{}, api.SignatureClaim{}, api.AgreementClaim{},
	api.VerifiableCredentialClaim{}, api.AssetClaim{}, api.AssetOrVCClaim{}, api.KeyPairClaim{}, api.PrepareTxClaim{}, api.AskedFilter{}, api.TargetType{},
	api.Answered{}, api.EncryptionKeyAnswer{}, api.AuthPrincipalAnswer{}, api.ProfileAnswer{}, api.SignatureAnswer{}, api.AgreementAnswer{},
	api.VerifiableCredentialAnswer{}, api.AssetAnswer{}, api.AssetOrVCAnswer{}, api.KeyPairAnswer{}, api.SignedAnswer{}, api.Pending{}, api.WrittenSecret{},
	api.Approval{}, api.Requester{}, api.ApprovalClaim{}, api.SaltShown{}, api.DelegationShown{}, api.ItemShown{}, api.TextShown{}, api.AgreementShown{},
	api.KeyPairShown{}, api.Filter{}, api.Choice{}, api.Approve{}, api.From{}, api.History{}, api.Remember{}, api.NewSession{}, api.Session{}, api.PushKey{}, api.NewPushSubscription{}, api.PushKeys{}, api.PushSubscription{}, api.Member{},
	api.NewWallet{}, api.CreatedWallet{}, api.Wallet{}, api.WalletSettings{}, api.DeleteWallet{}, api.Account{}, api.NewAccount{}, api.Derive{}, api.DerivedKey{},
	api.Profile{}, api.Credential{}, api.Offer{}, api.CredentialWhole{}, api.NewCredential{},
	api.NewBackup{}, api.Inspection{}, api.Restoration{}, api.BackupView{}, api.RestoredWallet{},
	api.Policy{}, api.Rule{}, api.PolicyTest{}, api.PolicyVerdict{}, api.StoredPolicy{}, api.Grant{}, api.AppEntry{}, api.AppName{}, api.Delegation{},
	api.NewPairing{}, api.PendingPairing{}, api.BoundToken{}, api.Pairing{}, api.PairingChoice{},
	api.Record{}, api.Head{}, api.Verification{}, api.BadEntry{}, api.Archive{}, api.NewArchive{}, api.MadeArchive{}, api.NewToken{}, api.CreatedToken{}, api.Token{},
	api.SlotSecret{}, api.Slot{}, api.Keystore{}, api.NewSlot{}, api.AddSlot{}, api.CreatedSlot{}, api.RemoveSlot{}, api.Rotation{},
	api.MakeStorageKey{}, api.MadeStorageKey{}, api.FindStorageKey{}, api.FoundStorageKey{}, api.NoteStorageKey{}, api.KeyDescription{},
	api.SecretSummary{}, api.Secret{}, api.SecretData{}, api.NewSecret{}, api.StoredSecret{}, api.Status{}, api.Empty{}, api.Problem{},
	api.NewInvitation{}, api.CreatedInvitation{}, api.Invitation{}, api.OpenInvitation{}, api.AcceptInvitation{}, api.Owner{}, api.Passkey{}, api.NewPasskey{}, api.PasskeyName{},
	api.PasskeyCreation{}, api.PasskeyRequest{}, api.Registration{}, api.Assertion{}, api.SignIn{}, api.SignedIn{}, api.NewTouch{},
}

// queries are the types that are the query of an operation.
var queries = map[string]any{
	"GET /v1/claims/{id}": api.CollectQuery{}, "GET /v1/approvals": api.ApprovalsQuery{}, "GET /v1/tokens": api.TokensQuery{}, "GET /v1/wallets": api.Page{},
	"GET /v1/audit": api.RecordsQuery{}, "GET /v1/owners": api.OwnersQuery{}, "GET /v1/secrets": api.SecretsQuery{}, "GET /v1/secrets/{name}": api.SecretQuery{}, "DELETE /v1/secrets/{name}": api.OfApp{},
}

func TestTypesAndSchemasHaveTheSameMembers(t *testing.T) {
	d := contract(t)
	for _, v := range types {
		typ := reflect.TypeOf(v)
		s, ok := d.Components.Schemas[typ.Name()]
		if !ok {
			t.Errorf("the contract has no schema %s", typ.Name())
			continue
		}
		want, got := d.membersOf(s), fieldsOf(typ)
		overlook(want, got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-contract +Go)\n%s", typ.Name(), diff)
		}
	}
}

// overlook forgets the bounds of the contract that no tag states: those of answers, and those that
// a package below the server checks.
func overlook(want, got map[string]member) {
	for name, m := range want {
		if got[name].Min == "" {
			m.Min = ""
		}
		if got[name].Max == "" {
			m.Max = ""
		}
		want[name] = m
	}
}

func TestTypesAndQueriesHaveTheSameMembers(t *testing.T) {
	d := contract(t)
	for name, v := range queries {
		method, path, _ := strings.Cut(name, " ")
		want := map[string]member{}
		for _, key := range []string{"parameters", strings.ToLower(method)} {
			node := d.Paths[path][key]
			var op struct{ Parameters []parameter }
			into := any(&op)
			if key == "parameters" {
				into = &op.Parameters
			}
			if err := node.Decode(into); err != nil && !node.IsZero() {
				t.Fatal(err)
			}
			for _, p := range op.Parameters {
				if p.Ref != "" {
					p = d.Components.Parameters[strings.TrimPrefix(p.Ref, "#/components/parameters/")]
				}
				if p.In == "query" {
					of := schema{Properties: map[string]schema{p.Name: p.Schema}}
					want[p.Name] = d.membersOf(of)[p.Name]
				}
			}
		}
		got := fieldsOf(reflect.TypeOf(v))
		overlook(want, got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-contract +Go)\n%s", name, diff)
		}
	}
}

// Every exported struct of the package is compared with the contract by one of the tests above.
func TestNoTypeIsLeftOut(t *testing.T) {
	// Pages of lists, whose schemas stand in the operations; a string; and what a header holds and what Matrix keeps, which the
	// contract says in words.
	compared := map[string]bool{"List": true, "SecretText": true, "Touched": true, "SealedCopy": true}
	for _, v := range types {
		compared[reflect.TypeOf(v).Name()] = true
	}
	for _, v := range queries {
		compared[reflect.TypeOf(v).Name()] = true
	}
	for _, file := range parse(t) {
		for _, decl := range file.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok || gen.Tok != token.TYPE {
				continue
			}
			for _, spec := range gen.Specs {
				named := spec.(*ast.TypeSpec)
				if _, isStruct := named.Type.(*ast.StructType); isStruct && !compared[named.Name.Name] {
					t.Errorf("%s is compared with nothing of the contract", named.Name.Name)
				}
			}
		}
	}
}

func TestConstantsAreThoseOfTheContract(t *testing.T) {
	d := contract(t)
	codes := map[string]bool{}
	told := d.Components.Schemas["ProblemCode"].Told
	for code, text := range told {
		codes[code+" // "+strings.ReplaceAll(text, "`", "")] = true
	}
	if diff := cmp.Diff(set(d.Components.Schemas["ProblemCode"].Enum), set(slices.Collect(maps.Keys(told)))); diff != "" {
		t.Errorf("the codes (-listed +described)\n%s", diff)
	}
	want := map[string]map[string]bool{
		"Code": codes, "ClaimName": set(d.Components.Schemas["ClaimName"].Enum), "Role": set(d.Components.Schemas["Role"].Enum),
		"Decision": set(d.Components.Schemas["Decision"].Enum), "ApprovalState": set(d.Components.Schemas["Approval"].Properties["status"].Enum),
		"SessionState": set(d.Components.Schemas["Session"].Properties["state"].Enum), "Party": set(d.Components.Schemas["Party"].Enum), "ApproveBy": set(d.Components.Schemas["ApproveBy"].Enum),
	}
	got := map[string]map[string]bool{}
	for _, file := range parse(t) {
		for _, decl := range file.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok || gen.Tok != token.CONST {
				continue
			}
			for _, spec := range gen.Specs {
				v := spec.(*ast.ValueSpec)
				typ, ok := v.Type.(*ast.Ident)
				if !ok {
					continue
				}
				text, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				if typ.Name == "Code" {
					text += " // " + strings.TrimSpace(v.Comment.Text())
				}
				if got[typ.Name] == nil {
					got[typ.Name] = map[string]bool{}
				}
				got[typ.Name][text] = true
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-contract +Go)\n%s", diff)
	}
}

func set(names []string) map[string]bool {
	all := map[string]bool{}
	for _, name := range names {
		all[name] = true
	}
	return all
}

func parse(t *testing.T) []*ast.File {
	t.Helper()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return files
}
