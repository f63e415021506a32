package server_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"walletd/api"
	"walletd/internal/server"
	"walletd/internal/wallettest"
)

// operation is what the contract says of one method of a path.
type operation struct {
	Tags     []string
	Security []map[string][]string
	Body     *struct{ Required bool } `yaml:"requestBody"`
}

// contract reads the operations of the contract, by "METHOD /path".
func contract(t *testing.T) map[string]operation {
	t.Helper()
	var doc struct {
		Security []map[string][]string
		Paths    map[string]map[string]yaml.Node
	}
	if err := yaml.Unmarshal(api.OpenAPI, &doc); err != nil {
		t.Fatal(err)
	}
	all := map[string]operation{}
	for path, methods := range doc.Paths {
		for method, node := range methods {
			if method == "parameters" {
				continue
			}
			op := operation{Security: doc.Security}
			if err := node.Decode(&op); err != nil {
				t.Fatalf("%s %s: %v", method, path, err)
			}
			all[strings.ToUpper(method)+" "+path] = op
		}
	}
	if len(all) < 40 {
		t.Fatalf("the contract has %d operations; was it moved?", len(all))
	}
	return all
}

func routes(t *testing.T, h http.Handler) []string {
	t.Helper()
	var all []string
	err := chi.Walk(h.(chi.Routes), func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		if method != http.MethodOptions && method != http.MethodHead { // what HTTP itself asks is no operation
			all = append(all, method+" "+route)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return all
}

func TestRouterAndContractHaveTheSameOperations(t *testing.T) {
	w := wallettest.New(t)
	var want []string
	for name := range contract(t) {
		want = append(want, name)
	}
	for _, name := range routes(t, w.Pages.Routes()) { // for people, in HTML
		if slices.Contains(want, name) || strings.Contains(name, " /v1/") {
			t.Errorf("%s is a page, and of the contract", name)
		}
		want = append(want, name)
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, routes(t, w.Server.Handler())); diff != "" {
		t.Errorf("(-contract +router)\n%s", diff)
	}
}

func TestAppsHaveAListenerOfTheirOwn(t *testing.T) {
	w := wallettest.New(t, wallettest.Config(func(c *server.Config) { c.Apps = true }))
	apps := routes(t, w.Server.AppsHandler())
	people := routes(t, w.Server.Handler())
	for name, op := range contract(t) {
		if slices.Contains(op.Tags, "secrets") { // of apps there, of owners here
			if !slices.Contains(people, name) || !slices.Contains(apps, name) {
				t.Errorf("%s is not on both listeners", name)
			}
		} else if isApps := slices.Contains(op.Tags, "claims") || slices.Contains(op.Tags, "pages"); isApps {
			if slices.Contains(people, name) || !slices.Contains(apps, name) {
				t.Errorf("%s is not on the apps' listener alone", name)
			}
		} else if slices.Contains(apps, name) && !strings.HasSuffix(name, "z") {
			t.Errorf("%s is on the apps' listener", name)
		}
	}
	w.Do("POST", "/v1/claims", "", wallettest.Members{}).Refused(404, "not_found")
}

// Each operation is tried without a token, and with tokens of the roles it is not for.
func TestOperationsAreHeldToTheirRoles(t *testing.T) {
	w := wallettest.New(t)
	tokens := map[string]string{"operator": w.Operator, "owner": w.Owner, "app": w.App("Notes").Token}
	names := strings.NewReplacer("{name}", "x", "{keyId}", "k", "{wallet}", w.Address, "{id}", "none", "{code}", "ABCDEFGH", "{hash}", strings.Repeat("0", 64), "{app}", "zNKpPiDfyQ5h7LWfhsYHaxdizUx7ung399sm")
	bodies := map[string]wallettest.Members{
		"POST /v1/claims":                       {"requestedClaims": []wallettest.Members{wallettest.EncryptionKey("s")}},
		"POST /v1/wallets/{wallet}/accounts":    {"app": "zNKpPiDfyQ5h7LWfhsYHaxdizUx7ung399sm"},
		"POST /v1/wallets/{wallet}/derive":      {"salt": "s"},
		"PUT /v1/wallets/{wallet}/policy":       {"rules": []string{}},
		"POST /v1/wallets/{wallet}/policy/test": {"app": "zNKpPiDfyQ5h7LWfhsYHaxdizUx7ung399sm", "claim": "encryptionKey"},
		"PUT /v1/wallets/{wallet}/apps/{app}":   {"name": "x"},
		"PATCH /v1/wallets/{wallet}":            {"name": "x"},
		"POST /v1/wallets/{wallet}/credentials": {"asset": "zje1uzZTCZN551EWGLyyCEW9AM2wAdjymfHb", "owner": w.Address},
		"DELETE /v1/wallets/{wallet}":           {"confirm": w.Address},
		"PUT /v1/push/subscriptions":            {"endpoint": "https://push.example/", "keys": wallettest.Members{"p256dh": "x", "auth": "x"}},
		"POST /v1/wallets":                      {"name": "x"},
		"POST /v1/sessions":                     {"link": "https://abtwallet.io/i/?action=requestAuth&url=https%3A%2F%2Fdapp.example%2F"},
		"POST /v1/pairings/{code}/approve":      {"origin": "https://client.example", "thumbprint": strings.Repeat("A", 43)},
		"POST /v1/invitations":                  {"wallet": w.Address},
		"PATCH /v1/passkeys/{id}":               {"name": "x"},
		"POST /v1/passkeys":                     {"state": "x", "registration": wallettest.Members{"id": "x", "clientDataJSON": "x", "attestationObject": "x"}},
		"POST /v1/touch":                        {"method": "GET", "path": "/", "body": strings.Repeat("0", 64)},
		"POST /v1/tokens":                       {"role": "operator", "name": "x"},
		"POST /v1/keystore/unlock":              {"passphrase": "x"},
		"POST /v1/keystore/clock":               {"passphrase": "x"},
		"POST /v1/keystore/slots":               {"auth": wallettest.Members{"passphrase": "x"}, "slot": wallettest.Members{"name": "x", "passphrase": "twelve characters"}},
		"POST /v1/keystore/slots/{id}/remove":   {"auth": wallettest.Members{"passphrase": "x"}},
		"POST /v1/keystore/rotate":              {"secrets": []wallettest.Members{{"passphrase": "x"}}},
		"POST /v1/secret-storage/keys":          {},
		"POST /v1/secret-storage/key":           {"keys": wallettest.Members{}},
		"PUT /v1/secret-storage/keys/{keyId}":   {"keyInfo": wallettest.Members{}},
		"PUT /v1/secrets/{name}":                {"value": "x"},
		"POST /v1/claims/{id}":                  {"appPk": "z1", "authInfo": "x"},

		"POST /v1/wallets/{wallet}/audit/archives": {"before": "2026-01-31T12:00:00Z"},
	}
	for name, op := range contract(t) {
		method, path, _ := strings.Cut(name, " ")
		path = names.Replace(path)
		var body any
		if op.Body != nil {
			body = wallettest.Members{}
			if known, ok := bodies[name]; ok {
				body = known
			}
		}
		public, roles := false, []string{}
		for _, way := range op.Security {
			if len(way) == 0 {
				public = true
			}
			roles = append(roles, way["bearer"]...)
		}
		if !public {
			w.Do(method, path, "", body).Refused(401, "unauthorized")
			w.Do(method, path, "wd_owner_none_none", body).Refused(401, "unauthorized")
		}
		for role, token := range tokens {
			if public && len(roles) == 0 || slices.Contains(roles, role) {
				continue
			}
			got := w.Do(method, path, token, body)
			if got.Status != 403 && got.Status != 404 {
				t.Errorf("%s with a token of role %s: %d %s", name, role, got.Status, got.Body)
			}
		}
	}
}
