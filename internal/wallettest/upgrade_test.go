package wallettest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"walletd/internal/did"
	"walletd/internal/wallettest"
)

type members = wallettest.Members

// TestAStoreOfTheFirstVersionIsUpgradedByStartingThisOne reads everything in a store that walletd 1
// left, and compares it with what walletd 1 said. The clock stands where it stood then: what waited
// still waits.
func TestAStoreOfTheFirstVersionIsUpgradedByStartingThisOne(t *testing.T) {
	for _, kind := range []string{"sqlite", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			g := loadGolden(t, kind)
			g.now.Store(g.At.UnixNano())
			clock := wallettest.Clock(func() time.Time { return time.Unix(0, g.now.Load()) })
			w := wallettest.Open(t, g.url, clock)
			w.Operator, w.Address, w.Owner = g.Operator, g.Wallets["alice"].Wallet, g.Wallets["alice"].Owner

			run := func(name string, f func(*testing.T, *wallettest.Wallet)) {
				t.Run(name, func(t *testing.T) { f(t, w.In(t)) })
			}
			run("unlocks with each secret", g.unlocks)
			run("says what it said", g.reads)
			run("keeps its records", g.records)
			run("gives the same keys", g.keys)
			run("opens its backup", g.opensBackup)
			run("goes on with what waited", g.goesOn)
			run("answers a signed request once", g.answersSigned)
			run("goes on with its sessions", g.goesOnWithSessions)
			run("finds no forgery", g.noForgery)
			t.Run("restores its backup into an empty store", func(t *testing.T) {
				empty := wallettest.New(t, clock)
				g.restores(t, empty)
			})
		})
	}
}

func (g *golden) unlocks(t *testing.T, w *wallettest.Wallet) {
	w.Do("GET", w.Path("/profile"), w.Owner, nil).Refused(423, "locked")
	for _, secret := range []members{{"passphrase": g.Laptop}, {"identity": g.Identity}, {"passphrase": g.Passphrase}} {
		w.LockKeystore()
		w.Do("POST", "/v1/keystore/unlock", g.Operator, secret).Must(http.StatusOK)
	}
	var slots struct{ Items []struct{ Forged bool } }
	w.Do("GET", "/v1/keystore/slots", g.Operator, nil).Must(http.StatusOK).Into(&slots)
	for _, s := range slots.Items {
		if s.Forged {
			t.Error("a slot is taken for forged")
		}
	}
}

// reads asks all that walletd 1 was asked at the end, and wants what it answered.
func (g *golden) reads(t *testing.T, w *wallettest.Wallet) {
	if len(g.Reads) < 60 {
		t.Fatalf("only %d answers are recorded", len(g.Reads))
	}
	for _, r := range g.Reads {
		var want, got any
		if err := json.Unmarshal(r.Body, &want); err != nil {
			t.Fatal(err)
		}
		w.Do("GET", r.Path, g.token(r.As), nil).Must(http.StatusOK).Into(&got)
		path, _, _ := strings.Cut(r.Path, "?")
		switch {
		case strings.HasSuffix(path, "/audit"):
			g.trimRecord(want, got)
		case path == "/v1/sessions":
			g.leaveOutOpen(want)
			g.leaveOutOpen(got)
		}
		for _, d := range missing("", want, got) {
			t.Errorf("%s as %s: %s", r.Path, r.As, d)
		}
	}
}

func (g *golden) records(t *testing.T, w *wallettest.Wallet) {
	type verdict struct {
		OK      bool
		Entries int
		Heads   int
	}
	check := func(name, path, token string) {
		t.Helper()
		var v verdict
		w.Do("GET", path+"/audit/verify", token, nil).Must(http.StatusOK).Into(&v)
		if !v.OK || v.Entries < g.Entries[name] || v.Heads == 0 {
			t.Errorf("the record of %q: %+v; it had %d entries", name, v, g.Entries[name])
		}
		head, known := g.Heads[name]
		if !known {
			t.Fatalf("no head of %q was recorded", name)
		}
		var at struct{ Items []struct{ Hash string } }
		w.Do("GET", fmt.Sprintf("%s/audit?limit=1&after=%d", path, head.Seq-1), token, nil).Must(http.StatusOK).Into(&at)
		if len(at.Items) != 1 || at.Items[0].Hash != head.Hash {
			t.Errorf("entry %d of the record of %q is %v; %s was signed", head.Seq, name, at.Items, head.Hash)
		}
		export := string(w.Do("GET", path+"/audit/export", token, nil).Must(http.StatusOK).Body)
		if !strings.Contains(export, head.Signature) {
			t.Errorf("the head of the record of %q is not among its heads", name)
		}
	}
	check("", "/v1", g.Operator)
	for name, wallet := range g.Wallets {
		check(name, "/v1/wallets/"+wallet.Wallet, wallet.Owner)
	}
}

func (g *golden) keys(t *testing.T, w *wallettest.Wallet) {
	if len(g.Keys) == 0 || len(g.OwnerKeys) != len(g.Wallets) {
		t.Fatal("no keys are recorded")
	}
	ask := func(app string, claim members) *wallettest.Response {
		t.Helper()
		return w.Do("POST", "/v1/claims", g.Apps[app], members{"requestedClaims": []members{claim}})
	}
	for _, k := range g.Keys {
		r := ask(k.App, wallettest.EncryptionKey(k.Salt))
		if got := r.Key(); got != k.Key || r.Text("userDid") != k.Account || r.Text("userPk") != k.PK {
			t.Errorf("the key of %s for %q is %s of %s, %s; it was %s of %s, %s", k.App, k.Salt, got, r.Text("userDid"), r.Text("userPk"), k.Key, k.Account, k.PK)
		}
		// The public key is the account's own.
		if pk, err := did.DecodePublicKey(k.PK); err != nil {
			t.Error(err)
		} else if account, err := did.Parse(k.Account); err != nil || account.CheckPublicKey(pk) != nil {
			t.Errorf("%s is not the key of %s", k.PK, k.Account)
		}
	}
	d := g.Delegation
	if got := ask("Host", wallettest.EncryptionKey(d.Salt, members{"delegation": d.Token})).Key(); got != d.Key {
		t.Errorf("the delegated key is %s, it was %s", got, d.Key)
	}
	for name, want := range g.OwnerKeys {
		wallet := g.Wallets[name]
		if got := w.Do("POST", "/v1/wallets/"+wallet.Wallet+"/derive", wallet.Owner, members{"salt": "golden"}).Must(http.StatusOK).Text("key"); got != want {
			t.Errorf("the owner's key of %s is %s, it was %s", name, got, want)
		}
	}
	find := func() *wallettest.Response {
		t.Helper()
		return w.Do("POST", "/v1/secret-storage/key", g.Apps["Element"], members{"keys": members{"golden": g.StorageKey.KeyInfo}})
	}
	w.MustApprove(find().Must(http.StatusAccepted).Text("code")) // a rule says that it is asked about
	found := find().Must(http.StatusOK)
	if found.Text("key") != g.StorageKey.Key || found.Text("keyId") != "golden" {
		t.Errorf("another key is found for secret storage, under the id %q", found.Text("keyId"))
	}
}

func (g *golden) opensBackup(t *testing.T, w *wallettest.Wallet) {
	var want, got any
	if err := json.Unmarshal(g.Backup, &want); err != nil {
		t.Fatal(err)
	}
	w.Do("POST", w.Path("/backup/inspect"), w.Owner, members{"backup": g.backup}).Must(http.StatusOK).Into(&got)
	for _, d := range missing("", want, got) {
		t.Error(d)
	}
}

// allowed reports whether a request that waited at the upgrade was answered. It may be refused
// because a new version would show it in another way; it is never taken for forged.
func allowed(t *testing.T, r *wallettest.Response) bool {
	t.Helper()
	if r.Status == http.StatusOK {
		return true
	}
	if r.Text("code") != "changed" {
		t.Errorf("got %d: %s", r.Status, r.Body)
	}
	return false
}

// check wants an answer, or the body of a signed one, to hold the claim and nothing more.
func (a waiting) check(t *testing.T, answer []byte) {
	t.Helper()
	if a.Claim == nil {
		return
	}
	var got struct{ RequestedClaims []members }
	var want members
	if err := json.Unmarshal(a.Claim, &want); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(answer, &got); err != nil || len(got.RequestedClaims) != 1 {
		t.Fatalf("the answer is %s, %v", answer, err)
	}
	now := got.RequestedClaims[0]
	for _, claim := range []members{want, now} {
		delete(claim, "description") // by which the questions differ
		text, ok := claim["presentation"].(string)
		if !ok {
			continue
		}
		// It is signed anew, with the time.
		var presentation struct{ Challenge, VerifiableCredential any }
		if err := json.Unmarshal([]byte(text), &presentation); err != nil || presentation.VerifiableCredential == nil {
			t.Errorf("presented is %s, %v", text, err)
		}
		claim["presentation"] = presentation
	}
	if diff := gocmp.Diff(want, now); diff != "" {
		t.Errorf("the answer for %s is another (-was +is):\n%s", a.App, diff)
	}
}

func (g *golden) goesOn(t *testing.T, w *wallettest.Wallet) {
	if len(g.Approved) < 9 || len(g.Pending) < 9 || len(g.Expired) != 1 {
		t.Fatal("no approvals are recorded")
	}
	collect := func(a waiting) {
		t.Helper()
		r := w.Do("GET", "/v1/claims/"+a.ID, g.Apps[a.App], nil)
		if allowed(t, r) {
			a.check(t, r.Body)
		}
	}
	for _, a := range g.Approved {
		collect(a)
	}
	for _, a := range g.Pending {
		if a.Choice == nil {
			a.Choice = members{}
		}
		if allowed(t, w.Do("POST", "/v1/approvals/"+a.ID+"/approve", w.Owner, a.Choice)) {
			collect(a)
		}
	}
	for _, a := range g.Expired {
		w.Do("GET", "/v1/claims/"+a.ID, g.Apps[a.App], nil).Refused(410, "expired")
		w.Do("POST", "/v1/approvals/"+a.ID+"/approve", w.Owner, members{}).Refused(410, "expired")
	}
}

func (g *golden) goesOnWithSessions(t *testing.T, w *wallettest.Wallet) {
	if len(g.Sessions) != 3 {
		t.Fatal("no sessions are recorded")
	}
	state := func(id string) string {
		return w.Do("GET", "/v1/sessions/"+id, w.Owner, nil).Must(http.StatusOK).Text("state")
	}
	// Whose person was asked waits on, until the person is tired of it; the app is gone.
	if got := state(g.Sessions[0]); got != "waiting" {
		t.Errorf("the session that waited is %s", got)
	}
	if got := w.Do("DELETE", "/v1/sessions/"+g.Sessions[0], w.Owner, nil).Must(http.StatusOK).Text("state"); got != "declined" {
		t.Errorf("the session that was cancelled is %s", got)
	}
	g.now.Add(int64(5 * time.Minute)) // what the old process had in hand is given up
	for id, want := range map[string]string{g.Sessions[1]: "unknown", g.Sessions[2]: "refused"} {
		for end := time.Now().Add(time.Minute); state(id) != want; time.Sleep(50 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("the session is %s, want %s", state(id), want)
			}
		}
	}
}

func (g *golden) answersSigned(t *testing.T, w *wallettest.Wallet) {
	notes := w.Stranger("Notes", did.Ed25519)
	body := notes.Signed([]members{wallettest.EncryptionKey("signed, not collected")}, members{"approval": g.Signed.ID})
	r := w.Do("POST", "/v1/claims/"+g.Signed.ID, "", body)
	if allowed(t, r) {
		token, err := did.ReadToken(r.Text("userInfo"))
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(token.Body)
		if err != nil {
			t.Fatal(err)
		}
		g.Signed.check(t, text)
	}
	w.Do("POST", "/v1/claims/"+g.Signed.ID, "", body).Refused(409, "jti_replayed")
}

// noForgery is the point of it all: a row whose content reads otherwise than it was written is
// taken for another's, and put on record as forged.
func (g *golden) noForgery(t *testing.T, w *wallettest.Wallet) {
	read := func(name, path, token string) {
		t.Helper()
		for after := g.Entries[name]; ; {
			var page struct {
				Items []struct {
					Seq   int
					Kind  string
					Entry json.RawMessage
				}
			}
			w.Do("GET", fmt.Sprintf("%s/audit?limit=200&after=%d", path, after), token, nil).Must(http.StatusOK).Into(&page)
			if len(page.Items) == 0 {
				return
			}
			for _, e := range page.Items {
				if strings.Contains(e.Kind, "forged") || strings.Contains(string(e.Entry), "forged") {
					t.Errorf("%q has the entry %s %s", name, e.Kind, e.Entry)
				}
				after = e.Seq
			}
		}
	}
	read("", "/v1", g.Operator)
	for name, wallet := range g.Wallets {
		read(name, "/v1/wallets/"+wallet.Wallet, wallet.Owner)
	}
	for line := range strings.Lines(w.Log.String()) {
		if strings.Contains(line, "forged") || strings.Contains(line, `"level":"error"`) {
			t.Errorf("the service said: %s", line)
		}
	}
}

// restores puts the backup of alice into a store that is empty but for another wallet, and reads
// from there what the old store held.
func (g *golden) restores(t *testing.T, w *wallettest.Wallet) {
	alice := g.Wallets["alice"]
	w.Do("POST", "/v1/restore", w.Operator, members{"words": alice.Words, "backup": g.backup}).Must(http.StatusCreated)
	w.Address = alice.Wallet
	w.Owner = w.Do("POST", "/v1/tokens", w.Operator, members{"role": "owner", "wallet": w.Address, "name": "alice"}).Must(http.StatusCreated).Text("token")
	var backup struct{ Entries float64 }
	if err := json.Unmarshal(g.Backup, &backup); err != nil || backup.Entries == 0 {
		t.Fatalf("the record in the backup has %v entries, %v", backup.Entries, err)
	}
	compared := 0
	for _, r := range g.Reads {
		path, _, _ := strings.Cut(r.Path, "?")
		rest, of := strings.CutPrefix(path, w.Path(""))
		if r.As != "alice" || !of && path != "/v1/secrets" || slices.Contains([]string{"", "/grants", "/delegations"}, rest) && of {
			continue // a backup holds no grants
		}
		compared++
		var want, got any
		if err := json.Unmarshal(r.Body, &want); err != nil {
			t.Fatal(err)
		}
		w.Do("GET", r.Path, w.Owner, nil).Must(http.StatusOK).Into(&got)
		if rest == "/audit" {
			old := want.(members)
			old["items"] = slices.DeleteFunc(old["items"].([]any), func(e any) bool { return e.(members)["seq"].(float64) > backup.Entries })
			g.trimRecord(want, got)
		} else {
			sortItems(want, w.Address)
			sortItems(got, w.Address)
		}
		for _, d := range missing("", want, got) {
			if rest == "/policy" && strings.Contains(d, ".off") {
				continue
			}
			t.Errorf("%s: %s", r.Path, d)
		}
	}
	if compared < 9 {
		t.Errorf("only %d answers were compared", compared)
	}
	var policy struct{ Rules []struct{ Decision, Off any } }
	w.Do("GET", w.Path("/policy"), w.Owner, nil).Must(http.StatusOK).Into(&policy)
	for i, rule := range policy.Rules {
		if off, _ := rule.Off.(bool); off != (rule.Decision == "allow") {
			t.Errorf("rule %d of the backup is %v, off is %v", i+1, rule.Decision, rule.Off)
		}
	}
	var v struct{ OK bool }
	if w.Do("GET", w.Path("/audit/verify"), w.Owner, nil).Must(http.StatusOK).Into(&v); !v.OK {
		t.Error("the record does not hold together")
	}
	export := string(w.Do("GET", w.Path("/audit/export"), w.Owner, nil).Must(http.StatusOK).Body)
	heads := 0
	for line := range bytes.Lines(g.record) {
		var l struct {
			Head *struct {
				Seq       float64
				Signature string
			}
		}
		if err := json.Unmarshal(line, &l); err != nil {
			t.Fatal(err)
		}
		if l.Head != nil && l.Head.Seq < backup.Entries { // the last was signed after it
			if heads++; !strings.Contains(export, l.Head.Signature) {
				t.Errorf("the head of entry %v was not restored", l.Head.Seq)
			}
		}
	}
	if heads == 0 {
		t.Error("the backup was made before a head was signed")
	}
	if got := w.Do("POST", w.Path("/derive"), w.Owner, members{"salt": "golden"}).Must(http.StatusOK).Text("key"); got != g.OwnerKeys["alice"] {
		t.Errorf("the owner's key is %s, it was %s", got, g.OwnerKeys["alice"])
	}
	element := w.Stranger("Element", did.Ed25519).DID
	for _, r := range g.Reads {
		if name, ok := strings.CutPrefix(r.Path, "/v1/secrets/"); ok && r.As == "app Element" {
			separator := "?"
			if strings.Contains(name, "?") {
				separator = "&"
			}
			var want, got any
			if err := json.Unmarshal(r.Body, &want); err != nil {
				t.Fatal(err)
			}
			w.Do("GET", r.Path+separator+"app="+element.String(), w.Owner, nil).Must(http.StatusOK).Into(&got)
			for _, d := range missing("", want, got) {
				t.Errorf("%s: %s", r.Path, d)
			}
		}
	}
	notes := w.App("Notes")
	asked := notes.Ask(wallettest.EncryptionKey(g.Keys[0].Salt)).Must(http.StatusAccepted)
	w.MustApprove(asked.Text("code"))
	if got := notes.Collect(asked.Text("id")).Key(); got != g.Keys[0].Key {
		t.Errorf("the key of Notes is %s, it was %s", got, g.Keys[0].Key)
	}
}
