package policy

import (
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"walletd/internal/did"
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

func isType(name string) bool { return name == "encryptionKey" || name == "authPrincipal" }

// salted is a Fact about an encryptionKey claim of the app for a salt.
func salted(t *testing.T, address, salt string) Fact {
	return Fact{App: app(t, address), Registered: true, Claim: "encryptionKey", Salt: did.LooseBytes(salt), HasSalt: true}
}

func TestPolicy(t *testing.T) {
	p, err := Policy{Rules: []Rule{
		{App: notes, Claim: "encryptionKey", Salt: text("zoo"), Decision: Deny},
		{App: "did:abt:" + notes, Claim: "encryptionKey", Salt: text("diary"), Decision: Allow},
		{App: notes, Claim: "encryptionKey", SaltHex: text(""), Decision: Ask},
		{App: Any, Claim: "authPrincipal", Decision: Allow},
		{App: notes, Claim: Any, Decision: Ask},
	}}.Check(isType)
	if err != nil {
		t.Fatal(err)
	}
	principal := func(address string, known bool) Fact {
		return Fact{App: app(t, address), Registered: known, Claim: "authPrincipal"}
	}
	for name, c := range map[string]struct {
		fact Fact
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
		"does not hold a claim without a salt to a rule with one": {Fact{App: app(t, notes), Registered: true, Claim: "encryptionKey"}, 5, Ask},
	} {
		t.Run(name, func(t *testing.T) {
			rule, got := p.match(c.fact)
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
			if _, err := (Policy{Rules: []Rule{r}}).Check(isType); !errors.Is(err, ErrPolicy) {
				t.Errorf("got %v, want ErrPolicy", err)
			}
		})
	}
	t.Run("refuses more rules than are read on a claim", func(t *testing.T) {
		if _, err := (Policy{Rules: make([]Rule, maxRules+1)}).Check(isType); !errors.Is(err, ErrPolicy) {
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
	f.Account = "z1account"
	with := func(change func(*Fact)) Fact { g := f; change(&g); return g }
	crossing := with(func(f *Fact) { f.AlwaysAsk, f.Delegation = "another account", "d1" })

	salt := "diary"
	inHex := hex.EncodeToString(did.LooseBytes(salt))
	grant := func(change func(*Grant)) []Grant {
		g := Grant{
			ID: "g", App: notes, Uses: -1,
			GrantContent: GrantContent{Claim: "encryptionKey", Account: "z1account", Salt: &inHex},
		}
		change(&g)
		return []Grant{g}
	}
	plainly := func(*Grant) {}
	for name, c := range map[string]struct {
		policy Policy
		grants []Grant
		fact   Fact
		want   Decision
	}{
		"asks without rule or grant":                            {Policy{}, nil, f, Ask},
		"allows by rule":                                        {allow, nil, f, Allow},
		"denies by rule whatever was granted":                   {deny, grant(plainly), f, Deny},
		"lets an explicit ask stand before a grant":             {ask, grant(plainly), f, Ask},
		"allows by grant":                                       {Policy{}, grant(plainly), f, Allow},
		"asks for another salt than the grant's":                {Policy{}, grant(plainly), with(func(f *Fact) { f.Salt = []byte("letters") }), Ask},
		"asks for a claim without salt under a grant with one":  {Policy{}, grant(plainly), with(func(f *Fact) { f.Salt, f.HasSalt = nil, false }), Ask},
		"asks for another account than the grant's":             {Policy{}, grant(plainly), with(func(f *Fact) { f.Account = "z1other" }), Ask},
		"asks for another app than the grant's":                 {Policy{}, grant(plainly), with(func(f *Fact) { f.App = app(t, another) }), Ask},
		"asks for an agent the grant does not name":             {Policy{}, grant(plainly), with(func(f *Fact) { f.Agent = app(t, another) }), Ask},
		"asks for another claim than the grant's":               {Policy{}, grant(plainly), with(func(f *Fact) { f.Claim = "authPrincipal" }), Ask},
		"asks once the grant is used up":                        {Policy{}, grant(func(g *Grant) { g.Uses = 0 }), f, Ask},
		"allows the last use":                                   {Policy{}, grant(func(g *Grant) { g.Uses = 1 }), f, Allow},
		"asks once the grant has ended":                         {Policy{}, grant(func(g *Grant) { g.Ends = now.Unix() }), f, Ask},
		"allows until the grant ends":                           {Policy{}, grant(func(g *Grant) { g.Ends = now.Unix() + 1 }), f, Allow},
		"asks once the grant is revoked":                        {Policy{}, grant(func(g *Grant) { g.Revoked = 1 }), f, Ask},
		"lets no rule cross accounts":                           {allow, nil, crossing, Ask},
		"lets no grant cross accounts that names no delegation": {allow, grant(plainly), crossing, Ask},
		"lets no grant for another delegation cross":            {allow, grant(func(g *Grant) { g.Delegation = "d2" }), crossing, Ask},
		"lets the grant for this very delegation cross":         {Policy{}, grant(func(g *Grant) { g.Delegation = "d1" }), crossing, Allow},
		"denies by rule what crosses accounts":                  {deny, grant(func(g *Grant) { g.Delegation = "d1" }), crossing, Deny},
		"asks for a salt of another DID whatever was granted":   {allow, grant(plainly), with(func(f *Fact) { f.AlwaysAsk = "salt of another" }), Ask},
		"asks the owner for the number on the page":             {allow, grant(plainly), with(func(f *Fact) { f.MFA = true }), Ask},
		"asks the owner for the number even for a delegation":   {allow, grant(func(g *Grant) { g.Delegation = "d1" }), with(func(f *Fact) { f.AlwaysAsk, f.Delegation, f.MFA = "x", "d1", true }), Ask},
		"does not spend a delegation's grant without it":        {Policy{}, grant(func(g *Grant) { g.Delegation = "d1" }), f, Ask},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Decide(c.policy, c.grants, c.fact, now); got.Decision != c.want || got.Reason == "" {
				t.Errorf("got %s (%q), want %s and a reason", got.Decision, got.Reason, c.want)
			}
		})
	}
}

// A key is the same by both of its names, so a deny for a salt holds under both.
func TestADenyOfAKeyHoldsUnderBothItsNames(t *testing.T) {
	rule := func(claim string, salt *string, d Decision) Rule {
		return Rule{App: Any, Claim: claim, Salt: salt, Decision: d}
	}
	fact := func(claim, salt string) Fact {
		f := salted(t, notes, salt)
		f.Claim, f.Bound = claim, true
		return f
	}
	const key, storage = "encryptionKey", "secretStorageKey"
	for name, c := range map[string]struct {
		rules    []Rule
		claim    string
		salt     string
		denied   bool
		warnings int
	}{
		"a denied encryption key is no storage key": {[]Rule{rule(storage, nil, Allow), rule(key, text("zoo"), Deny)}, storage, "zoo", true, 0},
		"by its bytes": {[]Rule{rule(storage, nil, Allow), rule(key, text("zoo"), Deny)}, storage, "0x0a9a", true, 0},
		"an allow of everything that stands before wins": {[]Rule{rule(Any, nil, Allow), rule(storage, text("zoo"), Deny)}, key, "zoo", false, 0},
		"a denied storage key is no encryption key":      {[]Rule{rule(key, nil, Allow), rule(storage, text("zoo"), Deny)}, key, "zoo", true, 0},
		"another salt's is":                              {[]Rule{rule(storage, nil, Allow), rule(key, text("zoo"), Deny)}, storage, "letters", false, 0},
		"a deny of all by one name leaves the other":     {[]Rule{rule(storage, nil, Allow), rule(key, nil, Deny)}, storage, "zoo", false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			p := Policy{Rules: c.rules}
			if _, is := p.Denies(fact(c.claim, c.salt)); is != c.denied {
				t.Errorf("denied: %v", is)
			}
			if got := p.Warnings(); len(got) != c.warnings {
				t.Errorf("warnings: %q", got)
			}
		})
	}
}
