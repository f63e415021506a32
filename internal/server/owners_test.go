package server_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"walletd/internal/ledger"
	"walletd/internal/passkey"
	"walletd/internal/wallettest"
)

func TestAPersonIsInvitedAndApprovesWithATouch(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	alice := w.Person("Alice")
	alice.SignIn().Must(201)

	notes := w.App("Notes")
	asked := notes.Ask(notesKey...).Must(202)
	id := asked.Text("id")
	if got := asked.Text("approveUrl"); got != "https://wallet.example/approvals/"+id {
		t.Errorf("approveUrl is %q", got)
	}
	var shown struct {
		Digest  string
		From    struct{ Address, Program string }
		History struct{ Approved, Same, SameSalts int }
	}
	alice.Do("GET", "/v1/approvals/"+id, nil).Must(200).Into(&shown)
	if len(shown.Digest) != 64 || shown.From.Address != "127.0.0.1" || !strings.HasPrefix(shown.From.Program, "Go-http-client") || shown.History.Approved != 0 {
		t.Errorf("the approval shows %+v", shown)
	}
	alice.Do("POST", "/v1/approvals/"+id+"/approve", members{}).Refused(403, "passkey_required")
	if got := alice.Approve(id, members{}).Must(200); got.Text("status") != "approved" {
		t.Errorf("approved: %s", got.Body)
	}
	notes.Collect(id).Must(200)

	again := notes.Ask(wallettest.EncryptionKey("another")).Must(202).Text("id")
	alice.Do("GET", "/v1/approvals/"+again, nil).Must(200).Into(&shown)
	if shown.History.Approved != 1 || shown.History.Same != 0 || shown.History.SameSalts != 0 {
		t.Errorf("the history of another salt is %+v", shown.History)
	}

	// The record holds the assertion, and anybody can check it.
	export := w.Do("GET", w.Path("/audit/export"), w.Owner, nil).Must(200).Body
	found, err := ledger.VerifyExport(bytes.NewReader(export), nil)
	if err != nil || found.Bad != nil {
		t.Fatalf("VerifyExport: %+v, %v", found.Bad, err)
	}
	want := ledger.PasskeyUses{Passkey: alice.Passkey, Owner: alice.Owner, Name: "phone", Decisions: 1, Actions: 1}
	if len(found.Passkeys) != 1 || found.Passkeys[0] != want {
		t.Errorf("the record shows %+v, want %+v", found.Passkeys, want)
	}
	for what, change := range map[string][2]string{
		"another choice":        {`"verdict":"approve"`, `"verdict":"approve","mfaCode":7`},
		"another approval":      {`"approval":"` + id, `"approval":"` + again},
		"another signature":     {`"signature":"30`, `"signature":"31`},
		"another passkey's key": {`"publicKey":"a5`, `"publicKey":"a4`},
	} {
		changed := bytes.ReplaceAll(export, []byte(change[0]), []byte(change[1]))
		if bytes.Equal(changed, export) {
			t.Fatalf("%s: the export does not hold %s", what, change[0])
		}
		if found, err := ledger.VerifyExport(bytes.NewReader(changed), nil); err == nil && found.Bad == nil {
			t.Errorf("a record that shows %s verifies", what)
		}
	}
	var hidden bytes.Buffer
	for line := range bytes.Lines(export) {
		if at := bytes.Index(line, []byte(`,"disclosed":`)); at > 0 {
			line = append(line[:at:at], "}}\n"...)
		}
		hidden.Write(line)
	}
	if found, err := ledger.VerifyExport(bytes.NewReader(hidden.Bytes()), nil); err != nil || found.Bad == nil {
		t.Errorf("a record that hides its touches: %+v, %v", found, err)
	}
}

// Each is sent in place of the person's own assertion for the approval.
func TestAnAssertionThatDoesNotHoldApprovesNothing(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	alice, mallory := w.Person("Alice"), w.NewPerson(passkey.ES256)
	mallory.Create([]byte("x"), []byte("x"))
	notes := w.App("Notes")
	id := notes.Ask(notesKey...).Must(202).Text("id")
	other := notes.Ask(wallettest.EncryptionKey("another")).Must(202).Text("id")
	challengeOf := func(id string, choice members) *wallettest.Response {
		return alice.Do("POST", "/v1/approvals/"+id+"/challenge", choice).Must(200)
	}
	approve := func(choice, assertion members) *wallettest.Response {
		body := members{"assertion": assertion}
		for name, value := range choice {
			body[name] = value
		}
		return alice.Do("POST", "/v1/approvals/"+id+"/approve", body)
	}
	with := func(change func()) members {
		was := *alice.Authenticator
		change()
		a := alice.Answer(challengeOf(id, members{}))
		counter := alice.Counter
		*alice.Authenticator = was
		alice.Counter = max(counter, was.Counter)
		return a
	}
	signIn := w.Do("POST", "/v1/sign-in/begin", "", members{}).Must(200)
	hour := members{"remember": members{"seconds": 3600}}
	for name, tt := range map[string]struct{ choice, assertion members }{
		"one for another approval":      {nil, alice.Answer(challengeOf(other, members{}))},
		"one for another choice":        {hour, alice.Answer(challengeOf(id, members{}))},
		"one for no choice":             {nil, alice.Answer(challengeOf(id, hour))},
		"one for signing in":            {nil, alice.Answer(signIn)},
		"one of a stranger's passkey":   {nil, mallory.Answer(challengeOf(id, members{}))},
		"one of a page of another site": {nil, with(func() { alice.Origin = "https://wallet.example.evil" })},
		"one of a page in a frame":      {nil, with(func() { alice.Cross = true })},
		"one of another relying party":  {nil, with(func() { alice.Party = "evil.example" })},
		"one without verification":      {nil, with(func() { alice.Unverified = true })},
		"one with a counter gone back":  {nil, with(func() { alice.Counter, alice.Step = 0, 0 })},
	} {
		if got := approve(tt.choice, tt.assertion); got.Status != 403 || got.Text("code") != "passkey_refused" {
			t.Errorf("%s: %d %s", name, got.Status, got.Body)
		}
	}
	record := string(w.Do("GET", w.Path("/audit?limit=200"), w.Owner, nil).Must(200).Body)
	if !strings.Contains(record, `"kind":"passkey.refused"`) {
		t.Error("a counter that went back is not on record")
	}
	good := alice.Answer(challengeOf(id, members{}))
	approve(nil, good).Must(200)
	approve(nil, good).Refused(409, "already_decided")
}

// A session by itself reads, rejects and revokes.
func TestAStolenSessionGivesNothing(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	alice := w.Person("Alice")
	notes := w.App("Notes")
	id := notes.Ask(notesKey...).Must(202).Text("id")
	for _, tt := range []struct {
		method, path string
		body         any
	}{
		{"POST", "/v1/approvals/" + id + "/approve", members{}},
		{"PUT", w.Path("/policy"), members{"rules": []members{{"app": "*", "claim": "*", "decision": "allow"}}}},
		{"POST", w.Path("/derive"), members{"salt": "s"}},
		{"POST", w.Path("/backup"), members{}},
		{"PATCH", w.Path(""), members{"strangers": true}},
		{"DELETE", w.Path(""), members{"confirm": w.Address}},
		{"PUT", w.Path("/apps/zNKpPiDfyQ5h7LWfhsYHaxdizUx7ung399sm"), members{"name": "x"}},
		{"POST", w.Path("/accounts"), members{"app": "zNKpPiDfyQ5h7LWfhsYHaxdizUx7ung399sm"}},
		{"PUT", w.Path("/profile"), members{"fullName": "Mallory"}},
		{"POST", "/v1/tokens", members{"role": "owner", "wallet": w.Address}},
		{"POST", "/v1/tokens", members{"role": "app", "wallet": w.Address}},
		{"POST", "/v1/invitations", members{"wallet": w.Address}},
		{"POST", "/v1/secret-storage/keys?app=" + notes.DID.String(), members{}},
		{"GET", "/v1/secrets/token?app=" + notes.DID.String(), nil},
		{"PUT", "/v1/secrets/token?app=" + notes.DID.String(), members{"value": "x"}},
		{"DELETE", "/v1/passkeys/" + alice.Passkey, nil},
		{"PATCH", "/v1/passkeys/" + alice.Passkey, members{"name": "x"}},
		{"DELETE", "/v1/owners/" + alice.Owner, nil},
	} {
		if got := alice.Do(tt.method, tt.path, tt.body); got.Status != 403 || got.Text("code") != "passkey_required" {
			t.Errorf("%s %s: %d %s", tt.method, tt.path, got.Status, got.Body)
		}
	}
	for _, path := range []string{"/v1/approvals", "/v1/approvals/" + id, "/v1/sessions", "/v1/tokens", "/v1/passkeys", "/v1/owners", w.Path("/policy"), w.Path("/grants"), w.Path("/apps"), w.Path("/audit"), w.Path("/profile")} {
		alice.Do("GET", path, nil).Must(200)
	}
	alice.Do("POST", "/v1/approvals/"+id+"/reject", members{}).Must(200)

	// With a touch it is the owner's own request: this one, once, and no other.
	rules := members{"rules": []members{}}
	r := alice.Touched(alice.Token, "PUT", w.Path("/policy"), rules)
	touch := r.Header.Get("Walletd-Touch")
	w.Send(r).Must(200)
	again := func(method, path string, body any, token string) *wallettest.Response {
		r := w.Request(method, path, body)
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Walletd-Touch", touch)
		return w.Send(r)
	}
	text, err := json.Marshal(rules)
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]*wallettest.Response{
		"the touch once more":        again("PUT", w.Path("/policy"), text, alice.Token),
		"the touch with a new body":  again("PUT", w.Path("/policy"), members{"rules": []members{{"app": "*", "claim": "*", "decision": "allow"}}}, alice.Token),
		"the touch on another route": again("POST", w.Path("/derive"), members{"salt": "s"}, alice.Token),
	} {
		if got.Status != 403 {
			t.Errorf("%s: %d %s", name, got.Status, got.Body)
		}
	}
	stolen := alice.SignIn().Must(201).Text("token")
	touch = alice.Touched(alice.Token, "PUT", w.Path("/policy"), rules).Header.Get("Walletd-Touch")
	again("PUT", w.Path("/policy"), text, stolen).Refused(403, "challenge_invalid")
}

func TestTheAPITakesNoCookie(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	alice := w.Person("Alice")
	r := w.Request("GET", "/v1/approvals", nil)
	r.AddCookie(&http.Cookie{Name: "__Host-walletd", Value: alice.Token})
	w.Send(r).Refused(401, "unauthorized")
}

func TestAnInvitationIsAcceptedOnce(t *testing.T) {
	t.Parallel()
	var now atomic.Int64
	now.Store(time.Now().Unix())
	w := wallettest.New(t, wallettest.Clock(func() time.Time { return time.Unix(now.Load(), 0) }))
	link := w.Do("POST", "/v1/invitations", w.Owner, members{"wallet": w.Address, "name": "Bob"}).Must(201).Text("link")
	if !strings.HasPrefix(link, "https://wallet.example/invite#") {
		t.Errorf("the link is %s", link)
	}
	invitation := wallettest.InvitationOf(link)
	_, secret, _ := strings.Cut(invitation, ".")
	if len(secret) != 26 {
		t.Errorf("the secret is %q", secret)
	}
	t.Run("by one of two at once", func(t *testing.T) {
		var bodies [2]members
		for i := range bodies {
			bodies[i] = w.NewPerson(passkey.EdDSA).Acceptance(invitation)
		}
		var got [2]*wallettest.Response
		var wg sync.WaitGroup
		for i := range bodies {
			wg.Go(func() { got[i] = w.Do("POST", "/v1/invitations/accept", "", bodies[i]) })
		}
		wg.Wait()
		if got[0].Status+got[1].Status != 201+410 {
			t.Errorf("%d %s and %d %s", got[0].Status, got[0].Body, got[1].Status, got[1].Body)
		}
	})
	w.Do("POST", "/v1/invitations/open", "", members{"invitation": invitation}).Refused(410, "invitation_ended")
	for name, text := range map[string]string{"another secret": invitation[:len(invitation)-2] + "aa", "no secret": strings.Split(invitation, ".")[0], "nothing": "x", "much": strings.Repeat("x", 128)} {
		if got := w.Do("POST", "/v1/invitations/open", "", members{"invitation": text}); got.Status != 404 {
			t.Errorf("%s: %d %s", name, got.Status, got.Body)
		}
	}
	late := w.Invite(members{})
	body := w.NewPerson(passkey.ES256).Acceptance(late)
	now.Add(24 * 3600)
	w.Do("POST", "/v1/invitations/accept", "", body).Refused(410, "invitation_ended")

	withdrawn := w.Invite(members{})
	w.Do("DELETE", "/v1/invitations/"+strings.Split(withdrawn, ".")[0], w.Owner, nil).Must(204)
	w.Do("POST", "/v1/invitations/open", "", members{"invitation": withdrawn}).Refused(410, "invitation_ended")

	stale := w.NewPerson(passkey.ES256).Acceptance(w.Invite(members{}))
	now.Add(5 * 60)
	w.Do("POST", "/v1/invitations/accept", "", stale).Refused(403, "challenge_invalid")
	mixed := w.NewPerson(passkey.ES256).Acceptance(w.Invite(members{}))
	mixed["invitation"] = w.Invite(members{})
	w.Do("POST", "/v1/invitations/accept", "", mixed).Refused(403, "challenge_invalid")
	if strings.Contains(w.Log.String(), secret) {
		t.Error("the log holds the secret of an invitation")
	}
}

func TestSigningIn(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	alice := w.Person("Alice")
	asked := w.Do("POST", "/v1/sign-in/begin", "", members{}).Must(200)
	body := members{"state": asked.Text("state"), "assertion": alice.Answer(asked)}
	first := w.Do("POST", "/v1/sign-in", "", body).Must(201)
	if got := first.Members()["wallets"]; fmt.Sprint(got) != "["+w.Address+"]" || first.Text("name") != "Alice" {
		t.Errorf("signed in: %s", first.Body)
	}
	w.Do("POST", "/v1/sign-in", "", body).Refused(403, "passkey_refused") // its counter was seen
	body["assertion"] = alice.Answer(asked)
	w.Do("POST", "/v1/sign-in", "", body).Refused(403, "challenge_invalid")

	mallory := w.NewPerson(passkey.ES256)
	mallory.Create([]byte("x"), []byte(alice.Owner))
	mallory.SignIn().Refused(403, "passkey_refused")
	touch := alice.Do("POST", "/v1/touch", members{"method": "GET", "path": "/", "body": strings.Repeat("0", 64)}).Must(200)
	w.Do("POST", "/v1/sign-in", "", members{"state": touch.Text("state"), "assertion": alice.Answer(touch)}).Refused(403, "challenge_invalid")

	second := w.NewPerson(passkey.EdDSA)
	begun := alice.Do("POST", "/v1/passkeys/begin", members{}).Must(200)
	added := alice.DoTouched("POST", "/v1/passkeys", members{"state": begun.Text("state"), "registration": second.Registration(begun), "name": "key"}).Must(201)
	second.Token = second.SignIn().Must(201).Text("token")
	second.Do("POST", "/v1/sign-out", members{}).Must(204)
	second.Do("GET", "/v1/approvals", nil).Refused(401, "unauthorized")
	alice.DoTouched("DELETE", "/v1/passkeys/"+alice.Passkey, nil).Must(204)
	for name, token := range map[string]string{"the first session": first.Text("token"), "the session that removed it": alice.Token} {
		if got := w.Do("GET", "/v1/approvals", token, nil); got.Status != 401 {
			t.Errorf("%s goes on without its passkey: %d", name, got.Status)
		}
	}
	alice.SignIn().Refused(403, "passkey_refused")
	second.Token = second.SignIn().Must(201).Text("token")
	second.DoTouched("DELETE", "/v1/passkeys/"+added.Text("id"), nil).Refused(409, "last_way")
	w.Do("DELETE", "/v1/passkeys/"+added.Text("id"), w.Owner, nil).Refused(409, "last_way")
}

// An authenticator chooses the id of a passkey, and who is asked to touch theirs is told its id.
func TestAPasskeyWithTheIDOfAnotherIsNotThatOne(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	alice := w.Person("Alice")
	other := w.Do("POST", "/v1/wallets", w.Operator, members{"name": "other"}).Must(201).Text("wallet")
	link := w.Do("POST", "/v1/invitations", w.Operator, members{"wallet": other}).Must(201).Text("link")
	invitation := wallettest.InvitationOf(link)
	asked := w.Do("POST", "/v1/invitations/open", "", members{"invitation": invitation}).Must(200)
	mallory := w.NewPerson(passkey.ES256)
	registration := mallory.Registration(asked)
	object, err := base64.RawURLEncoding.DecodeString(registration["attestationObject"].(string))
	if err != nil {
		t.Fatal(err)
	}
	registration["attestationObject"] = base64.RawURLEncoding.EncodeToString(bytes.ReplaceAll(object, mallory.ID, alice.ID))
	registration["id"] = base64.RawURLEncoding.EncodeToString(alice.ID)
	mallory.ID = alice.ID
	w.Do("POST", "/v1/invitations/accept", "", members{"invitation": invitation, "state": asked.Text("state"), "registration": registration, "device": "phone"}).Must(201)
	for name, tt := range map[string]struct {
		person *wallettest.Person
		wallet string
	}{"the first": {alice, w.Address}, "the second": {mallory, other}} {
		if got := tt.person.SignIn().Must(201).Members()["wallets"]; fmt.Sprint(got) != "["+tt.wallet+"]" {
			t.Errorf("%s signs in to %v, want %s alone", name, got, tt.wallet)
		}
	}
}

func TestSigningOutEverywhere(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	alice, bob := w.Person("Alice"), w.Person("Bob")
	sessions := []string{alice.Token, alice.SignIn().Must(201).Text("token"), alice.SignIn().Must(201).Text("token")}
	w.Do("POST", "/v1/sign-out/everywhere", sessions[1], members{}).Must(204)
	for i, token := range sessions {
		if got := w.Do("GET", "/v1/approvals", token, nil); got.Status != 401 {
			t.Errorf("session %d goes on: %d", i, got.Status)
		}
	}
	bob.Do("GET", "/v1/approvals", nil).Must(200)
	alice.Token = alice.SignIn().Must(201).Text("token") // the passkey stays
	record := string(w.Do("GET", w.Path("/audit?limit=200"), w.Owner, nil).Must(200).Body)
	if !strings.Contains(record, `"kind":"owner.signed_out"`) {
		t.Error("it is not on record")
	}
	w.Do("POST", "/v1/sign-out/everywhere", w.Owner, members{}).Must(204) // which names nobody
	alice.Do("GET", "/v1/approvals", nil).Refused(401, "unauthorized")
	bob.Do("GET", "/v1/approvals", nil).Refused(401, "unauthorized")
	w.Do("GET", "/v1/approvals", w.Owner, nil).Must(200) // and is no session
	w.Do("POST", "/v1/sign-out/everywhere", w.Owner, members{}).Must(204)
}

func TestTheOldestSessionOfAPasskeyEnds(t *testing.T) {
	t.Parallel()
	var now atomic.Int64
	now.Store(time.Now().Unix())
	w := wallettest.New(t, wallettest.Clock(func() time.Time { return time.Unix(now.Load(), 0) }))
	alice := w.Person("Alice") // whose session is the oldest
	for range 16 {
		now.Add(1)
		alice.Do("GET", "/v1/approvals", nil).Must(200)
		alice.SignIn().Must(201)
	}
	alice.Do("GET", "/v1/approvals", nil).Refused(401, "unauthorized")
}

func TestAWalletWhoseOwnerApprovesWithAPasskeyAlone(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	w.Do("PATCH", w.Path(""), w.Owner, members{"approve": "passkey"}).Refused(409, "conflict")
	alice := w.Person("Alice")
	notes := w.App("Notes")
	w.Do("PATCH", w.Path(""), w.Owner, members{"approve": "passkey"}).Must(200)
	id := notes.Ask(notesKey...).Must(202).Text("id")
	w.Do("POST", "/v1/approvals/"+id+"/approve", w.Owner, members{}).Refused(403, "passkey_required")
	for _, tt := range []struct {
		method, path string
		body         any
	}{
		{"PATCH", w.Path(""), members{"approve": "token"}},
		{"PUT", w.Path("/policy"), members{"rules": []members{{"app": "*", "claim": "*", "decision": "allow"}}}},
		{"POST", "/v1/tokens", members{"role": "owner", "wallet": w.Address}},
		{"PUT", w.Path("/apps/" + notes.DID.String()), members{"name": "x"}},
		{"POST", "/v1/invitations", members{"wallet": w.Address}},
		{"DELETE", "/v1/passkeys/" + alice.Passkey, nil},
	} {
		if got := w.Do(tt.method, tt.path, w.Owner, tt.body); got.Status != 403 || got.Text("code") != "passkey_required" {
			t.Errorf("%s %s: %d %s", tt.method, tt.path, got.Status, got.Body)
		}
	}
	w.Do("POST", w.Path("/derive"), w.Owner, members{"salt": "s"}).Must(200)
	w.Do("POST", "/v1/secret-storage/keys?app="+notes.DID.String(), w.Owner, members{}).Must(200) // as SECURITY.md says
	alice.Approve(id, members{}).Must(200)
	notes.Collect(id).Must(200)

	page := w.Page("https://client.example")
	code := page.Begin("Element")
	asks := w.Do("GET", "/v1/pairings/"+code, w.Owner, nil).Must(200)
	pair := members{"origin": asks.Text("origin"), "thumbprint": asks.Text("thumbprint")}
	w.Do("POST", "/v1/pairings/"+code+"/approve", w.Owner, pair).Refused(403, "passkey_required")
	alice.Do("POST", "/v1/pairings/"+code+"/approve", pair).Refused(403, "passkey_required")
	page.Poll().Must(202)
	w.Send(alice.Touched(w.Owner, "POST", "/v1/pairings/"+code+"/approve", pair)).Must(200)
	page.Poll().Must(200)
	alice.DoTouched("DELETE", "/v1/passkeys/"+alice.Passkey, nil).Refused(409, "last_way")
	w.Send(alice.Touched(w.Owner, "PATCH", w.Path(""), members{"approve": "token"})).Must(200)
}

func TestARecovery(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	alice := w.Person("Alice")
	notes := w.App("Notes")
	waiting := notes.Ask(notesKey...).Must(202).Text("id")
	recovery := members{"wallet": w.Address, "recovery": true}
	w.Do("POST", "/v1/invitations", w.Operator, members{"wallet": w.Address}).Refused(403, "forbidden")
	w.Do("POST", "/v1/invitations", w.Operator, recovery).Refused(400, "member_invalid")
	recovery["secret"] = members{"passphrase": "wrong, and long enough"}
	w.Do("POST", "/v1/invitations", w.Operator, recovery).Refused(403, "wrong_secret")
	recovery["secret"] = members{"passphrase": wallettest.Passphrase}
	link := w.Do("POST", "/v1/invitations", w.Operator, recovery).Must(201).Text("link")
	alice.SignIn().Must(201) // nothing has ended yet

	again := w.Accept(wallettest.InvitationOf(link))
	if again.Owner != alice.Owner || again.Passkey == alice.Passkey {
		t.Errorf("recovered as %s with %s", again.Owner, again.Passkey)
	}
	for name, token := range map[string]string{"the lost session": alice.Token, "the owner's token": w.Owner} {
		if got := w.Do("GET", "/v1/approvals", token, nil); got.Status != 401 {
			t.Errorf("%s: %d", name, got.Status)
		}
	}
	alice.SignIn().Refused(403, "passkey_refused")
	if got := again.Do("GET", "/v1/approvals/"+waiting, nil).Must(200).Text("status"); got != "cancelled" {
		t.Errorf("what waited is %s", got)
	}
	record := string(again.Do("GET", w.Path("/audit?limit=200"), nil).Must(200).Body)
	service := string(w.Do("GET", "/v1/audit?limit=200", w.Operator, nil).Must(200).Body)
	if !strings.Contains(record, `"kind":"owner.recovered"`) || !strings.Contains(service, "owner recovery of "+w.Address) {
		t.Error("the recovery is not on record")
	}
	if found, err := ledger.VerifyExport(bytes.NewReader(again.Do("GET", w.Path("/audit/export"), nil).Must(200).Body), nil); err != nil || found.Bad != nil {
		t.Errorf("the record: %+v, %v", found.Bad, err)
	}
}

func TestAnOwnerIsRemoved(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	alice, bob := w.Person("Alice"), w.Person("Bob")
	alice.DoTouched("DELETE", "/v1/owners/"+bob.Owner, nil).Must(204)
	bob.Do("GET", "/v1/approvals", nil).Refused(401, "unauthorized")
	bob.SignIn().Refused(403, "passkey_refused")
	var tokens struct {
		Items []struct{ ID, Passkey string }
	}
	alice.Do("GET", "/v1/tokens", nil).Must(200).Into(&tokens)
	for _, token := range tokens.Items {
		if token.Passkey == "" { // the token that the wallet began with
			alice.Do("DELETE", "/v1/tokens/"+token.ID, nil).Must(204)
		}
	}
	alice.DoTouched("DELETE", "/v1/owners/"+alice.Owner, nil).Refused(409, "last_way")
}

// Whoever had a token, a session or a passkey could have kept a link for later.
func TestNoInvitationFromBeforeBringsAnOwnerBack(t *testing.T) {
	t.Parallel()
	refused := func(t *testing.T, w *wallettest.Wallet, invitation string) {
		t.Helper()
		if got := w.Do("POST", "/v1/invitations/open", "", members{"invitation": invitation}); got.Status != 410 {
			t.Errorf("an invitation from before: %d %s", got.Status, got.Body)
		}
	}
	t.Run("after a recovery", func(t *testing.T) {
		t.Parallel()
		w := wallettest.New(t)
		alice := w.Person("Alice")
		stranger := w.Invite(members{"name": "Mallory"})
		again := w.Invite(members{"owner": alice.Owner, "recovery": true})
		recovery := w.Do("POST", "/v1/invitations", w.Operator, members{"wallet": w.Address, "recovery": true, "secret": members{"passphrase": wallettest.Passphrase}})
		w.Accept(wallettest.InvitationOf(recovery.Must(201).Text("link")))
		refused(t, w, stranger)
		refused(t, w, again)
	})
	t.Run("after an owner was removed", func(t *testing.T) {
		t.Parallel()
		w := wallettest.New(t)
		alice, bob := w.Person("Alice"), w.Person("Bob")
		invite := func(body members) string {
			body["wallet"] = w.Address
			return wallettest.InvitationOf(bob.DoTouched("POST", "/v1/invitations", body).Must(201).Text("link"))
		}
		another, stranger := invite(members{"owner": bob.Owner}), invite(members{"name": "Mallory"})
		alice.DoTouched("DELETE", "/v1/owners/"+bob.Owner, nil).Must(204)
		refused(t, w, another)
		refused(t, w, stranger)
		w.Person("Carol") // who is invited since comes in
	})
}

func TestTheDatabaseCannotMakeAnOwner(t *testing.T) {
	t.Parallel()
	for name, statement := range map[string]string{
		"a passkey with another key":  `update passkeys set public_key = x'00'`,
		"a passkey of another owner":  `update passkeys set owner = 'mallory'`,
		"a passkey with a counter":    `update passkeys set counter = 0`,
		"a passkey with another name": `update passkeys set sealed = x'00'`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := wallettest.New(t)
			alice := w.Person("Alice")
			thief(t, w, statement)
			alice.SignIn().Refused(403, "passkey_refused")
			if forgeries(t, w) == 0 {
				t.Error("the forgery is not on record")
			}
		})
	}
	t.Run("an invitation that lives again", func(t *testing.T) {
		t.Parallel()
		w := wallettest.New(t)
		invitation := w.Invite(members{})
		w.Accept(invitation)
		thief(t, w, `update invitations set used = 0`)
		w.Do("POST", "/v1/invitations/open", "", members{"invitation": invitation}).Refused(404, "not_found")
		if forgeries(t, w) == 0 {
			t.Error("the forgery is not on record")
		}
	})
	t.Run("a session without its passkey", func(t *testing.T) {
		t.Parallel()
		w := wallettest.New(t)
		alice := w.Person("Alice")
		thief(t, w, `update tokens set passkey = '' where passkey <> ''`)
		alice.Do("GET", "/v1/approvals", nil).Refused(401, "unauthorized")
	})
}

func TestStrangersAreSlowedDown(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	for i := range 200 {
		if got := w.Do("POST", "/v1/sign-in/begin", "", members{}); got.Status == 429 {
			return
		} else if got.Status != 200 {
			t.Fatalf("request %d: %d %s", i, got.Status, got.Body)
		}
	}
	t.Error("200 requests of one address were answered")
}
