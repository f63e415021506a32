package pages

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"walletd/internal/auth"
	"walletd/internal/policy"
	"walletd/internal/show"
)

// rulesPage is what the page of the rules shows.
type rulesPage struct {
	Rules   []ruleShown
	Seen    string // digest of the rules as they are shown: a change is made of these alone
	Apps    []appShown
	Claims  []string // that rules can name
	Draft   policy.Rule
	Salt    string // of the draft
	Bound   bool   // the test is of a token that is bound to a key
	Problem string // as its message is called, "" for none
	Detail  string
	Testing bool // the owner asks what the rules would do: Verdict, if Tested
	Tested  bool
	Verdict policy.Verdict
}

// ruleShown is a rule with what the page adds.
type ruleShown struct {
	policy.Rule
	Number      int
	AppName     string // the owner's own, or ""
	SaltShown   string
	First, Last bool
}

// ruleFields are the fields of a form about a rule, with names that tell the two forms of the page apart. Any says
// that it may be about any app and any claim.
type ruleFields struct {
	ID  string
	Any bool
	rulesPage
}

// claimNames are what rules can name, in the order of how often they are asked.
var claimNames = []string{
	"encryptionKey", "authPrincipal", "profile", "signature", "verifiableCredential", "asset", "assetOrVC", "agreement", "keyPair", "prepareTx",
	"secretStorageKey", "secret.read", "secret.write",
}

func (p *Pages) rulesPage(v *visit) (rulesPage, policy.Policy, error) {
	rules, err := p.Pipeline.Policy(v.ctx(), v.caller)
	if err != nil {
		return rulesPage{}, rules, err
	}
	apps, err := p.appsWithGrants(v)
	if err != nil {
		return rulesPage{}, rules, err
	}
	shown := rulesPage{Seen: digestOf(rules), Apps: apps, Claims: claimNames, Draft: policy.Rule{Decision: policy.Ask}}
	for i, r := range rules.Rules {
		line := ruleShown{Rule: r, Number: i + 1, First: i == 0, Last: i == len(rules.Rules)-1}
		if at := slices.IndexFunc(apps, func(a appShown) bool { return a.App == r.App }); at >= 0 {
			line.AppName = apps[at].Name
		}
		switch {
		case r.Salt != nil:
			line.SaltShown = show.Escape(*r.Salt)
		case r.SaltHex != nil:
			line.SaltShown = "0x" + *r.SaltHex
		}
		shown.Rules = append(shown.Rules, line)
	}
	return shown, rules, nil
}

// digestOf names a policy by what it holds.
func digestOf(rules policy.Policy) string {
	text, err := json.Marshal(rules)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

func (p *Pages) rules(v *visit) error {
	shown, _, err := p.rulesPage(v)
	if err != nil {
		return err
	}
	query := v.r.URL.Query()
	if query.Get("test") == "" {
		return v.show(http.StatusOK, "rules", shown)
	}
	shown.Testing, shown.Draft = true, draft(query.Get)
	shown.Salt, shown.Bound = query.Get("salt"), query.Get("bound") != ""
	shown.Verdict, err = p.Pipeline.TestPolicy(v.ctx(), v.caller, shown.Draft, shown.Bound)
	switch {
	case errors.Is(err, auth.ErrInput):
		described, _ := p.Describe(err)
		shown.Problem, shown.Detail = "rules.testProblem", described.Detail
	case err != nil:
		return err
	default:
		shown.Tested = true
	}
	return v.show(http.StatusOK, "rules", shown)
}

// draft reads the fields of a rule.
func draft(field func(string) string) policy.Rule {
	r := policy.Rule{App: field("app"), Claim: field("claim"), Decision: policy.Decision(field("decision")), Tokens: field("tokens")}
	if salt := field("salt"); salt != "" {
		r.Salt = &salt
	}
	return r
}

// changeRules makes one change of the rules that the page showed: another change meanwhile refuses it.
func (p *Pages) changeRules(v *visit) error {
	shown, rules, err := p.rulesPage(v)
	if err != nil {
		return err
	}
	refuse := func(problem, detail string) error {
		shown.Problem, shown.Detail, shown.Draft, shown.Salt = problem, detail, draft(v.form.text), v.form.text("salt")
		return v.show(http.StatusUnprocessableEntity, "rules", shown)
	}
	if v.form.text("seen") != shown.Seen {
		return refuse("rules.changed", "")
	}
	next := policy.Policy{Rules: slices.Clone(rules.Rules)}
	at, _ := strconv.Atoi(v.form.text("rule"))
	at--
	if action := v.form.text("action"); action == "add" {
		next.Rules = append(next.Rules, draft(v.form.text))
	} else if at < 0 || at >= len(next.Rules) {
		return refuse("rules.changed", "")
	} else {
		switch action {
		case "remove":
			next.Rules = slices.Delete(next.Rules, at, at+1)
		case "confirm":
			next.Rules[at].Off = false
		case "up", "down":
			to := at - 1
			if action == "down" {
				to = at + 1
			}
			if to < 0 || to >= len(next.Rules) {
				return refuse("rules.changed", "")
			}
			next.Rules[at], next.Rules[to] = next.Rules[to], next.Rules[at]
		}
	}
	if _, err := p.Pipeline.SetPolicy(v.ctx(), v.caller, next); errors.Is(err, policy.ErrPolicy) {
		described, _ := p.Describe(err)
		return refuse("rules.problem", described.Detail)
	} else if err != nil {
		return err
	}
	return v.redirectDone("/rules", "saved")
}
