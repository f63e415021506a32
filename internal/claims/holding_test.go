package claims

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"walletd/internal/did"
	"walletd/internal/ledger"
	"walletd/internal/store"
)

const (
	demoIssuer = "zNKpPiDfyQ5h7LWfhsYHaxdizUx7ung399sm"
	ticket     = "zje1uzZTCZN551EWGLyyCEW9AM2wAdjymfHb"
)

// presented is the credential that a recorded session's wallet presented.
func presented(t *testing.T, steps []step) json.RawMessage {
	t.Helper()
	signed, err := did.ReadToken(steps[1].token)
	if err != nil {
		t.Fatal(err)
	}
	var claims []struct{ Presentation string }
	var p struct{ VerifiableCredential []string }
	if err := json.Unmarshal(signed.Body["requestedClaims"], &claims); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(claims[0].Presentation), &p); err != nil {
		t.Fatal(err)
	}
	return json.RawMessage(p.VerifiableCredential[0])
}

func parsed(t *testing.T, text string) did.DID {
	t.Helper()
	d, err := did.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestTheRecordedCredentialsAndAssetsArePresentedByteForByte(t *testing.T) {
	h := atDawn(t)
	steps := recorded(t, "session-credential-and-asset")
	h.mustReplay(steps[0], "", Choice{})
	owner := h.as(h.owner)
	if _, err := h.door.PutCredential(t.Context(), owner, presented(t, steps), ""); err != nil {
		t.Fatal(err)
	}
	h.mustReplay(steps[1], alice, Choice{})
	n := NewAsset{Asset: parsed(t, ticket), Owner: parsed(t, alice), Issuer: parsed(t, demoIssuer), Tag: "Ticket"}
	if _, err := h.door.PutAsset(t.Context(), owner, n); err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{3, 4, 6, 7, 9, 10} { // asset, assetOrVC, agreement, each after its authPrincipal
		account := alice
		if i%3 == 0 {
			account = ""
		}
		h.mustReplay(steps[i], account, Choice{})
	}
	_, err := h.replay(steps[13], alice, Choice{})
	wantCode(t, err, "claim_unsupported") // prepareTx
}

// The vector's holder, kept in the wallet as an account of its own, presents as the packages do.
func TestAPresentationIsThatOfTheVector(t *testing.T) {
	var v struct {
		Holder        struct{ DID, SK string }
		Challenge     string
		Credential    json.RawMessage
		ClaimResponse struct{ Presentation string }
		AssetProof    struct{ OwnerPk, OwnerProof string }
	}
	vectors(t, "presentation", &v)
	h := newHouseAt(t, time.Unix(1767225600, 0))
	h.imports(v.Holder.SK, v.Holder.DID)
	holder := parsed(t, v.Holder.DID)
	token := h.appToken(notes)
	if _, err := h.door.PutCredential(t.Context(), h.as(h.owner), v.Credential, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := h.door.PutAsset(t.Context(), h.as(h.owner), NewAsset{Asset: parsed(t, ticket), Owner: holder}); err != nil {
		t.Fatal(err)
	}
	h.policy(allowAll)
	p := h.pending(token, `{"type":"verifiableCredential","item":["DemoPassport"],"challenge":"`+v.Challenge+`"}`, `{"type":"asset","challenge":"`+v.Challenge+`"}`)
	view, err := h.door.Approval(t.Context(), h.as(h.owner), p.ID)
	if err != nil {
		t.Fatal(err)
	}
	if c := view.Claims[0]; c.Presents == nil || c.Presents.Issuer != demoIssuer || c.Account != holder.Address() || len(c.Filters) != 1 || len(c.Unusual) != 1 {
		t.Errorf("shown is %+v", c)
	}
	if err := h.approve(p.ID, Choice{}); err != nil {
		t.Fatal(err)
	}
	out, err := h.collect(token, p.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got := member(t, out.Answer, 0, "presentation"); got != v.ClaimResponse.Presentation {
		t.Errorf("presented is\n%s\nwant\n%s", got, v.ClaimResponse.Presentation)
	}
	if pk, proof := member(t, out.Answer, 1, "ownerPk"), member(t, out.Answer, 1, "ownerProof"); pk != v.AssetProof.OwnerPk || proof != v.AssetProof.OwnerProof {
		t.Errorf("proved by %s with %s", pk, proof)
	}
}

func TestTheFiltersOfACredential(t *testing.T) {
	h := atDawn(t)
	steps := recorded(t, "session-credential-and-asset")
	h.mustReplay(steps[0], "", Choice{})
	h.clock = h.clock.Add(time.Hour)
	if _, err := h.door.PutCredential(t.Context(), h.as(h.owner), presented(t, steps), "gold"); err != nil {
		t.Fatal(err)
	}
	token := h.appToken(demoIssuer) // the app of the recording is the issuer too
	h.policy(allowAll)
	for filter, fits := range map[string]bool{
		`"item":[]`:                                       true,
		`"item":["Other","DemoPassport"]`:                 true,
		`"item":["Other"]`:                                false,
		`"trustedIssuers":["` + another + `"]`:            false,
		`"trustedIssuers":["did:abt:` + demoIssuer + `"]`: true,
		`"trustedIssuers":[{"did":"` + demoIssuer + `","endpoint":"https://x"}]`:     true,
		`"target":"z2iUDihy54aotNcBLgiNnWvdHGHjsRBHws1jF"`:                           true,
		`"target":"` + ticket + `"`:                                                  false,
		`"ownerDid":["` + alice + `"]`:                                               true,
		`"ownerDid":["` + notes + `"]`:                                               false,
		`"tag":"gold"`:                                                               true,
		`"tag":"silver"`:                                                             false,
		`"filters":[{"type":["Other"]},{"type":["DemoPassport"]}]`:                   true,
		`"filters":[{"type":["Other"]},{"tag":"silver"}]`:                            false,
		`"filters":[{"type":["DemoPassport"],"trustedIssuers":["` + another + `"]}]`: false,
		`"filters":[{"address":"z2iUDihy54aotNcBLgiNnWvdHGHjsRBHws1jF"}]`:            false, // asks for an asset
	} {
		t.Run(filter, func(t *testing.T) {
			out, err := h.ask(token, `{"type":"verifiableCredential","challenge":"A1B2C3D4E5F60718",`+filter+`}`)
			if err != nil || (out.Answer != nil) != fits {
				t.Errorf("got %v and %v, want an answer: %v", out, err, fits)
			}
		})
	}
	for name, filter := range map[string]string{
		"a filter that is no object": `"filters":["x"]`,
		"filters that are no list":   `"filters":"x"`,
		"an issuer that is a number": `"trustedIssuers":[1]`,
		"a tag that is a list":       `"tag":[]`,
	} {
		t.Run("refuses "+name, func(t *testing.T) {
			_, err := h.ask(token, `{"type":"verifiableCredential","challenge":"A",`+filter+`}`)
			wantCode(t, err, "request_malformed")
		})
	}
	t.Run("refuses a claim without any challenge", func(t *testing.T) {
		_, err := h.ask(token, `{"type":"verifiableCredential"}`)
		wantCode(t, err, "request_malformed")
	})
	t.Run("an optional claim is answered without what is not held", func(t *testing.T) {
		a := h.answer(token, `{"type":"verifiableCredential","challenge":"A","optional":true,"item":["Other"]}`)
		if strings.Contains(string(a.Claims[0]), "presentation") {
			t.Errorf("got %s", a.Claims[0])
		}
	})
}

func TestWhatIsNotHeldIsDeclinedOnceThePersonClosedTheQuestion(t *testing.T) {
	h := newHouse(t)
	token := h.appToken(notes)
	h.policy(allowAll)
	asked := `{"type":"asset","challenge":"A1B2C3D4E5F60718"}`
	p := h.pending(token, asked) // although a rule allows everything
	v, err := h.door.Approval(t.Context(), h.as(h.owner), p.ID)
	if err != nil || len(v.Claims[0].Unusual) == 0 {
		t.Errorf("%+v, %v", v, err)
	}
	wantErr(t, h.approve(p.ID, Choice{Remember: &Remember{Times: 1}}), ErrChoice)
	if err := h.approve(p.ID, Choice{}); err != nil {
		t.Fatal(err)
	}
	_, err = h.collect(token, p.ID)
	wantCode(t, err, "credential_not_held")
	if kind, e := h.lastEvent(); kind != "claim.refused" || e.Code != "credential_not_held" {
		t.Errorf("recorded %s %+v", kind, e)
	}
}

func TestASessionsTargetThatIsNotHeldIsDeclinedTheSameWay(t *testing.T) {
	h := atDawn(t)
	s := recorded(t, "session-profile")[0]
	s.asked = raw(`{"type":"authPrincipal","target":"` + another + `"}`)
	_, err := h.replay(s, "", Choice{})
	wantCode(t, err, "account_not_held")
	if kinds := h.events(); kinds[len(kinds)-2] != "approval.approved" {
		t.Errorf("recorded %v", kinds)
	}
}

func TestTheChallengeOfAnAssetCannotBeAnotherMessage(t *testing.T) {
	h := newHouse(t)
	token := h.appToken(notes)
	own := h.account(notes, did.AccountType())
	if _, err := h.door.PutAsset(t.Context(), h.as(h.owner), NewAsset{Asset: parsed(t, ticket), Owner: parsed(t, own.Address)}); err != nil {
		t.Fatal(err)
	}
	for _, challenge := range []string{"short", "eyJhbGciOiJFZDI1NTE5In0.eyJpc3MiOiJ4In0", "with a blank in it it is text", strings.Repeat("A", 129)} {
		for _, kind := range []string{"asset", "assetOrVC"} {
			out, err := h.ask(token, `{"type":"`+kind+`","filters":[{}],"challenge":"`+challenge+`"}`)
			if code := did.CodeOf(err); code != "blind_signature" && code != "request_malformed" || out.Pending != nil {
				t.Errorf("%s with %q: %v, %v", kind, challenge, out, err)
			}
		}
	}
}

// attachment is what the recorded session was handed.
func attachment(t *testing.T) (first step, handed json.RawMessage) {
	t.Helper()
	steps := recorded(t, "session-finish-fields")
	return steps[2], steps[3].last["response"]
}

func changed(t *testing.T, raw json.RawMessage, change func(whole, data map[string]any)) json.RawMessage {
	t.Helper()
	var whole map[string]any
	if err := json.Unmarshal(raw, &whole); err != nil {
		t.Fatal(err)
	}
	change(whole, whole["data"].(map[string]any))
	b, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestWhatASessionHandsOver(t *testing.T) {
	h := atDawn(t)
	s, handed := attachment(t)
	h.mustReplay(s, "", Choice{})
	session := h.enter(s, alice)
	t.Run("is kept and recorded without asking, once", func(t *testing.T) {
		v, err := h.door.StoreCredential(t.Context(), session, handed)
		if err != nil {
			t.Fatal(err)
		}
		if v.Kind != "credential" || v.Issuer != demoIssuer || v.Owner != alice || v.Tag != "badge-1" || v.From != "did:abt:"+demoIssuer {
			t.Errorf("kept is %+v", v)
		}
		if kind, e := h.lastEvent(); kind != "credential.stored" || e.Made != v.ID || e.Session != "s1" {
			t.Errorf("recorded %s %+v", kind, e)
		}
		before := len(h.events())
		again, err := h.door.StoreCredential(t.Context(), session, handed)
		if diff := cmp.Diff(v, again); err != nil || diff != "" || len(h.events()) != before {
			t.Errorf("the second time: %v %s", err, diff)
		}
		got, data, err := h.door.Holding(t.Context(), h.as(h.owner), v.ID)
		if diff := cmp.Diff(v, got); err != nil || diff != "" || !strings.Contains(string(data), "DemoPassport") {
			t.Errorf("%v %s %s", err, diff, data)
		}
	})
	t.Run("can be an asset of the session's account", func(t *testing.T) {
		v, err := h.door.StoreCredential(t.Context(), session, json.RawMessage(`{"disposition":"attachment","type":"asset","assetId":"`+ticket+`"}`))
		if err != nil || v.Kind != "asset" || v.DID != ticket || v.Owner != alice {
			t.Errorf("%+v, %v", v, err)
		}
	})
	for name, change := range map[string]func(whole, data map[string]any){
		"about another account":       func(_, data map[string]any) { data["credentialSubject"].(map[string]any)["id"] = another },
		"with a name changed":         func(_, data map[string]any) { data["issuer"].(map[string]any)["name"] = "Another" },
		"with a member more":          func(_, data map[string]any) { data["more"] = 1 },
		"with another issuer's DID":   func(_, data map[string]any) { data["issuer"].(map[string]any)["id"] = another },
		"without a proof":             func(_, data map[string]any) { delete(data, "proof") },
		"with a proof by another":     func(_, data map[string]any) { data["proof"].(map[string]any)["signer"] = another },
		"with a proof of another key": func(_, data map[string]any) { data["proof"].(map[string]any)["type"] = "Secp256k1Signature" },
		"with a signature cut short": func(_, data map[string]any) {
			p := data["proof"].(map[string]any)
			p["jws"] = p["jws"].(string)[:40]
		},
		"that is no attachment":     func(whole, _ map[string]any) { whole["disposition"] = "inline" },
		"that is something else":    func(whole, _ map[string]any) { whole["type"] = "Program" },
		"that names no valid asset": func(whole, _ map[string]any) { whole["assetId"] = "zje1" },
	} {
		t.Run("is refused "+name, func(t *testing.T) {
			_, err := h.door.StoreCredential(t.Context(), session, changed(t, handed, change))
			wantCode(t, err, "credential_invalid")
		})
	}
	t.Run("is refused to who is no session", func(t *testing.T) {
		_, err := h.door.StoreCredential(t.Context(), h.as(h.owner), handed)
		wantErr(t, err, ErrForbidden)
	})
	t.Run("is refused when the wallet is full of such", func(t *testing.T) {
		var writes []store.Write
		for i := range maxHeld {
			writes = append(writes, store.PutCredential(store.Credential{Wallet: h.wallet, ID: store.NewID(), Sealed: []byte{byte(i)}}, maxHeld+2))
		}
		if err := h.as(h.owner).record(t.Context(), ledger.Event{Kind: ledger.CredentialStored, By: "test"}, writes...); err != nil {
			t.Fatal(err)
		}
		_, err := h.door.StoreCredential(t.Context(), session, changed(t, handed, func(whole, _ map[string]any) { whole["assetId"] = demoIssuer }))
		wantErr(t, err, ErrInput)
	})
}

func TestTheOwnersCredentials(t *testing.T) {
	h := atDawn(t)
	s, handed := attachment(t)
	var a struct{ Data json.RawMessage }
	if err := json.Unmarshal(handed, &a); err != nil {
		t.Fatal(err)
	}
	_, err := h.door.PutCredential(t.Context(), h.as(h.owner), a.Data, "")
	wantCode(t, err, "account_not_held") // the account is made in the session
	h.mustReplay(s, "", Choice{})
	v, err := h.door.PutCredential(t.Context(), h.as(h.owner), a.Data, "mine")
	if err != nil {
		t.Fatal(err)
	}
	list, _, err := h.door.Holdings(t.Context(), h.as(h.owner), store.Page{})
	if diff := cmp.Diff([]HoldingView{v}, list); err != nil || diff != "" {
		t.Error(err, diff)
	}
	for name, call := range map[string]func(c *Caller) error{
		"list":   func(c *Caller) error { _, _, err := h.door.Holdings(t.Context(), c, store.Page{}); return err },
		"read":   func(c *Caller) error { _, _, err := h.door.Holding(t.Context(), c, v.ID); return err },
		"put":    func(c *Caller) error { _, err := h.door.PutCredential(t.Context(), c, a.Data, ""); return err },
		"delete": func(c *Caller) error { return h.door.DeleteHolding(t.Context(), c, v.ID) },
	} {
		t.Run("are not an app's to "+name, func(t *testing.T) { wantErr(t, call(h.as(h.appToken(notes))), ErrForbidden) })
	}
	t.Run("are noticed when somebody else wrote them", func(t *testing.T) {
		row, err := h.store.Credential(t.Context(), h.wallet, v.ID)
		if err != nil {
			t.Fatal(err)
		}
		row.ID = "somewhere else"
		if err := h.as(h.owner).record(t.Context(), ledger.Event{Kind: ledger.CredentialStored, By: "test"}, store.PutCredential(row, maxHeld)); err != nil {
			t.Fatal(err)
		}
		list, _, err := h.door.Holdings(t.Context(), h.as(h.owner), store.Page{})
		if err != nil || len(list) != 1 {
			t.Errorf("%d listed, %v", len(list), err)
		}
		if kind, _ := h.lastEvent(); kind != "row.forged" {
			t.Errorf("recorded %s", kind)
		}
	})
	if err := h.door.DeleteHolding(t.Context(), h.as(h.owner), v.ID); err != nil {
		t.Error(err)
	}
	wantErr(t, h.door.DeleteHolding(t.Context(), h.as(h.owner), v.ID), ErrNotFound)
}
