package claims

import (
	"errors"
	"testing"
	"time"

	"walletd/internal/did"
	"walletd/internal/store"
)

const (
	notes   = "zNKpPiDfyQ5h7LWfhsYHaxdizUx7ung399sm"
	another = "zNKneXNUdTiVHHGBfwBc7D3QwTgW5YD3NCkF"
)

func app(t *testing.T, address string) did.DID {
	t.Helper()
	d, err := did.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func text(s string) *string { return &s }

// salted is a fact about an encryptionKey claim of the app for a salt.
func salted(t *testing.T, address, salt string) fact {
	return fact{app: app(t, address), known: true, claim: "encryptionKey", salt: did.LooseBytes(salt), hasSalt: true}
}

func TestPolicy(t *testing.T) {
	policy, err := Policy{Rules: []Rule{
		{App: notes, Claim: "encryptionKey", Salt: text("zoo"), Decision: Deny},
		{App: "did:abt:" + notes, Claim: "encryptionKey", Salt: text("diary"), Decision: Allow},
		{App: notes, Claim: "encryptionKey", SaltHex: text(""), Decision: Ask},
		{App: Any, Claim: "authPrincipal", Decision: Allow},
		{App: notes, Claim: Any, Decision: Ask},
	}}.check()
	if err != nil {
		t.Fatal(err)
	}
	principal := func(address string, known bool) fact {
		return fact{app: app(t, address), known: known, claim: "authPrincipal"}
	}
	for name, c := range map[string]struct {
		fact fact
		rule int
		want Decision
	}{
		"denies the salt a rule denies":                           {salted(t, notes, "zoo"), 1, Deny},
		"denies another text with the bytes of the denied salt":   {salted(t, notes, "0x0a9a"), 1, Deny},
		"allows the salt a rule allows":                           {salted(t, notes, "diary"), 2, Allow},
		"tells an empty salt from every other":                    {salted(t, notes, ""), 3, Ask},
		"asks for another salt":                                   {salted(t, notes, "letters"), 5, Ask},
		"asks for another app's salt of the same text":            {salted(t, another, "diary"), 0, Ask},
		"lets a known app be whoever it is":                       {principal(another, true), 4, Allow},
		"does not let * speak of an app that is not known":        {principal(another, false), 0, Ask},
		"takes the first rule that matches":                       {principal(notes, true), 4, Allow},
		"does not hold a claim without a salt to a rule with one": {fact{app: app(t, notes), known: true, claim: "encryptionKey"}, 5, Ask},
	} {
		t.Run(name, func(t *testing.T) {
			rule, got := policy.match(c.fact)
			if rule != c.rule || got != c.want {
				t.Errorf("rule %d says %s, want rule %d to say %s", rule, got, c.rule, c.want)
			}
		})
	}
}

func TestPolicyIsCheckedWhenSaved(t *testing.T) {
	for name, r := range map[string]Rule{
		"refuses a decision it does not know": {App: Any, Claim: Any, Decision: "maybe"},
		"refuses an app that is no DID":       {App: "notes", Claim: Any, Decision: Ask},
		"refuses an app with a broken sum":    {App: "zNKpPiDfyQ5h7LWfhsYHaxdizUx7ung399sn", Claim: Any, Decision: Ask},
		"refuses a claim it does not answer":  {App: Any, Claim: "encryptionkey", Decision: Ask},
		"refuses two salts":                   {App: Any, Claim: Any, Salt: text("a"), SaltHex: text("61"), Decision: Ask},
		"refuses a salt that is not hex":      {App: Any, Claim: Any, SaltHex: text("6g"), Decision: Ask},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := (Policy{Rules: []Rule{r}}).check(); !errors.Is(err, ErrPolicy) {
				t.Errorf("got %v, want ErrPolicy", err)
			}
		})
	}
	t.Run("refuses more rules than are read on a claim", func(t *testing.T) {
		if _, err := (Policy{Rules: make([]Rule, maxRules+1)}).check(); !errors.Is(err, ErrPolicy) {
			t.Errorf("got %v, want ErrPolicy", err)
		}
	})
}

func TestDecide(t *testing.T) {
	now := time.Unix(1767225600, 0)
	allow := Policy{Rules: []Rule{{App: Any, Claim: Any, Decision: Allow}}}
	ask := Policy{Rules: []Rule{{App: Any, Claim: Any, Decision: Ask}}}
	deny := Policy{Rules: []Rule{{App: Any, Claim: Any, Decision: Deny}}}
	f := salted(t, notes, "diary")
	f.account = "z1account"
	with := func(change func(*fact)) fact { g := f; change(&g); return g }
	crossing := with(func(f *fact) { f.never, f.delegation = "another account", "d1" })

	salt := "diary"
	hex := hexOf(did.LooseBytes(salt))
	grant := func(change func(*live)) []live {
		g := live{
			row:     store.Grant{ID: "g", App: notes, Uses: -1},
			content: grantContent{Claim: "encryptionKey", Account: "z1account", Salt: hex},
		}
		change(&g)
		return []live{g}
	}
	plainly := func(*live) {}
	for name, c := range map[string]struct {
		policy Policy
		grants []live
		fact   fact
		want   Decision
	}{
		"asks without rule or grant":                            {Policy{}, nil, f, Ask},
		"allows by rule":                                        {allow, nil, f, Allow},
		"denies by rule whatever was granted":                   {deny, grant(plainly), f, Deny},
		"lets an explicit ask stand before a grant":             {ask, grant(plainly), f, Ask},
		"allows by grant":                                       {Policy{}, grant(plainly), f, Allow},
		"asks for another salt than the grant's":                {Policy{}, grant(plainly), with(func(f *fact) { f.salt = []byte("letters") }), Ask},
		"asks for a claim without salt under a grant with one":  {Policy{}, grant(plainly), with(func(f *fact) { f.salt, f.hasSalt = nil, false }), Ask},
		"asks for another account than the grant's":             {Policy{}, grant(plainly), with(func(f *fact) { f.account = "z1other" }), Ask},
		"asks for another app than the grant's":                 {Policy{}, grant(plainly), with(func(f *fact) { f.app = app(t, another) }), Ask},
		"asks for an agent the grant does not name":             {Policy{}, grant(plainly), with(func(f *fact) { f.agent = app(t, another) }), Ask},
		"asks for another claim than the grant's":               {Policy{}, grant(plainly), with(func(f *fact) { f.claim = "authPrincipal" }), Ask},
		"asks once the grant is used up":                        {Policy{}, grant(func(g *live) { g.row.Uses = 0 }), f, Ask},
		"allows the last use":                                   {Policy{}, grant(func(g *live) { g.row.Uses = 1 }), f, Allow},
		"asks once the grant has ended":                         {Policy{}, grant(func(g *live) { g.row.Ends = now.Unix() }), f, Ask},
		"allows until the grant ends":                           {Policy{}, grant(func(g *live) { g.row.Ends = now.Unix() + 1 }), f, Allow},
		"asks once the grant is revoked":                        {Policy{}, grant(func(g *live) { g.row.Revoked = 1 }), f, Ask},
		"lets no rule cross accounts":                           {allow, nil, crossing, Ask},
		"lets no grant cross accounts that names no delegation": {allow, grant(plainly), crossing, Ask},
		"lets no grant for another delegation cross":            {allow, grant(func(g *live) { g.content.Delegation = "d2" }), crossing, Ask},
		"lets the grant for this very delegation cross":         {Policy{}, grant(func(g *live) { g.content.Delegation = "d1" }), crossing, Allow},
		"denies by rule what crosses accounts":                  {deny, grant(func(g *live) { g.content.Delegation = "d1" }), crossing, Deny},
		"asks for a salt of another DID whatever was granted":   {allow, grant(plainly), with(func(f *fact) { f.never = "salt of another" }), Ask},
		"asks a person for the number on the page":              {allow, grant(plainly), with(func(f *fact) { f.mfa = true }), Ask},
		"asks a person for the number even for a delegation":    {allow, grant(func(g *live) { g.content.Delegation = "d1" }), with(func(f *fact) { f.never, f.delegation, f.mfa = "x", "d1", true }), Ask},
		"does not spend a delegation's grant without it":        {Policy{}, grant(func(g *live) { g.content.Delegation = "d1" }), f, Ask},
	} {
		t.Run(name, func(t *testing.T) {
			if got := decide(c.policy, c.grants, c.fact, now); got.Decision != c.want || got.Reason == "" {
				t.Errorf("got %s (%q), want %s and a reason", got.Decision, got.Reason, c.want)
			}
		})
	}
}

func TestPlain(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"leaves ordinary text":                  {"Notes — 笔记 👍", "Notes — 笔记 👍"},
		"removes what turns the text around":    {"pay\u202ednob", "paydnob"},
		"removes control characters":            {"a\x00b\x1b[31mc", "ab[31mc"},
		"removes what cannot be seen":           {"a\u200bb\u00adc\ufeff", "abc"},
		"folds white space":                     {"  a \r\n\t b  ", "a b"},
		"removes what is not UTF-8":             {"a\xffb", "ab"},
		"cuts what is too long":                 {"abcdefghijk", "abcdefgh…"},
		"does not cut what is just long enough": {"abcdefgh", "abcdefgh"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Plain(c.in, 8+len([]rune(c.in))*btoi(c.in != "abcdefghijk" && c.in != "abcdefgh")); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestEscaped(t *testing.T) {
	for in, want := range map[string]string{
		"diary":         "diary",
		"a b":           "a b",
		"a\x00":         `a\u{0}`,
		"\u202eabc":     `\u{202e}abc`,
		"a\u00a0b":      `a\u{a0}b`,
		`a\u{0}`:        `a\\u{0}`,
		"\xff":          `\xff`,
		"盐🧂":            "盐🧂",
		"\u2028":        `\u{2028}`,
		"\ufffd is one": "\ufffd is one",
	} {
		if got := escaped(in); got != want {
			t.Errorf("escaped(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestAnAllowSpeaksOfKnownAppsOnly(t *testing.T) {
	h := newHouse(t)
	h.openToStrangers()
	p := newPeer(t, 7)
	h.policy(Rule{App: p.did.String(), Claim: Any, Decision: Allow})
	if out, err := h.askSigned(h.request(p, "1", nil)); err != nil || out.Pending == nil {
		t.Errorf("got %v and %v of a stranger that a rule names, want a question", out, err)
	}
	t.Run("also when the row of its withdrawal is deleted", func(t *testing.T) {
		if _, err := h.door.NameApp(t.Context(), h.as(h.owner), p.did, "known"); err != nil {
			t.Fatal(err)
		}
		if out, err := h.askSigned(h.request(p, "2", nil)); err != nil || out.Answer == nil {
			t.Fatalf("got %v and %v of a known app", out, err)
		}
		if err := h.door.RevokeApp(t.Context(), h.as(h.owner), p.did); err != nil {
			t.Fatal(err)
		}
		h.exec(`delete from apps`)
		if out, err := h.askSigned(h.request(p, "3", nil)); err != nil || out.Pending == nil {
			t.Errorf("got %v and %v, want a question", out, err)
		}
	})
	t.Run("but a deny of anybody it names", func(t *testing.T) {
		h.policy(Rule{App: p.did.String(), Claim: Any, Decision: Deny})
		_, err := h.askSigned(h.request(p, "4", nil))
		wantErr(t, err, ErrDenied)
	})
}

// A wallet that is made again from its words counts its versions anew; its rules are not those of
// before.
func TestAPolicyDiesWithItsWallet(t *testing.T) {
	h := newHouse(t)
	token := h.appToken(notes)
	h.policy(allowAll)
	h.answer(token, keyClaim("diary")) // the policy is in the cache
	before, err := h.store.Wallet(t.Context(), h.wallet)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.door.DeleteWallet(t.Context(), h.as(h.owner), h.wallet); err != nil {
		t.Fatal(err)
	}
	if _, err := h.door.CreateWallet(t.Context(), h.as(h.operator), NewWallet{Name: "alice", Words: []byte(words)}); err != nil {
		t.Fatal(err)
	}
	h.owner = h.token(h.operator, NewToken{Role: Owner, Wallet: h.wallet}).Text
	token = h.appToken(notes)
	h.policy(Rule{App: Any, Claim: Any, Decision: Deny})
	for { // until the new wallet's version is the one that was cached
		w, err := h.store.Wallet(t.Context(), h.wallet)
		if err != nil {
			t.Fatal(err)
		}
		if w.Version == before.Version {
			break
		}
		if w.Version > before.Version {
			t.Fatalf("the new wallet is at version %d already, the old one was at %d", w.Version, before.Version)
		}
		if _, err := h.door.NameApp(t.Context(), h.as(h.owner), app(t, another), "raises the version"); err != nil {
			t.Fatal(err)
		}
	}
	_, err = h.ask(token, keyClaim("diary"))
	wantErr(t, err, ErrDenied)
}
