package pages

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"walletd/internal/approvals"
	"walletd/internal/auth"
	"walletd/internal/consent"
	"walletd/internal/did"
	"walletd/internal/passkey"
	"walletd/internal/show"
	"walletd/internal/store"
)

// approvalPage is what the page of an approval shows, in the order of design section 13. Every text of the app has
// passed package show.
type approvalPage struct {
	approvals.View
	Next    string // where to go once it is decided, "" to stay
	Unusual []string
	Before  []string // what was decided about the app before, in sentences
	Claims  []claimShown
	Numbers []int // one of which the app shows
	// Remember says that the yes can be remembered, at least with some choice; EachTime, why it cannot be.
	Remember bool
	EachTime []string
	// Opened says that the app asks in a session, as those that this browser opens, which nothing that is remembered answers.
	Opened  bool
	Raw     string
	Problem string // why the last try was refused, as its message is called
	Detail  string // of that, in English
	Waits   bool
	// MayApprove says that the page has a button to approve; Touch, that it takes a touch.
	MayApprove, Touch bool
}

// claimShown is one claim with what its page adds.
type claimShown struct {
	approvals.ClaimView
	Key   string // of its messages: the type, or "other"
	Other bool   // it is not answered by the account that answers the rest
	// Accounts are those from which the owner may choose the one that answers; none if this claim leaves no choice.
	Accounts []accountShown
}

// accountShown is an account that can be chosen to answer.
type accountShown struct {
	Address string
	Key     string // what kind of key it has, as DIDs name it
	Chosen  bool   // it answers without a choice
}

// accountsOf are the accounts of an approval from which the owner may choose.
func accountsOf(a approvals.View) []accountShown {
	var all []accountShown
	for i, address := range a.Accounts {
		one := accountShown{Address: address, Chosen: i == 0}
		if account, err := did.Parse(address); err == nil {
			one.Key = account.Type().Key.String()
		}
		all = append(all, one)
	}
	return all
}

// eachTime returns why a claim cannot be remembered whatever is chosen, or "".
func eachTime(c approvals.ClaimView) string {
	if c.AskedEachTime != "" || len(c.Offers) == 0 {
		return c.AskedEachTime
	}
	for _, o := range c.Offers {
		if o.AskedEachTime == "" {
			return ""
		}
	}
	return c.Offers[0].AskedEachTime
}

func (p *Pages) approvalPage(v *visit, a approvals.View, next string) (approvalPage, error) {
	shown := approvalPage{View: a, Next: next, Remember: true, Opened: a.Session != "" && v.caller.Passkey != "", Raw: raw(a.Requested), Waits: a.Status == store.Pending, Unusual: v.lang.notes(a.Unusual), Touch: v.caller.NeedsAssertion()}
	var err error
	if shown.Before, err = v.lang.history(a); err != nil {
		return approvalPage{}, err
	}
	shown.MayApprove = !shown.Touch || !p.Auth.Party().IsZero()
	for _, c := range a.Claims {
		claim := claimShown{ClaimView: c, Key: c.Type, Other: c.Account != a.Account}
		if _, there := v.lang.messages["claim."+c.Type]; !there {
			claim.Key = "other"
		}
		if len(c.MFACode) > 0 {
			shown.Numbers = c.MFACode
		}
		if c.Type == "authPrincipal" {
			claim.Accounts = accountsOf(a)
		}
		if why := eachTime(c); why != "" {
			shown.Remember = false
			if why = v.lang.note(why); !slices.Contains(shown.EachTime, why) {
				shown.EachTime = append(shown.EachTime, why)
			}
		}
		claim.Unusual = v.lang.notes(c.Unusual)
		shown.Claims = append(shown.Claims, claim)
	}
	return shown, nil
}

// raw writes claims as they were requested, to be read.
func raw(requested []json.RawMessage) string {
	var b bytes.Buffer
	for i, claim := range requested {
		if i > 0 {
			b.WriteString("\n\n")
		}
		if json.Indent(&b, claim, "", "  ") != nil {
			b.Write(claim)
		}
	}
	return show.EscapeLines(b.String())
}

// approval shows one approval.
func (p *Pages) approval(v *visit) error {
	a, err := p.Approvals.Get(v.ctx(), v.caller, v.name("id"))
	if err != nil {
		return err
	}
	shown, err := p.approvalPage(v, a, "")
	if err != nil {
		return err
	}
	return v.show(http.StatusOK, "approval", shown)
}

// remembers are the ways to remember a yes that the page offers, by the value of its field.
var remembers = map[string]*approvals.Remember{
	"once": nil, "hour": {Seconds: 3600}, "day": {Seconds: 24 * 3600}, "always": {Until: "withdrawn"},
}

// choice reads what the owner chose.
func (f form) choice() (approvals.Choice, error) {
	c := approvals.Choice{Account: f.text("account")}
	for _, one := range f.fields { // credential-N is what claim N presents
		if id := string(one.value); strings.HasPrefix(one.name, "credential-") && id != "" && !slices.Contains(c.Credentials, id) {
			c.Credentials = append(c.Credentials, id)
		}
	}
	if f.text("choosesItems") != "" {
		items := append([]string{}, f.all("item")...)
		c.Items = &items
	}
	if text := f.text("mfaCode"); text != "" {
		var err error
		if c.MFACode, err = strconv.Atoi(text); err != nil {
			return c, approvals.ErrChoice
		}
	}
	var known bool
	if c.Remember, known = remembers[f.text("remember")]; !known && f.text("remember") != "" {
		return c, approvals.ErrChoice
	}
	return c, nil
}

// decide approves or rejects.
func (p *Pages) decide(v *visit) error {
	id, next := v.name("id"), v.form.text("next")
	done := "rejected"
	var err error
	if v.form.text("decision") == "approve" {
		done = "approved"
		err = p.approve(v, id)
	} else {
		_, err = p.Pipeline.Reject(v.ctx(), v.caller, id)
	}
	switch {
	case err == nil:
	case errors.Is(err, approvals.ErrChoice), errors.Is(err, auth.ErrPasskeyRequired), errors.Is(err, auth.ErrPasskeyRefused):
		return p.askAgain(v, id, next, err)
	case errors.Is(err, consent.ErrDecided), errors.Is(err, consent.ErrExpired), errors.Is(err, consent.ErrAnswerChanged):
		done = "late" // the page says how it stands
	default:
		return err
	}
	if next = local(next); next == "/" {
		next = "/approvals/" + url.PathEscape(id)
	}
	if strings.HasPrefix(next, "/sessions/") && done != "late" {
		return v.redirect(next) // which says how it goes on
	}
	return v.redirectDone(next, done)
}

func (p *Pages) approve(v *visit, id string) error {
	choice, err := v.form.choice()
	if err != nil {
		return err
	}
	var touch *passkey.Assertion
	if v.form.bytes("assertion") != nil {
		as, err := v.form.assertion("assertion")
		if err != nil {
			return err
		}
		touch = &as
	}
	_, err = p.Pipeline.Approve(v.ctx(), v.caller, id, choice, touch)
	return err
}

// askAgain shows an approval once more, with what was wrong with the answer.
func (p *Pages) askAgain(v *visit, id, next string, wrong error) error {
	a, err := p.Approvals.Get(v.ctx(), v.caller, id)
	if err != nil {
		return err
	}
	shown, err := p.approvalPage(v, a, next)
	if err != nil {
		return err
	}
	switch shown.Problem = "approval.choice"; {
	case errors.Is(wrong, auth.ErrPasskeyRequired):
		shown.Problem = "approval.needsPasskey"
	case errors.Is(wrong, auth.ErrPasskeyRefused):
		shown.Problem = "approval.refusedPasskey"
	default:
		described, _ := p.Describe(wrong)
		shown.Detail = described.Detail
	}
	return v.show(http.StatusUnprocessableEntity, "approval", shown)
}
