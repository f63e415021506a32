package secrets_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"walletd/internal/approvals"
	"walletd/internal/consent"
	"walletd/internal/did"
	"walletd/internal/policy"
	"walletd/internal/secrets"
	"walletd/internal/secretstorage"
	"walletd/internal/wallettest/fixture"
	"walletd/internal/wallettest/matrix"
)

// published is what a client leaves on its homeserver: it has the key made, and publishes the description with the name
// that came with it.
func published(t *testing.T, f *fixture.Fixture, token string, n secrets.NewKey) (json.RawMessage, secretstorage.Key) {
	t.Helper()
	out, err := f.Secrets.MakeKey(t.Context(), f.As(token), did.DID{}, n)
	body := fixture.OwnRouteBody(t, out, err)
	key := fixture.StorageKey(t, body["key"])
	return matrix.Description(key.Reveal(), body["name"]), key
}

func find(t *testing.T, f *fixture.Fixture, token string, q secrets.Question, descriptions ...json.RawMessage) (consent.Outcome, error) {
	t.Helper()
	offer := map[string]json.RawMessage{}
	for i, d := range descriptions {
		offer[string(rune('a'+i))] = d
	}
	raw, err := json.Marshal(offer)
	if err != nil {
		t.Fatal(err)
	}
	q.Keys = raw
	return f.Secrets.FindKey(t.Context(), f.As(token), did.DID{}, q)
}

// renamed is a description whose name somebody has changed.
func renamed(t *testing.T, description json.RawMessage, name string) json.RawMessage {
	t.Helper()
	var members map[string]any
	if err := json.Unmarshal(description, &members); err != nil {
		t.Fatal(err)
	}
	members["name"] = name
	out, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// lostWallet is a wallet whose app had keys made and whose store is gone, and the wallet that was imported from the same
// words.
func lostWallet(t *testing.T, n secrets.NewKey) (now *fixture.Fixture, description json.RawMessage, key secretstorage.Key) {
	t.Helper()
	before := fixture.New(t)
	before.SetPolicy(fixture.AllowSecrets()...)
	description, key = published(t, before, before.AppToken(matrixApp), n)
	return fixture.New(t), description, key
}

func TestTheWordsAreEnoughForTheSameApp(t *testing.T) {
	salt := "v2 walletd x:@alice:example.org"
	for name, n := range map[string]secrets.NewKey{
		"the default salt":             {Name: "walletd"},
		"a user's":                     {Name: "walletd", User: "@alice:example.org"},
		"one of the app's, with names": {Name: "Notes of mine", Salt: &salt, User: "@alice:example.org"},
		"an empty one":                 {Salt: new(string)},
	} {
		t.Run(name, func(t *testing.T) {
			f, description, key := lostWallet(t, n)
			f.SetPolicy(fixture.AllowSecrets()...)
			app := f.AppToken(matrixApp)
			out, err := find(t, f, app, secrets.Question{User: n.User}, description)
			if got := fixture.StorageKey(t, fixture.OwnRouteBody(t, out, err)["key"]); !got.Equal(key.Bytes) {
				t.Error("it is another key")
			}
			if err := f.Secrets.NoteKey(t.Context(), f.As(app), did.DID{}, "a", description); err != nil {
				t.Errorf("noting its id: %v", err)
			}
		})
	}
}

func TestTheIDOfAKeyIsNotedFromItsName(t *testing.T) {
	salt := "another"
	f, description, _ := lostWallet(t, secrets.NewKey{Salt: &salt})
	if err := f.Secrets.NoteKey(t.Context(), f.As(f.AppToken(matrixApp)), did.DID{}, "a", description); err != nil {
		t.Error(err)
	}
}

func TestTheWordsAreEnoughForANewApp(t *testing.T) {
	f, description, key := lostWallet(t, secrets.NewKey{Name: "walletd", User: "@alice:example.org"})
	f.SetPolicy(fixture.AllowSecrets()...) // which decides nothing here
	other := f.AppToken(fixture.NewPeer(t, 3).DID.String())
	ask := func() *consent.Pending {
		t.Helper()
		out, err := find(t, f, other, secrets.Question{Name: "m.cross_signing.master", User: "@alice:example.org"}, description)
		if err != nil || out.Pending == nil {
			t.Fatalf("got %+v, %v; the person must be asked", out, err)
		}
		return out.Pending
	}
	waiting := ask()
	view := f.Approval(waiting.ID)
	unusual := strings.Join(view.Claims[0].Unusual, " ")
	if !strings.Contains(unusual, "made by another app, did:abt:"+matrixApp) || !strings.Contains(view.Claims[0].Description, "@alice:example.org") {
		t.Errorf("the person reads %q and %q", view.Claims[0].Description, unusual)
	}
	if err := f.Approve(waiting.ID, approvals.Choice{}); err != nil {
		t.Fatal(err)
	}
	for range 3 { // one yes serves the flow
		out, err := find(t, f, other, secrets.Question{Name: "m.megolm_backup.v1", User: "@alice:example.org"}, description)
		if got := fixture.StorageKey(t, fixture.OwnRouteBody(t, out, err)["key"]); !got.Equal(key.Bytes) {
			t.Error("it is another key")
		}
	}
	if _, e := f.LastEvent(); len(e.Claims) != 1 || e.Claims[0].Account == f.AccountAddress(fixture.NewPeer(t, 3).DID.String()) || e.Approval == "" {
		t.Errorf("it is recorded as %+v", e)
	}
	f.Clock = f.Clock.Add(3 * time.Minute)
	waiting = ask() // each time anew, whatever is remembered
	_ = f.Approve(waiting.ID, approvals.Choice{Remember: &approvals.Remember{Seconds: 3600}})
	f.Clock = f.Clock.Add(3 * time.Minute)
	ask()
}

func TestANameLeadsToNoKeyOfAnAppThatTheWalletKnows(t *testing.T) {
	spare := fixture.NewPeer(t, 3).DID.String()
	for name, know := range map[string]func(f *fixture.Fixture){
		"that has a token": func(f *fixture.Fixture) { f.AppToken(matrixApp) },
		"that had a key": func(f *fixture.Fixture) {
			f.StorageKeyOf(f.AppToken(matrixApp), "any")
			f.Exec("delete from tokens where app <> ''")
		},
		"that has an account alone": func(f *fixture.Fixture) {
			f.Account(matrixApp, did.AccountType())
		},
		"that was revoked": func(f *fixture.Fixture) {
			f.AppToken(matrixApp)
			app, err := did.Parse(matrixApp)
			if err != nil {
				t.Fatal(err)
			}
			if err := f.Pipeline.RevokeApp(t.Context(), f.As(f.Owner), app); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			f, description, _ := lostWallet(t, secrets.NewKey{})
			f.SetPolicy(fixture.AllowSecrets()...)
			know(f)
			_, err := find(t, f, f.AppToken(spare), secrets.Question{}, description)
			fixture.WantErr(t, err, secrets.ErrNoKey)
		})
	}
	t.Run("that becomes known while the person is asked", func(t *testing.T) {
		f, description, _ := lostWallet(t, secrets.NewKey{})
		other := f.AppToken(spare)
		out, err := find(t, f, other, secrets.Question{}, description)
		if err != nil || out.Pending == nil {
			t.Fatal(out, err)
		}
		f.AppToken(matrixApp)
		if err := f.Approve(out.Pending.ID, approvals.Choice{}); err == nil {
			out, err := f.Collect(other, out.Pending.ID)
			if err == nil || out.Answer != nil {
				t.Errorf("it is answered: %v", out)
			}
		}
	})
}

func TestANameIsAHintAndNoProof(t *testing.T) {
	f, description, _ := lostWallet(t, secrets.NewKey{})
	f.SetPolicy(fixture.AllowSecrets()...)
	other := f.AppToken(fixture.NewPeer(t, 3).DID.String())
	own := f.StorageKeyOf(other, "own")
	named := "walletd " + matrixApp + " m.secret_storage"
	for name, d := range map[string]json.RawMessage{
		"without a check":          json.RawMessage(`{"algorithm":"m.secret_storage.v1.aes-hmac-sha2","name":"` + named + `"}`),
		"of another key":           matrix.Description(make([]byte, 32), named),
		"with another salt":        renamed(t, description, "walletd "+matrixApp+" m.secret_storage2"),
		"without a salt":           renamed(t, description, "walletd "+matrixApp),
		"with an app that is none": renamed(t, description, "walletd zNKpPiDfyQ5h7LWfhsYHaxdizUx7ung399sn m.secret_storage"),
		"in another word":          renamed(t, description, "xwalletd "+matrixApp+" m.secret_storage"),
		"with a salt too long":     renamed(t, description, "walletd "+matrixApp+" "+strings.Repeat("x", policy.MaxSalt+1)),
	} {
		_, err := find(t, f, other, secrets.Question{}, d)
		if err == nil {
			t.Errorf("%s: it is answered or asked", name)
		}
	}
	_, err := find(t, f, other, secrets.Question{User: "@bob:example.org"}, renamed(t, description, "walletd "+matrixApp+" m.secret_storage:@alice:example.org"))
	fixture.WantErr(t, err, secrets.ErrNoKey)
	// A key of the app's own is answered first, and for what it is.
	out, err := find(t, f, other, secrets.Question{DefaultKeyID: "a"}, description, matrix.Description(own.Reveal(), named))
	if body := fixture.OwnRouteBody(t, out, err); body["keyId"] != "b" {
		t.Errorf("it answers %v", body)
	}
	deny := policy.Rule{App: policy.Any, Claim: "secretStorageKey", Decision: policy.Deny}
	f.SetPolicy(deny)
	_, err = find(t, f, other, secrets.Question{}, description)
	fixture.WantErr(t, err, consent.ErrDenied)
	salt := secrets.DefaultSalt
	deny.Salt = &salt
	f.SetPolicy(append([]policy.Rule{deny}, fixture.AllowSecrets()...)...)
	_, err = find(t, f, other, secrets.Question{}, description)
	fixture.WantErr(t, err, secrets.ErrNoKey)
}

// A homeserver can describe as many keys as it likes: the question is one, and so is what is recorded.
func TestManyDescriptionsAreOneEntry(t *testing.T) {
	f, description, _ := lostWallet(t, secrets.NewKey{})
	app := f.AppToken(fixture.NewPeer(t, 3).DID.String())
	before := len(f.EventKinds())
	var hostile []json.RawMessage
	for range 15 {
		hostile = append(hostile, matrix.Description(make([]byte, 32), "walletd "+matrixApp+" m.secret_storage"))
	}
	if _, err := find(t, f, app, secrets.Question{}, hostile...); err == nil {
		t.Error("it is answered")
	}
	if got := f.EventKinds()[before:]; !slices.Equal(got, []string{"claim.refused"}) {
		t.Errorf("recorded %q", got)
	}
	out, err := find(t, f, app, secrets.Question{}, append(hostile, description)...)
	if err != nil || out.Pending == nil {
		t.Errorf("the one that is real: %v, %v", out, err)
	}
}

func TestAnOwnersOwnQuestionFindsWhatTheWordsGive(t *testing.T) {
	f, description, key := lostWallet(t, secrets.NewKey{})
	app, err := did.Parse(matrixApp)
	if err != nil {
		t.Fatal(err)
	}
	out, err := f.Secrets.FindKey(t.Context(), f.As(f.Owner), app, secrets.Question{Keys: json.RawMessage(`{"a":` + string(description) + `}`)})
	if got := fixture.StorageKey(t, fixture.OwnRouteBody(t, out, err)["key"]); !got.Equal(key.Bytes) {
		t.Error("it is another key")
	}
}
