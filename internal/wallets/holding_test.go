package wallets_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"walletd/internal/approvals"
	"walletd/internal/auth"
	"walletd/internal/did"
	"walletd/internal/ledger"
	"walletd/internal/store"
	"walletd/internal/wallets"
	"walletd/internal/wallettest/fixture"
)

// presented is the credential that a recorded session's wallet presented.
func presented(t *testing.T, steps []fixture.Step) json.RawMessage {
	t.Helper()
	signed, err := did.ReadToken(steps[1].Token)
	if err != nil {
		t.Fatal(err)
	}
	var claims []struct{ Presentation string }
	var p struct{ VerifiableCredential []string }
	if err := json.Unmarshal(signed.Body.Get("requestedClaims"), &claims); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(claims[0].Presentation), &p); err != nil {
		t.Fatal(err)
	}
	return json.RawMessage(p.VerifiableCredential[0])
}

func TestTheRecordedCredentialsAndAssetsArePresentedByteForByte(t *testing.T) {
	f := fixture.AtRecordedStart(t)
	steps := fixture.Recorded(t, "session-credential-and-asset")
	f.MustReplay(steps[0], "", approvals.Choice{})
	owner := f.As(f.Owner)
	if _, err := f.Wallets.PutCredential(t.Context(), owner, presented(t, steps), ""); err != nil {
		t.Fatal(err)
	}
	f.MustReplay(steps[1], fixture.Alice, approvals.Choice{})
	n := wallets.NewAsset{Asset: fixture.ParseDID(t, fixture.Ticket), Owner: fixture.ParseDID(t, fixture.Alice), Issuer: fixture.ParseDID(t, fixture.DemoIssuer), Tag: "Ticket"}
	if _, err := f.Wallets.PutAsset(t.Context(), owner, n); err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{3, 4, 6, 7, 9, 10} { // asset, assetOrVC, agreement, each after its authPrincipal
		account := fixture.Alice
		if i%3 == 0 {
			account = ""
		}
		f.MustReplay(steps[i], account, approvals.Choice{})
	}
	_, err := f.Replay(steps[13], fixture.Alice, approvals.Choice{})
	fixture.WantCode(t, err, "claim_unsupported") // prepareTx
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
	fixture.Vectors(t, "presentation", &v)
	f := fixture.NewAt(t, time.Unix(1767225600, 0))
	f.ImportKey(v.Holder.SK, v.Holder.DID)
	holder := fixture.ParseDID(t, v.Holder.DID)
	token := f.AppToken(fixture.Notes)
	if _, err := f.Wallets.PutCredential(t.Context(), f.As(f.Owner), v.Credential, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Wallets.PutAsset(t.Context(), f.As(f.Owner), wallets.NewAsset{Asset: fixture.ParseDID(t, fixture.Ticket), Owner: holder}); err != nil {
		t.Fatal(err)
	}
	f.SetPolicy(fixture.AllowAll)
	p := f.Pending(token, `{"type":"verifiableCredential","item":["DemoPassport"],"challenge":"`+v.Challenge+`"}`, `{"type":"asset","challenge":"`+v.Challenge+`"}`)
	view, err := f.Approvals.Get(t.Context(), f.As(f.Owner), p.ID)
	if err != nil {
		t.Fatal(err)
	}
	if c := view.Claims[0]; c.Presents == nil || c.Presents.Issuer != fixture.DemoIssuer || c.Account != holder.Address() || len(c.Filters) != 1 || len(c.Unusual) != 1 {
		t.Errorf("shown is %+v", c)
	}
	out := f.ApproveAndCollect(token, p.ID)
	if got := fixture.Member(t, out.Answer, 0, "presentation"); got != v.ClaimResponse.Presentation {
		t.Errorf("presented is\n%s\nwant\n%s", got, v.ClaimResponse.Presentation)
	}
	if pk, proof := fixture.Member(t, out.Answer, 1, "ownerPk"), fixture.Member(t, out.Answer, 1, "ownerProof"); pk != v.AssetProof.OwnerPk || proof != v.AssetProof.OwnerProof {
		t.Errorf("proved by %s with %s", pk, proof)
	}
}

func TestTheFiltersOfACredential(t *testing.T) {
	f := fixture.AtRecordedStart(t)
	steps := fixture.Recorded(t, "session-credential-and-asset")
	f.MustReplay(steps[0], "", approvals.Choice{})
	f.Clock = f.Clock.Add(time.Hour)
	if _, err := f.Wallets.PutCredential(t.Context(), f.As(f.Owner), presented(t, steps), "gold"); err != nil {
		t.Fatal(err)
	}
	token := f.AppToken(fixture.DemoIssuer) // the app of the recording is the issuer too
	f.SetPolicy(fixture.AllowAll)
	for filter, fits := range map[string]bool{
		`"item":[]`:                                               true,
		`"item":["Other","DemoPassport"]`:                         true,
		`"item":["Other"]`:                                        false,
		`"trustedIssuers":["` + fixture.Another + `"]`:            false,
		`"trustedIssuers":["did:abt:` + fixture.DemoIssuer + `"]`: true,
		`"trustedIssuers":[{"did":"` + fixture.DemoIssuer + `","endpoint":"https://x"}]`:     true,
		`"target":"z2iUDihy54aotNcBLgiNnWvdHGHjsRBHws1jF"`:                                   true,
		`"target":"` + fixture.Ticket + `"`:                                                  false,
		`"ownerDid":["` + fixture.Alice + `"]`:                                               true,
		`"ownerDid":["` + fixture.Notes + `"]`:                                               false,
		`"tag":"gold"`:                                                                       true,
		`"tag":"silver"`:                                                                     false,
		`"filters":[{"type":["Other"]},{"type":["DemoPassport"]}]`:                           true,
		`"filters":[{"type":["Other"]},{"tag":"silver"}]`:                                    false,
		`"filters":[{"type":["DemoPassport"],"trustedIssuers":["` + fixture.Another + `"]}]`: false,
		`"filters":[{"address":"z2iUDihy54aotNcBLgiNnWvdHGHjsRBHws1jF"}]`:                    false, // asks for an asset
	} {
		t.Run(filter, func(t *testing.T) {
			out, err := f.Ask(token, `{"type":"verifiableCredential","challenge":"A1B2C3D4E5F60718",`+filter+`}`)
			if err != nil || (out.Answer != nil) != fits {
				t.Errorf("got %v and %v, want an answer: %v", out, err, fits)
			}
			f.Clock = f.Clock.Add(5 * time.Minute) // what waits is alike, whatever the filter, and expires
		})
	}
	for name, filter := range map[string]string{
		"a filter that is no object": `"filters":["x"]`,
		"filters that are no list":   `"filters":"x"`,
		"an issuer that is a number": `"trustedIssuers":[1]`,
		"a tag that is a list":       `"tag":[]`,
	} {
		t.Run("refuses "+name, func(t *testing.T) {
			_, err := f.Ask(token, `{"type":"verifiableCredential","challenge":"A",`+filter+`}`)
			fixture.WantCode(t, err, "request_malformed")
		})
	}
	t.Run("refuses a claim without any challenge", func(t *testing.T) {
		_, err := f.Ask(token, `{"type":"verifiableCredential"}`)
		fixture.WantCode(t, err, "request_malformed")
	})
	t.Run("an optional claim is answered without what is not held", func(t *testing.T) {
		a := f.Answer(token, `{"type":"verifiableCredential","challenge":"A","optional":true,"item":["Other"]}`)
		if strings.Contains(string(a.Claims[0]), "presentation") {
			t.Errorf("got %s", a.Claims[0])
		}
	})
}

func TestWhatIsNotHeldIsDeclinedOnceTheOwnerClosedTheApproval(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	f.SetPolicy(fixture.AllowAll)
	asked := `{"type":"asset","challenge":"A1B2C3D4E5F60718"}`
	p := f.Pending(token, asked) // although a rule allows everything
	v, err := f.Approvals.Get(t.Context(), f.As(f.Owner), p.ID)
	if err != nil || len(v.Claims[0].Unusual) == 0 {
		t.Errorf("%+v, %v", v, err)
	}
	fixture.WantErr(t, f.Approve(p.ID, approvals.Choice{Remember: &approvals.Remember{Times: 1}}), approvals.ErrChoice)
	if err := f.Approve(p.ID, approvals.Choice{}); err != nil {
		t.Fatal(err)
	}
	_, err = f.Collect(token, p.ID)
	fixture.WantCode(t, err, "credential_not_held")
	if kind, e := f.LastEvent(); kind != "claim.refused" || e.Code != "credential_not_held" {
		t.Errorf("recorded %s %+v", kind, e)
	}
}

func TestASessionsTargetThatIsNotHeldIsDeclinedTheSameWay(t *testing.T) {
	f := fixture.AtRecordedStart(t)
	s := fixture.Recorded(t, "session-profile")[0]
	s.Asked = fixture.Raw(`{"type":"authPrincipal","target":"` + fixture.Another + `"}`)
	_, err := f.Replay(s, "", approvals.Choice{})
	fixture.WantCode(t, err, "account_not_held")
	if kinds := f.EventKinds(); kinds[len(kinds)-2] != "approval.approved" {
		t.Errorf("recorded %v", kinds)
	}
}

func TestTheChallengeOfAnAssetCannotBeAnotherMessage(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	own := f.Account(fixture.Notes, did.AccountType())
	if _, err := f.Wallets.PutAsset(t.Context(), f.As(f.Owner), wallets.NewAsset{Asset: fixture.ParseDID(t, fixture.Ticket), Owner: fixture.ParseDID(t, own.Address)}); err != nil {
		t.Fatal(err)
	}
	for _, challenge := range []string{"short", "eyJhbGciOiJFZDI1NTE5In0.eyJpc3MiOiJ4In0", "with a blank in it it is text", strings.Repeat("A", 129)} {
		for _, kind := range []string{"asset", "assetOrVC"} {
			out, err := f.Ask(token, `{"type":"`+kind+`","filters":[{}],"challenge":"`+challenge+`"}`)
			if code := did.CodeOf(err); code != "blind_signature" && code != "request_malformed" || out.Pending != nil {
				t.Errorf("%s with %q: %v, %v", kind, challenge, out, err)
			}
		}
	}
}

// attachment is what the recorded session was handed.
func attachment(t *testing.T) (first fixture.Step, handed json.RawMessage) {
	t.Helper()
	steps := fixture.Recorded(t, "session-finish-fields")
	return steps[2], steps[3].Last.Get("response")
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
	f := fixture.AtRecordedStart(t)
	s, handed := attachment(t)
	f.MustReplay(s, "", approvals.Choice{})
	session := f.SessionCaller(s, fixture.Alice)
	t.Run("is kept and recorded without asking, once", func(t *testing.T) {
		all, err := f.Wallets.StoreCredential(t.Context(), session, handed)
		if err != nil || len(all) != 1 {
			t.Fatal(all, err)
		}
		v := all[0]
		if v.Kind != "credential" || v.Issuer != fixture.DemoIssuer || v.Owner != fixture.Alice || v.Tag != "badge-1" || v.From != "did:abt:"+fixture.DemoIssuer {
			t.Errorf("kept is %+v", v)
		}
		if kind, e := f.LastEvent(); kind != "credential.stored" || e.Created != v.ID || e.Session != "s1" {
			t.Errorf("recorded %s %+v", kind, e)
		}
		before := len(f.EventKinds())
		again, err := f.Wallets.StoreCredential(t.Context(), session, handed)
		if diff := cmp.Diff(all, again); err != nil || diff != "" || len(f.EventKinds()) != before {
			t.Errorf("the second time: %v %s", err, diff)
		}
		got, data, err := f.Wallets.Holding(t.Context(), f.As(f.Owner), v.ID)
		if diff := cmp.Diff(v, got); err != nil || diff != "" || !strings.Contains(string(data), "DemoPassport") {
			t.Errorf("%v %s %s", err, diff, data)
		}
	})
	t.Run("can be an asset of the session's account", func(t *testing.T) {
		v, err := f.Wallets.StoreCredential(t.Context(), session, json.RawMessage(`{"disposition":"attachment","type":"asset","assetId":"`+fixture.Ticket+`"}`))
		if err != nil || len(v) != 1 || v[0].Kind != "asset" || v[0].DID != fixture.Ticket || v[0].Owner != fixture.Alice {
			t.Errorf("%+v, %v", v, err)
		}
	})
	t.Run("can be a credential and an asset", func(t *testing.T) {
		v, err := f.Wallets.StoreCredential(t.Context(), session, changed(t, handed, func(whole, _ map[string]any) { whole["assetId"] = fixture.Ticket }))
		if err != nil || len(v) != 2 || v[0].Kind != "credential" || v[1].Kind != "asset" || v[1].DID != fixture.Ticket || v[1].Tag != v[0].Tag {
			t.Errorf("%+v, %v", v, err)
		}
	})
	t.Run("is kept as far as it is genuine", func(t *testing.T) {
		v, err := f.Wallets.StoreCredential(t.Context(), session, changed(t, handed, func(whole, data map[string]any) {
			whole["assetId"] = fixture.Ticket
			data["more"] = 1
		}))
		fixture.WantCode(t, err, "credential_invalid")
		if len(v) != 1 || v[0].Kind != "asset" {
			t.Errorf("kept is %+v", v)
		}
	})
	t.Run("can be about another account of the wallet", func(t *testing.T) {
		issuer := fixture.NewPeer(t, 7)
		other := f.AccountAddress(fixture.Another)
		v, err := f.Wallets.StoreCredential(t.Context(), session, json.RawMessage(`{"disposition":"attachment","type":"VerifiableCredential","data":`+string(issuer.Issue(t, "z2iPassport", other, ""))+`}`))
		if err != nil || len(v) != 1 || v[0].Owner != other || other == fixture.Alice {
			t.Errorf("%+v, %v", v, err)
		}
	})
	for name, change := range map[string]func(whole, data map[string]any){
		"about an account of nobody here": func(_, data map[string]any) { data["credentialSubject"].(map[string]any)["id"] = fixture.Another },
		"with a name changed":             func(_, data map[string]any) { data["issuer"].(map[string]any)["name"] = "Another" },
		"with a member more":              func(_, data map[string]any) { data["more"] = 1 },
		"with another issuer's DID":       func(_, data map[string]any) { data["issuer"].(map[string]any)["id"] = fixture.Another },
		"without a proof":                 func(_, data map[string]any) { delete(data, "proof") },
		"with a proof by another":         func(_, data map[string]any) { data["proof"].(map[string]any)["signer"] = fixture.Another },
		"with a proof of another key":     func(_, data map[string]any) { data["proof"].(map[string]any)["type"] = "Secp256k1Signature" },
		"with a signature cut short": func(_, data map[string]any) {
			p := data["proof"].(map[string]any)
			p["jws"] = p["jws"].(string)[:40]
		},
		"that is no attachment":     func(whole, _ map[string]any) { whole["disposition"] = "inline" },
		"that is something else":    func(whole, _ map[string]any) { whole["type"] = "Program" },
		"that names no valid asset": func(whole, _ map[string]any) { whole["assetId"] = "zje1" },
	} {
		t.Run("is refused "+name, func(t *testing.T) {
			_, err := f.Wallets.StoreCredential(t.Context(), session, changed(t, handed, change))
			fixture.WantCode(t, err, "credential_invalid")
		})
	}
	t.Run("is refused to who is no session", func(t *testing.T) {
		_, err := f.Wallets.StoreCredential(t.Context(), f.As(f.Owner), handed)
		fixture.WantErr(t, err, auth.ErrForbidden)
	})
	t.Run("is refused when the wallet is full of such", func(t *testing.T) {
		var writes []store.Write
		for i := range wallets.MaxHoldings {
			writes = append(writes, store.PutCredential(store.Credential{Wallet: f.Wallet, ID: store.NewID(), Sealed: []byte{byte(i)}}, wallets.MaxHoldings+3))
		}
		if err := f.As(f.Owner).Record(t.Context(), ledger.Event{Kind: ledger.CredentialStored, By: "test"}, writes...); err != nil {
			t.Fatal(err)
		}
		_, err := f.Wallets.StoreCredential(t.Context(), session, changed(t, handed, func(whole, _ map[string]any) { whole["assetId"] = fixture.DemoIssuer }))
		fixture.WantErr(t, err, auth.ErrInput)
	})
}

func TestTheOwnersCredentials(t *testing.T) {
	f := fixture.AtRecordedStart(t)
	s, handed := attachment(t)
	var a struct{ Data json.RawMessage }
	if err := json.Unmarshal(handed, &a); err != nil {
		t.Fatal(err)
	}
	_, err := f.Wallets.PutCredential(t.Context(), f.As(f.Owner), a.Data, "")
	fixture.WantCode(t, err, "account_not_held") // the account is made in the session
	f.MustReplay(s, "", approvals.Choice{})
	v, err := f.Wallets.PutCredential(t.Context(), f.As(f.Owner), a.Data, "mine")
	if err != nil {
		t.Fatal(err)
	}
	list, _, err := f.Wallets.Holdings(t.Context(), f.As(f.Owner), store.Page{})
	if diff := cmp.Diff([]wallets.HoldingView{v}, list); err != nil || diff != "" {
		t.Error(err, diff)
	}
	for name, call := range map[string]func(c *auth.Caller) error{
		"list":   func(c *auth.Caller) error { _, _, err := f.Wallets.Holdings(t.Context(), c, store.Page{}); return err },
		"read":   func(c *auth.Caller) error { _, _, err := f.Wallets.Holding(t.Context(), c, v.ID); return err },
		"put":    func(c *auth.Caller) error { _, err := f.Wallets.PutCredential(t.Context(), c, a.Data, ""); return err },
		"delete": func(c *auth.Caller) error { return f.Wallets.DeleteHolding(t.Context(), c, v.ID) },
	} {
		t.Run("are not an app's to "+name, func(t *testing.T) { fixture.WantErr(t, call(f.As(f.AppToken(fixture.Notes))), auth.ErrForbidden) })
	}
	t.Run("are noticed when somebody else wrote them", func(t *testing.T) {
		row, err := f.Store.Credential(t.Context(), f.Wallet, v.ID)
		if err != nil {
			t.Fatal(err)
		}
		row.ID = "somewhere else"
		if err := f.As(f.Owner).Record(t.Context(), ledger.Event{Kind: ledger.CredentialStored, By: "test"}, store.PutCredential(row, wallets.MaxHoldings)); err != nil {
			t.Fatal(err)
		}
		list, _, err := f.Wallets.Holdings(t.Context(), f.As(f.Owner), store.Page{})
		if err != nil || len(list) != 1 {
			t.Errorf("%d listed, %v", len(list), err)
		}
		if kind, _ := f.LastEvent(); kind != "row.forged" {
			t.Errorf("recorded %s", kind)
		}
	})
	if err := f.Wallets.DeleteHolding(t.Context(), f.As(f.Owner), v.ID); err != nil {
		t.Error(err)
	}
	fixture.WantErr(t, f.Wallets.DeleteHolding(t.Context(), f.As(f.Owner), v.ID), auth.ErrNotFound)
}
