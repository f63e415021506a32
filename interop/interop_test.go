// Package interop_test runs the real service as a user runs it, and asks it with programs made of
// the official DID Connect packages. The programs compute by themselves what the answers must be,
// so nothing here knows how a key is derived: README.md says what each of them checks.
package interop_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mr-tron/base58"

	"walletd/internal/wallettest/postgres"
)

func TestOfficialPackages(t *testing.T) {
	p := install(t)
	bin := build(t)
	stores := []struct {
		name  string
		place func(*testing.T) []string
	}{
		{"on SQLite", func(t *testing.T) []string { return []string{"--data", filepath.Join(t.TempDir(), "data")} }},
		{"on PostgreSQL", func(t *testing.T) []string { return []string{"--store", postgres.Start(t)} }},
	}
	for _, store := range stores {
		t.Run(store.name, func(t *testing.T) {
			t.Parallel()
			s := newService(t, bin, store.place(t)...)
			t.Run("open with the key that a delegation gives", func(t *testing.T) { delegated(t, s, p) })
			t.Run("open with the key of the app's own account", func(t *testing.T) { own(t, s, p) })
			t.Run("verify the answers to signed requests", func(t *testing.T) { signed(t, s, p) })
			t.Run("prove a key with another's DPoP", func(t *testing.T) { paired(t, s, p) })
			t.Run("are refused what they may not have", func(t *testing.T) { refused(t, s, p) })
			t.Run("get the same keys after a restart", func(t *testing.T) { again(t, s, p) })
		})
	}
}

// delegated is the claims handler of the documentation: {type: 'encryptionKey', description, salt:
// the application's address, delegation: JWT}, approved by the owner.
func delegated(t *testing.T, s *service, p peers) {
	d := s.newDelegated(t)
	s.rules(t, "*", d.server.App) // which decides no delegation
	got := p.run(t, "encryption-key.mjs", d.ask(s, input{"description": "Restore the application's settings"}), s.approve)
	want := outcome{
		OK: true, Asked: true, Opened: true, Echoed: true, KeyBytes: 32,
		Account: d.account, UserDID: s.accountOf(t, d.server), Reason: "approved by the owner",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("outcome (-want +got):\n%s", diff)
	}
	if !said[struct{ OK bool }](t, s, "owner", "audit", "verify").OK {
		t.Error("the record does not hold together")
	}
}

// delegation is an application with an account in alice's wallet, and a server that is to have
// that account's key.
type delegation struct {
	server, application app
	account             string
}

func (s *service) newDelegated(t *testing.T) delegation {
	t.Helper()
	d := delegation{server: s.newApp(t, "Server", ""), application: s.newApp(t, "Application", "")}
	made := said[struct{ Account string }](t, s, "owner", "account", "create", "--app", d.application.App, "--role", "application")
	d.account = made.Account
	return d
}

// accountOf is the account that an app has of its own, which answers it.
func (s *service) accountOf(t *testing.T, a app) string {
	t.Helper()
	list := said[struct {
		Items []struct{ Account, App string }
	}](t, s, "owner", "account", "list")
	for _, item := range list.Items {
		if item.App == a.App {
			return item.Account
		}
	}
	t.Fatalf("%s has no account in %+v", a.App, list)
	return ""
}

// address is a DID without its prefix, by which accounts are derived.
func address(did string) string { return strings.TrimPrefix(did, "did:abt:") }

// ask is the input of encryption-key.mjs, with more laid over it.
func (d delegation) ask(s *service, more input) input {
	in := input{"url": s.url, "token": d.server.Token, "words": words, "for": address(d.application.App), "asker": d.server.App}
	maps.Copy(in, more)
	return in
}

// own asks for keys of the app's own account, which a rule allows.
func own(t *testing.T, s *service, p peers) {
	notes := s.newApp(t, "Notes", "")
	s.rules(t, "encryptionKey", notes.App)
	for _, salt := range []string{"notes", "zoo", "0x5a17", "", "näive <salt>"} {
		ask := input{"url": s.url, "token": notes.Token, "words": words, "for": address(notes.App), "salt": salt, "delegate": false}
		got := p.run(t, "encryption-key.mjs", ask, nil)
		if !got.OK || got.Asked || !got.Opened || !got.Echoed {
			t.Errorf("salt %q: outcome %+v", salt, got)
		}
	}
}

// caller is an app that signs its requests.
type caller struct {
	app
	secret string
}

func (s *service) newCaller(t *testing.T, p peers) caller {
	t.Helper()
	c := caller{secret: newSecret(t)}
	// The packages name the app: a request that is only printed tells how.
	c.app = s.newApp(t, "Signer", p.run(t, "signed-request.mjs", c.ask(s, input{"print": true}), nil).App)
	return c
}

// newSecret is an ed25519 key as the packages write it.
func newSecret(t *testing.T) string {
	t.Helper()
	_, secret, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return "0x" + hex.EncodeToString(secret)
}

// ask is the input of signed-request.mjs, with more laid over it.
func (c caller) ask(s *service, more input) input {
	in := input{
		"url": s.url, "wallet": s.wallet, "appSecret": c.secret,
		"requestedClaims": []input{{"type": "encryptionKey", "salt": "notes"}, {"type": "authPrincipal", "description": "Who are you?"}},
	}
	maps.Copy(in, more)
	return in
}

// keyOf asks for the same key with the app's token, by the command line; it is told as the
// programs tell keys, by its digest.
func (s *service) keyOf(t *testing.T, a app, salt string) string {
	t.Helper()
	s.write(t, "app.token", a.Token)
	answer := said[struct{ RequestedClaims []struct{ Key string } }](t, s, "app", "claim", "--salt", salt)
	if len(answer.RequestedClaims) != 1 || len(answer.RequestedClaims[0].Key) < 2 {
		t.Fatalf("walletd claim gave no key: %+v", answer)
	}
	key, err := base58.Decode(answer.RequestedClaims[0].Key[1:])
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(key)
	return hex.EncodeToString(digest[:])
}

// signed asks without a token, in each way there is.
func signed(t *testing.T, s *service, p peers) {
	c := s.newCaller(t, p)
	s.rules(t, "*", c.App)
	keys := []string{s.keyOf(t, c.app, "notes"), ""}
	for _, way := range []struct {
		name   string
		more   input
		sealed bool
	}{
		{"plain", nil, false},
		{"sealed", input{"sealed": true}, true},
		{"by an agent with a certificate", input{"delegated": true}, false},
		{"by an agent, sealed", input{"delegated": true, "sealed": true}, true},
	} {
		t.Run(way.name, func(t *testing.T) {
			got := p.run(t, "signed-request.mjs", c.ask(s, way.more), nil)
			want := outcome{
				OK: true, Verified: true, Derives: true, Challenged: true, Sealed: way.sealed,
				App: c.App, UserDID: got.UserDID, Lifetime: got.Lifetime,
				Types: []string{"encryptionKey", "authPrincipal"}, Keys: keys,
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("outcome (-want +got):\n%s", diff)
			}
			if got.Lifetime <= 0 || got.Lifetime > 300 {
				t.Errorf("the answer lives %d s", got.Lifetime)
			}
		})
	}
	t.Run("approved by the owner, sealed", func(t *testing.T) {
		s.rules(t, "*")
		got := p.run(t, "signed-request.mjs", c.ask(s, input{"sealed": true}), s.approve)
		if !got.OK || !got.Asked || !got.Sealed || !slices.Equal(got.Keys, keys) {
			t.Errorf("outcome %+v, want the keys %q", got, keys)
		}
	})
}

// refused is what no rule lets through, each with its code.
func refused(t *testing.T, s *service, p peers) {
	c, d := s.newCaller(t, p), s.newDelegated(t)
	s.rules(t, "*", "*")
	used := p.run(t, "signed-request.mjs", c.ask(s, input{"print": true}), nil).Body
	if first := p.run(t, "signed-request.mjs", c.ask(s, input{"body": used}), nil); !first.OK {
		t.Fatalf("a body that was printed: %+v", first)
	}
	const byToken, bySignature = "encryption-key.mjs", "signed-request.mjs"
	for _, r := range []struct {
		name    string
		program string
		in      input
		status  int
		code    string
	}{
		{"a delegation to another server", byToken, d.ask(s, input{"delegation": input{"to": c.App}}), 403, "delegation_agent_mismatch"},
		{"a delegation that has ended", byToken, d.ask(s, input{"lifetime": -60}), 403, "delegation_expired"},
		{"a delegation without an end", byToken, d.ask(s, input{"delegation": input{"exp": nil}}), 403, "delegation_no_exp"},
		{"a delegation that lives too long", byToken, d.ask(s, input{"lifetime": 25 * 60 * 60}), 403, "delegation_lifetime"},
		{"a delegation of another claim", byToken, d.ask(s, input{"delegation": input{"permissions": []input{{"role": "DIDConnectAgent", "claims": []string{"signature"}}}}}), 403, "delegation_claim_not_allowed"},
		{"a delegation by an account that the wallet does not hold", byToken, d.ask(s, input{"for": address(c.App)}), 403, "account_not_held"},
		{"a delegation and the salt of another account", byToken, d.ask(s, input{"salt": s.wallet}), 403, "salt_mismatch"},
		{"a request for no wallet", bySignature, c.ask(s, input{"authInfo": input{"aud": nil}}), 400, "aud_missing"},
		{"a request for another wallet", bySignature, c.ask(s, input{"wallet": d.account}), 403, "aud_mismatch"},
		{"a request of a session", bySignature, c.ask(s, input{"authInfo": input{"url": "https://notes.example/api/did/login/auth"}}), 400, "url_present"},
		{"a request that lives too long", bySignature, c.ask(s, input{"authInfo": input{"exp": "4102444800"}}), 403, "jwt_lifetime"},
		{"a request sent twice", bySignature, c.ask(s, input{"body": used}), 409, "jti_replayed"},
		{"a request with a token besides", bySignature, c.ask(s, input{"token": c.Token}), 400, "two_credentials"},
		{"a stranger", bySignature, c.ask(s, input{"appSecret": newSecret(t)}), 403, "aud_mismatch"},
		{"an agent certified for another claim", bySignature, c.ask(s, input{"delegated": true, "certified": []string{"signature"}}), 403, "delegation_claim_not_allowed"},
	} {
		t.Run(r.name, func(t *testing.T) {
			got := p.run(t, r.program, r.in, nil)
			if got.Status != r.status || got.Code != r.code || got.Detail == "" {
				t.Errorf("%d %s %q, want %d %s", got.Status, got.Code, got.Detail, r.status, r.code)
			}
		})
	}
	t.Run("what the owner says no to", func(t *testing.T) {
		got := p.run(t, byToken, d.ask(s, nil), s.reject)
		if got.Status != 403 || got.Code != "rejected" {
			t.Errorf("%d %s %q", got.Status, got.Code, got.Detail)
		}
	})
}

// again asks before and after the service was stopped and started. The key of the delegation is the
// same if it opens: the program computes it.
func again(t *testing.T, s *service, p peers) {
	c, d := s.newCaller(t, p), s.newDelegated(t)
	s.rules(t, "*", c.App)
	before := p.run(t, "signed-request.mjs", c.ask(s, nil), nil)
	if got := p.run(t, "encryption-key.mjs", d.ask(s, nil), s.approve); !got.Opened {
		t.Errorf("before: %+v", got)
	}
	s.restart(t)
	after := p.run(t, "signed-request.mjs", c.ask(s, nil), nil)
	if !before.OK || !after.OK || !slices.Equal(before.Keys, after.Keys) {
		t.Errorf("before %+v, after %+v", before, after)
	}
	if got := p.run(t, "encryption-key.mjs", d.ask(s, nil), s.approve); !got.Opened {
		t.Errorf("after: %+v", got)
	}
}
