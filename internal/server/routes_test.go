package server

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"walletd/api"
)

// described is what the contract says of an operation, and what the table says in the same words.
type described struct {
	Roles                 []string // of the tokens that may call
	Signed, Local, Anyone bool
	Probe, Page, Secret   bool
	MaxBody               int64
	Query                 []string // names, sorted
	Request               string   // name of the schema; "" without a body
	Answer                string   // name of the schema, of a list that of its items; or none, raw, any
}

type mediaTypes map[string]struct {
	Schema struct {
		Ref   string `yaml:"$ref"`
		OneOf []any  `yaml:"oneOf"`
		Props struct {
			Items struct {
				Items struct {
					Ref string `yaml:"$ref"`
				}
			}
		} `yaml:"properties"`
	}
}

// schema returns the name of the schema of a JSON body; of a list, of its items.
func (m mediaTypes) schema() string {
	s := m["application/json"].Schema
	if len(s.OneOf) > 0 {
		return "any"
	}
	ref := s.Ref
	if ref == "" {
		ref = s.Props.Items.Items.Ref
	}
	return strings.TrimPrefix(ref, "#/components/schemas/")
}

type parameters []struct {
	Ref  string `yaml:"$ref"`
	Name string
	In   string
}

type response struct {
	Ref     string `yaml:"$ref"`
	Content mediaTypes
}

type contractDocument struct {
	Paths      map[string]map[string]yaml.Node
	Components struct {
		Parameters map[string]struct{ Name, In string }
		Responses  map[string]response
	}
}

// fromContract describes every operation of the contract.
func fromContract(t *testing.T) map[string]described {
	t.Helper()
	var d contractDocument
	if err := yaml.Unmarshal(api.OpenAPI, &d); err != nil {
		t.Fatal(err)
	}
	all := map[string]described{}
	for path, methods := range d.Paths {
		var common parameters
		if node, ok := methods["parameters"]; ok {
			if err := node.Decode(&common); err != nil {
				t.Fatal(err)
			}
		}
		for method, node := range methods {
			if method == "parameters" {
				continue
			}
			var op struct {
				Security    []map[string][]string
				Parameters  parameters
				RequestBody *struct{ Content mediaTypes } `yaml:"requestBody"`
				Responses   map[string]response
				MaxBody     int64 `yaml:"x-walletd-max-body"`
				Signed      bool  `yaml:"x-walletd-signed"`
				Local       bool  `yaml:"x-walletd-local"`
				Secret      bool  `yaml:"x-walletd-secret"`
				Probe       bool  `yaml:"x-walletd-probe"`
				Page        bool  `yaml:"x-walletd-page"`
			}
			if err := node.Decode(&op); err != nil {
				t.Fatalf("%s %s: %v", method, path, err)
			}
			is := described{Signed: op.Signed, Local: op.Local, Secret: op.Secret, Probe: op.Probe, Page: op.Page}
			open := false // without a token
			for _, way := range op.Security {
				is.Roles = append(is.Roles, way["bearer"]...)
				open = open || len(way) == 0
			}
			slices.Sort(is.Roles)
			if is.Anyone = open && !op.Signed && !op.Local; (op.Signed || op.Local) && !open {
				t.Errorf("%s %s: who calls without a token is asked for one by security", method, path)
			}
			if op.RequestBody != nil {
				is.Request, is.MaxBody = op.RequestBody.Content.schema(), op.MaxBody
				if is.MaxBody == 0 {
					is.MaxBody = 64 << 10
				}
			}
			for _, p := range slices.Concat(common, op.Parameters) {
				if p.Ref != "" {
					of := d.Components.Parameters[strings.TrimPrefix(p.Ref, "#/components/parameters/")]
					p.Name, p.In = of.Name, of.In
				}
				if p.In == "query" {
					is.Query = append(is.Query, p.Name)
				}
			}
			slices.Sort(is.Query)
			good, found := op.Responses["200"]
			if !found {
				good, found = op.Responses["201"]
			}
			if good.Ref != "" {
				good = d.Components.Responses[strings.TrimPrefix(good.Ref, "#/components/responses/")]
			}
			_, isJSON := good.Content["application/json"]
			switch is.Answer = good.Content.schema(); {
			case op.Responses["202"].Ref != "":
				is.Answer = "any" // or pending
			case !found:
				is.Answer = "none"
			case !isJSON || is.Answer == "Backup": // which is a file
				is.Answer = "raw"
			}
			all[strings.ToUpper(method)+" "+path] = is
		}
	}
	return all
}

// fromTable describes every route of the table.
func fromTable() map[string]described {
	all := map[string]described{}
	for _, rt := range (&Server{}).routes() {
		is := described{Signed: rt.callers.signed, Local: rt.callers.local, Anyone: rt.callers.anyone, Probe: rt.callers.probe, Page: rt.callers.page, Secret: rt.secrecy == wipes, MaxBody: int64(rt.body)}
		for _, role := range rt.callers.roles {
			is.Roles = append(is.Roles, string(role))
		}
		slices.Sort(is.Roles)
		query, body := rt.inputs()
		if body != nil {
			is.Request = rt.operation.body.Name()
		}
		if query != nil {
			is.Query = slices.Sorted(maps.Keys(membersOf(rt.operation.query)))
		}
		answer := rt.operation.answer
		if is.Answer = answer.Name(); answer.Kind() == reflect.Interface {
			is.Answer = "any"
		} else if strings.HasPrefix(is.Answer, "List[") {
			is.Answer = answer.Field(0).Type.Elem().Name()
		}
		all[rt.method+" "+rt.path] = is
	}
	return all
}

func membersOf(t reflect.Type) map[string]bool {
	names := map[string]bool{}
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names[name] = true
	}
	return names
}

func TestTableAndContractSayTheSame(t *testing.T) {
	want, got := fromContract(t), fromTable()
	if len(want) < 60 {
		t.Fatalf("the contract has %d operations; was it moved?", len(want))
	}
	if len(got) != len((&Server{}).routes()) {
		t.Error("a route is there twice")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-contract +table)\n%s", diff)
	}
}

func TestRoutesOfSecretsWipe(t *testing.T) {
	for _, rt := range (&Server{}).routes() {
		op := rt.operation
		if (holdsSecret(op.body) || holdsSecret(op.answer)) && rt.secrecy != wipes {
			t.Errorf("%s %s takes or gives a secret and does not wipe", rt.method, rt.path)
		}
	}
	if !holdsSecret(reflect.TypeFor[api.Rotation]()) || holdsSecret(reflect.TypeFor[json.RawMessage]()) {
		t.Error("secrets are not found where they are")
	}
}

func TestBodiesOverTheUsualSizeComeFromKnownCallers(t *testing.T) {
	for _, rt := range (&Server{}).routes() {
		if rt.body > small && (!rt.body.callerFirst() || rt.callers.signed || rt.callers.anyone) {
			t.Errorf("%s %s takes a large body of whoever calls", rt.method, rt.path)
		}
	}
}
