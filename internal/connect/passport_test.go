package connect

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"walletd/internal/approvals"
	"walletd/internal/did"
	"walletd/internal/store"
	"walletd/internal/wallets"
)

// passport returns a passport of the app about an account, as dApps make one: a picture in SVG with an avatar in it.
func (f *far) passport(about, role, avatar string) map[string]any {
	f.t.Helper()
	path := `<path fill="#4E6AF6" stroke="none" d="` + strings.Repeat("M12.5 7.25L8 4", 10) + `"/>`
	picture := `<svg xmlns="http://www.w3.org/2000/svg">` + strings.Repeat(path, 16400/len(path)) + `<image href="` + avatar + `"/></svg>`
	body := map[string]any{
		"@context": "https://schema.arcblock.io/v0.1/context.jsonld", "id": "z2iPassport" + role, "type": []string{"NodePassport", "VerifiableCredential"},
		"issuer":            map[string]any{"id": f.did.Address(), "pk": did.EncodeBase58(f.key.Public()), "name": "Server"},
		"issuanceDate":      "2025-12-31T00:00:00.000Z",
		"credentialSubject": map[string]any{"id": about, "passport": map[string]any{"name": role, "title": strings.ToUpper(role)}, "display": map[string]any{"type": "svg", "content": picture}},
	}
	text, err := did.MarshalStable(body)
	if err != nil {
		f.t.Fatal(err)
	}
	sig, err := f.key.SignBytes(did.SHA3.Sum(text))
	if err != nil {
		f.t.Fatal(err)
	}
	body["proof"] = map[string]any{"type": "Ed25519Signature", "jws": did.EncodeBase64URL(sig)}
	return body
}

// handsOver is a last reply with a passport of the account that answered.
func (f *far) handsOver(role, avatar string) says {
	return func(body []byte) []byte {
		var answer struct{ UserInfo string }
		if err := json.Unmarshal(body, &answer); err != nil {
			f.t.Error(err)
		}
		token, err := did.ReadToken(answer.UserInfo)
		if err != nil {
			f.t.Error(err)
			return nil
		}
		iss, _ := token.Body.Text("iss")
		return f.ends(map[string]any{"response": map[string]any{"disposition": "attachment", "type": "VerifiableCredential", "data": f.passport(did.Bare(iss), role, avatar)}})(body)
	}
}

// The largest avatar that a profile has comes back in the passport that the app draws with it, is read, kept and
// shown, and is presented in an answer that dApps read.
func TestAPassportWithTheLargestAvatar(t *testing.T) {
	const dAppsRead = 100 << 10
	app := newFar(t, 1, did.Ed25519)
	avatar := "data:image/png;base64,"
	avatar += strings.Repeat("A", 48<<10-len(avatar))
	s := &script{t: t, replies: []says{
		app.asks(claim("profile", "items", []string{"avatar"})), app.handsOver("owner", avatar),
		app.asks(claim("verifiableCredential", "item", []string{"NodePassport"})), app.ends(nil),
	}}
	f := newFixture(t, s)
	if _, err := f.wallets.SetProfile(t.Context(), f.as(f.owner), wallets.Profile{"avatar": avatar, "fullName": "Alice"}); err != nil {
		t.Fatal(err)
	}
	v := f.through(appURL)
	if v.State != Done || v.Code != "" || v.Credential == "" || !bytes.Contains(v.Response, []byte(avatar)) {
		t.Fatalf("ended %s, %s, with %d bytes shown", v.State, v.Code, len(v.Response))
	}
	list, _, err := f.sessions.List(t.Context(), f.as(f.owner), store.Page{})
	if err != nil || len(list) != 1 || list[0].ID != v.ID || list[0].Response != nil {
		t.Errorf("a list holds more than it has room for: %v", err)
	}
	kept, data, err := f.wallets.Holding(t.Context(), f.as(f.owner), v.Credential)
	if err != nil || kept.Role != "owner" || kept.Title != "OWNER" || !bytes.Contains(data, []byte("<svg ")) {
		t.Errorf("kept is %+v, %v", kept, err)
	}
	waits := f.advance(f.begin(appURL).ID)
	if large := f.approval(waits.Approval).Claims[0].Unusual; len(large) != 0 {
		t.Errorf("of a passport that dApps read is said %q", large)
	}
	f.approve(waits.Approval, approvals.Choice{})
	if v = f.advance(waits.ID); v.State != Done {
		t.Fatalf("ended %s, %s: %s", v.State, v.Code, v.Text)
	}
	for i, post := range s.posts {
		if len(post) > dAppsRead {
			t.Errorf("answer %d has %d bytes: dApps read %d", i, len(post), dAppsRead)
		}
	}
	if presented := string(s.told(1).Body.Get("requestedClaims")); !strings.Contains(presented, "NodePassport") {
		t.Error("no passport was presented")
	}
}

// A person becomes the owner of an app, then accepts an invitation as a member. The owner's task that follows gets the
// owner's passport, which the person chooses, and so does the next one.
func TestTheOwnersTaskAfterAnInvitation(t *testing.T) {
	app := newFar(t, 1, did.Ed25519)
	asks := claim("verifiableCredential", "item", []string{"NodePassport"})
	s := &script{t: t, replies: []says{
		app.asks(), app.handsOver("owner", ""), app.asks(), app.handsOver("member", ""),
		app.asks(asks), app.ends(nil), app.asks(asks), app.ends(nil),
	}}
	f := newFixture(t, s)
	owner := f.through(appURL).Credential
	f.pass(time.Second)
	if member := f.through(appURL).Credential; owner == "" || member == "" || owner == member {
		t.Fatalf("kept are %q and %q", owner, member)
	}
	v := f.advance(f.begin(appURL).ID)
	shown := f.approval(v.Approval).Claims[0]
	if shown.Presents != nil || len(shown.Offers) != 2 {
		t.Fatalf("shown is %+v", shown)
	}
	f.approve(v.Approval, approvals.Choice{Credentials: []string{owner}})
	if v = f.advance(v.ID); v.State != Done {
		t.Fatalf("ended %+v", v)
	}
	v = f.advance(f.begin(appURL).ID)
	if shown := f.approval(v.Approval).Claims[0]; shown.Presents == nil || shown.Presents.Role != "owner" {
		t.Fatalf("shown is %+v", shown)
	}
	f.approve(v.Approval, approvals.Choice{})
	f.advance(v.ID)
	for _, n := range []int{2, 3} {
		if presented := string(s.told(n).Body.Get("requestedClaims")); !strings.Contains(presented, `z2iPassportowner`) {
			t.Errorf("answer %d presents %s", n, presented)
		}
	}
}

// A reply of 1 MiB is read, and a credential that is larger than any passport is not kept, which the session says.
func TestACredentialThatIsTooLarge(t *testing.T) {
	app := newFar(t, 1, did.Ed25519)
	s := &script{t: t, replies: []says{app.asks(), app.handsOver("owner", strings.Repeat("A", 1<<20))}}
	f := newFixture(t, s)
	v := f.through(appURL)
	if v.State != Done || v.Code != "credential_invalid" || v.Credential != "" || len(v.Response) < 1<<20 {
		t.Errorf("ended %s, %s, with %d bytes shown", v.State, v.Code, len(v.Response))
	}
	if kept, _, err := f.wallets.Holdings(t.Context(), f.as(f.owner), store.Page{}); err != nil || len(kept) != 0 {
		t.Errorf("kept %v, %v", kept, err)
	}
}

// Of an answer that is larger than what dApps read, the owner is told so beforehand.
func TestALargeCredentialIsSaidToBeLarge(t *testing.T) {
	app := newFar(t, 1, did.Ed25519)
	s := &script{t: t, replies: []says{
		app.asks(), app.handsOver("owner", strings.Repeat("A", 80<<10)),
		app.asks(claim("verifiableCredential", "item", []string{"NodePassport"})), app.ends(nil),
	}}
	f := newFixture(t, s)
	f.through(appURL)
	v := f.advance(f.begin(appURL).ID)
	if c := f.approval(v.Approval).Claims[0]; c.Presents == nil || len(c.Unusual) != 1 || !strings.Contains(c.Unusual[0], "100 kB") {
		t.Errorf("shown is %+v", c)
	}
}

// What an app was answered cannot be taken back, so no session of it says that the app was refused.
func TestAReplyToAnAnswerThatCannotBeUsed(t *testing.T) {
	app := newFar(t, 1, did.Ed25519)
	for name, reply := range map[string]struct {
		says says
		code string
		text string
	}{
		"is larger than any": {sendsText(strings.Repeat(" ", maxLast+1)), "reply_unsigned", "larger than 2052 KiB"},
		"is no reply":        {sendsText("<html>"), "reply_unsigned", "not a DID Connect reply"},
		"is an HTTP error":   {nil, "app_http_error", "502"},
		"is a large request": {app.asks(claim("profile", "more", strings.Repeat("x", maxReply))), "reply_unsigned", "larger than 1024 KiB"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, &script{t: t, replies: []says{app.asks(), reply.says}})
			v := f.advance(f.begin(appURL).ID)
			f.approve(v.Approval, approvals.Choice{})
			v = f.advance(v.ID)
			if v.State != Unknown || v.Code != reply.code || v.TextBy != ByWallet || !strings.Contains(v.Text, reply.text) || !strings.Contains(v.Text, "The answer was sent") {
				t.Errorf("ended %s, %s: %s", v.State, v.Code, v.Text)
			}
		})
	}
}
