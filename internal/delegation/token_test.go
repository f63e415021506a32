package delegation

import (
	"encoding/hex"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"walletd/internal/did"
)

type tokenVectors struct {
	Parties map[string]string
	Tokens  []struct {
		Name, Token, Expect string
	}
	ScopeMatch []struct {
		Scope, Pattern string
		Match          bool
	}
	Decisions []struct {
		Scope     string
		Ops, Deny []string
		Allowed   bool
	}
}

func loadTokens(t testing.TB) tokenVectors {
	var v tokenVectors
	load(t, "delegation-token.json", &v)
	if len(v.Tokens) != 15 || len(v.ScopeMatch) != 17 || len(v.Decisions) != 6 {
		t.Fatalf("found %d tokens, %d patterns, %d decisions", len(v.Tokens), len(v.ScopeMatch), len(v.Decisions))
	}
	return v
}

func TestScopesFollowTheVectors(t *testing.T) {
	v := loadTokens(t)
	for _, c := range v.ScopeMatch {
		if got := Match(c.Scope, c.Pattern); got != c.Match {
			t.Errorf("Match(%q, %q) is %v", c.Scope, c.Pattern, got)
		}
	}
	for _, c := range v.Decisions {
		if got := Allowed(c.Scope, c.Ops, c.Deny); got != c.Allowed {
			t.Errorf("Allowed(%q, %q, %q) is %v", c.Scope, c.Ops, c.Deny, got)
		}
	}
}

func TestVerifyTokenFollowsTheVectors(t *testing.T) {
	v := loadTokens(t)
	for _, c := range v.Tokens {
		t.Run(c.Name, func(t *testing.T) {
			grant, err := VerifyToken(c.Token, now)
			wantCode(t, err, c.Expect)
			if c.Name != "child: B to C, narrower, chained" {
				return
			}
			want := Grant{
				Root: mustParse(t, v.Parties["A"]), Subject: mustParse(t, v.Parties["C"]),
				Ops:     []string{"fg:t:transfer_v2", "fg:x:connect:profile"},
				Deny:    []string{"fg:t:account_migrate"},
				Expires: now.UTC().Add(time.Hour),
			}
			if diff := cmp.Diff(want, grant, cmp.Comparer(did.DID.Equal)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// granter signs DelegationTokens.
type granter struct{ party }

const granterHeader = `{"alg":"Ed25519","typ":"DelegationToken"}`

func (g granter) body(members string) string {
	return fill(`{"iss":"`+g.String()+`","pk":"0x`+hex.EncodeToString(g.key.Public())+`","iat":"<now>","nbf":"<now>",`+members+`,"version":"1.1.0"}`, nil)
}

func (g granter) token(t testing.TB, members string) string {
	t.Helper()
	return g.signAs(t, strings.Replace(granterHeader, "Ed25519", algorithms[g.key.Type()], 1), g.body(members))
}

// to grants ops to the next party, under a parent unless it is empty.
func (g granter) to(t testing.TB, next party, ops, deny, parent string) string {
	members := `"sub":"` + next.String() + `","exp":"<hour>","ops":` + ops
	if deny != "" {
		members += `,"deny":` + deny
	}
	if parent != "" {
		members += `,"delegation":"` + parent + `"`
	}
	return g.token(t, members)
}

func TestVerifyTokenChains(t *testing.T) {
	a, b, c := granter{application(t, 1, did.Ed25519)}, granter{application(t, 2, did.Secp256k1)}, granter{application(t, 3, did.Ed25519)}
	for _, test := range []struct{ name, ops, deny, childOps, childDeny, want string }{
		{"allows the same", `["fg:t:*"]`, "", `["fg:t:*"]`, "", "ok"},
		{"allows less", `["fg:t"]`, "", `["fg:t:*","fg:t:a:b","fg:t"]`, "", "ok"},
		{"allows nothing", `[]`, "", `[]`, "", "ok"},
		{"allows a child that denies more", `["fg:t"]`, `["fg:t:a"]`, `["fg:t:b"]`, `["fg:t:b:c"]`, "ok"},
		{"allows what the parent denies in part", `["fg:t"]`, `["fg:t:a"]`, `["fg:t:*"]`, "", "ok"},
		{"refuses anything from nothing", `[]`, "", `["fg:t"]`, "", "scope_widened"},
		{"refuses a wildcard from one scope", `["fg:t:a"]`, "", `["fg:t:*"]`, "", "scope_widened"},
		{"refuses the whole from what is below it", `["fg:t:*"]`, "", `["fg:t"]`, "", "scope_widened"},
		{"refuses a longer word", `["fg:t:transfer"]`, "", `["fg:t:transfer_v2"]`, "", "scope_widened"},
		{"refuses a star", `["fg:*"]`, "", `["*"]`, "", "scope_widened"},
		{"refuses an empty scope", `["fg:*"]`, "", `[""]`, "", "scope_widened"},
		{"refuses one wide scope among narrow ones", `["fg:t"]`, "", `["fg:t:a","fg:x"]`, "", "scope_widened"},
		{"refuses what the parent denies", `["fg:t"]`, `["fg:t:a"]`, `["fg:t:a:b"]`, "", "scope_widened"},
		{"refuses other letters", `["fg:t"]`, "", `["fg:T:a"]`, "", "scope_widened"},
	} {
		t.Run(test.name, func(t *testing.T) {
			parent := a.to(t, b.party, test.ops, test.deny, "")
			_, err := VerifyToken(b.to(t, c.party, test.childOps, test.childDeny, parent), now)
			wantCode(t, err, test.want)
		})
	}

	t.Run("keeps what the parent denies", func(t *testing.T) {
		parent := a.to(t, b.party, `["fg:t"]`, `["fg:t:a"]`, "")
		grant, err := VerifyToken(b.to(t, c.party, `["fg:t:*"]`, `["fg:t:b"]`, parent), now)
		wantCode(t, err, "ok")
		for scope, want := range map[string]bool{"fg:t:a": false, "fg:t:a:x": false, "fg:t:b": false, "fg:t:c": true, "fg:t": false} {
			if grant.Allows(scope) != want {
				t.Errorf("Allows(%q) is %v", scope, !want)
			}
		}
	})
	t.Run("refuses what a grandparent denies", func(t *testing.T) {
		first := a.to(t, b.party, `["fg:t"]`, `["fg:t:a"]`, "")
		second := b.to(t, c.party, `["fg:t:*"]`, "", first)
		_, err := VerifyToken(c.to(t, a.party, `["fg:t:a"]`, "", second), now)
		wantCode(t, err, "scope_widened")
	})
	t.Run("refuses a parent that was tampered with", func(t *testing.T) {
		parent := a.to(t, b.party, `["fg:t"]`, "", "")
		wider := a.to(t, b.party, `["fg:t","fg:x"]`, "", "")
		forged := wider[:strings.LastIndex(wider, ".")] + parent[strings.LastIndex(parent, "."):]
		_, err := VerifyToken(b.to(t, c.party, `["fg:x"]`, "", forged), now)
		wantCode(t, err, "delegation_bad_signature")
	})
	t.Run("refuses a parent that is an ordinary token", func(t *testing.T) {
		_, err := VerifyToken(b.to(t, c.party, `["fg:x"]`, "", a.sign(t, `{"iss":"`+a.String()+`","version":"1.1.0"}`)), now)
		wantCode(t, err, "delegation_malformed")
	})
	t.Run("refuses a parent for somebody else", func(t *testing.T) {
		parent := a.to(t, c.party, `["fg:t"]`, "", "")
		_, err := VerifyToken(b.to(t, c.party, `["fg:t"]`, "", parent), now)
		wantCode(t, err, "chain_broken")
	})
}

func TestVerifyTokenDepth(t *testing.T) {
	a := granter{application(t, 1, did.Ed25519)}
	token := ""
	for length := 1; length <= maxChain+1; length++ {
		token = a.to(t, a.party, `["fg:t"]`, "", token)
		want := "ok"
		if length > maxChain {
			want = "chain_too_deep"
		}
		_, err := VerifyToken(token, now)
		wantCode(t, err, want)
	}
}

func TestVerifyToken(t *testing.T) {
	a, b := granter{application(t, 1, did.Ed25519)}, application(t, 2, did.Ed25519)
	const good = `"sub":"<sub>","exp":"<hour>","ops":["fg:t"]`
	many := `["fg:t:` + strings.Repeat(`a","fg:t:`, maxPatterns) + `a"]`
	for _, c := range []struct{ name, old, new, want string }{
		{"takes the form in the reference", "", "", "ok"},
		{"takes deny of nothing", `"ops"`, `"deny":[],"ops"`, "ok"},
		{"refuses a number for exp", `"<hour>"`, `<hour>`, "delegation_malformed"},
		{"refuses a fraction in exp", `<hour>`, `<hour>.5`, "delegation_malformed"},
		{"refuses exp in milliseconds", `<hour>`, `<hour>000`, "delegation_malformed"},
		{"refuses an empty exp", `<hour>`, ``, "delegation_malformed"},
		{"refuses no exp", `"exp":"<hour>",`, ``, "delegation_malformed"},
		{"refuses exp null", `"<hour>"`, `null`, "delegation_malformed"},
		{"refuses exp 0", `<hour>`, `0`, "delegation_expired"},
		{"refuses exp within the tolerance of others", `<hour>`, strconv.FormatInt(now.Unix()-1, 10), "delegation_expired"},
		{"refuses no subject", `"sub":"<sub>",`, ``, "delegation_malformed"},
		{"refuses a subject that is no DID", `"<sub>"`, `"did:evil:<sub.bare>"`, "delegation_malformed"},
		{"refuses no ops", `"ops":["fg:t"]`, `"x":0`, "delegation_malformed"},
		{"refuses ops as text", `["fg:t"]`, `"fg:t"`, "delegation_malformed"},
		{"refuses ops of mixed types", `["fg:t"]`, `["fg:t",null]`, "delegation_malformed"},
		{"refuses more scopes than it compares", `["fg:t"]`, many, "delegation_malformed"},
		{"refuses deny as text", `"ops"`, `"deny":"fg:x","ops"`, "delegation_malformed"},
		{"refuses deny of another kind", `"ops"`, `"deny":["t:bad"],"ops"`, "delegation_malformed"},
		{"refuses deny null", `"ops"`, `"deny":null,"ops"`, "delegation_malformed"},
		{"refuses a parent that is no text", `"ops"`, `"delegation":{},"ops"`, "delegation_malformed"},
		{"refuses an empty parent", `"ops"`, `"delegation":"","ops"`, "delegation_malformed"},
		{"refuses ops twice", `"ops"`, `"ops":["fg:*"],"ops"`, "delegation_malformed"},
		{"refuses ops in two cases", `"ops"`, `"Ops":["fg:*"],"ops"`, "delegation_malformed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			members := fill(strings.Replace(good, c.old, c.new, 1), map[string]party{"sub": b})
			_, err := VerifyToken(a.token(t, members), now)
			wantCode(t, err, c.want)
		})
	}
	for name, pair := range map[string][2]string{
		"refuses another version": {`"version":"1.1.0"`, `"version":"1.0.0"`},
		"refuses no version":      {`,"version":"1.1.0"`, ``},
		"refuses a key in base58": {`"0x` + hex.EncodeToString(a.key.Public()), `"` + a.pk},
		"refuses no key":          {`"pk"`, `"PK"`},
	} {
		t.Run(name, func(t *testing.T) {
			body := strings.Replace(a.body(fill(good, map[string]party{"sub": b})), pair[0], pair[1], 1)
			_, err := VerifyToken(a.signAs(t, granterHeader, body), now)
			wantCode(t, err, "delegation_malformed")
		})
	}
	t.Run("gives clocks nothing", func(t *testing.T) {
		token := a.token(t, fill(good, map[string]party{"sub": b}))
		for offset, want := range map[time.Duration]string{
			0: "ok", -time.Nanosecond: "ok", -time.Second: "delegation_not_yet_valid",
			time.Hour: "ok", time.Hour + time.Nanosecond: "delegation_expired",
		} {
			_, err := VerifyToken(token, now.Add(offset))
			wantCode(t, err, want)
		}
	})
}

func FuzzVerifyToken(f *testing.F) {
	for _, c := range loadTokens(f).Tokens {
		f.Add(c.Token)
	}
	f.Fuzz(func(t *testing.T, token string) {
		grant, err := VerifyToken(token, now)
		if err == nil && (grant.Root.IsZero() || grant.Subject.IsZero() || grant.Expires.Before(now)) {
			t.Errorf("took a grant that says %+v", grant)
		}
		if err != nil && did.CodeOf(err) == "" {
			t.Errorf("refused without a code: %v", err)
		}
	})
}
