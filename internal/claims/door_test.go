package claims

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"walletd/internal/did"
	"walletd/internal/keystore"
	"walletd/internal/policy"
)

var allowAll = policy.Rule{App: policy.Any, Claim: policy.Any, Decision: policy.Allow}

func TestEncryptionKeyIsAnsweredUnderARule(t *testing.T) {
	h := newHouse(t)
	token := h.appToken(notes)
	h.policy(policy.Rule{App: notes, Claim: "encryptionKey", Decision: policy.Allow})
	sk, account := secret(t, notes, did.AccountType())

	for _, salt := range []string{"", "diary", notes, "zebra", "0xABC", "盐🧂", "nul\x00", " leading"} {
		asked, _ := json.Marshal(map[string]any{"type": "encryptionKey", "salt": salt, "meta": map[string]any{"n": 1, "h": "<&>"}, "later": []int{1}})
		a := h.answer(token, string(asked))
		if got, want := member(t, a, 0, "key"), key(sk, salt); got != want {
			t.Errorf("salt %q: got %s, want %s", salt, got, want)
		}
		if a.UserDID != account.Address() || a.UserPK != did.EncodeBase58(sk.Public()) {
			t.Errorf("answers as %s %s, want %s", a.UserDID, a.UserPK, account.Address())
		}
		var echoed, want map[string]any
		json.Unmarshal(a.Claims[0], &echoed)
		json.Unmarshal(asked, &want)
		want["key"] = key(sk, salt)
		if diff := cmp.Diff(want, echoed); diff != "" {
			t.Errorf("the claim is not echoed whole (-want +got):\n%s", diff)
		}
	}
	kind, e := h.lastEvent()
	if kind != "claim.allowed" || e.Reason != "allowed by rule 1" || e.App != "did:abt:"+notes || len(e.Claims) != 1 || e.Claims[0].Salt == nil {
		t.Errorf("recorded %s %+v", kind, e)
	}
}

func TestAnswersOfDifferentAppsDiffer(t *testing.T) {
	h := newHouse(t)
	one, two := h.appToken(notes), h.appToken(another)
	h.policy(allowAll)
	if a, b := member(t, h.answer(one, keyClaim("same")), 0, "key"), member(t, h.answer(two, keyClaim("same")), 0, "key"); a == b {
		t.Error("two apps have the same key for the same salt")
	}
}

func TestNothingIsGivenWithoutARecord(t *testing.T) {
	h := newHouse(t)
	token := h.appToken(notes)
	h.policy(allowAll)
	h.answer(token, keyClaim("diary"))
	caller := h.as(token)
	h.store.Close()
	out, err := h.door.Answer(t.Context(), caller, raw(keyClaim("diary")))
	if err == nil || out.Answer != nil {
		t.Fatalf("got %v and %v, want an error and nothing else", out, err)
	}
}

func TestAnswerIsRefused(t *testing.T) {
	h := newHouse(t)
	token := h.appToken(notes)
	h.policy(allowAll)
	for name, c := range map[string]struct{ claim, code string }{
		"for a claim it does not know":          {`{"type":"prepareTx"}`, "claim_unsupported"},
		"for a claim without a type":            {`{"salt":"a"}`, "request_malformed"},
		"for what is no object":                 {`["encryptionKey"]`, "request_malformed"},
		"for a duplicate member":                {`{"type":"encryptionKey","salt":"a","salt":"b"}`, "request_malformed"},
		"for a duplicate member deep inside":    {`{"type":"encryptionKey","salt":"a","meta":{"a":{"b":1,"b":2}}}`, "request_malformed"},
		"for a member that differs in case":     {`{"type":"encryptionKey","salt":"a","Salt":"b"}`, "request_malformed"},
		"without a salt":                        {`{"type":"encryptionKey"}`, "request_malformed"},
		"for a salt that is no text":            {`{"type":"encryptionKey","salt":1}`, "request_malformed"},
		"for a salt that is too long":           {keyClaim(strings.Repeat("s", policy.MaxSalt+1)), "request_malformed"},
		"for a description that is no text":     {`{"type":"encryptionKey","salt":"a","description":{}}`, "request_malformed"},
		"for a delegation that is no token":     {`{"type":"encryptionKey","salt":"a","delegation":"x"}`, "delegation_malformed"},
		"for an mfaCode of two numbers":         {`{"type":"encryptionKey","salt":"a","mfaCode":[11,12]}`, "request_malformed"},
		"for an mfaCode with a number twice":    {`{"type":"encryptionKey","salt":"a","mfaCode":[11,12,12]}`, "request_malformed"},
		"for a target the wallet does not hold": {`{"type":"authPrincipal","target":"` + another + `"}`, "account_not_held"},
		"for a target that is no DID":           {`{"type":"authPrincipal","target":"me"}`, "did_invalid"},
		"for a passkey account":                 {`{"type":"authPrincipal","targetType":{"key":"passkey"}}`, "claim_unsupported"},
		"for an account type nobody knows":      {`{"type":"authPrincipal","targetType":{"key":"rsa"}}`, "claim_unsupported"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := h.ask(token, c.claim)
			wantCode(t, err, c.code)
			if out.Answer != nil || out.Pending != nil {
				t.Error("something was given")
			}
		})
	}
	t.Run("for no claims", func(t *testing.T) {
		_, err := h.ask(token)
		wantCode(t, err, "request_malformed")
	})
	t.Run("for more claims than are read", func(t *testing.T) {
		_, err := h.ask(token, make([]string, maxClaims+1)...)
		wantCode(t, err, "request_malformed")
	})
	t.Run("for two principals", func(t *testing.T) {
		_, err := h.ask(token, `{"type":"authPrincipal"}`, `{"type":"authPrincipal"}`)
		wantCode(t, err, "request_malformed")
	})
	t.Run("whole, if one of its claims is refused", func(t *testing.T) {
		out, err := h.ask(token, keyClaim("diary"), `{"type":"prepareTx"}`)
		wantCode(t, err, "claim_unsupported")
		if out.Answer != nil {
			t.Error("something was given")
		}
	})
}

func TestTheStrictestDecisionHoldsForAll(t *testing.T) {
	h := newHouse(t)
	token := h.appToken(notes)
	h.policy(
		policy.Rule{App: notes, Claim: "encryptionKey", Salt: text("no"), Decision: policy.Deny},
		policy.Rule{App: notes, Claim: "encryptionKey", Salt: text("yes"), Decision: policy.Allow},
	)
	if out, err := h.ask(token, keyClaim("yes"), keyClaim("perhaps")); err != nil || out.Pending == nil {
		t.Errorf("got %v and %v, want a question", out, err)
	}
	_, err := h.ask(token, keyClaim("perhaps"), keyClaim("no"), keyClaim("yes"))
	wantErr(t, err, ErrDenied)
	if kind, e := h.lastEvent(); kind != "claim.denied" || e.Rule != 1 {
		t.Errorf("recorded %s %+v", kind, e)
	}
}

func TestAuthPrincipalSettlesTheAccount(t *testing.T) {
	h := newHouse(t)
	token := h.appToken(notes)
	h.policy(allowAll)
	ethereum := did.Type{Role: did.RoleAccount, Key: did.Ethereum, Hash: did.Keccak}
	sk, account := secret(t, notes, ethereum)
	a := h.answer(token, keyClaim("diary"), `{"type":"authPrincipal","targetType":{"key":"ethereum"}}`)
	if a.UserDID != account.Address() {
		t.Errorf("answers as %s, want %s", a.UserDID, account.Address())
	}
	if got, want := member(t, a, 0, "key"), key(sk, "diary"); got != want {
		t.Errorf("got %s, want the key of the account that was settled, %s", got, want)
	}
	t.Run("and refuses the salt that would give the ed25519 account's key", func(t *testing.T) {
		ed, _ := secret(t, notes, did.AccountType())
		salt := did.EncodeBase58(append(ed.Public(), "diary"...))
		_, err := h.ask(token, keyClaim(salt), `{"type":"authPrincipal","targetType":{"key":"ethereum"}}`)
		wantCode(t, err, "salt_mismatch")
		_, err = h.ask(token, keyClaim(salt), `{"type":"authPrincipal","targetType":{"key":"secp256k1"}}`)
		wantCode(t, err, "salt_mismatch")
		h.answer(token, keyClaim(salt)) // of the ed25519 account itself it is an ordinary salt
	})
}

func TestAnAccountOfAnotherAppIsNeverDecidedByRule(t *testing.T) {
	h := newHouse(t)
	token := h.appToken(notes)
	h.policy(allowAll)
	theirs := h.account(another, did.AccountType())
	p := h.pending(token, `{"type":"authPrincipal","target":"`+theirs.Address+`"}`)
	v, err := h.door.Approval(t.Context(), h.as(h.owner), p.ID)
	if err != nil {
		t.Fatal(err)
	}
	if len(v.Claims[0].Unusual) == 0 || !strings.Contains(v.Claims[0].Unusual[0], another) {
		t.Errorf("the question does not say whose account it is: %q", v.Claims[0].Unusual)
	}
	_, err = h.ask(token, `{"type":"authPrincipal","target":"`+theirs.Address+`"}`, keyClaim("diary"))
	wantCode(t, err, "delegation_missing")
}

func TestLockedKeystoreGivesNothing(t *testing.T) {
	h := newHouse(t)
	token := h.appToken(notes)
	h.policy(allowAll)
	early := h.as(token) // a request that was under way when the lock came
	p := h.pending(h.appToken(another), keyClaim(notes))
	if err := h.door.Lock(t.Context(), h.as(h.operator)); err != nil {
		t.Fatal(err)
	}
	_, err := h.door.Answer(t.Context(), early, raw(keyClaim("diary")))
	wantErr(t, err, keystore.ErrLocked)
	_, err = h.door.Authenticate(t.Context(), token)
	wantErr(t, err, keystore.ErrLocked)
	_, err = h.door.Authenticate(t.Context(), h.owner)
	wantErr(t, err, keystore.ErrLocked)
	peer := newPeer(t, 7)
	_, err = h.askSigned(h.request(peer, "j", nil))
	wantErr(t, err, keystore.ErrLocked)
	if _, err := h.door.Authenticate(t.Context(), h.operator); err != nil {
		t.Errorf("an operator's token does not work while locked: %v", err)
	}
	h.unlock()
	h.answer(token, keyClaim("diary"))
	if err := h.approve(p.ID, Choice{}); err != nil {
		t.Errorf("a question that waited over a lock cannot be answered: %v", err)
	}
}

func TestRolesAreKeptApart(t *testing.T) {
	h := newHouse(t)
	token := h.appToken(notes)
	ctx := t.Context()
	operator, owner, app := h.as(h.operator), h.as(h.owner), h.as(token)
	p := h.pending(token, keyClaim("diary"))
	for name, err := range map[string]error{
		"an operator asking for a key":      second(h.door.Answer(ctx, operator, raw(keyClaim("a")))),
		"an owner asking as an app":         second(h.door.Answer(ctx, owner, raw(keyClaim("a")))),
		"an operator deriving":              second(h.door.Derive(ctx, operator, nil)),
		"an app deriving":                   second(h.door.Derive(ctx, app, nil)),
		"an operator approving":             second(h.door.Approve(ctx, operator, p.ID, Choice{})),
		"an app approving":                  second(h.door.Approve(ctx, app, p.ID, Choice{})),
		"an operator rejecting":             second(h.door.Reject(ctx, operator, p.ID)),
		"an operator setting a policy":      second(h.door.SetPolicy(ctx, operator, policy.Policy{})),
		"an app setting a policy":           second(h.door.SetPolicy(ctx, app, policy.Policy{})),
		"an operator making an app's token": second(h.door.CreateToken(ctx, h.as(h.operator), NewToken{Role: App, Wallet: h.wallet, App: notes})),
		"an operator making another owner":  second(h.door.CreateToken(ctx, h.as(h.operator), NewToken{Role: Owner, Wallet: h.wallet})),
		"an owner making an operator":       second(h.door.CreateToken(ctx, owner, NewToken{Role: Operator})),
		"an app making a token":             second(h.door.CreateToken(ctx, app, NewToken{Role: App, Wallet: h.wallet})),
		"an owner making a wallet":          second(h.door.CreateWallet(ctx, owner, NewWallet{})),
		"an operator deleting an owned one": h.door.DeleteWallet(ctx, h.as(h.operator), h.wallet),
		"an owner locking":                  h.door.Lock(ctx, owner),
		"an app reading the record":         second(h.door.Record(ctx, app, 0, 10)),
		"an operator naming an app":         second(h.door.NameApp(ctx, operator, app.App, "x")),
		"an operator importing an account":  second(h.door.ImportAccount(ctx, operator, make([]byte, 64), did.AccountType())),
		"an operator revoking an app":       h.door.RevokeApp(ctx, operator, app.App),
		"an operator changing the wallet":   second(h.door.UpdateWallet(ctx, operator, WalletChange{})),
	} {
		if !errors.Is(err, ErrForbidden) {
			t.Errorf("%s: got %v, want ErrForbidden", name, err)
		}
	}
	if err := h.door.RevokeToken(ctx, h.as(h.operator), app.Token); !errors.Is(err, ErrNotFound) {
		t.Errorf("an operator revoking an owned wallet's token: got %v, want ErrNotFound", err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestDerive(t *testing.T) {
	h := newHouse(t)
	got, err := h.door.Derive(t.Context(), h.as(h.owner), []byte("salt"))
	if err != nil {
		t.Fatal(err)
	}
	// The BIP-39 seed of the words (accounts.json), hashed beside the house.
	seed := mustHex(t, "5eb00bbddcf069084889a8ab9155568165f5c453ccb85e70811aaed6f6da5fc19a5ac40b389cd370d086206dec8aa6c43daea6690f20ad3d8d48b2d2ce9e38e4")
	if want := did.EncodeBase58(did.SHA3.Sum(seed, []byte("salt"))); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if kind, e := h.lastEvent(); kind != "key.derived" || e.Salt == nil || *e.Salt != "73616c74" {
		t.Errorf("recorded %s %+v", kind, e)
	}
	_, err = h.door.Derive(t.Context(), h.as(h.owner), []byte("walletd/backup/1"))
	wantCode(t, err, "salt_reserved")
}

func TestAPolicyIsTestedAsThingsStand(t *testing.T) {
	h := newHouse(t)
	token := h.appToken(notes)
	test := func(app, salt string) policy.Verdict {
		t.Helper()
		v, err := h.door.TestPolicy(t.Context(), h.as(h.owner), policy.Rule{App: app, Claim: "encryptionKey", Salt: &salt})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	if v := test(notes, "diary"); v.Decision != policy.Ask {
		t.Errorf("without rule and grant: %+v", v)
	}
	p := h.pending(token, keyClaim("diary"))
	if err := h.approve(p.ID, Choice{Remember: &Remember{Until: "withdrawn"}}); err != nil {
		t.Fatal(err)
	}
	if v := test(notes, "diary"); v.Decision != policy.Allow || v.Reason != "allowed by a grant" {
		t.Errorf("under a grant: %+v", v)
	}
	h.policy(allowAll)
	if v := test(notes, "letters"); v.Decision != policy.Allow || v.Rule != 1 {
		t.Errorf("under a rule: %+v", v)
	}
	if v := test(notes, another); v.Decision != policy.Ask || v.Rule != 0 {
		t.Errorf("for the salt of another DID: %+v", v)
	}
	if v := test(another, "diary"); v.Decision != policy.Deny {
		t.Errorf("for an app that is not known: %+v", v)
	}
	open := true
	if _, err := h.door.UpdateWallet(t.Context(), h.as(h.owner), WalletChange{Strangers: &open}); err != nil {
		t.Fatal(err)
	}
	if v := test(another, "diary"); v.Decision != policy.Ask {
		t.Errorf("for a stranger, * being for known apps: %+v", v)
	}
}
