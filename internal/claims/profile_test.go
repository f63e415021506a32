package claims

import (
	"encoding/json"
	"strings"
	"testing"
	"walletd/internal/did"

	"github.com/google/go-cmp/cmp"
)

const avatar = "data:image/png;base64,iVBORw0KGgo="

func (h *house) profile(p Profile) {
	h.t.Helper()
	if _, err := h.door.SetProfile(h.t.Context(), h.as(h.owner), p); err != nil {
		h.t.Fatal(err)
	}
}

func wholeProfile() Profile {
	return Profile{"fullName": "Alice Bean", "email": "alice@example.test", "avatar": avatar}
}

func TestTheRecordedProfileSessionIsAnsweredByteForByte(t *testing.T) {
	h := atDawn(t)
	h.profile(wholeProfile())
	steps := recorded(t, "session-profile")
	h.mustReplay(steps[0], "", Choice{})
	h.mustReplay(steps[1], alice, Choice{})
}

// given is the answer to a profile claim, without what was asked.
func given(t *testing.T, a *Answer) map[string]string {
	t.Helper()
	var all map[string]json.RawMessage
	if err := json.Unmarshal(a.Claims[0], &all); err != nil {
		t.Fatal(err)
	}
	items := map[string]string{}
	for _, item := range profileItems() {
		if raw, there := all[item]; there {
			var value string
			if err := json.Unmarshal(raw, &value); err != nil {
				t.Fatal(err)
			}
			items[item] = value
		}
	}
	return items
}

func TestThePersonChoosesTheItemsOfAProfile(t *testing.T) {
	h := newHouse(t)
	token := h.appToken(notes)
	h.profile(wholeProfile())
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
			p := h.pending(token, asked)
			if err := h.approve(p.ID, Choice{Items: c.items}); err != nil {
				t.Fatal(err)
			}
			out, err := h.collect(token, p.ID)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, given(t, out.Answer)); diff != "" {
				t.Error(diff)
			}
			if _, e := h.lastEvent(); len(e.Claims) != 1 || len(e.Claims[0].Items) != len(c.want) {
				t.Errorf("the record says %+v was given", e.Claims)
			}
		})
		h.clock = h.clock.Add(1e9) // the next question is another row of another second
	}
	t.Run("an item that was not asked for is not offered", func(t *testing.T) {
		p := h.pending(token, asked)
		wantErr(t, h.approve(p.ID, Choice{Items: &[]string{"avatar"}}), ErrChoice)
		wantErr(t, h.approve(p.ID, Choice{Items: &[]string{"phone"}}), ErrChoice)
	})
}

func TestAProfileIsShownItemByItem(t *testing.T) {
	h := newHouse(t)
	token := h.appToken(notes)
	h.profile(wholeProfile())
	p := h.pending(token, `{"type":"profile","items":["did","fullName","phone","avatar"]}`)
	v, err := h.door.Approval(t.Context(), h.as(h.owner), p.ID)
	if err != nil {
		t.Fatal(err)
	}
	want := []ItemView{
		{"did", true, did.Prefixed(v.Account)}, {"fullName", true, "Alice Bean"}, {"phone", false, ""}, {"avatar", true, "image/png;base64, 34 bytes"},
	}
	if diff := cmp.Diff(want, v.Claims[0].Items); diff != "" {
		t.Error(diff)
	}
}

func TestAGrantForAProfileGivesWhatWasChosen(t *testing.T) {
	h := newHouse(t)
	token := h.appToken(notes)
	h.profile(wholeProfile())
	asked := `{"type":"profile","items":["fullName","email"]}`
	p := h.pending(token, asked)
	if err := h.approve(p.ID, Choice{Items: &[]string{"fullName"}, Remember: &Remember{Until: "withdrawn"}}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"fullName": "Alice Bean"}, given(t, h.answer(token, asked))); diff != "" {
		t.Error(diff)
	}
	h.answer(token, `{"type":"profile","items":["email","fullName"]}`) // in another order
	h.pending(token, `{"type":"profile","items":["fullName","email","avatar"]}`)
}

func TestAProfileClaimIsRefused(t *testing.T) {
	h := newHouse(t)
	token := h.appToken(notes)
	for name, items := range map[string]string{
		"with an item nobody knows": `["ssn"]`,
		"with an item twice":        `["email","email"]`,
		"with items that are text":  `"email"`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := h.ask(token, `{"type":"profile","items":`+items+`}`)
			wantCode(t, err, "request_malformed")
		})
	}
}

func TestSetProfile(t *testing.T) {
	h := newHouse(t)
	for name, p := range map[string]Profile{
		"refuses an item nobody knows":   {"ssn": "1"},
		"refuses to write down the DID":  {"did": alice},
		"refuses a control character":    {"fullName": "a\x00b"},
		"refuses what is too long":       {"email": strings.Repeat("e", 1001)},
		"refuses an avatar at an url":    {"avatar": "https://dapp.example.test/a.png"},
		"refuses an avatar that is text": {"avatar": "data:text/html;base64,PGI+"},
		"refuses an avatar of any size":  {"avatar": "data:image/png;base64," + strings.Repeat("A", 48<<10)},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := h.door.SetProfile(t.Context(), h.as(h.owner), p)
			wantErr(t, err, ErrInput)
		})
	}
	t.Run("replaces all of it, and leaves out what is empty", func(t *testing.T) {
		h.profile(wholeProfile())
		h.profile(Profile{"phone": "1", "email": ""})
		p, err := h.door.Profile(t.Context(), h.as(h.owner))
		if diff := cmp.Diff(Profile{"phone": "1"}, p); err != nil || diff != "" {
			t.Error(err, diff)
		}
		if kind, e := h.lastEvent(); kind != "profile.set" || !cmp.Equal(e.Items, []string{"phone"}) {
			t.Errorf("recorded %s %+v", kind, e)
		}
	})
	t.Run("is for owners", func(t *testing.T) {
		_, err := h.door.SetProfile(t.Context(), h.as(h.appToken(notes)), Profile{})
		wantErr(t, err, ErrForbidden)
		_, err = h.door.Profile(t.Context(), h.as(h.appToken(notes)))
		wantErr(t, err, ErrForbidden)
	})
}
