package consent_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"walletd/internal/approvals"
	"walletd/internal/auth"
	"walletd/internal/consent"
	"walletd/internal/did"
	"walletd/internal/keystore"
	"walletd/internal/policy"
	"walletd/internal/wallets"
	"walletd/internal/wallettest/fixture"
)

func TestEncryptionKeyIsAnsweredUnderARule(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	f.SetPolicy(policy.Rule{App: fixture.Notes, Claim: "encryptionKey", Decision: policy.Allow})
	sk, account := fixture.Secret(t, fixture.Notes, did.AccountType())

	for _, salt := range []string{"", "diary", fixture.Notes, "zebra", "0xABC", "盐🧂", "nul\x00", " leading"} {
		asked, _ := json.Marshal(map[string]any{"type": "encryptionKey", "salt": salt, "meta": map[string]any{"n": 1, "h": "<&>"}, "later": []int{1}})
		a := f.Answer(token, string(asked))
		if got, want := fixture.Member(t, a, 0, "key"), fixture.Key(sk, salt); got != want {
			t.Errorf("salt %q: got %s, want %s", salt, got, want)
		}
		if a.UserDID != account.Address() || a.UserPK != did.EncodeBase58(sk.Public()) {
			t.Errorf("answers as %s %s, want %s", a.UserDID, a.UserPK, account.Address())
		}
		var echoed, want map[string]any
		json.Unmarshal(a.Claims[0], &echoed)
		json.Unmarshal(asked, &want)
		want["key"] = fixture.Key(sk, salt)
		if diff := cmp.Diff(want, echoed); diff != "" {
			t.Errorf("the claim is not echoed whole (-want +got):\n%s", diff)
		}
	}
	kind, e := f.LastEvent()
	if kind != "claim.allowed" || e.Reason != "allowed by rule 1" || e.App != "did:abt:"+fixture.Notes || len(e.Claims) != 1 || e.Claims[0].Salt == nil {
		t.Errorf("recorded %s %+v", kind, e)
	}
}

func TestAnswersOfDifferentAppsDiffer(t *testing.T) {
	f := fixture.New(t)
	one, two := f.AppToken(fixture.Notes), f.AppToken(fixture.Another)
	f.SetPolicy(fixture.AllowAll)
	if a, b := fixture.Member(t, f.Answer(one, fixture.KeyClaim("same")), 0, "key"), fixture.Member(t, f.Answer(two, fixture.KeyClaim("same")), 0, "key"); a == b {
		t.Error("two apps have the same key for the same salt")
	}
}

func TestNothingIsDisclosedWithoutAnAuditEntry(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	f.SetPolicy(fixture.AllowAll)
	f.Answer(token, fixture.KeyClaim("diary"))
	caller := f.As(token)
	f.Store.Close()
	out, err := f.Pipeline.Answer(t.Context(), caller, fixture.Raw(fixture.KeyClaim("diary")))
	if err == nil || out.Answer != nil {
		t.Fatalf("got %v and %v, want an error and nothing else", out, err)
	}
}

func TestAnswerIsRefused(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	f.SetPolicy(fixture.AllowAll)
	for name, c := range map[string]struct{ claim, code string }{
		"for a claim it does not know":       {`{"type":"prepareTx"}`, "claim_unsupported"},
		"for a claim without a type":         {`{"salt":"a"}`, "request_malformed"},
		"for what is no object":              {`["encryptionKey"]`, "request_malformed"},
		"for a duplicate member":             {`{"type":"encryptionKey","salt":"a","salt":"b"}`, "request_malformed"},
		"for a duplicate member deep inside": {`{"type":"encryptionKey","salt":"a","meta":{"a":{"b":1,"b":2}}}`, "request_malformed"},
		"for a member that differs in case":  {`{"type":"encryptionKey","salt":"a","Salt":"b"}`, "request_malformed"},
		"without a salt":                     {`{"type":"encryptionKey"}`, "request_malformed"},
		"for a salt that is no text":         {`{"type":"encryptionKey","salt":1}`, "request_malformed"},
		"for a salt that is too long":        {fixture.KeyClaim(strings.Repeat("s", policy.MaxSalt+1)), "request_malformed"},
		"for a description that is no text":  {`{"type":"encryptionKey","salt":"a","description":{}}`, "request_malformed"},
		"for a delegation that is no token":  {`{"type":"encryptionKey","salt":"a","delegation":"x"}`, "delegation_malformed"},
		"for an mfaCode of two numbers":      {`{"type":"encryptionKey","salt":"a","mfaCode":[11,12]}`, "request_malformed"},
		"for an mfaCode with a number twice": {`{"type":"encryptionKey","salt":"a","mfaCode":[11,12,12]}`, "request_malformed"},
		"for a target that is no DID":        {`{"type":"authPrincipal","target":"me"}`, "did_invalid"},
		"for a passkey account":              {`{"type":"authPrincipal","targetType":{"key":"passkey"}}`, "claim_unsupported"},
		"for an account type nobody knows":   {`{"type":"authPrincipal","targetType":{"key":"rsa"}}`, "claim_unsupported"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := f.Ask(token, c.claim)
			fixture.WantCode(t, err, c.code)
			if out.Answer != nil || out.Pending != nil {
				t.Error("something was given")
			}
		})
	}
	t.Run("for no claims", func(t *testing.T) {
		_, err := f.Ask(token)
		fixture.WantCode(t, err, "request_malformed")
	})
	t.Run("for more claims than are read", func(t *testing.T) {
		_, err := f.Ask(token, make([]string, consent.MaxClaims+1)...)
		fixture.WantCode(t, err, "request_malformed")
	})
	t.Run("for two principals", func(t *testing.T) {
		_, err := f.Ask(token, `{"type":"authPrincipal"}`, `{"type":"authPrincipal"}`)
		fixture.WantCode(t, err, "request_malformed")
	})
	t.Run("whole, if one of its claims is refused", func(t *testing.T) {
		out, err := f.Ask(token, fixture.KeyClaim("diary"), `{"type":"prepareTx"}`)
		fixture.WantCode(t, err, "claim_unsupported")
		if out.Answer != nil {
			t.Error("something was given")
		}
	})
}

func TestTheStrictestDecisionHoldsForAll(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	f.SetPolicy(
		policy.Rule{App: fixture.Notes, Claim: "encryptionKey", Salt: text("no"), Decision: policy.Deny},
		policy.Rule{App: fixture.Notes, Claim: "encryptionKey", Salt: text("yes"), Decision: policy.Allow},
	)
	if out, err := f.Ask(token, fixture.KeyClaim("yes"), fixture.KeyClaim("perhaps")); err != nil || out.Pending == nil {
		t.Errorf("got %v and %v, want a pending request", out, err)
	}
	_, err := f.Ask(token, fixture.KeyClaim("perhaps"), fixture.KeyClaim("no"), fixture.KeyClaim("yes"))
	fixture.WantErr(t, err, consent.ErrDenied)
	if kind, e := f.LastEvent(); kind != "claim.denied" || e.Rule != 1 {
		t.Errorf("recorded %s %+v", kind, e)
	}
}

func TestAuthPrincipalSettlesTheAccount(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	f.SetPolicy(fixture.AllowAll)
	ethereum := did.Type{Role: did.RoleAccount, Key: did.Ethereum, Hash: did.Keccak}
	sk, account := fixture.Secret(t, fixture.Notes, ethereum)
	a := f.Answer(token, fixture.KeyClaim("diary"), `{"type":"authPrincipal","targetType":{"key":"ethereum"}}`)
	if a.UserDID != account.Address() {
		t.Errorf("answers as %s, want %s", a.UserDID, account.Address())
	}
	if got, want := fixture.Member(t, a, 0, "key"), fixture.Key(sk, "diary"); got != want {
		t.Errorf("got %s, want the key of the account that was settled, %s", got, want)
	}
	t.Run("and refuses the salt that would give the ed25519 account's key", func(t *testing.T) {
		ed, _ := fixture.Secret(t, fixture.Notes, did.AccountType())
		salt := did.EncodeBase58(append(ed.Public(), "diary"...))
		_, err := f.Ask(token, fixture.KeyClaim(salt), `{"type":"authPrincipal","targetType":{"key":"ethereum"}}`)
		fixture.WantCode(t, err, "salt_mismatch")
		_, err = f.Ask(token, fixture.KeyClaim(salt), `{"type":"authPrincipal","targetType":{"key":"secp256k1"}}`)
		fixture.WantCode(t, err, "salt_mismatch")
		f.Answer(token, fixture.KeyClaim(salt)) // of the ed25519 account itself it is an ordinary salt
	})
}

func TestAnAccountOfAnotherAppIsNeverDecidedByRule(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	f.SetPolicy(fixture.AllowAll)
	theirs := f.Account(fixture.Another, did.AccountType())
	p := f.Pending(token, `{"type":"authPrincipal","target":"`+theirs.Address+`"}`)
	v, err := f.Approvals.Get(t.Context(), f.As(f.Owner), p.ID)
	if err != nil {
		t.Fatal(err)
	}
	if len(v.Claims[0].Unusual) == 0 || !strings.Contains(v.Claims[0].Unusual[0], fixture.Another) {
		t.Errorf("the request does not say whose account it is: %q", v.Claims[0].Unusual)
	}
	_, err = f.Ask(token, `{"type":"authPrincipal","target":"`+theirs.Address+`"}`, fixture.KeyClaim("diary"))
	fixture.WantCode(t, err, "delegation_missing")
}

func TestLockedKeystoreGivesNothing(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	f.SetPolicy(fixture.AllowAll)
	early := f.As(token) // a request that was under way when the lock came
	p := f.Pending(f.AppToken(fixture.Another), fixture.KeyClaim(fixture.Notes))
	if err := f.Wallets.Lock(t.Context(), f.As(f.Operator)); err != nil {
		t.Fatal(err)
	}
	_, err := f.Pipeline.Answer(t.Context(), early, fixture.Raw(fixture.KeyClaim("diary")))
	fixture.WantErr(t, err, keystore.ErrLocked)
	_, err = f.Auth.Authenticate(t.Context(), token)
	fixture.WantErr(t, err, keystore.ErrLocked)
	_, err = f.Auth.Authenticate(t.Context(), f.Owner)
	fixture.WantErr(t, err, keystore.ErrLocked)
	peer := fixture.NewPeer(t, 7)
	_, err = f.AskSigned(f.SignedRequest(peer, "j", nil))
	fixture.WantErr(t, err, keystore.ErrLocked)
	if _, err := f.Auth.Authenticate(t.Context(), f.Operator); err != nil {
		t.Errorf("an operator's token does not work while locked: %v", err)
	}
	f.Unlock()
	f.Answer(token, fixture.KeyClaim("diary"))
	if err := f.Approve(p.ID, approvals.Choice{}); err != nil {
		t.Errorf("a request that waited over a lock cannot be answered: %v", err)
	}
}

func TestRolesAreKeptApart(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	ctx := t.Context()
	operator, owner, app := f.As(f.Operator), f.As(f.Owner), f.As(token)
	p := f.Pending(token, fixture.KeyClaim("diary"))
	for name, err := range map[string]error{
		"an operator asking for a key":      second(f.Pipeline.Answer(ctx, operator, fixture.Raw(fixture.KeyClaim("a")))),
		"an owner asking as an app":         second(f.Pipeline.Answer(ctx, owner, fixture.Raw(fixture.KeyClaim("a")))),
		"an operator deriving":              second(f.Wallets.Derive(ctx, operator, nil)),
		"an app deriving":                   second(f.Wallets.Derive(ctx, app, nil)),
		"an operator approving":             second(f.Pipeline.Approve(ctx, operator, p.ID, approvals.Choice{}, nil)),
		"an app approving":                  second(f.Pipeline.Approve(ctx, app, p.ID, approvals.Choice{}, nil)),
		"an operator rejecting":             second(f.Pipeline.Reject(ctx, operator, p.ID)),
		"an operator setting a policy":      second(f.Pipeline.SetPolicy(ctx, operator, policy.Policy{})),
		"an app setting a policy":           second(f.Pipeline.SetPolicy(ctx, app, policy.Policy{})),
		"an operator making an app's token": second(f.Auth.CreateToken(ctx, f.As(f.Operator), auth.NewToken{Role: auth.App, Wallet: f.Wallet, App: fixture.Notes})),
		"an operator making another owner":  second(f.Auth.CreateToken(ctx, f.As(f.Operator), auth.NewToken{Role: auth.Owner, Wallet: f.Wallet})),
		"an owner making an operator":       second(f.Auth.CreateToken(ctx, owner, auth.NewToken{Role: auth.Operator})),
		"an app making a token":             second(f.Auth.CreateToken(ctx, app, auth.NewToken{Role: auth.App, Wallet: f.Wallet})),
		"an owner making a wallet":          second(f.Wallets.Create(ctx, owner, wallets.NewWallet{})),
		"an operator deleting an owned one": f.Wallets.Delete(ctx, f.As(f.Operator), f.Wallet),
		"an owner locking":                  f.Wallets.Lock(ctx, owner),
		"an app reading the audit log":      second(f.Wallets.AuditEntries(ctx, app, 0, 10)),
		"an operator naming an app":         second(f.Auth.NameApp(ctx, operator, app.App, "x")),
		"an operator importing an account":  second(f.Wallets.ImportAccount(ctx, operator, make([]byte, 64), did.AccountType())),
		"an operator revoking an app":       f.Pipeline.RevokeApp(ctx, operator, app.App),
		"an operator changing the wallet":   second(f.Wallets.Update(ctx, operator, wallets.WalletChange{})),
	} {
		if !errors.Is(err, auth.ErrForbidden) {
			t.Errorf("%s: got %v, want ErrForbidden", name, err)
		}
	}
	if err := f.Pipeline.RevokeToken(ctx, f.As(f.Operator), app.Token); !errors.Is(err, auth.ErrNotFound) {
		t.Errorf("an operator revoking an owned wallet's token: got %v, want ErrNotFound", err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestDerive(t *testing.T) {
	f := fixture.New(t)
	got, err := f.Wallets.Derive(t.Context(), f.As(f.Owner), []byte("salt"))
	if err != nil {
		t.Fatal(err)
	}
	// The BIP-39 seed of the words (accounts.json), hashed without the code under test.
	seed := fixture.MustHex(t, "5eb00bbddcf069084889a8ab9155568165f5c453ccb85e70811aaed6f6da5fc19a5ac40b389cd370d086206dec8aa6c43daea6690f20ad3d8d48b2d2ce9e38e4")
	if want := did.EncodeBase58(did.SHA3.Sum(seed, []byte("salt"))); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if kind, e := f.LastEvent(); kind != "key.derived" || e.Salt == nil || *e.Salt != "73616c74" {
		t.Errorf("recorded %s %+v", kind, e)
	}
	_, err = f.Wallets.Derive(t.Context(), f.As(f.Owner), []byte("walletd/backup/1"))
	fixture.WantCode(t, err, "salt_reserved")
}

func TestAPolicyIsTestedAsThingsStand(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	test := func(app, salt string) policy.Verdict {
		t.Helper()
		v, err := f.Pipeline.TestPolicy(t.Context(), f.As(f.Owner), policy.Rule{App: app, Claim: "encryptionKey", Salt: &salt}, false)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	if v := test(fixture.Notes, "diary"); v.Decision != policy.Ask {
		t.Errorf("without rule and grant: %+v", v)
	}
	p := f.Pending(token, fixture.KeyClaim("diary"))
	if err := f.Approve(p.ID, approvals.Choice{Remember: &approvals.Remember{Until: "withdrawn"}}); err != nil {
		t.Fatal(err)
	}
	if v := test(fixture.Notes, "diary"); v.Decision != policy.Allow || v.Reason != "allowed by a grant" {
		t.Errorf("under a grant: %+v", v)
	}
	f.SetPolicy(fixture.AllowAll)
	if v := test(fixture.Notes, "letters"); v.Decision != policy.Allow || v.Rule != 1 {
		t.Errorf("under a rule: %+v", v)
	}
	if v := test(fixture.Notes, fixture.Another); v.Decision != policy.Ask || v.Rule != 0 {
		t.Errorf("for the salt of another DID: %+v", v)
	}
	if v := test(fixture.Another, "diary"); v.Decision != policy.Deny {
		t.Errorf("for an app that is not known: %+v", v)
	}
	open := true
	if _, err := f.Wallets.Update(t.Context(), f.As(f.Owner), wallets.WalletChange{Strangers: &open}); err != nil {
		t.Fatal(err)
	}
	if v := test(fixture.Another, "diary"); v.Decision != policy.Ask {
		t.Errorf("for an unregistered app, * being for registered apps: %+v", v)
	}
}
