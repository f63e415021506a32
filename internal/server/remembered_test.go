package server_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"walletd/api"
	"walletd/internal/did"
	"walletd/internal/wallettest"
)

// remembering is a wallet on two replicas. The first has answered the app, and so remembers what that was decided by; the
// second changes it.
type remembering struct {
	t           *testing.T
	here, there *wallettest.Wallet
	notes, site *wallettest.App
	delegation  string
}

func newRemembering(t *testing.T) *remembering {
	w := wallettest.New(t, wallettest.PostgreSQL())
	r := &remembering{t: t, here: w, there: w.Replica(), notes: w.App("Notes"), site: w.Stranger("Site", did.Ed25519)}
	r.allow("allow")
	r.delegation = r.site.Delegate(r.notes.DID)
	return r
}

func (r *remembering) allow(decision string) {
	r.there.Rules(members{"app": r.notes.DID.String(), "claim": "encryptionKey", "decision": decision})
}

func (r *remembering) own() *wallettest.Response {
	return r.notes.Ask(wallettest.EncryptionKey("notes"))
}

func (r *remembering) signed() *wallettest.Response {
	return r.notes.AskSigned([]members{wallettest.EncryptionKey("notes")})
}

func (r *remembering) delegated() *wallettest.Response {
	return r.notes.Ask(wallettest.EncryptionKey(r.site.DID.Address(), members{"delegation": r.delegation}))
}

// approve approves the delegated claim and remembers that as said.
func (r *remembering) approve(remember members) {
	r.site.On(r.there).Import()
	r.there.MustApprove(r.delegated().Must(http.StatusAccepted).Text("code"), members{"remember": remember})
}

// listed returns a member of the only one of a list.
func (r *remembering) listed(path, name string) string {
	var list struct{ Items []map[string]any }
	r.there.Do("GET", path, r.there.Owner, nil).Must(http.StatusOK).Into(&list)
	if len(list.Items) != 1 {
		r.t.Fatalf("%s: %v", path, list.Items)
	}
	return list.Items[0][name].(string)
}

// Each case answers a claim of an app until it is decided from memory, changes on another replica what decided it, and asks
// again.
func TestWhatIsRememberedDecidesNothingThatHasChanged(t *testing.T) {
	t.Parallel()
	untilWithdrawn := members{"until": "withdrawn"}
	for _, c := range []struct {
		name    string
		prepare func(*remembering)
		ask     func(*remembering) *wallettest.Response
		before  int // the status of the answer
		change  func(*remembering)
		after   int
		code    string // of the problem
	}{
		{"refuses a token that was revoked", nil, (*remembering).own, 200, func(r *remembering) {
			r.there.Do("DELETE", "/v1/tokens/"+strings.Split(r.notes.Token, "_")[2], r.there.Owner, nil).Must(204)
		}, 401, "unauthorized"},
		{"refuses the token of an app that was revoked", nil, (*remembering).own, 200, func(r *remembering) {
			r.there.Do("DELETE", r.there.Path("/apps/"+r.notes.DID.String()), r.there.Owner, nil).Must(204)
		}, 401, "unauthorized"},
		{"refuses a signed request of an app that was revoked", nil, (*remembering).signed, 200, func(r *remembering) {
			r.there.Do("DELETE", r.there.Path("/apps/"+r.notes.DID.String()), r.there.Owner, nil).Must(204)
		}, 403, "app_unknown"},
		{"asks where a grant was withdrawn", func(r *remembering) { r.approve(untilWithdrawn) }, (*remembering).delegated, 200, func(r *remembering) {
			r.there.Do("DELETE", r.there.Path("/grants/"+r.listed(r.there.Path("/grants"), "id")), r.there.Owner, nil).Must(204)
		}, 202, ""},
		{"asks where a grant was used up", func(r *remembering) { r.approve(members{"times": 4}) }, (*remembering).delegated, 200, func(r *remembering) {
			r.notes.On(r.there).Ask(wallettest.EncryptionKey(r.site.DID.Address(), members{"delegation": r.delegation})).Must(200)
			r.notes.On(r.there).Ask(wallettest.EncryptionKey(r.site.DID.Address(), members{"delegation": r.delegation})).Must(200)
		}, 202, ""},
		{"refuses a delegation that was revoked", func(r *remembering) { r.approve(untilWithdrawn) }, (*remembering).delegated, 200, func(r *remembering) {
			r.there.Do("DELETE", r.there.Path("/delegations/"+r.listed(r.there.Path("/delegations"), "hash")), r.there.Owner, nil).Must(204)
		}, 403, "delegation_revoked"},
		{"asks about a delegation of an account that was not held", nil, (*remembering).delegated, 403, func(r *remembering) {
			r.site.On(r.there).Import()
		}, 202, ""},
		{"refuses what a rule denies", nil, (*remembering).own, 200, func(r *remembering) { r.allow("deny") }, 403, "denied"},
		{"asks what a rule asks", nil, (*remembering).own, 200, func(r *remembering) { r.allow("ask") }, 202, ""},
		{"answers what a rule denied", func(r *remembering) { r.allow("deny") }, (*remembering).own, 403, func(r *remembering) { r.allow("allow") }, 200, ""},
		{"answers what a rule asked", func(r *remembering) { r.allow("ask") }, (*remembering).own, 202, func(r *remembering) { r.allow("allow") }, 200, ""},
		{"refuses while locked", nil, (*remembering).own, 200, func(r *remembering) {
			r.there.Do("POST", "/v1/keystore/lock", r.there.Operator, members{}).Must(200)
		}, 423, "locked"},
		{"refuses the token of a wallet that was deleted", nil, (*remembering).own, 200, func(r *remembering) {
			r.there.Do("DELETE", r.there.Path(""), r.there.Owner, members{"confirm": r.there.Address}).Must(204)
		}, 401, "unauthorized"},
		{"refuses a stranger once the wallet is closed to them", func(r *remembering) {
			r.there.Do("PATCH", r.there.Path(""), r.there.Owner, members{"strangers": true}).Must(200)
		}, func(r *remembering) *wallettest.Response {
			return r.site.AskSigned([]members{wallettest.EncryptionKey("site")})
		}, 202, func(r *remembering) {
			r.there.Do("PATCH", r.there.Path(""), r.there.Owner, members{"strangers": false}).Must(200)
		}, 403, "aud_mismatch"},
		{"asks for a stranger once the wallet is open to them", nil, func(r *remembering) *wallettest.Response {
			return r.site.AskSigned([]members{wallettest.EncryptionKey("site")})
		}, 403, func(r *remembering) {
			r.there.Do("PATCH", r.there.Path(""), r.there.Owner, members{"strangers": true}).Must(200)
		}, 202, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRemembering(t)
			if c.prepare != nil {
				c.prepare(r)
			}
			for range 2 {
				c.ask(r).Must(c.before)
			}
			c.change(r)
			got := c.ask(r).Must(c.after)
			if c.code != "" {
				got.Refused(c.after, c.code)
			}
		})
	}
}

// A claim that was decided from memory makes one commit and no read, and a decision that no longer holds is made again.
func TestAClaimIsDecidedFromMemory(t *testing.T) {
	t.Parallel()
	r := newRemembering(t)
	r.own().Must(200)
	before := r.here.Store.Kept()
	for range 3 {
		r.own().Must(200)
	}
	after := r.here.Store.Kept()
	if after.Recalled-before.Recalled != 3 || after.Read != before.Read || after.Again != before.Again {
		t.Errorf("three claims: %+v, then %+v", before, after)
	}
	r.allow("deny")
	r.own().Refused(403, "denied")
	if again := r.here.Store.Kept().Again; again != after.Again+1 {
		t.Errorf("a decision that did not hold was made again %d times, want 1", again-after.Again)
	}
}

// Claims of several apps on three replicas, while their owner withdraws what allows them and allows it again. In the record,
// whose order is that of what happened, no claim is allowed after a withdrawal by what was withdrawn.
// WALLETD_TEST_CLAIMS says how many claims; the nightly run makes 100,000.
func TestNoClaimIsAllowedAfterItsWithdrawal(t *testing.T) {
	t.Parallel()
	claims := 2000
	if set := os.Getenv("WALLETD_TEST_CLAIMS"); set != "" {
		var err error
		if claims, err = strconv.Atoi(set); err != nil {
			t.Fatal(err)
		}
	}
	w := wallettest.New(t, wallettest.PostgreSQL())
	replicas := []*wallettest.Wallet{w, w.Replica(), w.Replica()}
	const apps = 3
	var ask [apps]atomic.Pointer[wallettest.App] // with the token that holds
	var delegations [apps]string
	site := w.Stranger("Site", did.Ed25519)
	site.Import()
	for i := range ask {
		app := w.App(fmt.Sprint("App ", i))
		ask[i].Store(app)
		delegations[i] = site.Delegate(app.DID)
	}
	allow := func(on *wallettest.Wallet, decisions [apps]string) {
		var rules []members
		for i := range ask {
			rules = append(rules, members{"app": ask[i].Load().DID.String(), "claim": "encryptionKey", "decision": decisions[i]})
		}
		on.Rules(rules...)
	}
	allow(w, [apps]string{"allow", "allow", "allow"})

	var left atomic.Int64
	left.Store(int64(claims))
	var answered, refused atomic.Int64
	var work sync.WaitGroup
	for n := range 12 {
		work.Go(func() {
			for left.Add(-1) >= 0 {
				i := rand.IntN(apps)
				claim := wallettest.EncryptionKey("notes")
				if n%2 == 0 {
					claim = wallettest.EncryptionKey(site.DID.Address(), members{"delegation": delegations[i]})
				}
				on := replicas[rand.IntN(len(replicas))]
				r := on.Request("POST", "/v1/claims", members{"requestedClaims": []members{claim}})
				r.Header.Set("Authorization", "Bearer "+ask[i].Load().Token)
				got, err := http.DefaultClient.Do(r) // not held to the contract, which takes longer than the claim
				if err != nil {
					t.Error(err)
					return
				}
				got.Body.Close()
				if got.StatusCode == http.StatusOK {
					answered.Add(1)
				} else {
					refused.Add(1)
				}
			}
		})
	}
	work.Go(func() {
		for step := 0; left.Load() > 0; step++ {
			on, i := replicas[rand.IntN(len(replicas))], rand.IntN(apps)
			switch step % 4 {
			case 0: // the token, and the app gets another one
				app := *ask[i].Load()
				id := strings.Split(app.Token, "_")[2]
				app.Token = on.Do("POST", "/v1/tokens", on.Owner, members{"role": "app", "wallet": on.Address, "app": app.DID.String()}).Must(201).Text("token")
				on.Do("DELETE", "/v1/tokens/"+id, on.Owner, nil).Must(204)
				ask[i].Store(&app)
			case 1:
				decisions := [apps]string{"allow", "allow", "allow"}
				decisions[i] = "ask"
				allow(on, decisions)
			case 2:
				allow(on, [apps]string{"allow", "allow", "allow"})
			case 3: // a grant, and another one
				remember(on, ask[i].Load().On(on), wallettest.EncryptionKey(site.DID.Address(), members{"delegation": delegations[i]}))
			}
			time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond)
		}
	})
	work.Wait()
	if t.Failed() {
		return
	}
	t.Logf("%d claims were answered, %d not", answered.Load(), refused.Load())
	if answered.Load() == 0 || refused.Load() == 0 {
		t.Error("nothing was tried")
	}
	var recalled, again int64
	for _, r := range replicas {
		kept := r.Store.Kept()
		recalled, again = recalled+kept.Recalled, again+kept.Again
	}
	if recalled == 0 || again == 0 {
		t.Errorf("%d callers were remembered, %d decisions made again: nothing was tried", recalled, again)
	}
	checkWithdrawals(t, w, int(answered.Load()))
}

// remember withdraws the app's grants and has the owner grant the claim again, as far as others leave it possible.
func remember(on *wallettest.Wallet, app *wallettest.App, claim members) {
	var list struct{ Items []struct{ ID, App string } }
	on.Do("GET", on.Path("/grants?limit=200"), on.Owner, nil).Must(200).Into(&list)
	for _, g := range list.Items {
		if g.App == app.DID.String() {
			on.Do("DELETE", on.Path("/grants/"+g.ID), on.Owner, nil)
		}
	}
	if asked := app.Ask(claim); asked.Status == http.StatusAccepted {
		on.Do("POST", "/v1/approvals/"+asked.Text("id")+"/approve", on.Owner, members{"remember": members{"until": "withdrawn"}})
	}
}

// checkWithdrawals reads the record and follows what holds.
func checkWithdrawals(t *testing.T, w *wallettest.Wallet, answered int) {
	t.Helper()
	revoked, withdrawn := map[string]bool{}, map[string]bool{}
	decisions := map[string]string{} // of the rules, by app
	allowed, withdrawals := 0, 0
	check := func(r api.Record) error {
		var e struct {
			Token, App, Grant, Made string
			Rule                    int
			Policy                  struct {
				Rules []struct{ App, Decision string }
			}
		}
		if err := json.Unmarshal(r.Entry, &e); err != nil {
			return err
		}
		switch r.Kind {
		case "token.revoked":
			revoked[e.Made] = true
			withdrawals++
		case "grant.revoked":
			withdrawn[e.Grant] = true
			withdrawals++
		case "policy.set":
			clear(decisions)
			for _, rule := range e.Policy.Rules {
				decisions[rule.App] = rule.Decision
			}
			withdrawals++
		case "claim.allowed":
			allowed++
			switch {
			case revoked[e.Token]:
				return errors.New("its token was revoked before")
			case e.Grant != "" && withdrawn[e.Grant]:
				return errors.New("its grant was withdrawn before")
			case e.Rule != 0 && decisions[e.App] != "allow":
				return errors.New("no rule allows it")
			case e.Grant == "" && e.Rule == 0:
				return errors.New("nothing allows it")
			}
		}
		return nil
	}
	for after := int64(0); ; {
		var list struct{ Items []api.Record }
		w.Do("GET", w.Path(fmt.Sprintf("/audit?limit=200&after=%d", after)), w.Owner, nil).Must(200).Into(&list)
		if len(list.Items) == 0 {
			break
		}
		for _, r := range list.Items {
			after = r.Seq
			if err := check(r); err != nil {
				t.Fatalf("entry %d, %s: %v: %s", r.Seq, r.Kind, err, r.Entry)
			}
		}
	}
	if allowed < answered || withdrawals == 0 {
		t.Errorf("%d claims are on record as allowed, %d were answered; %d withdrawals", allowed, answered, withdrawals)
	}
}
