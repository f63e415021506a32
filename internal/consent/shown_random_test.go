package consent_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"walletd/internal/approvals"
	"walletd/internal/consent"
	"walletd/internal/did"
	"walletd/internal/wallets"
	"walletd/internal/wallettest/fixture"
)

// holder changes what a wallet holds at random, from few values, so that a change is often taken
// back.
type holder struct {
	*fixture.Fixture
	random *rand.Rand
	held   []string
	issuer fixture.Peer
	owners []string
}

func (w *holder) change() {
	owner := w.owners[w.random.IntN(len(w.owners))]
	switch w.random.IntN(5) {
	case 0:
		p := wallets.Profile{}
		for _, item := range []string{"fullName", "email"} {
			p[item] = []string{"", "a", "b"}[w.random.IntN(3)]
		}
		w.SetProfile(p)
	case 1:
		expires := ""
		if w.random.IntN(2) == 0 {
			expires = w.Clock.Add(30 * time.Second).UTC().Format(time.RFC3339)
		}
		w.held = append(w.held, w.AddCredential(w.issuer, fmt.Sprint("card ", w.random.IntN(2)), owner, expires))
	case 2:
		w.held = append(w.held, w.AddAsset([]string{fixture.Ticket, fixture.DemoIssuer}[w.random.IntN(2)], owner))
	case 3:
		if len(w.held) > 0 {
			i := w.random.IntN(len(w.held))
			id := w.held[i]
			w.DeleteHolding(id)
			w.held = slices.DeleteFunc(w.held, func(other string) bool { return other == id })
		}
	default:
		w.Clock = w.Clock.Add(20 * time.Second)
	}
}

func (w *holder) changes() int {
	n := max(0, w.random.IntN(5)-2)
	for range n {
		w.change()
	}
	return n
}

// wantShown compares what was given of a claim with what was shown of it; of a profile's items those
// that were chosen (nil: all).
func wantShown(t *testing.T, seen approvals.ClaimView, given json.RawMessage, chosen *[]string) {
	t.Helper()
	o, err := did.ParseObject(given)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(strings.Join(seen.Unusual, " "), "whatever you decide") {
		t.Errorf("shown is %q, and given %s", seen.Unusual, given)
	}
	for _, item := range seen.Items {
		want := ""
		if item.Held && (chosen == nil || slices.Contains(*chosen, item.Item)) {
			want = item.Value
		}
		if got, _ := o.Text(item.Item); got != want {
			t.Errorf("%s: given is %q, shown %q", item.Item, got, want)
		}
	}
	h := seen.Presents
	switch seen.Type {
	case "asset":
		asset, _ := o.Text("asset")
		owner, _ := o.Text("ownerDid")
		if h == nil || asset != h.DID || owner != h.Owner {
			t.Errorf("given is %s, shown %+v", given, h)
		}
	case "verifiableCredential":
		text, _ := o.Text("presentation")
		var p struct{ VerifiableCredential []string }
		var c struct {
			ID                string
			ExpirationDate    time.Time
			CredentialSubject struct{ ID string }
		}
		if err := json.Unmarshal([]byte(text), &p); err != nil || len(p.VerifiableCredential) != 1 {
			t.Fatalf("given is %s, shown %+v", given, h)
		}
		if err := json.Unmarshal([]byte(p.VerifiableCredential[0]), &c); err != nil {
			t.Fatal(err)
		}
		if h == nil || c.ID != h.DID || c.CredentialSubject.ID != h.Owner || !c.ExpirationDate.Equal(h.Expires) {
			t.Errorf("given is %+v, shown %+v", c, h)
		}
	}
}

// Whatever changes between the request, the approval and the collection, what is collected is what was
// shown, or nothing is; and without a change it is collected.
func TestRandomChangesNeverChangeAnAnswer(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	w := &holder{Fixture: f, random: rand.New(rand.NewPCG(seed, 0)), issuer: fixture.NewPeer(t, 9), owners: []string{f.AccountAddress(fixture.Notes), f.AccountAddress(fixture.Another)}}
	collected, refused := 0, 0
	for round := range 60 {
		for range w.random.IntN(4) {
			w.change()
		}
		var asked []string
		for _, claim := range []string{profileClaim, cardClaim, assetClaim, fixture.KeyClaim("diary")} {
			if w.random.IntN(2) == 0 {
				asked = append(asked, claim)
			}
		}
		asked = append(asked, fmt.Sprintf(`{"type":"authPrincipal","description":"round %d"}`, round))
		p := f.Pending(token, asked...)
		v := f.Approval(p.ID)
		n := w.changes()
		var choice approvals.Choice
		for i, c := range v.Claims {
			if c.Type == "profile" && w.random.IntN(2) == 0 {
				choice.Items = &[]string{}
				for _, item := range v.Claims[i].Items {
					if item.Held && w.random.IntN(2) == 0 {
						*choice.Items = append(*choice.Items, item.Item)
					}
				}
			}
		}
		err := f.Approve(p.ID, choice)
		if err == nil {
			n += w.changes()
			var out consent.Outcome
			if out, err = f.Collect(token, p.ID); err == nil {
				collected++
				for i, c := range v.Claims {
					wantShown(t, c, out.Answer.Claims[i], choice.Items)
				}
			}
		}
		missing := did.CodeOf(err) == "credential_not_held" && strings.Contains(fmt.Sprint(v.Claims), "whatever you decide")
		switch {
		case err == nil || missing:
		case !errors.Is(err, consent.ErrAnswerChanged) || n == 0:
			t.Fatalf("round %d, after %d changes: %v", round, n, err)
		default:
			refused++
			if out, err := f.Collect(token, p.ID); !errors.Is(err, consent.ErrAnswerChanged) || out.Answer != nil {
				t.Fatalf("round %d: afterwards %v, %v", round, out, err)
			}
		}
		f.Clock = f.Clock.Add(time.Minute)
	}
	if collected == 0 || refused == 0 {
		t.Errorf("%d collected, %d refused", collected, refused)
	}
	t.Logf("%d collected, %d refused", collected, refused)
}
