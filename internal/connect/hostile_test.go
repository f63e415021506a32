package connect

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"walletd/internal/approvals"
	"walletd/internal/did"
	"walletd/internal/ledger"
	"walletd/internal/policy"
	"walletd/internal/store"
)

const (
	appOrigin = "https://dapp.example"
	appURL    = appOrigin + "/api/did/login/auth?_t_=1"
	heldSeed  = 4 // of an application whose key the wallet holds
)

// says is one reply of a script. It sees what it replies to; nil hangs up.
type says func(body []byte) []byte

// script is an app that replies in its order, whatever it is told.
type script struct {
	t       testing.TB
	replies []says

	mu    sync.Mutex
	gets  int
	posts [][]byte
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	if r.Method == http.MethodGet {
		s.gets++
	} else {
		s.posts = append(s.posts, body)
	}
	var reply says
	if len(s.replies) > 0 {
		reply, s.replies = s.replies[0], s.replies[1:]
	}
	s.mu.Unlock()
	if reply == nil {
		http.Error(w, "<html>nothing more is in the script", http.StatusBadGateway)
		return
	}
	text := reply(body)
	if text == nil {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			conn.Close()
		}
		return
	}
	w.Write(text)
}

func (s *script) counts() (gets, posts int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gets, len(s.posts)
}

// told reads the n-th answer.
func (s *script) told(n int) did.Token {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	var answer struct{ UserInfo string }
	if n >= len(s.posts) || json.Unmarshal(s.posts[n], &answer) != nil {
		s.t.Fatalf("no answer %d among %d", n, len(s.posts))
	}
	token, err := did.ReadToken(answer.UserInfo)
	if err != nil {
		s.t.Fatal(err)
	}
	return token
}

func (s *script) action(n int) string {
	action, _ := s.told(n).Body.Text("action")
	return action
}

func claim(typ string, more ...any) map[string]any {
	c := map[string]any{"type": typ, "description": "Please", "meta": map[string]any{}, "mfaCode": []int{}}
	for i := 0; i+1 < len(more); i += 2 {
		c[more[i].(string)] = more[i+1]
	}
	return c
}

// asks is a request for claims.
func (f *far) asks(list ...map[string]any) says { return f.changed(nil, list...) }

// changed is a request for claims, or for an account if there are none, with other members.
func (f *far) changed(change map[string]any, list ...map[string]any) says {
	if len(list) == 0 {
		list = []map[string]any{claim("authPrincipal", "target", "", "supervised", true)}
	}
	all := map[string]any{"requestedClaims": list, "url": appURL, "appInfo": map[string]any{"name": "Notes\u202e <b>"}}
	for name, value := range change {
		all[name] = value
	}
	return f.sends(f.reply(vectorStart, all))
}

// ends is a last reply.
func (f *far) ends(members map[string]any) says {
	all := map[string]any{"status": "ok", "version": "1.0.0", "action": nil, "challenge": nil, "url": nil, "requestedClaims": nil}
	for name, value := range members {
		all[name] = value
	}
	return f.sends(f.reply(vectorStart, all))
}

func (f *far) sends(w wire) says {
	text := w.json(f.t)
	return func([]byte) []byte { return text }
}

func sendsText(text string) says { return func([]byte) []byte { return []byte(text) } }

// certified is a request that an agent makes in the name of the app.
func (f *far) certified(agent *far, may []string, list ...map[string]any) says {
	return f.sends(f.by(agent, f.certifies(agent, map[string]any{"permissions": connects(may...)}), nil, list...))
}

// by is a request that an agent makes in the name of the app, with this certificate.
func (f *far) by(agent *far, certificate string, change map[string]any, list ...map[string]any) wire {
	all := map[string]any{
		"iss": f.did.String(), "agentDid": agent.did.String(), "url": appURL, "requestedClaims": list,
		"verifiableClaims": []any{map[string]any{"type": "certificate", "content": certificate}},
	}
	maps.Copy(all, change)
	w := agent.reply(vectorStart, all)
	w.AppPk, w.AgentPk = did.EncodeBase58(f.key.Public()), did.EncodeBase58(agent.key.Public())
	return w
}

// certifies is the app's certificate for an agent to ask for an account, with what a test changes.
func (f *far) certifies(agent *far, change map[string]any) string {
	all := map[string]any{
		"agentDid": agent.did.String(), "exp": vectorStart.Add(time.Hour).Unix(), "permissions": connects("authPrincipal"),
	}
	maps.Copy(all, change)
	return f.token(vectorStart.Add(-time.Hour), all)
}

// connects are permissions to ask for claims.
func connects(may ...string) []any {
	return []any{map[string]any{"role": "DIDConnectAgent", "claims": may}}
}

// delegates is a delegation of the far's own account (reference g.ii), with what a test changes.
func (f *far) delegates(to *far, change map[string]any) string {
	all := map[string]any{
		"from": f.did.Address(), "to": to.did.Address(), "userPk": did.EncodeBase58(f.key.Public()),
		"exp": vectorStart.Add(time.Hour).Unix(), "permissions": connects("encryptionKey"),
	}
	maps.Copy(all, change)
	return f.token(vectorStart, all)
}

// through opens a session and approves whatever it asks, until it has ended.
func (f *fixture) through(url string) View {
	f.t.Helper()
	v := f.begin(url)
	for range 20 {
		if v = f.advance(v.ID); !v.Ended.IsZero() {
			return v
		}
		f.approve(v.Approval, approvals.Choice{})
	}
	f.t.Fatalf("the session does not end: %+v", v)
	return v
}

// hostile is what an app replies, and what becomes of the session in which the owner approves
// whatever is asked.
type hostile struct {
	name    string
	replies []says
	state   State
	code    string
	posts   int
}

// hostileApps are apps that say what they should not, and some that do not.
func hostileApps(t testing.TB) []hostile {
	t.Helper()
	app, other := newFar(t, 1, did.Ed25519), newFar(t, 2, did.Ed25519)
	eth := newFar(t, 3, did.Ethereum)
	held := newFar(t, heldSeed, did.Ed25519)
	signs := func(text string, display int) map[string]any {
		return claim("signature", "typeUrl", "mime:text/plain", "origin", did.EncodeBase58([]byte(text)), "display", strings.Repeat("d", display))
	}
	keyOf := func(salt, delegation string) says {
		return app.asks(claim("encryptionKey", "salt", salt, "delegation", delegation))
	}
	principal := claim("authPrincipal")
	wrongKey := app.reply(vectorStart, map[string]any{"url": appURL})
	wrongKey.AppPk = did.EncodeBase58(other.key.Public())
	broken := app.reply(vectorStart, map[string]any{"url": appURL})
	broken.AuthInfo = broken.AuthInfo[:len(broken.AuthInfo)-6] + "AAAAAA"
	sealed := wire{AppPk: wrongKey.AppPk, AuthInfo: "zAbc", Version: "1.0.0"}
	token := app.token(vectorStart, map[string]any{"action": "responseAuth", "challenge": "x"})
	text := did.EncodeBase58([]byte(token[:strings.LastIndex(token, ".")]))

	return []hostile{
		{"takes a login", []says{app.asks(), app.ends(nil)}, Done, "", 1},
		{"refuses another key", []says{app.sends(wrongKey)}, Refused, "app_pk_mismatch", 0},
		{"refuses a broken signature", []says{app.sends(broken)}, Refused, "jwt_bad_signature", 0},
		{"refuses HTML", []says{sendsText("<html>")}, Refused, "reply_unsigned", 0},
		{"refuses HTML after an answer", []says{app.asks(), sendsText("<html>")}, Unknown, "reply_unsigned", 1},
		{"refuses a reply that never ends", []says{sendsText(strings.Repeat(" ", maxReply+1))}, Refused, "reply_unsigned", 0},
		{"refuses no reply", []says{func([]byte) []byte { return nil }}, Refused, "app_unreachable", 0},
		{"refuses an HTTP error", nil, Refused, "app_http_error", 0},
		{"does not know what became of a lost answer", []says{app.asks(), func([]byte) []byte { return nil }}, Unknown, "", 1},
		{"refuses another app in mid-session", []says{app.asks(), other.asks(claim("profile"))}, Unknown, "app_changed", 1},
		{"refuses another app's end", []says{app.asks(), other.ends(nil)}, Unknown, "app_changed", 1},
		{"refuses another origin", []says{app.changed(map[string]any{"url": "https://evil.example/auth"})}, Refused, "url_origin_changed", 0},
		{"refuses another origin at the second step", []says{app.asks(), app.changed(map[string]any{"url": "https://evil.example/auth"})}, Unknown, "url_origin_changed", 1},
		{"refuses what expired long ago", []says{app.sends(app.reply(vectorStart.Add(-time.Hour), map[string]any{"url": appURL}))}, Refused, "jwt_expired", 0},
		{"refuses what expired at the second step", []says{app.asks(), app.sends(app.reply(vectorStart.Add(-6*time.Minute), map[string]any{"url": appURL}))}, Unknown, "jwt_expired", 1},
		{"refuses unhashed ECDSA", []says{eth.changed(map[string]any{"version": "1.0.0"})}, Refused, "jwt_unhashed_ecdsa", 0},
		{"refuses what is sealed without a key", []says{app.sends(sealed)}, Refused, "reply_sealed_without_key", 0},
		{"refuses a request without a challenge", []says{app.changed(map[string]any{"challenge": ""})}, Refused, "request_malformed", 0},
		{"refuses a certificate too narrow at the first step", []says{app.certified(other, []string{"profile"}, principal)}, Refused, "delegation_claim_not_allowed", 0},
		{"declines where a certificate is too narrow at the second step", []says{
			app.certified(other, []string{"authPrincipal"}, principal), app.certified(other, []string{"authPrincipal"}, claim("profile"))}, Declined, "delegation_claim_not_allowed", 2},
		{"declines a text that is a token", []says{app.asks(), app.asks(claim("signature", "typeUrl", "mime:text/plain", "origin", text, "method", "sha3"))}, Declined, "text_is_a_token", 2},
		{"declines an unknown claim", []says{app.asks(), app.asks(claim("userChoice"))}, Declined, "claim_unsupported", 2},
		{"declines one unknown claim among others", []says{app.asks(claim("authPrincipal"), claim("swap"))}, Declined, "claim_unsupported", 1},
		{"declines a transaction", []says{app.asks(), app.asks(claim("prepareTx", "partialTx", "zG2eHN", "requirement", map[string]any{}))}, Declined, "claim_unsupported", 2},
		{"declines an account it does not hold", []says{app.asks(claim("authPrincipal", "target", other.did.Address()))}, Declined, "account_not_held", 1},
		{"declines a salt that means another account", []says{app.asks(), app.asks(claim("encryptionKey", "salt", "zNKp4x7pBDRni55hErUFq9F7XC5pzV3kcQ2K", "delegation", "a.b.c"))}, Declined, "delegation_malformed", 2},
		{"takes a delegation to the app", []says{app.asks(), keyOf(held.did.Address(), held.delegates(app, nil)), app.ends(nil)}, Done, "", 2},
		{"declines a delegation for somebody else", []says{app.asks(), keyOf(held.did.Address(), held.delegates(other, nil))}, Declined, "delegation_agent_mismatch", 2},
		{"declines a salt of another account", []says{app.asks(), keyOf(app.did.Address(), held.delegates(app, nil))}, Declined, "salt_mismatch", 2},
		{"declines a delegation of an account it does not hold", []says{app.asks(), keyOf(other.did.Address(), other.delegates(app, nil))}, Declined, "account_not_held", 2},
		{"declines where a certificate expired before the second step", []says{app.certified(other, []string{"authPrincipal"}, principal),
			app.sends(app.by(other, app.certifies(other, map[string]any{"exp": vectorStart.Add(-time.Minute).Unix()}), nil, principal))}, Declined, "delegation_expired", 2},
		{"declines a claim that is no object", []says{app.changed(map[string]any{"requestedClaims": []any{7}})}, Declined, "request_malformed", 1},
		{"declines too many claims", []says{app.asks(slices.Repeat([]map[string]any{claim("profile")}, 17)...)}, Declined, "request_malformed", 1},
		{"declines no claims", []says{app.changed(map[string]any{"requestedClaims": []any{}})}, Declined, "request_malformed", 1},
		{"declines a description that is too long", []says{app.asks(claim("profile", "description", strings.Repeat("x", 4097)))}, Declined, "request_malformed", 1},
		{"declines a description that is too long at the second step", []says{app.asks(), app.asks(claim("profile", "description", strings.Repeat("x", 4097)))}, Declined, "request_malformed", 2},
		{"takes a display as large as those of passports", []says{app.asks(signs("a text", 20<<10)), app.ends(nil)}, Done, "", 1},
		{"declines a display that is too large", []says{app.asks(signs("a text", 64<<10+1))}, Declined, "request_malformed", 1},
		{"declines a text that is too long", []says{app.asks(signs(strings.Repeat("x", 16<<10+1), 0))}, Declined, "request_malformed", 1},
		{"declines a target that is none", []says{app.asks(claim("authPrincipal", "target", "nobody"))}, Declined, "did_invalid", 1},
		{"shows what the app says went wrong", []says{app.asks(), app.ends(map[string]any{"status": "error", "errorMessage": "no"})}, Failed, "", 1},
		{"takes the end of an ECDSA app for what it is", []says{eth.asks(), eth.ends(nil)}, Done, "", 1},
		{"refuses the end of another ECDSA app", []says{app.asks(), eth.ends(nil)}, Unknown, "app_changed", 1},
	}
}

// TestHostileApps plays them all, those of each code in hostile_codes_test.go too.
func TestHostileApps(t *testing.T) {
	for _, tt := range append(hostileApps(t), hostileCodes(t)...) {
		t.Run(tt.name, tt.play)
	}
}

func (tt hostile) play(t *testing.T) {
	s := &script{t: t, replies: tt.replies}
	f := newFixture(t, s)
	held := newFar(t, heldSeed, did.Ed25519)
	if _, err := f.wallets.ImportAccount(t.Context(), f.as(f.owner), held.key.Reveal(), held.did.Type()); err != nil {
		t.Fatal(err)
	}
	v := f.through(appURL)
	if v.State != tt.state || v.Code != tt.code {
		t.Errorf("ended %s (%s: %s), want %s (%s)", v.State, v.Code, v.Text, tt.state, tt.code)
	}
	if _, posts := s.counts(); posts != tt.posts {
		t.Fatalf("%d answers were sent, want %d", posts, tt.posts)
	}
	if tt.state == Declined {
		if got := s.action(tt.posts - 1); got != "declineAuth" {
			t.Errorf("the last of them says %s", got)
		}
		if tt.posts == 1 && s.told(0).Signer.Address() == "" || tt.posts == 2 && s.told(0).Signer != s.told(1).Signer {
			t.Error("it is signed by somebody else than the account that was revealed")
		}
	}
	row, err := f.store.Session(t.Context(), v.ID)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := ledger.Open[content](t.Context(), f.as(f.owner).Wallet, row)
	if c := opened.Content(); err != nil || c.Key != nil || c.Reply != nil || c.SharedKey != "" || row.Posting {
		t.Errorf("what it no longer needs is still there: %v, %+v", err, c)
	}
}

func TestTextsOfApps(t *testing.T) {
	app := newFar(t, 1, did.Ed25519)
	s := &script{t: t, replies: []says{app.asks(), app.ends(map[string]any{"status": "error", "errorMessage": "a\u202eb\x00\x1b[31m\n\n  c " + strings.Repeat("x", 600)})}}
	v := newFixture(t, s).through(appURL)
	if want := "ab[31m c " + strings.Repeat("x", 491) + "…"; v.Text != want {
		t.Errorf("%q", v.Text)
	}
	if v.AppName != "Notes <b>" {
		t.Errorf("called %q", v.AppName)
	}
}

func TestTheEndOfAnECDSAApp(t *testing.T) {
	eth := newFar(t, 3, did.Ethereum)
	s := &script{t: t, replies: []says{eth.asks(), eth.ends(map[string]any{"successMessage": "Welcome", "nextUrl": "https://evil.example",
		"nextWorkflow": link(appURL), "response": map[string]any{"a": 1}})}}
	v := newFixture(t, s).through(appURL)
	if v.State != Done || !v.Unconfirmed || v.Text != "Welcome" {
		t.Errorf("ended %+v", v)
	}
	if v.NextURL != "" || v.Next != "" || v.Response != nil {
		t.Errorf("what nobody signed is used: %+v", v)
	}
}

func TestTheEnd(t *testing.T) {
	app := newFar(t, 1, did.Ed25519)
	s := &script{t: t, replies: []says{app.asks(), app.ends(map[string]any{"nextUrl": "https://dapp.example/home", "nextWorkflow": "https://dapp.example/more",
		"cookies": map[string]any{"a": "b"}, "storages": map[string]any{}, "response": map[string]any{"n": 1}})}}
	v := newFixture(t, s).through(appURL)
	if v.NextURL != "https://dapp.example/home" || v.NextWorkflow != "https://dapp.example/more" || v.Next != "" ||
		string(v.Cookies) != `{"a":"b"}` || v.Storages != nil || string(v.Response) != `{"n":1}` || v.Unconfirmed {
		t.Errorf("ended %+v", v)
	}
	if gets, _ := s.counts(); gets != 1 {
		t.Errorf("%d pages were requested", gets)
	}
}

// An attachment that is not what it should be ends no session, and is not kept.
func TestABadAttachment(t *testing.T) {
	app := newFar(t, 1, did.Ed25519)
	for name, response := range map[string]map[string]any{
		"no credential":   {"disposition": "attachment", "type": "VerifiableCredential", "data": map[string]any{}},
		"another thing":   {"disposition": "attachment", "type": "Program", "data": map[string]any{}},
		"an asset of air": {"disposition": "attachment", "assetId": "zzz"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &script{t: t, replies: []says{app.asks(), app.ends(map[string]any{"response": response})}}
			f := newFixture(t, s)
			v := f.through(appURL)
			if v.State != Done || v.Code != "credential_invalid" || v.Credential != "" {
				t.Errorf("ended %+v", v)
			}
			if kept, _, err := f.wallets.Holdings(t.Context(), f.as(f.owner), store.Page{}); err != nil || len(kept) != 0 {
				t.Errorf("kept %v, %v", kept, err)
			}
		})
	}
}

func TestAnEndlessChain(t *testing.T) {
	app := newFar(t, 1, did.Ed25519)
	s := &script{t: t}
	for range maxChained + 2 {
		s.replies = append(s.replies, app.asks(), app.ends(map[string]any{"nextWorkflow": link(appURL)}))
	}
	f := newFixture(t, s)
	v := f.through(appURL)
	n := 1
	for ; v.Next != ""; n++ {
		next := f.get(v.Next)
		if next.Previous != v.ID {
			t.Errorf("%s follows %s, not %s", next.ID, next.Previous, v.ID)
		}
		for v = next; v.Ended.IsZero(); v = f.get(v.ID) {
			if v = f.advance(v.ID); v.State == Waiting {
				f.approve(v.Approval, approvals.Choice{})
			}
		}
	}
	if n != maxChained+1 {
		t.Errorf("%d sessions in a chain", n)
	}
}

// A workflow that follows takes its room among the links that wait, as one that the owner opens.
func TestAWorkflowThatFindsNoRoom(t *testing.T) {
	app := newFar(t, 1, did.Ed25519)
	s := &script{t: t, replies: []says{app.asks(), app.ends(map[string]any{"nextWorkflow": link(appURL)})}}
	f := newFixture(t, s)
	f.sessions.Limit = 2
	v := f.advance(f.begin(appURL).ID)
	f.begin(appURL)
	f.begin(appURL)
	f.approve(v.Approval, approvals.Choice{})
	if v = f.advance(v.ID); v.State != Done || v.Next != "" || v.NextWorkflow != link(appURL) {
		t.Errorf("ended %+v", v)
	}
	if list, _, err := f.sessions.List(t.Context(), f.as(f.owner), store.Page{Limit: 10}); err != nil || len(list) != 3 {
		t.Errorf("%d sessions, %v", len(list), err)
	}
}

// Where a rule says yes, nobody is there to stop an app that never ends.
func TestEndlessSteps(t *testing.T) {
	app := newFar(t, 1, did.Ed25519)
	s := &script{t: t}
	for range maxSteps + 2 {
		s.replies = append(s.replies, app.asks())
	}
	f := newFixture(t, s)
	if _, err := f.auth.NameApp(t.Context(), f.as(f.owner), app.did, "notes"); err != nil {
		t.Fatal(err)
	}
	rule := policy.Rule{App: app.did.String(), Claim: "authPrincipal", Decision: policy.Allow}
	if _, err := f.pipeline.SetPolicy(t.Context(), f.as(f.owner), policy.Policy{Rules: []policy.Rule{rule}}); err != nil {
		t.Fatal(err)
	}
	if v := f.advance(f.begin(appURL).ID); v.State != Declined || v.Code != "too_many_steps" {
		t.Errorf("ended %+v", v)
	}
	if _, posts := s.counts(); posts != maxSteps+1 || s.action(maxSteps) != "declineAuth" {
		t.Errorf("%d answers, the last %s", posts, s.action(posts-1))
	}
}

// An app must not log its visitors in elsewhere: a link that it hands over can be anybody's, whatever
// rule there is for the app that the link leads to.
func TestAWorkflowThatFollowsIsAskedAbout(t *testing.T) {
	evil, bank := newFar(t, 1, did.Ed25519), newFar(t, 2, did.Ed25519)
	s := &script{t: t, replies: []says{evil.ends(map[string]any{"nextWorkflow": link(appURL)}), bank.asks(), bank.ends(nil)}}
	f := newFixture(t, s)
	if _, err := f.auth.NameApp(t.Context(), f.as(f.owner), bank.did, "bank"); err != nil {
		t.Fatal(err)
	}
	rule := policy.Rule{App: bank.did.String(), Claim: "authPrincipal", Decision: policy.Allow}
	if _, err := f.pipeline.SetPolicy(t.Context(), f.as(f.owner), policy.Policy{Rules: []policy.Rule{rule}}); err != nil {
		t.Fatal(err)
	}
	v := f.advance(f.advance(f.begin(appURL).ID).Next)
	if _, posts := s.counts(); v.State != Waiting || posts != 0 {
		t.Fatalf("%d answers, and it is %s", posts, v.State)
	}
	if a := f.approval(v.Approval); len(a.Unusual) == 0 {
		t.Errorf("the owner is not told that another app opened the session: %+v", a)
	}
	f.approve(v.Approval, approvals.Choice{})
	if v = f.advance(v.ID); v.State != Done {
		t.Errorf("after an approval it is %+v", v)
	}
}

// Who has a token of a wallet in which the owner approves with a passkey alone could open a link of their own, and be
// logged in as the owner wherever a rule allows it.
func TestALinkIsAskedAboutWhereATokenApprovesNothing(t *testing.T) {
	app := newFar(t, 1, did.Ed25519)
	f := newFixture(t, &script{t: t, replies: []says{app.asks(), app.ends(nil)}})
	if _, err := f.auth.NameApp(t.Context(), f.as(f.owner), app.did, "notes"); err != nil {
		t.Fatal(err)
	}
	rule := policy.Rule{App: app.did.String(), Claim: "authPrincipal", Decision: policy.Allow}
	if _, err := f.pipeline.SetPolicy(t.Context(), f.as(f.owner), policy.Policy{Rules: []policy.Rule{rule}}); err != nil {
		t.Fatal(err)
	}
	owner := f.as(f.owner)
	settings := owner.Wallet.Settings()
	settings.Passkey = true
	row, err := f.keystore.WithContent(owner.Wallet.Row(), settings)
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Record(t.Context(), owner.Event(ledger.WalletChanged), store.UpdateWallet(row)); err != nil {
		t.Fatal(err)
	}
	if v := f.advance(f.begin(appURL).ID); v.State != Waiting {
		t.Errorf("it is %s, want %s", v.State, Waiting)
	}
}
