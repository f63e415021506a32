package claims

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"walletd/internal/derive"
	"walletd/internal/did"
)

const pairClaim = `{"type":"keyPair","moniker":"my-application","declare":true,"migrateFrom":"","targetType":{"encoding":"base58","hash":"sha3","key":"ed25519","role":"application"}}`

func TestAKeyPairIsMadeKeptAndGiven(t *testing.T) {
	h := newHouse(t)
	token := h.appToken(notes)
	h.policy(allowAll)
	p := h.pending(token, pairClaim) // whatever the rules say
	v, err := h.door.Approval(t.Context(), h.as(h.owner), p.ID)
	if diff := cmp.Diff(&KeyPairView{"my-application", "application/ed25519/sha3", true}, v.Claims[0].KeyPair); err != nil || diff != "" {
		t.Error(err, diff)
	}
	wantErr(t, h.approve(p.ID, Choice{Remember: &Remember{Times: 1}}), ErrChoice)
	if err := h.approve(p.ID, Choice{}); err != nil {
		t.Fatal(err)
	}
	out, err := h.collect(token, p.ID)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := did.DecodeBase58(member(t, out.Answer, 0, "secret"), 64)
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
	t.Run("as an account that belongs to the application it is", func(t *testing.T) {
		a, err := h.store.Account(t.Context(), h.wallet, app.Address())
		if err != nil || a.App != app.Address() || a.Path != "" {
			t.Errorf("%+v, %v", a, err)
		}
		kind, e := h.lastEvent()
		if kind != "claim.collected" || e.Claims[0].Made != app.Address() {
			t.Errorf("recorded %s %+v", kind, e)
		}
	})
	t.Run("with the person's account at the new application", func(t *testing.T) {
		words, _ := derive.ParseWords(words)
		userKey, user, err := derive.Account(words.Seed(), derive.AppPath(app, 0), did.AccountType())
		if err != nil {
			t.Fatal(err)
		}
		if got := member(t, out.Answer, 0, "userDid"); got != user.Address() {
			t.Errorf("userDid is %s, want %s", got, user.Address())
		}
		if got := member(t, out.Answer, 0, "userPk"); got != did.EncodeBase58(userKey.Public()) {
			t.Errorf("userPk is %s", got)
		}
	})
	t.Run("once for one yes, also after a restart", func(t *testing.T) {
		h.restart()
		again, err := h.collect(token, p.ID)
		if err != nil || member(t, again.Answer, 0, "secret") != member(t, out.Answer, 0, "secret") {
			t.Errorf("another key came (%v)", err)
		}
	})
	t.Run("and another for the next yes", func(t *testing.T) {
		p := h.pending(token, strings.Replace(pairClaim, "my-application", "another", 1))
		if err := h.approve(p.ID, Choice{}); err != nil {
			t.Fatal(err)
		}
		other, err := h.collect(token, p.ID)
		if err != nil || member(t, other.Answer, 0, "secret") == member(t, out.Answer, 0, "secret") {
			t.Errorf("the same key came (%v)", err)
		}
	})
}

func TestAKeyPairIsRefused(t *testing.T) {
	h := newHouse(t)
	token := h.appToken(notes)
	for name, c := range map[string]struct{ change, code string }{
		"without a moniker":             {`"moniker":""`, "request_malformed"},
		"with a moniker too short":      {`"moniker":"ab"`, "request_malformed"},
		"with a moniker that begins so": {`"moniker":"-abc"`, "request_malformed"},
		"with a moniker of other signs": {`"moniker":"a b c"`, "request_malformed"},
		"that moves an account":         {`"moniker":"abc","migrateFrom":"` + notes + `"`, "claim_unsupported"},
		"of a passkey":                  {`"moniker":"abc","targetType":{"key":"passkey"}`, "claim_unsupported"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := h.ask(token, `{"type":"keyPair",`+c.change+`}`)
			wantCode(t, err, c.code)
		})
	}
}

// The recorded restore, with the key pair that the recorded wallet had made: step for step the
// answers are the recorded ones.
func TestTheRecordedRestoreIsAnsweredByteForByte(t *testing.T) {
	h := atDawn(t)
	steps := recorded(t, "session-launch-and-restore")
	launch, restore := steps[:3], steps[3:]
	h.mustReplay(launch[0], "", Choice{})

	made, err := did.ReadToken(launch[1].token)
	if err != nil {
		t.Fatal(err)
	}
	var pair []struct{ Secret, UserDid string }
	if err := json.Unmarshal(made.Body["requestedClaims"], &pair); err != nil {
		t.Fatal(err)
	}
	secret, err := did.DecodeBase58(pair[0].Secret, 64)
	if err != nil {
		t.Fatal(err)
	}
	target, _ := did.ParseObject(restore[0].asked[0])
	application, _ := target.Text("target")
	h.imports(fmt.Sprintf("0x%x", secret), application)

	h.mustReplay(restore[0], "", Choice{})
	signed, _ := did.ParseObject(restore[1].asked[0])
	var numbers []int
	if err := json.Unmarshal(signed["mfaCode"], &numbers); err != nil || len(numbers) != 3 {
		t.Fatal(numbers, err)
	}
	h.mustReplay(restore[1], application, Choice{MFACode: 94})
	h.mustReplay(restore[2], application, Choice{})
}

func TestAgreement(t *testing.T) {
	h := newHouse(t)
	token := h.appToken(notes)
	h.policy(allowAll)
	for _, digest := range []string{"", "short", "eyJhbGciOiJFZDI1NTE5In0.eyJpc3MiOiJ4In0", "I owe you a million, truly"} {
		_, err := h.ask(token, `{"type":"agreement","digest":"`+digest+`"}`)
		wantCode(t, err, "blind_signature")
	}
	p := h.pending(token, `{"type":"agreement","uri":"https://dapp.example.test/terms","digest":"z6WPwGDyeaY9F5KLnNJjJixmmcBcBS4mfZVjfhqQuSunD"}`)
	v, err := h.door.Approval(t.Context(), h.as(h.owner), p.ID)
	want := &AgreementView{"https://dapp.example.test/terms", "z6WPwGDyeaY9F5KLnNJjJixmmcBcBS4mfZVjfhqQuSunD", "sha2"}
	if diff := cmp.Diff(want, v.Claims[0].Agreement); err != nil || diff != "" {
		t.Error(err, diff)
	}
	wantErr(t, h.approve(p.ID, Choice{Remember: &Remember{Until: "withdrawn"}}), ErrChoice)
}

// Every kind of the wire has an answer or a refusal of its own, and takes the wire's defaults.
func TestTheDefaultsOfEveryKindAreRead(t *testing.T) {
	var file struct {
		Defaults map[string]struct{ OnTheWire json.RawMessage }
	}
	vectors(t, "claims", &file)
	if len(file.Defaults) != 10 {
		t.Fatalf("%d kinds", len(file.Defaults))
	}
	refused := map[string]string{
		"prepareTx": "claim_unsupported", "signature": "blind_signature", "agreement": "blind_signature",
		"verifiableCredential": "request_malformed", "asset": "request_malformed", "assetOrVC": "request_malformed", // no challenge here
	}
	h := newHouse(t)
	token := h.appToken(notes)
	types := Types(keyInUse)
	for name, c := range file.Defaults {
		t.Run(name, func(t *testing.T) {
			out, err := h.ask(token, string(c.OnTheWire))
			wantCode(t, err, refused[name])
			if (out.Pending != nil) != (refused[name] == "") {
				t.Errorf("got %v, %v", out, err)
			}
			i := slices.IndexFunc(types, func(t Type) bool { return t.Name == name })
			var wire struct{ Description string }
			if json.Unmarshal(c.OnTheWire, &wire); i < 0 || types[i].Description != wire.Description {
				t.Errorf("known at %d, on the wire %q", i, wire.Description)
			}
		})
	}
}
