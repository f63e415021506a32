package claims_test

import (
	"encoding/json"
	"strings"
	"testing"
	"walletd/internal/approvals"
	"walletd/internal/auth"
	"walletd/internal/consent"
	"walletd/internal/did"
	"walletd/internal/wallets"
	"walletd/internal/wallettest/fixture"

	"github.com/google/go-cmp/cmp"
)

func TestTheRecordedProfileSessionIsAnsweredByteForByte(t *testing.T) {
	f := fixture.AtRecordedStart(t)
	f.SetProfile(fixture.WholeProfile())
	steps := fixture.Recorded(t, "session-profile")
	f.MustReplay(steps[0], "", approvals.Choice{})
	f.MustReplay(steps[1], fixture.Alice, approvals.Choice{})
}

// given is the answer to a profile claim, without what was asked.
func given(t *testing.T, a *consent.Answer) map[string]string {
	t.Helper()
	var all map[string]json.RawMessage
	if err := json.Unmarshal(a.Claims[0], &all); err != nil {
		t.Fatal(err)
	}
	items := map[string]string{}
	for _, item := range wallets.ProfileItems() {
		if raw, found := all[item]; found {
			var value string
			if err := json.Unmarshal(raw, &value); err != nil {
				t.Fatal(err)
			}
			items[item] = value
		}
	}
	return items
}

func TestTheOwnerChoosesTheItemsOfAProfile(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	f.SetProfile(fixture.WholeProfile())
	asked := `{"type":"profile","items":["fullName","email","phone"]}`
	for name, c := range map[string]struct {
		items *[]string
		want  map[string]string
	}{
		"without a choice every item held is given": {nil, map[string]string{"fullName": "Alice Bean", "email": "alice@example.test"}},
		"only what was chosen is given":             {&[]string{"email"}, map[string]string{"email": "alice@example.test"}},
		"an empty choice gives none":                {&[]string{}, map[string]string{}},
	} {
		t.Run(name, func(t *testing.T) {
			p := f.Pending(token, asked)
			if err := f.Approve(p.ID, approvals.Choice{Items: c.items}); err != nil {
				t.Fatal(err)
			}
			out, err := f.Collect(token, p.ID)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, given(t, out.Answer)); diff != "" {
				t.Error(diff)
			}
			if _, e := f.LastEvent(); len(e.Claims) != 1 || len(e.Claims[0].Items) != len(c.want) {
				t.Errorf("the audit log says %+v was given", e.Claims)
			}
		})
		f.Clock = f.Clock.Add(1e9) // the next request is another row of another second
	}
	t.Run("an item that was not asked for is not offered", func(t *testing.T) {
		p := f.Pending(token, asked)
		fixture.WantErr(t, f.Approve(p.ID, approvals.Choice{Items: &[]string{"avatar"}}), approvals.ErrChoice)
		fixture.WantErr(t, f.Approve(p.ID, approvals.Choice{Items: &[]string{"phone"}}), approvals.ErrChoice)
	})
}

func TestAProfileIsShownItemByItem(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	f.SetProfile(fixture.WholeProfile())
	p := f.Pending(token, `{"type":"profile","items":["did","fullName","phone","avatar"]}`)
	v, err := f.Approvals.Get(t.Context(), f.As(f.Owner), p.ID)
	if err != nil {
		t.Fatal(err)
	}
	want := []approvals.ItemView{
		{Item: "did", Held: true, Value: did.Prefixed(v.Account)}, {Item: "fullName", Held: true, Value: "Alice Bean"}, {Item: "phone", Held: false, Value: ""}, {Item: "avatar", Held: true, Value: "image/png;base64, 34 bytes"},
	}
	if diff := cmp.Diff(want, v.Claims[0].Items); diff != "" {
		t.Error(diff)
	}
}

func TestAGrantForAProfileGivesWhatWasChosen(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	f.SetProfile(fixture.WholeProfile())
	asked := `{"type":"profile","items":["fullName","email"]}`
	p := f.Pending(token, asked)
	if err := f.Approve(p.ID, approvals.Choice{Items: &[]string{"fullName"}, Remember: &approvals.Remember{Until: "withdrawn"}}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"fullName": "Alice Bean"}, given(t, f.Answer(token, asked))); diff != "" {
		t.Error(diff)
	}
	f.Answer(token, `{"type":"profile","items":["email","fullName"]}`) // in another order
	f.Pending(token, `{"type":"profile","items":["fullName","email","avatar"]}`)
}

func TestAProfileClaimIsRefused(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	for name, items := range map[string]string{
		"with an item nobody knows": `["ssn"]`,
		"with an item twice":        `["email","email"]`,
		"with items that are text":  `"email"`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := f.Ask(token, `{"type":"profile","items":`+items+`}`)
			fixture.WantCode(t, err, "request_malformed")
		})
	}
}

func TestSetProfile(t *testing.T) {
	f := fixture.New(t)
	for name, p := range map[string]wallets.Profile{
		"refuses an item nobody knows":   {"ssn": "1"},
		"refuses to write down the DID":  {"did": fixture.Alice},
		"refuses a control character":    {"fullName": "a\x00b"},
		"refuses what is too long":       {"email": strings.Repeat("e", 1001)},
		"refuses an avatar at an url":    {"avatar": "https://dapp.example.test/a.png"},
		"refuses an avatar that is text": {"avatar": "data:text/html;base64,PGI+"},
		"refuses an avatar of any size":  {"avatar": "data:image/png;base64," + strings.Repeat("A", 48<<10)},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := f.Wallets.SetProfile(t.Context(), f.As(f.Owner), p)
			fixture.WantErr(t, err, auth.ErrInput)
		})
	}
	t.Run("replaces all of it, and leaves out what is empty", func(t *testing.T) {
		f.SetProfile(fixture.WholeProfile())
		f.SetProfile(wallets.Profile{"phone": "1", "email": ""})
		p, err := f.Wallets.Profile(t.Context(), f.As(f.Owner))
		if diff := cmp.Diff(wallets.Profile{"phone": "1"}, p); err != nil || diff != "" {
			t.Error(err, diff)
		}
		if kind, e := f.LastEvent(); kind != "profile.set" || !cmp.Equal(e.Items, []string{"phone"}) {
			t.Errorf("recorded %s %+v", kind, e)
		}
	})
	t.Run("is for owners", func(t *testing.T) {
		_, err := f.Wallets.SetProfile(t.Context(), f.As(f.AppToken(fixture.Notes)), wallets.Profile{})
		fixture.WantErr(t, err, auth.ErrForbidden)
		_, err = f.Wallets.Profile(t.Context(), f.As(f.AppToken(fixture.Notes)))
		fixture.WantErr(t, err, auth.ErrForbidden)
	})
}
