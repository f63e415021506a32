package claims_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"walletd/internal/approvals"
	"walletd/internal/claims"
	"walletd/internal/consent"
	"walletd/internal/derive"
	"walletd/internal/did"
	"walletd/internal/secrets"
	"walletd/internal/wallettest/fixture"
)

// disclosedApp returns the application whose secret key an answer discloses.
func disclosedApp(t *testing.T, out consent.Outcome) did.DID {
	t.Helper()
	secret, err := did.DecodeBase58(fixture.Member(t, out.Answer, 0, "secret"), 64)
	if err != nil {
		t.Fatal(err)
	}
	sk, err := did.NewSecretKey(did.Ed25519, secret)
	if err != nil {
		t.Fatal(err)
	}
	app, err := did.FromPublicKey(sk.Public(), did.Type{Role: did.RoleApplication, Key: did.Ed25519, Hash: did.SHA3})
	if err != nil {
		t.Fatal(err)
	}
	return app
}

func TestAKeyPairIsCreatedStoredAndDisclosed(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	f.SetPolicy(fixture.AllowAll)
	p := f.Pending(token, fixture.PairClaim) // whatever the rules say
	v, err := f.Approvals.Get(t.Context(), f.As(f.Owner), p.ID)
	if err != nil {
		t.Fatal(err)
	}
	fixture.WantErr(t, f.Approve(p.ID, approvals.Choice{Remember: &approvals.Remember{Times: 1}}), approvals.ErrChoice)
	out := f.ApproveAndCollect(token, p.ID)
	app := disclosedApp(t, out)
	t.Run("as the key that the owner was shown", func(t *testing.T) {
		want := &approvals.KeyPairView{Moniker: "my-application", Type: "application/ed25519/sha3", Declare: true, Address: app.Address()}
		if diff := cmp.Diff(want, v.Claims[0].KeyPair); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("as an account that belongs to the application it is", func(t *testing.T) {
		a, err := f.Store.Account(t.Context(), f.Wallet, app.Address())
		if err != nil || a.App != app.Address() || a.Path != "" {
			t.Errorf("%+v, %v", a, err)
		}
		kind, e := f.LastEvent()
		if kind != "claim.collected" || e.Claims[0].Created != app.Address() {
			t.Errorf("recorded %s %+v", kind, e)
		}
	})
	t.Run("with the owner's account at the new application", func(t *testing.T) {
		words, _ := derive.ParseWords([]byte(fixture.Words))
		userKey, user, err := derive.Account(words.Seed(), derive.AppPath(app, 0), did.AccountType())
		if err != nil {
			t.Fatal(err)
		}
		if got := fixture.Member(t, out.Answer, 0, "userDid"); got != user.Address() {
			t.Errorf("userDid is %s, want %s", got, user.Address())
		}
		if got := fixture.Member(t, out.Answer, 0, "userPk"); got != did.EncodeBase58(userKey.Public()) {
			t.Errorf("userPk is %s", got)
		}
	})
	t.Run("once for each approval, also after a restart", func(t *testing.T) {
		f.Restart()
		again, err := f.Collect(token, p.ID)
		if err != nil || fixture.Member(t, again.Answer, 0, "secret") != fixture.Member(t, out.Answer, 0, "secret") {
			t.Errorf("another key came (%v)", err)
		}
	})
	t.Run("and another for the next approval", func(t *testing.T) {
		p := f.Pending(token, strings.Replace(fixture.PairClaim, "my-application", "another", 1))
		if err := f.Approve(p.ID, approvals.Choice{}); err != nil {
			t.Fatal(err)
		}
		other, err := f.Collect(token, p.ID)
		if err != nil || fixture.Member(t, other.Answer, 0, "secret") == fixture.Member(t, out.Answer, 0, "secret") {
			t.Errorf("the same key came (%v)", err)
		}
	})
}

func TestAKeyPairIsRefused(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	for name, c := range map[string]struct{ change, code string }{
		"without a moniker":              {`"moniker":""`, "request_malformed"},
		"with a moniker too short":       {`"moniker":"ab"`, "request_malformed"},
		"with a moniker that begins so":  {`"moniker":"-abc"`, "request_malformed"},
		"with a moniker of other signs":  {`"moniker":"a b c"`, "request_malformed"},
		"that replaces nobody's key":     {`"moniker":"abc","migrateFrom":"nobody"`, "did_invalid"},
		"that replaces a key of no text": {`"moniker":"abc","migrateFrom":7`, "request_malformed"},
		"of a passkey":                   {`"moniker":"abc","targetType":{"key":"passkey"}`, "claim_unsupported"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := f.Ask(token, `{"type":"keyPair",`+c.change+`}`)
			fixture.WantCode(t, err, c.code)
		})
	}
}

// A rotation asks for a key pair that replaces another, and uses nothing but its secret (reference p). The owner sees
// both keys, and decides it each time.
func TestAKeyPairThatReplacesAnother(t *testing.T) {
	for name, c := range map[string]struct {
		from    string
		foreign bool
	}{
		"the asking app's own":              {fixture.Notes, false},
		"the asking app's, with its prefix": {"did:abt:" + fixture.Notes, false},
		"another app's":                     {fixture.Another, true},
	} {
		t.Run(name, func(t *testing.T) {
			f := fixture.New(t)
			token := f.AppToken(fixture.Notes)
			f.SetPolicy(fixture.AllowAll)
			p := f.Pending(token, strings.Replace(fixture.PairClaim, `"migrateFrom":""`, `"migrateFrom":"`+c.from+`"`, 1))
			v := f.Approval(p.ID).Claims[0]
			old := did.Bare(c.from)
			told := strings.Join(v.Unusual, " ")
			if v.KeyPair == nil || v.KeyPair.MigrateFrom != old || v.KeyPair.Address == "" || !strings.Contains(told, old) || strings.Contains(told, "not the asking app's own") != c.foreign {
				t.Errorf("shown is %+v, %q", v.KeyPair, v.Unusual)
			}
			fixture.WantErr(t, f.Approve(p.ID, approvals.Choice{Remember: &approvals.Remember{Times: 1}}), approvals.ErrChoice)
			out := f.ApproveAndCollect(token, p.ID)
			made := disclosedApp(t, out)
			if made.Address() != v.KeyPair.Address {
				t.Errorf("the new key is %s, shown was %s", made, v.KeyPair.Address)
			}
			if kind, e := f.LastEvent(); kind != "claim.collected" || e.Claims[0].Created != made.Address() || e.Claims[0].About != old {
				t.Errorf("recorded %s %+v", kind, e)
			}
		})
	}
}

// The recorded restore, with the key pair that the recorded wallet had made: step for step the
// answers are the recorded ones.
func TestTheRecordedRestoreIsAnsweredByteForByte(t *testing.T) {
	f := fixture.AtRecordedStart(t)
	steps := fixture.Recorded(t, "session-launch-and-restore")
	launch, restore := steps[:3], steps[3:]
	f.MustReplay(launch[0], "", approvals.Choice{})

	made, err := did.ReadToken(launch[1].Token)
	if err != nil {
		t.Fatal(err)
	}
	var pair []struct{ Secret, UserDid string }
	if err := json.Unmarshal(made.Body.Get("requestedClaims"), &pair); err != nil {
		t.Fatal(err)
	}
	secret, err := did.DecodeBase58(pair[0].Secret, 64)
	if err != nil {
		t.Fatal(err)
	}
	target, _ := did.ParseObject(restore[0].Asked[0])
	application, _ := target.Text("target")
	f.ImportKey(fmt.Sprintf("0x%x", secret), application)

	f.MustReplay(restore[0], "", approvals.Choice{})
	signed, _ := did.ParseObject(restore[1].Asked[0])
	var numbers []int
	if err := json.Unmarshal(signed.Get("mfaCode"), &numbers); err != nil || len(numbers) != 3 {
		t.Fatal(numbers, err)
	}
	f.MustReplay(restore[1], application, approvals.Choice{MFACode: 94})
	f.MustReplay(restore[2], application, approvals.Choice{})
}

// Every kind of the wire has an answer or a refusal of its own, and takes the wire's defaults.
func TestTheDefaultsOfEveryKindAreRead(t *testing.T) {
	var file struct {
		Defaults map[string]struct{ OnTheWire json.RawMessage }
	}
	fixture.Vectors(t, "claims", &file)
	if len(file.Defaults) != 10 {
		t.Fatalf("%d kinds", len(file.Defaults))
	}
	refused := map[string]string{
		"prepareTx": "claim_unsupported", "signature": "blind_signature",
		"verifiableCredential": "request_malformed", "asset": "request_malformed", "assetOrVC": "request_malformed", // no challenge here
	}
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	types := claims.Types(secrets.KeyInUse)
	for name, c := range file.Defaults {
		t.Run(name, func(t *testing.T) {
			out, err := f.Ask(token, string(c.OnTheWire))
			fixture.WantCode(t, err, refused[name])
			if (out.Pending != nil) != (refused[name] == "") {
				t.Errorf("got %v, %v", out, err)
			}
			i := slices.IndexFunc(types, func(t consent.Type) bool { return t.Name == name })
			var wire struct{ Description string }
			if json.Unmarshal(c.OnTheWire, &wire); i < 0 || types[i].Description != wire.Description {
				t.Errorf("known at %d, on the wire %q", i, wire.Description)
			}
		})
	}
}
