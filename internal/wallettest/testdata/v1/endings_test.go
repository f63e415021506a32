package wallettest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"time"

	"walletd/internal/did"
)

// sessions are of an app that is scripted here.
func (m *maker) sessions(a apps) {
	app := m.w.Stranger("Session app", did.Ed25519)
	hang := make(chan struct{})
	m.t.Cleanup(func() { close(hang) })
	var far *httptest.Server
	far = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		script, at := r.URL.Path, far.URL+r.URL.Path+"?_t_=1"
		reply := func(claims []Members, more Members) {
			changes := Members{"aud": nil, "jti": nil, "url": at, "challenge": "0123456789ABCDEF0123456789ABCDEF"}
			for k, v := range more {
				changes[k] = v
			}
			json.NewEncoder(rw).Encode(app.Signed(claims, changes))
		}
		final := Members{"action": nil, "challenge": nil, "url": nil, "requestedClaims": nil, "status": "ok"}
		switch {
		case script == "/page":
			fmt.Fprint(rw, "<html>no DID Connect here")
		case r.Method == "GET" && script == "/asked":
			<-hang
		case r.Method == "GET":
			reply([]Members{{"type": "authPrincipal", "description": "Please log in"}}, nil)
		case script == "/answering":
			<-hang
		case script == "/failed":
			final["status"], final["errorMessage"] = "error", "the app is not well"
			reply(nil, final)
		case script == "/done":
			var answer struct{ UserInfo string }
			json.NewDecoder(r.Body).Decode(&answer)
			token, err := did.ReadToken(answer.UserInfo)
			if err != nil {
				m.t.Error(err)
				return
			}
			iss, _ := token.Body.Text("iss")
			account, _ := did.Parse(iss)
			final["successMessage"], final["cookies"], final["storages"] = "Welcome", Members{"login": "token"}, Members{"theme": "dark"}
			final["nextUrl"] = "https://dapp.example.test/next"
			final["nextWorkflow"] = deep(far.URL + "/declined?_t_=1")
			final["response"] = Members{"disposition": "attachment", "type": "VerifiableCredential", "data": m.credential(account.Address(), "Membership"), "tag": "from a session"}
			reply(nil, final)
		default:
			reply(nil, final)
		}
	}))
	m.t.Cleanup(func() { far.CloseClientConnections() })
	state := func(id string, want ...string) Members {
		m.t.Helper()
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			v := m.w.Do("GET", "/v1/sessions/"+id, m.w.Owner, nil).Must(200).Members()
			if slices.Contains(want, v["state"].(string)) && (v["state"] != "waiting" || v["approval"] != nil) {
				return v
			} else if time.Now().After(end) {
				m.t.Fatalf("the session is %v, want %v", v, want)
			}
		}
	}
	open := func(script string) string {
		return m.do("POST", "/v1/sessions", m.w.Owner, Members{"link": deep(far.URL + "/" + script + "?_t_=1")}, 201).Text("id")
	}
	decide := func(id, how string) {
		v := state(id, "waiting")
		m.do("POST", "/v1/approvals/"+v["approval"].(string)+"/"+how, m.w.Owner, Members{}, 200)
	}
	for script, ends := range map[string]string{"done": "done", "failed": "failed"} {
		id := open(script)
		decide(id, "approve")
		if v := state(id, ends); v["next"] != nil {
			decide(v["next"].(string), "reject")
			state(v["next"].(string), "declined")
		}
	}
	state(open("page"), "refused")
	id := open("cancelled")
	state(id, "waiting")
	m.do("DELETE", "/v1/sessions/"+id, m.w.Owner, nil, 200)
	id = open("waiting")
	state(id, "waiting")
	m.said.Sessions = append(m.said.Sessions, id)
	id = open("answering")
	decide(id, "approve")
	state(id, "answering")
	m.said.Sessions = append(m.said.Sessions, id)
	id = open("asked")
	state(id, "asked")
	m.said.Sessions = append(m.said.Sessions, id)
}

func deep(inner string) string {
	return "https://abtwallet.io/i/?action=requestAuth&url=" + url.QueryEscape(inner)
}

// forged puts a forgery on record: a row that is changed, read, and changed back.
func (m *maker) forged(a apps) {
	where := " where app = '" + a.notes.DID.Address() + "'"
	m.sql("update apps set created = created + 1" + where)
	m.w.Do("GET", m.w.Path("/apps"), m.w.Owner, nil)
	m.sql("update apps set created = created - 1" + where)
}

// endings leave approvals in each state.
func (m *maker) endings(a apps) {
	rejected := a.notes.Ask(EncryptionKey("rejected")).Must(202)
	m.w.MustReject(rejected.Text("code"))
	ends := Members{"exp": m.w.Store.Now().Add(time.Hour).Unix()}
	profile := Members{"type": "profile", "items": []string{"fullName", "phone"}}
	for _, c := range []struct {
		app    *App
		claim  Members
		choice Members
	}{
		{a.notes, EncryptionKey("golden"), Members{}},
		{a.photos, EncryptionKey("golden"), Members{}},
		{a.notes, profile, Members{}},
		{a.host, profile, Members{"items": []string{"phone"}}},
		{a.notes, Members{"type": "authPrincipal", "mfaCode": []int{17, 42, 99}}, Members{"mfaCode": 42}},
		{a.notes, Members{"type": "signature", "typeUrl": "mime:text/plain", "origin": did.EncodeBase58([]byte("Golden")), "method": "sha3"}, Members{}},
		{a.notes, Members{"type": "agreement", "digest": "zGoldenTermsOfUse"}, Members{}},
		{a.host, Members{"type": "verifiableCredential", "item": []string{"DemoPassport"}, "challenge": "A1B2C3D4E5F60719"}, Members{}},
		{a.host, Members{"type": "asset", "filters": []Members{{"tag": "Ticket"}}, "challenge": "A1B2C3D4E5F60719"}, Members{}},
		{a.notes, Members{"type": "keyPair", "moniker": "golden", "targetType": Members{"role": "application", "key": "ed25519", "hash": "sha3"}}, Members{}},
		{a.host, EncryptionKey(a.site.DID.Address(), Members{"delegation": a.site.Delegate(a.host.DID, ends)}), Members{}},
	} {
		var claim json.RawMessage
		if c.claim["type"] != "keyPair" {
			claim = first(m.yes(c.app, c.choice, c.claim))
		}
		m.said.Pending = append(m.said.Pending, waiting{c.app.Name, c.app.Ask(c.claim).Must(202).Text("id"), c.choice, claim})
		again := maps.Clone(c.claim)
		again["description"] = "To be approved"
		id := c.app.Ask(again).Must(202).Text("id")
		m.do("POST", "/v1/approvals/"+id+"/approve", m.w.Owner, c.choice, 200)
		m.said.Approved = append(m.said.Approved, waiting{c.app.Name, id, c.choice, claim})
	}
	r := m.w.Do("GET", "/v1/secrets/golden.text", a.notes.Token, nil) // a pending one of secret storage
	if r.Status == 202 {
		m.said.Pending = append(m.said.Pending, waiting{App: "Notes", ID: r.Text("id")})
	}
	m.said.Pending = append(m.said.Pending, waiting{App: "Notes", ID: m.w.Do("POST", "/v1/secret-storage/keys", a.notes.Token, Members{}).Must(202).Text("id")})

	salt := "signed, not collected"
	m.said.Signed = waiting{App: "Notes", Claim: first(m.yes(a.notes, Members{}, EncryptionKey(salt)))}
	asked := a.notes.AskSigned([]Members{EncryptionKey(salt)}).Must(202)
	m.w.MustApprove(asked.Text("code"))
	m.said.Signed.ID = asked.Text("id")
}

// first is the first claim of an answer.
func first(r *Response) json.RawMessage {
	var answer struct{ RequestedClaims []json.RawMessage }
	r.Into(&answer)
	return answer.RequestedClaims[0]
}
