package claims_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"walletd/internal/approvals"
	"walletd/internal/consent"
	"walletd/internal/wallettest/fixture"
)

const passportClaim = `{"type":"verifiableCredential","item":["NodePassport"],"challenge":"A1B2C3D4E5F60718"}`

// passport stores a passport of an issuer with a role, and returns the id of its row.
func passport(t *testing.T, f *fixture.Fixture, issuer fixture.Peer, id, about, role string) string {
	t.Helper()
	v, err := f.Wallets.PutCredential(t.Context(), f.As(f.Owner), issuer.IssuePassport(t, id, about, role), "")
	if err != nil {
		t.Fatal(err)
	}
	return v.ID
}

// role returns the role in the passport that an answer presents.
func role(t *testing.T, out consent.Outcome, err error) string {
	t.Helper()
	if err != nil || out.Answer == nil {
		t.Fatalf("no answer: %v, %v", out, err)
	}
	var p struct{ VerifiableCredential []string }
	var c struct {
		CredentialSubject struct{ Passport struct{ Name string } }
	}
	if err := json.Unmarshal([]byte(fixture.Member(t, out.Answer, 0, "presentation")), &p); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(p.VerifiableCredential[0]), &c); err != nil {
		t.Fatal(err)
	}
	return c.CredentialSubject.Passport.Name
}

// A person became the owner of an app, then accepted an invitation as a member: the owner's task gets the owner's
// passport, because the person says so, and from then on without asking.
func TestOfSeveralRolesThePersonChooses(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	issuer, about := fixture.NewPeer(t, 9), f.AccountAddress(fixture.Notes)
	owner := passport(t, f, issuer, "first", about, "owner")
	f.Clock = f.Clock.Add(time.Second)
	member := passport(t, f, issuer, "second", about, "member")
	f.SetPolicy(fixture.AllowAll)

	p := f.Pending(token, passportClaim) // although a rule allows everything
	c := f.Approval(p.ID).Claims[0]
	if c.Presents != nil || len(c.Offers) != 2 || c.Offers[0].Role != "member" || c.Offers[1].Role != "owner" || c.Offers[1].Title != "OWNER" || c.Offers[1].Issuer != issuer.DID.Address() {
		t.Errorf("shown is %+v", c)
	}
	if len(c.Unusual) == 0 || !strings.Contains(c.Unusual[len(c.Unusual)-1], "different roles") {
		t.Errorf("unusual is %q", c.Unusual)
	}
	for name, choice := range map[string]approvals.Choice{
		"without a choice":           {},
		"with what is not held":      {Credentials: []string{"nothing"}},
		"with one more than is held": {Credentials: []string{owner, "nothing"}},
		"with two":                   {Credentials: []string{owner, member}},
	} {
		t.Run("is not approved "+name, func(t *testing.T) { fixture.WantErr(t, f.Approve(p.ID, choice), approvals.ErrChoice) })
	}
	if err := f.Approve(p.ID, approvals.Choice{Credentials: []string{owner}}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		out, err := f.Collect(token, p.ID)
		if got := role(t, out, err); got != "owner" {
			t.Errorf("presented %s", got)
		}
	}
	t.Run("and the rule presents what was presented last", func(t *testing.T) {
		before := len(f.EventKinds())
		for range 2 {
			out, err := f.Ask(token, passportClaim)
			if got := role(t, out, err); got != "owner" {
				t.Errorf("presented %s", got)
			}
		}
		if got := len(f.EventKinds()) - before; got != 2 {
			t.Errorf("%d entries were recorded", got)
		}
	})
	f.SetPolicy()
	t.Run("until the person chooses another", func(t *testing.T) {
		p := f.Pending(token, passportClaim)
		if c := f.Approval(p.ID).Claims[0]; c.Presents == nil || c.Presents.Role != "owner" || len(c.Offers) != 2 {
			t.Errorf("shown is %+v", c)
		}
		if err := f.Approve(p.ID, approvals.Choice{Credentials: []string{member}}); err != nil {
			t.Fatal(err)
		}
		out, err := f.Collect(token, p.ID)
		if got := role(t, out, err); got != "member" {
			t.Errorf("presented %s", got)
		}
		p = f.Pending(token, passportClaim)
		if c := f.Approval(p.ID).Claims[0]; c.Presents == nil || c.Presents.Role != "member" {
			t.Errorf("shown is %+v", c)
		}
	})
	t.Run("and another app's is not guessed from it", func(t *testing.T) {
		other := f.AppToken(fixture.Another)
		f.SetPolicy(fixture.AllowAll)
		p := f.Pending(other, passportClaim)
		if c := f.Approval(p.ID).Claims[0]; c.Presents != nil {
			t.Errorf("shown is %+v", c.Presents)
		}
	})
}

func TestAGrantIsForTheCredentialThatWasChosen(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	issuer, about := fixture.NewPeer(t, 9), f.AccountAddress(fixture.Notes)
	owner := passport(t, f, issuer, "first", about, "owner")
	passport(t, f, issuer, "second", about, "member")
	p := f.Pending(token, passportClaim)
	if err := f.Approve(p.ID, approvals.Choice{Credentials: []string{owner}, Remember: &approvals.Remember{Until: "withdrawn"}}); err != nil {
		t.Fatal(err)
	}
	out, err := f.Collect(token, p.ID)
	if got := role(t, out, err); got != "owner" {
		t.Errorf("presented %s", got)
	}
	out, err = f.Ask(token, passportClaim)
	if got := role(t, out, err); got != "owner" {
		t.Errorf("by the grant is presented %s", got)
	}
}

// The same role twice, such as a passport that was issued anew, is no question: the newest is presented.
func TestOfOneRoleTheNewestIsPresented(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	issuer, about := fixture.NewPeer(t, 9), f.AccountAddress(fixture.Notes)
	passport(t, f, issuer, "old", about, "member")
	f.Clock = f.Clock.Add(time.Second)
	passport(t, f, issuer, "new", about, "member")
	f.SetPolicy(fixture.AllowAll)
	a := f.Answer(token, passportClaim)
	if got := fixture.Member(t, a, 0, "presentation"); !strings.Contains(got, `\"id\":\"new\"`) {
		t.Errorf("presented is %s", got)
	}
	t.Run("and another issuer's is another role", func(t *testing.T) {
		f := fixture.New(t)
		token, about := f.AppToken(fixture.Notes), f.AccountAddress(fixture.Notes)
		passport(t, f, issuer, "one", about, "member")
		passport(t, f, fixture.NewPeer(t, 8), "two", about, "member")
		f.SetPolicy(fixture.AllowAll)
		f.Pending(token, passportClaim)
	})
}

// What was chosen is given as it was shown, or not at all.
func TestTheChosenCredentialIsTheOneThatWasShown(t *testing.T) {
	for name, test := range map[string]struct {
		change func(t *testing.T, f *fixture.Fixture, issuer fixture.Peer, about, chosen string)
		given  bool
	}{
		"is given although another comes": {func(t *testing.T, f *fixture.Fixture, issuer fixture.Peer, about, _ string) {
			passport(t, f, issuer, "third", about, "guest")
		}, true},
		"is not given after it was replaced": {func(t *testing.T, f *fixture.Fixture, issuer fixture.Peer, about, chosen string) {
			if id := passport(t, f, issuer, "first", about, "guest"); id != chosen {
				t.Fatal("it was not replaced")
			}
		}, false},
		"is not given after it was deleted": {func(t *testing.T, f *fixture.Fixture, _ fixture.Peer, _, chosen string) {
			f.DeleteHolding(chosen)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := fixture.New(t)
			token := f.AppToken(fixture.Notes)
			issuer, about := fixture.NewPeer(t, 9), f.AccountAddress(fixture.Notes)
			chosen := passport(t, f, issuer, "first", about, "owner")
			passport(t, f, issuer, "second", about, "member")
			p := f.Pending(token, passportClaim)
			if err := f.Approve(p.ID, approvals.Choice{Credentials: []string{chosen}}); err != nil {
				t.Fatal(err)
			}
			test.change(t, f, issuer, about, chosen)
			out, err := f.Collect(token, p.ID)
			if test.given {
				if got := role(t, out, err); got != "owner" {
					t.Errorf("presented %s", got)
				}
				return
			}
			fixture.WantErr(t, err, consent.ErrAnswerChanged)
			if out.Answer != nil {
				t.Error("it was given")
			}
		})
	}
	t.Run("and is offered as it is when it is approved", func(t *testing.T) {
		f := fixture.New(t)
		token := f.AppToken(fixture.Notes)
		issuer, about := fixture.NewPeer(t, 9), f.AccountAddress(fixture.Notes)
		chosen := passport(t, f, issuer, "first", about, "owner")
		passport(t, f, issuer, "second", about, "member")
		p := f.Pending(token, passportClaim)
		passport(t, f, issuer, "first", about, "guest")
		fixture.WantErr(t, f.Approve(p.ID, approvals.Choice{Credentials: []string{chosen}}), approvals.ErrChoice)
		if _, err := f.Collect(token, p.ID); err != nil {
			t.Errorf("the request does not wait any more: %v", err)
		}
	})
}

// A request for two credentials takes a choice for each.
func TestEachClaimPresentsTheFirstThatItOffers(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	issuer, about := fixture.NewPeer(t, 9), f.AccountAddress(fixture.Notes)
	owner := passport(t, f, issuer, "first", about, "owner")
	member := passport(t, f, issuer, "second", about, "member")
	p := f.Pending(token, passportClaim, strings.Replace(passportClaim, "{", `{"target":"second",`, 1))
	if err := f.Approve(p.ID, approvals.Choice{Credentials: []string{owner, member}}); err != nil {
		t.Fatal(err)
	}
	out, err := f.Collect(token, p.ID)
	if err != nil {
		t.Fatal(err)
	}
	for i, id := range []string{"first", "second"} {
		if got := fixture.Member(t, out.Answer, i, "presentation"); !strings.Contains(got, `\"id\":\"`+id+`\"`) {
			t.Errorf("claim %d presents %s", i, got)
		}
	}
}
