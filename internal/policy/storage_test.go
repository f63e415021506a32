package policy

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"walletd/internal/did"
)

// An allow gives the key of a secret storage to bound tokens alone, unless it says otherwise.
func TestAStorageKeyIsForBoundTokens(t *testing.T) {
	now := time.Unix(1767225600, 0)
	any := func(r Rule) Rule { r.Tokens = AnyToken; return r }
	storage := Rule{App: notes, Claim: "secretStorageKey", Decision: Allow}
	all := Rule{App: notes, Claim: Any, Decision: Allow}
	keys := Rule{App: notes, Claim: "encryptionKey", Decision: Allow}
	ask := func(claim, salt string, bound bool) Fact {
		return Fact{App: app(t, notes), Registered: true, Claim: claim, Salt: did.LooseBytes(salt), HasSalt: true, Bound: bound}
	}
	const alice = "m.secret_storage:@alice:hs.example"
	for name, c := range map[string]struct {
		rule Rule
		fact Fact
		want Decision
	}{
		"allows a bound token":                                     {storage, ask("secretStorageKey", "m.secret_storage", true), Allow},
		"asks for a bearer":                                        {storage, ask("secretStorageKey", "m.secret_storage", false), Ask},
		"asks for a bearer whatever the salt":                      {storage, ask("secretStorageKey", "my own", false), Ask},
		"allows a bearer where the rule says so":                   {any(storage), ask("secretStorageKey", "m.secret_storage", false), Allow},
		"asks for a bearer under a rule for all claims":            {all, ask("secretStorageKey", "m.secret_storage", false), Ask},
		"allows one under a rule for all claims that says so":      {any(all), ask("secretStorageKey", "m.secret_storage", false), Allow},
		"asks for a bearer who wants the same key by another name": {all, ask("encryptionKey", "m.secret_storage", false), Ask},
		"asks so under a rule for keys too":                        {keys, ask("encryptionKey", alice, false), Ask},
		"asks so however the salt is written":                      {keys, ask("encryptionKey", "0x6d2e7365637265745f73746f72616765", false), Ask},
		"allows a bound token by the other name":                   {keys, ask("encryptionKey", alice, true), Allow},
		"allows bearers other keys":                                {keys, ask("encryptionKey", "notes", false), Allow},
		"allows bearers what else a rule for all claims covers":    {all, ask("secret.read", "", false), Allow},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := Policy{Rules: []Rule{c.rule}}.Check(func(string) bool { return true })
			if err != nil {
				t.Fatal(err)
			}
			v := Decide(p, nil, c.fact, now)
			if v.Decision != c.want || (v.Rule == 1) != (c.want == Allow) {
				t.Errorf("got %+v", v)
			}
			if c.want == Ask && !strings.Contains(v.Reason, "rule 1 allows it for tokens that are bound") {
				t.Errorf("the reason is %q", v.Reason)
			}
		})
	}
	// A grant for the request of a bound token is for bound tokens.
	grant := Grant{App: app(t, notes).Address(), Uses: -1, GrantContent: GrantContent{Claim: "secretStorageKey", Salt: text(""), Bound: true}}
	for bound, want := range map[bool]Decision{true: Allow, false: Ask} {
		if v := Decide(Policy{}, []Grant{grant}, ask("secretStorageKey", "", bound), now); v.Decision != want {
			t.Errorf("a grant, bound %t: %+v", bound, v)
		}
	}
	// What denies, and what asks, is for all.
	checked := func(rules ...Rule) Policy {
		p, err := Policy{Rules: rules}.Check(func(string) bool { return true })
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := checked(Rule{App: notes, Claim: "secretStorageKey", Decision: Deny}, all)
	for _, bound := range []bool{true, false} {
		if v := Decide(p, nil, ask("secretStorageKey", "m.secret_storage", bound), now); v.Decision != Deny {
			t.Errorf("bound %t: %+v", bound, v)
		}
	}
	// A later rule may say otherwise.
	p = checked(storage, any(all))
	if v := Decide(p, nil, ask("secretStorageKey", "m.secret_storage", false), now); v.Decision != Allow || v.Rule != 2 {
		t.Errorf("got %+v", v)
	}
}

// A policy that was saved before bearers were told apart means what it meant, also once it is read and saved again.
func TestAPolicyOfBeforeGoesOn(t *testing.T) {
	now := time.Unix(1767225600, 0)
	var old Policy
	text := `{"rules":[{"app":"did:abt:` + notes + `","claim":"secretStorageKey","decision":"allow"},{"app":"*","claim":"*","decision":"allow","off":true},` +
		`{"app":"*","claim":"profile","decision":"allow"},{"app":"*","claim":"*","decision":"ask"}]}`
	if err := json.Unmarshal([]byte(text), &old); err != nil {
		t.Fatal(err)
	}
	bearer := Fact{App: app(t, notes), Registered: true, Claim: "secretStorageKey", HasSalt: true}
	read := old.SpelledOut()
	if v := Decide(read, nil, bearer, now); v.Decision != Allow {
		t.Errorf("read, it says %+v", v)
	}
	saved, err := Policy{Rules: read.Rules}.Check(func(string) bool { return true }) // the wire has the rules alone
	if err != nil {
		t.Fatal(err)
	}
	if v := Decide(saved.SpelledOut(), nil, bearer, now); v.Decision != Allow {
		t.Errorf("saved again, it says %+v", v)
	}
	for i, want := range []string{AnyToken, AnyToken, "", ""} {
		if saved.Rules[i].Tokens != want {
			t.Errorf("rule %d is for %q tokens, want %q", i+1, saved.Rules[i].Tokens, want)
		}
	}
	if warnings := saved.Warnings(); len(warnings) != 1 || !strings.Contains(warnings[0], "copy of one") {
		t.Errorf("the warnings are %q", warnings)
	}
	if old.Rules[0].Tokens != "" {
		t.Error("what was read is changed")
	}
}

func TestTokensOfARuleAreChecked(t *testing.T) {
	for name, r := range map[string]Rule{
		"refuses a word it does not know":      {App: Any, Claim: "secretStorageKey", Decision: Allow, Tokens: "bound"},
		"refuses tokens of a rule that denies": {App: Any, Claim: "secretStorageKey", Decision: Deny, Tokens: AnyToken},
		"refuses tokens for another claim":     {App: Any, Claim: "profile", Decision: Allow, Tokens: AnyToken},
	} {
		if _, err := (Policy{Rules: []Rule{r}}).Check(func(string) bool { return true }); err == nil {
			t.Error(name)
		}
	}
}
