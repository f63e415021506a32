package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"walletd/internal/server"
	"walletd/internal/store"
	"walletd/internal/wallettest"
)

const client = "https://client.example"

func TestAPageIsPairedByItsCode(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	page := w.Page(client)
	code := page.Begin("Element \u202e" + strings.Repeat("x", 120))
	if pending := page.Poll().Must(http.StatusAccepted); pending.Text("code") != code || pending.Header.Get("Retry-After") == "" {
		t.Errorf("it waits with %s", pending.Body)
	}

	// What the owner sees, by the code as people write it.
	written := strings.ToLower(code[:4] + "-" + code[4:])
	var shown struct {
		Code, Origin, CallsItself, Thumbprint, Address, App string
		SameAddress                                         bool
		Apps                                                []members
		CreatedAt, ExpiresAt                                time.Time
	}
	w.Do("GET", "/v1/pairings/"+written, w.Owner, nil).Must(200).Into(&shown)
	if shown.Code != code || shown.Origin != client || shown.Address != "127.0.0.1" || !shown.SameAddress || len(shown.Apps) != 0 ||
		shown.ExpiresAt.Sub(shown.CreatedAt) != 5*time.Minute {
		t.Errorf("the owner sees %+v", shown)
	}
	if strings.ContainsRune(shown.CallsItself, '\u202e') || len(shown.CallsItself) > 90 || !strings.HasPrefix(shown.CallsItself, "Element") {
		t.Errorf("it calls itself %q", shown.CallsItself)
	}

	token := w.MustApprovePairing(written)
	if token.Text("thumbprint") != shown.Thumbprint || token.Text("app") != shown.App || token.Text("role") != "app" || token.Text("id") != page.ID {
		t.Errorf("the token is %s", token.Body)
	}
	paired := page.Poll().Must(200)
	if paired.Text("tokenType") != "DPoP" || paired.Text("wallet") != w.Address || paired.Text("app") != shown.App {
		t.Errorf("the page gets %s", paired.Body)
	}

	// It asks as any app does, and is a token as any other to its owner.
	asked := page.Do("POST", "/v1/claims", members{"requestedClaims": []members{wallettest.EncryptionKey("notes")}}).Must(202)
	w.MustApprove(asked.Text("code"))
	page.Do("GET", "/v1/claims/"+asked.Text("id")+"?wait=1", nil).Must(200)
	page.Do("GET", "/v1/wallets/"+w.Address+"/profile", nil).Refused(403, "forbidden")
	var tokens struct{ Items []members }
	w.Do("GET", "/v1/tokens", w.Owner, nil).Must(200).Into(&tokens)
	if len(tokens.Items) != 2 || !strings.Contains(fmt.Sprint(tokens.Items), "thumbprint:"+shown.Thumbprint) || strings.Count(fmt.Sprint(tokens.Items), "thumbprint") != 1 {
		t.Errorf("the tokens are %v", tokens.Items)
	}
	record := string(w.Do("GET", w.Path("/audit?limit=200"), w.Owner, nil).Must(200).Body)
	if strings.Count(record, `"kind":"pairing.approved"`) != 1 || !strings.Contains(record, shown.Thumbprint) || !strings.Contains(record, client) {
		t.Errorf("the record is %s", record)
	}

	// At logout the page ends its own token, and with it the pairing.
	page.Do("DELETE", "/v1/tokens/self", nil).Must(204)
	page.Do("GET", "/v1/secrets", nil).Refused(403, "forbidden") // no token of its origin lives any more
	elsewhere := *page
	elsewhere.Origin = ""
	elsewhere.Do("GET", "/v1/secrets", nil).Refused(401, "unauthorized")
	page.Poll().Refused(410, "expired")
}

// A page of the same origin has the same keys when it is paired again, here and in another store of the same words.
func TestAPageThatIsPairedAgainIsTheSameApp(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	app := func(origin string, more ...members) string {
		t.Helper()
		p := w.Page(origin)
		return w.MustApprovePairing(p.Begin("Client"), more...).Text("app")
	}
	first := app(client)
	if want := "did:abt:zNKs63RuRd9FGainTMHRaV9RTjo6mRoNswJF"; first != want { // it must stay so, or storages are lost
		t.Errorf("a page of %s is %s, and was %s", client, first, want)
	}
	if again := app(client); again != first {
		t.Errorf("paired again, it is %s and was %s", again, first)
	}
	if other := app("https://other.example"); other == first {
		t.Error("pages of two origins are one app")
	}
	other := wallettest.New(t)
	if there := other.MustApprovePairing(other.Page(client).Begin("Client")).Text("app"); there != first {
		t.Errorf("with another store it is %s and was %s", there, first)
	}

	// An app that the owner had made for the origin goes on.
	made := w.Do("POST", "/v1/tokens", w.Owner, members{"role": "app", "wallet": w.Address, "origins": []string{"https://old.example"}}).Must(201).Text("app")
	if is := app("https://old.example"); is != made {
		t.Errorf("it is %s, and was %s before it was paired", is, made)
	}
	// Where there were several the owner says which.
	if is := app(client, members{"app": made}); is != made {
		t.Errorf("it is %s, and the owner said %s", is, made)
	}
	p := w.Page(client)
	code := p.Begin("Client")
	shown := w.Do("GET", "/v1/pairings/"+code, w.Owner, nil).Must(200)
	if shown.Text("app") != "" || !strings.Contains(string(shown.Body), first) || !strings.Contains(string(shown.Body), made) {
		t.Errorf("the owner sees %s", shown.Body)
	}
	choice := members{"origin": client, "thumbprint": shown.Text("thumbprint")}
	w.Do("POST", "/v1/pairings/"+code+"/approve", w.Owner, choice).Refused(400, "member_invalid")
}

func TestAnApprovalNamesWhatTheOwnerSaw(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	page := w.Page(client)
	code := page.Begin("Client")
	shown := w.Do("GET", "/v1/pairings/"+code, w.Owner, nil).Must(200)
	good := members{"origin": client, "thumbprint": shown.Text("thumbprint")}
	approve := func(token string, body members) *wallettest.Response {
		return w.Do("POST", "/v1/pairings/"+code+"/approve", token, body)
	}
	approve(w.Owner, members{}).Refused(400, "member_invalid")
	approve(w.Owner, members{"origin": client}).Refused(400, "member_invalid")
	approve(w.Owner, members{"origin": "https://app.element.example", "thumbprint": shown.Text("thumbprint")}).Refused(409, "changed")
	approve(w.Owner, members{"origin": client, "thumbprint": strings.Repeat("A", 43)}).Refused(409, "changed")
	approve(w.Operator, good).Refused(403, "forbidden")
	approve(w.App("Notes").Token, good).Refused(403, "forbidden")
	page.Poll().Must(202)
	approve(w.Owner, good).Must(200)
	approve(w.Owner, good).Refused(404, "not_found") // once

	// A rejection ends it, and is on record.
	page = w.Page(client)
	code = page.Begin("Client")
	w.Do("POST", "/v1/pairings/"+code+"/reject", w.Owner, members{}).Must(204)
	page.Poll().Refused(403, "rejected")
	w.Do("GET", "/v1/pairings/"+code, w.Owner, nil).Refused(404, "not_found")
	if record := string(w.Do("GET", w.Path("/audit?limit=200"), w.Owner, nil).Must(200).Body); !strings.Contains(record, `"kind":"pairing.rejected"`) {
		t.Errorf("the record is %s", record)
	}
}

func TestAPairingIsOfOneOriginAndOneKey(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	for _, origin := range []string{"null", "http://client.example", "https://client.example/path", "client.example"} {
		p := w.Page(origin)
		if got := p.Do("POST", "/v1/pairings", members{}); got.Status != 403 {
			t.Errorf("a page of %s: %d %s", origin, got.Status, got.Body)
		}
	}
	w.Page("").Do("POST", "/v1/pairings", members{}).Refused(403, "origin_refused")

	page := w.Page(client)
	code := page.Begin("Client")
	other := w.Page(client)
	other.ID = page.ID
	other.Poll().Refused(404, "not_found")
	moved := *page
	moved.Origin = "https://other.example"
	moved.Poll().Refused(403, "origin_refused")
	w.MustApprovePairing(code)
	other.Poll().Refused(404, "not_found")
	moved.Poll().Refused(403, "origin_refused")
	page.Poll().Must(200)
	moved = *page
	moved.Origin = "https://other.example"
	if got := moved.Do("GET", "/v1/secrets", nil); got.Status != 403 {
		t.Errorf("a page of another origin with the key and the token: %d %s", got.Status, got.Body)
	}
}

// Each refusal of RFC 9449 that needs the service, for a token that is good and a proof that would be but for one thing.
func TestABoundTokenNeedsAProof(t *testing.T) {
	t.Parallel()
	now := new(atomic.Int64)
	now.Store(time.Now().UnixNano())
	w := wallettest.New(t, wallettest.PostgreSQL(), wallettest.Clock(func() time.Time { return time.Unix(0, now.Load()) }))
	replica := w.Replica()
	page, other := w.PairedPage(client), w.PairedPage(client)
	const path = "/v1/secrets"
	with := func(name string, value any) string {
		return page.Proof("GET", path, func(_, body members) {
			if body[name] = value; value == nil {
				delete(body, name)
			}
		})
	}
	send := func(proof string) *wallettest.Response { return page.Send("GET", path, nil, proof) }
	bare := w.App("Server")

	send(page.Proof("GET", path)).Must(200)
	for name, c := range map[string]struct {
		send func() *wallettest.Response
		code string
	}{
		"without a proof": {func() *wallettest.Response { return send("") }, "invalid_dpop_proof"},
		"with two proofs": {func() *wallettest.Response {
			r := w.Request("GET", path, nil)
			r.Header.Set("Authorization", "DPoP "+page.Token)
			r.Header["Dpop"] = []string{page.Proof("GET", path), page.Proof("GET", path)}
			return w.Send(r)
		}, "invalid_dpop_proof"},
		"of another method":              {func() *wallettest.Response { return send(with("htm", "POST")) }, "invalid_dpop_proof"},
		"of another path":                {func() *wallettest.Response { return send(page.Proof("GET", "/v1/claims")) }, "invalid_dpop_proof"},
		"of another service":             {func() *wallettest.Response { return send(with("htu", "https://other.example"+path)) }, "invalid_dpop_proof"},
		"without the token's hash":       {func() *wallettest.Response { return send(with("ath", nil)) }, "invalid_dpop_proof"},
		"of another token of its origin": {func() *wallettest.Response { return send(other.Proof("GET", path)) }, "invalid_dpop_proof"},
		"made two days ago":              {func() *wallettest.Response { return send(with("iat", now.Load()/1e9-2*86_400)) }, "invalid_dpop_proof"},
		"timed in milliseconds":          {func() *wallettest.Response { return send(with("iat", now.Load()/1e6)) }, "invalid_dpop_proof"},
		"by another key": {func() *wallettest.Response {
			stolen := *other // who has the token and not the key
			stolen.Token = page.Token
			return stolen.Do("GET", path, nil)
		}, "invalid_dpop_proof"},
		"used before": {func() *wallettest.Response {
			proof := page.Proof("GET", path)
			send(proof).Must(200)
			return send(proof)
		}, "invalid_dpop_proof"},
		"used before, with another replica": {func() *wallettest.Response {
			// The name of the service is the same wherever it is answered.
			proof := page.Proof("GET", path)
			send(proof).Must(200)
			r := replica.Request("GET", path, nil)
			r.Host = strings.TrimPrefix(w.URL, "http://")
			r.Header.Set("Authorization", "DPoP "+page.Token)
			r.Header.Set("DPoP", proof)
			return replica.Send(r)
		}, "invalid_dpop_proof"},
		"without a nonce":             {func() *wallettest.Response { return send(with("nonce", nil)) }, "use_dpop_nonce"},
		"with a nonce of another key": {func() *wallettest.Response { return send(with("nonce", other.Nonce)) }, "use_dpop_nonce"},
		"as a bearer's token":         {func() *wallettest.Response { return w.Do("GET", path, page.Token, nil) }, "unauthorized"},
		"for a bearer's token": {func() *wallettest.Response {
			p := *page
			p.Token = bare.Token
			return p.Do("GET", path, nil)
		}, "unauthorized"},
		"for a token that was made up": {func() *wallettest.Response {
			p := *page
			p.Token = page.Token[:len(page.Token)-1] + map[bool]string{true: "b", false: "a"}[strings.HasSuffix(page.Token, "a")]
			return p.Do("GET", path, nil)
		}, "unauthorized"},
	} {
		t.Run(name, func(t *testing.T) {
			got := c.send()
			got.Refused(401, c.code)
			asks := got.Header.Get("WWW-Authenticate")
			if c.code != "unauthorized" && asks != fmt.Sprintf(`DPoP algs="ES256", error=%q`, c.code) {
				t.Errorf("it asks for %q", asks)
			}
			if nonce := got.Header.Get("DPoP-Nonce"); (nonce != "") != (c.code == "use_dpop_nonce") {
				t.Errorf("it brings the nonce %q", nonce)
			}
		})
	}
	// What a client behind a proxy that takes a path off is told.
	if got := send(with("htu", w.URL+"/wallet"+path)); got.Status != 401 || !strings.Contains(got.Text("detail"), "a proxy on the way must leave its host and its path") {
		t.Errorf("with a path that a proxy took off: %d %s", got.Status, got.Body)
	}
	// Another replica takes the same nonce and token, once.
	page.With(replica).Do("GET", path, nil).Must(200)
	// A clock that is off by hours is no hindrance, since the nonce tells the time.
	send(with("iat", now.Load()/1e9+20*3600)).Must(200)

	stale := page.Nonce
	now.Add(int64(5 * time.Minute))
	send(with("nonce", stale)).Refused(401, "use_dpop_nonce")
	fresh := page.Nonce
	if fresh == stale {
		t.Error("no newer nonce came")
	}
	now.Add(int64(2 * time.Minute))
	if got := send(page.Proof("GET", path)).Must(200); got.Header.Get("DPoP-Nonce") == "" {
		t.Error("a nonce that gets old is not replaced with an answer")
	}

	// The token's text ends after 15 minutes, and its key gets the next one.
	now.Add(int64(9 * time.Minute))
	if got := page.Do("GET", path, nil); got.Header.Get("WWW-Authenticate") != `DPoP algs="ES256", error="invalid_token"` {
		t.Errorf("after 15 minutes: %d %v", got.Status, got.Header)
	}
	old := page.Token
	page.Poll().Must(200)
	if page.Token == old {
		t.Error("the next token is the last one")
	}
	page.Do("GET", path, nil).Must(200)

	now.Add(int64(30 * 24 * time.Hour))
	page.Poll().Refused(410, "expired")
}

// A request that is repeated with its Idempotency-Key is the same request although the token's text was renewed meanwhile, and
// each has a proof of its own.
func TestARenewalKeepsTheIdempotencyKeys(t *testing.T) {
	t.Parallel()
	now := new(atomic.Int64)
	now.Store(time.Now().UnixNano())
	clock := wallettest.Clock(func() time.Time { return time.Unix(0, now.Load()) })
	w := wallettest.New(t, wallettest.PostgreSQL(), clock)
	replica := w.Replica(clock)
	page, other, server := w.PairedPage(client), w.PairedPage(client), w.App("Server")
	w.Do("PUT", w.Path("/policy"), w.Owner, members{"rules": []members{{"app": "*", "claim": "*", "decision": "allow"}}}).Must(200)
	with := func(w *wallettest.Wallet, salt string) *http.Request {
		r := w.Request("POST", "/v1/claims", members{"requestedClaims": []members{wallettest.EncryptionKey(salt)}})
		r.Header.Set("Idempotency-Key", "once")
		return r
	}
	sendTo := func(w *wallettest.Wallet, p *wallettest.Page, salt string) *wallettest.Response {
		t.Helper()
		r := with(w, salt)
		r.Header.Set("Origin", client)
		r.Header.Set("Authorization", "DPoP "+p.Token)
		r.Header.Set("DPoP", p.With(w).Proof("POST", "/v1/claims"))
		return w.Send(r)
	}
	send := func(p *wallettest.Page, salt string) *wallettest.Response { t.Helper(); return sendTo(w, p, salt) }

	first := string(send(page, "notes").Must(200).Body)
	if again := string(send(page, "notes").Must(200).Body); again != first {
		t.Errorf("with another proof the answer is %s, and was %s", again, first)
	}
	send(page, "other").Refused(422, "idempotency_mismatch")

	// What a token's keys name is nothing to another token: neither to one of the same page nor to another app's.
	send(other, "other").Must(200)
	r := with(w, "notes")
	r.Header.Set("Authorization", "Bearer "+server.Token)
	if theirs := string(w.Send(r).Must(200).Body); theirs == first {
		t.Error("another app is given the first one's answer")
	}

	old := page.Token
	now.Add(int64(16 * time.Minute))
	if page.Poll().Must(200); page.Token == old {
		t.Fatal("the token was not renewed")
	}
	other.Poll().Must(200)
	if again := string(send(page, "notes").Must(200).Body); again != first {
		t.Errorf("with the next token the answer is %s, and was %s", again, first)
	}
	if again := string(sendTo(replica, page, "notes").Must(200).Body); again != first {
		t.Errorf("with another replica the answer is %s, and was %s", again, first)
	}
	send(page, "other").Refused(422, "idempotency_mismatch")
	send(other, "other").Must(200)
	send(other, "notes").Refused(422, "idempotency_mismatch")
}

// Who can write to the database binds no token to another key, and makes none a bearer's.
func TestTheDatabaseCannotRebindAToken(t *testing.T) {
	t.Parallel()
	for name, statement := range map[string]string{
		"to another key":   `update tokens set thumbprint = '` + strings.Repeat("A", 43) + `' where thumbprint <> ''`,
		"to none":          `update tokens set thumbprint = '' where thumbprint <> ''`,
		"for longer":       `update tokens set expires = expires + 1000 where thumbprint <> ''`,
		"to other origins": `update tokens set origins = 'https://other.example' where thumbprint <> ''`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := wallettest.New(t)
			page := w.PairedPage(client)
			thief(t, w, statement)
			page.Origin = "" // or the answer might be about origins
			if got := page.Do("GET", "/v1/secrets", nil); got.Status != 401 {
				t.Errorf("got %d %s", got.Status, got.Body)
			}
			page.Origin = client
			if got := w.Do("GET", "/v1/secrets", page.Token, nil); got.Status != 401 {
				t.Errorf("as a bearer's: %d %s", got.Status, got.Body)
			}
			if got := page.Poll(); got.Status == 200 {
				t.Errorf("its page gets another: %s", got.Body)
			}
		})
	}
}

func TestPairingsAreBounded(t *testing.T) {
	t.Parallel()
	now := new(atomic.Int64)
	now.Store(time.Now().UnixNano())
	w := wallettest.New(t, wallettest.Clock(func() time.Time { return time.Unix(0, now.Load()) }),
		wallettest.Config(func(c *server.Config) { c.Rates = server.Rates{} }))
	page := w.Page(client)
	code := page.Begin("Client")
	for i := range 19 {
		if got := page.Do("POST", "/v1/pairings", members{}); got.Status != 201 {
			t.Fatalf("the %dth: %d %s", i+2, got.Status, got.Body)
		}
	}
	page.Do("POST", "/v1/pairings", members{}).Refused(429, "rate_limited")

	for range 30 {
		w.Do("GET", "/v1/pairings/AAAABBBB", w.Owner, nil).Refused(404, "not_found")
	}
	w.Do("GET", "/v1/pairings/"+code, w.Owner, nil).Refused(429, "rate_limited")

	now.Add(int64(5 * time.Minute))
	page.Poll().Refused(410, "expired")

	for i := range 1000 {
		p := store.Pairing{ID: fmt.Sprint(i), Code: fmt.Sprintf("%08d", i), Expires: w.Store.Now().Add(time.Minute).Unix()}
		if err := w.Store.AddPairing(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	w.Restart() // the bound of an address is forgotten, that of the service is not
	w.UnlockKeystore()
	w.Page(client).Do("POST", "/v1/pairings", members{}).Refused(429, "rate_limited")
}

func TestAPairingNeedsTheKeystore(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	page := w.Page(client)
	page.Begin("Client")
	w.LockKeystore()
	page.Do("POST", "/v1/pairings", members{}).Refused(423, "locked")
	page.Poll().Refused(423, "locked")
	w.UnlockKeystore()
	page.Poll().Must(202)
}

// A page of any origin may ask to be paired, and of those that are not no more than that.
func TestBrowsersLetPagesPair(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	ask := func(path, origin string) *wallettest.Response {
		r := w.Request("OPTIONS", path, nil)
		r.Header.Set("Origin", origin)
		r.Header.Set("Access-Control-Request-Method", "POST")
		r.Header.Set("Access-Control-Request-Headers", "content-type, dpop")
		return w.Send(r)
	}
	for _, path := range []string{"/v1/pairings", "/v1/pairings/x/token"} {
		got := ask(path, client)
		if got.Status != 204 || got.Header.Get("Access-Control-Allow-Origin") != client || !strings.Contains(got.Header.Get("Access-Control-Allow-Headers"), "DPoP") {
			t.Errorf("%s: %d %v", path, got.Status, got.Header)
		}
		ask(path, "null").Refused(403, "forbidden")
	}
	for _, path := range []string{"/v1/claims", "/v1/tokens/self"} {
		ask(path, client).Refused(403, "forbidden")
	}
	if got := ask("/v1/pairings/x/approve", client); got.Status < 400 {
		t.Errorf("a page may approve: %d", got.Status)
	}
	page := w.PairedPage(client)
	if got := ask("/v1/claims", client); got.Status != 204 {
		t.Errorf("a page that is paired: %d %s", got.Status, got.Body)
	}
	got := page.Do("GET", "/v1/secrets", nil).Must(200)
	if exposed := got.Header.Get("Access-Control-Expose-Headers"); !strings.Contains(exposed, "DPoP-Nonce") {
		t.Errorf("it may read %q", exposed)
	}
}

// A rule gives the key of a secret storage to a page that was paired, and to a bearer only where it says so.
func TestARuleGivesAStorageKeyToBoundTokens(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	page := w.PairedPage(client)
	app := w.Do("GET", "/v1/tokens", w.Owner, nil).Must(200)
	var tokens struct{ Items []struct{ ID, App string } }
	app.Into(&tokens)
	of := ""
	for _, token := range tokens.Items {
		if token.ID == page.ID {
			of = token.App
		}
	}
	bot := w.Do("POST", "/v1/tokens", w.Owner, members{"role": "app", "wallet": w.Address, "app": of, "name": "Bot"}).Must(201).Text("token")
	rule := members{"app": of, "claim": "secretStorageKey", "decision": "allow"}
	same := members{"requestedClaims": []members{wallettest.EncryptionKey("m.secret_storage")}}

	w.Rules(rule)
	key := page.Do("POST", "/v1/secret-storage/keys", members{}).Must(200).Text("key")
	w.Do("POST", "/v1/secret-storage/keys", bot, members{}).Must(202)
	w.Rules(rule, members{"app": of, "claim": "*", "decision": "allow"})
	w.Do("POST", "/v1/claims", bot, same).Must(202)
	page.Do("POST", "/v1/claims", same).Must(200)

	// What is approved for the page is remembered for pages.
	w.Rules()
	w.MustApprove(page.Do("POST", "/v1/secret-storage/keys", members{}).Must(202).Text("code"), members{"remember": members{"until": "withdrawn"}})
	page.Do("POST", "/v1/secret-storage/keys", members{}).Must(200)
	w.Do("POST", "/v1/secret-storage/keys", bot, members{}).Must(202)
	w.Rules(rule)

	test := members{"app": of, "claim": "secretStorageKey", "salt": "m.secret_storage"}
	if got := w.Do("POST", w.Path("/policy/test"), w.Owner, test).Must(200); got.Text("decision") != "ask" || !strings.Contains(got.Text("reason"), "bound to a key") {
		t.Errorf("of a bearer it would be %s", got.Body)
	}
	test["bound"] = true
	if got := w.Do("POST", w.Path("/policy/test"), w.Owner, test).Must(200); got.Text("decision") != "allow" {
		t.Errorf("of a page it would be %s", got.Body)
	}

	rule["tokens"] = "any"
	stored := w.Do("PUT", w.Path("/policy"), w.Owner, members{"rules": []members{rule}}).Must(200)
	if !strings.Contains(string(stored.Body), "copy of one") {
		t.Errorf("no warning comes with %s", stored.Body)
	}
	if got := w.Do("POST", "/v1/secret-storage/keys", bot, members{}).Must(200).Text("key"); got != key {
		t.Errorf("the bot's key is %s, the page's %s", got, key)
	}
	rule["tokens"] = "bound"
	w.Do("PUT", w.Path("/policy"), w.Owner, members{"rules": []members{rule}}).Refused(422, "policy_invalid")
}
