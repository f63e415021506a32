package secrets_test

import (
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"walletd/internal/approvals"
	"walletd/internal/consent"
	"walletd/internal/did"
	"walletd/internal/ledger"
	"walletd/internal/policy"
	"walletd/internal/secrets"
	"walletd/internal/secretstorage"
	"walletd/internal/store"
	"walletd/internal/wallets"
	"walletd/internal/wallettest/fixture"
	"walletd/internal/wallettest/matrix"
)

const matrixApp = "zNKpPiDfyQ5h7LWfhsYHaxdizUx7ung399sm"

func TestAStorageKeyIsRecordedBeforeItIsDisclosed(t *testing.T) {
	f := fixture.New(t)
	f.SetPolicy(fixture.AllowSecrets()...)
	app := f.AppToken(matrixApp)
	f.StorageKeyOf(app, "element")
	kind, e := f.LastEvent()
	if kind != "claim.allowed" || len(e.Claims) != 1 || e.Claims[0].Type != "secretStorageKey" || *e.Claims[0].Salt != "656c656d656e74" || e.Rule != 1 {
		t.Errorf("the audit log says %s %+v", kind, e)
	}
	_, err := f.FindKey(app, map[string]secretstorage.Key{"x": f.StorageKeyOf(f.AppToken(fixture.NewPeer(t, 1).DID.String()), "element")})
	fixture.WantErr(t, err, secrets.ErrNoKey)
	if kind, e := f.LastEvent(); kind != "claim.refused" || e.Code != "no_match" {
		t.Errorf("a key that is not found is recorded as %s %+v", kind, e)
	}
	if _, err := f.WriteSecret(app, "diary", "x", ""); err != nil {
		t.Fatal(err)
	}
	if kind, e := f.LastEvent(); kind != "claim.allowed" || e.Claims[0].Type != "secret.write" || e.Claims[0].About != "diary" {
		t.Errorf("a secret kept is recorded as %s %+v", kind, e)
	}
}

func TestNoSecretIsDisclosedWithoutAnAuditEntry(t *testing.T) {
	f := fixture.New(t)
	f.SetPolicy(fixture.AllowSecrets()...)
	app := f.AppToken(matrixApp)
	key := f.StorageKeyOf(app, secrets.DefaultSalt)
	out, err := f.WriteSecret(app, "diary", "one", "")
	tag := fixture.OwnRouteBody(t, out, err)["etag"]
	script := func(text string) {
		f.Steal(func(db *sql.DB) {
			if _, err := db.Exec(text); err != nil {
				t.Fatal(err)
			}
		})
	}
	script(`create trigger full before insert on records when new.chain <> 'service' begin select raise(abort, 'no'); end`)
	for name, do := range map[string]func() (consent.Outcome, error){
		"a new key":   func() (consent.Outcome, error) { return f.MakeKey(app, nil) },
		"a key found": func() (consent.Outcome, error) { return f.FindKey(app, map[string]secretstorage.Key{"x": key}) },
		"a secret":    func() (consent.Outcome, error) { return f.ReadSecret(app, "diary") },
		"a write":     func() (consent.Outcome, error) { return f.WriteSecret(app, "diary", "two", tag) },
	} {
		if out, err := do(); err == nil || out.Answer != nil {
			t.Errorf("%s: %v, %v", name, out, err)
		}
	}
	script(`drop trigger full`)
	out, err = f.ReadSecret(app, "diary")
	if got := fixture.OwnRouteBody(t, out, err); got["value"] != "one" || got["etag"] != tag {
		t.Errorf("it holds %v", got)
	}
}

func TestAnApprovalServesTheFlowForTwoMinutes(t *testing.T) {
	f := fixture.New(t)
	app := f.AppToken(matrixApp)
	out, err := f.MakeKey(app, nil)
	if err != nil || out.Pending == nil {
		t.Fatalf("got %v, %v", out, err)
	}
	if err := f.Approve(out.Pending.ID, approvals.Choice{}); err != nil {
		t.Fatal(err)
	}
	f.Clock = f.Clock.Add(119 * time.Second)
	out, err = f.MakeKey(app, nil)
	fixture.OwnRouteBody(t, out, err)
	if kind, e := f.LastEvent(); kind != "claim.collected" || e.Approval == "" {
		t.Errorf("it is recorded as %s %+v", kind, e)
	}
	f.Clock = f.Clock.Add(2 * time.Second)
	if out, err = f.MakeKey(app, nil); err != nil || out.Pending == nil {
		t.Errorf("after two minutes: %v, %v", out, err)
	}
	if err := f.Approve(out.Pending.ID, approvals.Choice{}); err != nil {
		t.Fatal(err)
	}
	f.SetPolicy(policy.Rule{App: policy.Any, Claim: "secretStorageKey", Decision: policy.Deny})
	_, err = f.MakeKey(app, nil)
	fixture.WantErr(t, err, consent.ErrDenied)
	_, err = f.Collect(app, out.Pending.ID)
	fixture.WantErr(t, err, consent.ErrDenied)
}

func TestAnApprovalOfTheDatabaseServesNothing(t *testing.T) {
	f := fixture.New(t)
	app := f.AppToken(matrixApp)
	out, err := f.MakeKey(app, nil)
	if err != nil || out.Pending == nil {
		t.Fatalf("got %v, %v", out, err)
	}
	f.Exec(fmt.Sprintf(`update approvals set state = 'approved', decided = %d`, f.Clock.Unix()))
	_, err = f.MakeKey(app, nil)
	fixture.WantErr(t, err, ledger.ErrForged)
}

func TestAnAppHasKeysForAHundredSalts(t *testing.T) {
	f := fixture.New(t)
	f.SetPolicy(fixture.AllowSecrets()...)
	app := f.AppToken(matrixApp)
	for i := range secrets.MaxKeys {
		f.StorageKeyOf(app, fmt.Sprint("salt ", i))
	}
	salt := "one too many"
	_, err := f.MakeKey(app, &salt)
	fixture.WantCode(t, err, "secrets_full")
	f.StorageKeyOf(app, "salt 7") // one it has is given again
	key := f.StorageKeyOf(app, "salt 0")
	out, err := f.FindKey(app, map[string]secretstorage.Key{"id": key})
	if got := fixture.OwnRouteBody(t, out, err); got["keyId"] != "id" {
		t.Errorf("got %v", got["keyId"])
	}
	f.StorageKeyOf(f.AppToken(fixture.NewPeer(t, 1).DID.String()), "another app's")
}

// Who has the database moves rows about, and is noticed or gains nothing.
func TestSecretsOfAThief(t *testing.T) {
	for _, c := range []struct{ name, change string }{
		{"a secret under another one's name", `update secrets set sealed = (select sealed from secrets where revision = (select max(revision) from secrets)), updated = updated`},
		{"a secret of another revision", `update secrets set revision = 'other'`},
		{"a secret of another app", `update secrets set app = 'z1nsdV7esuV3MfsGmcyckqErnvjyzU8RQGV'`},
		{"a secret that was cut", `update secrets set sealed = substr(sealed, 1, length(sealed) - 1)`},
	} {
		t.Run("notices "+c.name, func(t *testing.T) {
			f := fixture.New(t)
			f.SetPolicy(fixture.AllowSecrets()...)
			app := f.AppToken(matrixApp)
			for _, name := range []string{"one", "two"} {
				if _, err := f.WriteSecret(app, name, "value of "+name, ""); err != nil {
					t.Fatal(err)
				}
			}
			f.Exec(c.change)
			forged := 0
			for _, name := range []string{"one", "two"} {
				out, err := f.ReadSecret(app, name)
				if errors.Is(err, ledger.ErrForged) {
					forged++
				} else if got := fixture.OwnRouteBody(t, out, err); got["value"] != "value of "+name {
					t.Errorf("%s holds %q", name, got["value"])
				}
			}
			if forged == 0 {
				t.Error("nothing was noticed")
			}
			if events := strings.Join(f.EventKinds(), " "); !strings.Contains(events, "row.forged") {
				t.Errorf("it is not recorded: %s", events)
			}
		})
	}
	t.Run("notices a key's row that was changed", func(t *testing.T) {
		f := fixture.New(t)
		f.SetPolicy(fixture.AllowSecrets()...)
		app := f.AppToken(matrixApp)
		key := f.StorageKeyOf(app, "salt")
		f.Exec(`update secret_keys set sealed = x'00'`)
		_, err := f.FindKey(app, map[string]secretstorage.Key{"x": key})
		fixture.WantErr(t, err, secrets.ErrNoKey)
		if events := strings.Join(f.EventKinds(), " "); !strings.Contains(events, "row.forged") {
			t.Errorf("it is not recorded: %s", events)
		}
	})
}

func TestTheStoreSaysNothingOfSecrets(t *testing.T) {
	f := fixture.New(t)
	f.SetPolicy(fixture.AllowSecrets()...)
	app := f.AppToken(matrixApp)
	f.StorageKeyOf(app, "canary-salt")
	if _, err := f.WriteSecret(app, "canary-name", "canary-value", ""); err != nil {
		t.Fatal(err)
	}
	rows, _, err := f.Store.Secrets(t.Context(), f.Wallet, "", store.Page{})
	if err != nil || len(rows) != 1 {
		t.Fatal(rows, err)
	}
	keys, err := f.Store.SecretKeys(t.Context(), f.Wallet, matrixApp)
	if err != nil || len(keys) != 2 { // that of the salt, and the one the secret is sealed with
		t.Fatal(len(keys), err)
	}
	text := rows[0].App + rows[0].Revision + string(rows[0].Tag) + string(rows[0].Sealed)
	for _, k := range keys {
		text += k.App + string(k.Tag) + string(k.Sealed)
	}
	if strings.Contains(text, "canary") {
		t.Errorf("the rows say %q", text)
	}
}

// With other rounds every key of the wallet is another: what is kept is not lost, and not
// replaced by something that does not open either.
func TestASecretThatDoesNotOpenIsSaidToBeSo(t *testing.T) {
	f := fixture.New(t)
	f.SetPolicy(fixture.AllowSecrets()...)
	app := f.AppToken(matrixApp)
	out, err := f.WriteSecret(app, "diary", "one", "")
	tag := fixture.OwnRouteBody(t, out, err)["etag"]
	rounds := func(n int) {
		if _, err := f.Wallets.Update(t.Context(), f.As(f.Owner), wallets.WalletChange{Rounds: &n}); err != nil {
			t.Fatal(err)
		}
	}
	rounds(3)
	_, err = f.ReadSecret(app, "diary")
	fixture.WantCode(t, err, "bad_mac")
	rounds(1)
	out, err = f.ReadSecret(app, "diary")
	if got := fixture.OwnRouteBody(t, out, err); got["value"] != "one" || got["etag"] != tag {
		t.Errorf("it holds %v", got)
	}
}

// What is about to replace a secret is opened first: a request whose data is another's, or
// damaged, changes nothing.
func TestASecretIsNotReplacedByOneThatDoesNotOpen(t *testing.T) {
	f := fixture.New(t)
	f.SetPolicy(fixture.AllowSecrets()...)
	app := f.AppToken(matrixApp)
	out, err := f.WriteSecret(app, "diary", "one", "")
	tag := fixture.OwnRouteBody(t, out, err)["etag"]
	c := f.As(app)
	good := secrets.WriteRequest{Type: "secret.write", Name: "diary", Match: tag}
	account, err := f.Store.AccountOf(t.Context(), f.Wallet, c.App.Address(), did.AccountType().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := secrets.Seal(t.Context(), f.Store, c, account, secrets.NewSecret{Name: "diary", Value: []byte("two")}, &good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*secrets.WriteRequest){
		"another salt":     func(r *secrets.WriteRequest) { r.Salt = "other" },
		"another key's id": func(r *secrets.WriteRequest) { r.KeyID = "other" },
		"another value": func(r *secrets.WriteRequest) {
			r.Value = hex.EncodeToString(c.Wallet.Keys().ValueMAC("diary", []byte("three")))
		},
		"no value": func(r *secrets.WriteRequest) { r.Value = "" },
		"no data":  func(r *secrets.WriteRequest) { r.Data = json.RawMessage(`{}`) },
		"a changed mac": func(r *secrets.WriteRequest) {
			r.Data = json.RawMessage(strings.Replace(string(r.Data), `"mac":"`, `"mac":"AAAA`, 1))
		},
		"another ciphertext": func(r *secrets.WriteRequest) {
			r.Data = json.RawMessage(strings.Replace(string(r.Data), `"ciphertext":"`, `"ciphertext":"AAAA`, 1))
		},
		"another iv": func(r *secrets.WriteRequest) {
			i := strings.Index(string(r.Data), `"iv":"`) + 6
			r.Data = json.RawMessage(string(r.Data[:i]) + "AAAAAAAAAAAAAAAAAAAAAA==" + string(r.Data[i+24:]))
		},
	} {
		r := good
		change(&r)
		if out, err := f.Pipeline.AnswerParsed(t.Context(), f.As(app), secrets.SecretWrite(), r.Parsed()); err == nil {
			t.Errorf("with %s it is replaced: %v", name, out)
		}
	}
	out, err = f.ReadSecret(app, "diary")
	if got := fixture.OwnRouteBody(t, out, err); got["value"] != "one" || got["etag"] != tag {
		t.Errorf("it holds %v", got)
	}
	out, err = f.Pipeline.AnswerParsed(t.Context(), f.As(app), secrets.SecretWrite(), good.Parsed())
	fixture.OwnRouteBody(t, out, err)
}

func TestSecretsEndWithTheirWallet(t *testing.T) {
	f := fixture.New(t)
	f.SetPolicy(fixture.AllowSecrets()...)
	if _, err := f.WriteSecret(f.AppToken(matrixApp), "diary", "one", ""); err != nil {
		t.Fatal(err)
	}
	if err := f.Wallets.Delete(t.Context(), f.As(f.Owner), f.Wallet); err != nil {
		t.Fatal(err)
	}
	rows, _, err := f.Store.Secrets(t.Context(), f.Wallet, "", store.Page{})
	keys, err2 := f.Store.SecretKeys(t.Context(), f.Wallet, matrixApp)
	if err != nil || err2 != nil || len(rows)+len(keys) != 0 {
		t.Errorf("%d secrets and %d keys are left: %v, %v", len(rows), len(keys), err, err2)
	}
}

func TestAKeyOfOneMatrixUserIsNotAnothers(t *testing.T) {
	f := fixture.New(t)
	f.SetPolicy(fixture.AllowSecrets()...)
	app := f.AppToken(matrixApp)
	const alice, bob = "@alice:example.org", "@bob:example.org"
	makeKey := func(n secrets.NewKey) secretstorage.Key {
		t.Helper()
		n.Name = "walletd"
		out, err := f.Secrets.MakeKey(t.Context(), f.As(app), did.DID{}, n)
		return fixture.StorageKey(t, fixture.OwnRouteBody(t, out, err)["key"])
	}
	salt := "v2:" + alice
	plain, ofAlice, ofBob, second := makeKey(secrets.NewKey{}), makeKey(secrets.NewKey{User: alice}), makeKey(secrets.NewKey{User: bob}), makeKey(secrets.NewKey{User: alice, Salt: &salt})
	for i, c := range []struct {
		key  secretstorage.Key
		user string
		ok   bool
	}{
		{ofAlice, alice, true}, {ofBob, alice, false}, {ofBob, bob, true}, {ofAlice, bob, false},
		{plain, alice, true}, {plain, bob, true}, {second, alice, true}, {second, bob, false},
		{ofAlice, "", true}, {ofBob, "", true},
	} {
		q := secrets.Question{Keys: fixture.Offer(t, map[string]secretstorage.Key{"x": c.key}), User: c.user}
		_, err := f.Secrets.FindKey(t.Context(), f.As(app), did.DID{}, q)
		if (err == nil) != c.ok || err != nil && !errors.Is(err, secrets.ErrNoKey) {
			t.Errorf("question %d, of %q: %v", i, c.user, err)
		}
	}
	if ofAlice.Equal(ofBob.Bytes) || ofAlice.Equal(plain.Bytes) {
		t.Error("two users have one key")
	}
	for _, user := range []string{"alice", "@alice", strings.Repeat("@a:b", 64) + "x", "@\xff:b"} {
		if _, err := f.Secrets.MakeKey(t.Context(), f.As(app), did.DID{}, secrets.NewKey{User: user}); err == nil {
			t.Errorf("%q is taken for a user", user)
		}
	}
}

func TestASaltWithoutARowIsTriedIfTheClientNamesIt(t *testing.T) {
	f := fixture.New(t)
	f.SetPolicy(fixture.AllowSecrets()...)
	app := f.AppToken(matrixApp)
	const alice = "@alice:example.org"
	salt := secrets.SaltOf(alice)
	key := f.StorageKeyOf(app, salt)
	f.Exec("delete from secret_keys")
	offer := fixture.Offer(t, map[string]secretstorage.Key{"x": key})
	find := func(q secrets.Question) error {
		q.Keys = offer
		_, err := f.Secrets.FindKey(t.Context(), f.As(app), did.DID{}, q)
		return err
	}
	fixture.WantErr(t, find(secrets.Question{}), secrets.ErrNoKey)
	f.SetPolicy(append([]policy.Rule{{App: policy.Any, Claim: "secretStorageKey", Salt: &salt, Decision: policy.Deny}}, fixture.AllowSecrets()...)...)
	fixture.WantErr(t, find(secrets.Question{Salt: &salt}), secrets.ErrNoKey) // the denied one is not even tried
	f.SetPolicy(fixture.AllowSecrets()...)
	if err := find(secrets.Question{Salt: &salt}); err != nil {
		t.Error(err)
	}
	f.Exec("delete from secret_keys")
	if err := find(secrets.Question{User: alice}); err != nil {
		t.Error(err)
	}
	if err := find(secrets.Question{}); err != nil {
		t.Errorf("it is not stored once it was found: %v", err)
	}
}

func TestTheQuestionSaysWhatTheKeyOpens(t *testing.T) {
	f := fixture.New(t)
	app := f.AppToken(matrixApp)
	const user = "@alice:example.org"
	asked := func(out consent.Outcome, err error) approvals.View {
		t.Helper()
		if err != nil || out.Pending == nil {
			t.Fatalf("got %+v, %v", out, err)
		}
		return f.Approval(out.Pending.ID)
	}
	says := func(v approvals.View, want ...string) {
		t.Helper()
		text := v.Claims[0].Description + " " + strings.Join(v.Claims[0].Unusual, " ")
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("it does not say %q: %s", w, text)
			}
		}
	}
	newKey := secrets.NewKey{Name: "a harmless thing", User: user}
	makeKey := func() (consent.Outcome, error) { return f.Secrets.MakeKey(t.Context(), f.As(app), did.DID{}, newKey) }
	v := asked(makeKey())
	says(v, "opens everything", "the keys of all its messages", "The app calls it a harmless thing", "The app says that the storage is that of the Matrix user "+user)
	if strings.Contains(strings.Join(v.Claims[0].Unusual, " "), "in use") {
		t.Error("a first storage is said to be in use")
	}
	if err := f.Approve(v.ID, approvals.Choice{}); err != nil {
		t.Fatal(err)
	}
	out, err := makeKey()
	key := fixture.StorageKey(t, fixture.OwnRouteBody(t, out, err)["key"])
	description := fixture.Offer(t, map[string]secretstorage.Key{"id": key})
	if err := f.Secrets.NoteKey(t.Context(), f.As(app), did.DID{}, "id", matrix.Description(key.Reveal(), "")); err != nil {
		t.Fatal(err)
	}
	question := secrets.Question{Keys: description, Name: "nothing of importance", User: user}
	find := func() (consent.Outcome, error) { return f.Secrets.FindKey(t.Context(), f.As(app), did.DID{}, question) }
	out, err = find() // the yes to the new key serves the flow
	fixture.OwnRouteBody(t, out, err)

	f.Clock = f.Clock.Add(3 * time.Minute)
	v = asked(find())
	says(v, "opens everything", "the keys of all its messages", "The app says that it wants the secret nothing of importance", user)
	if err := f.Approve(v.ID, approvals.Choice{}); err != nil {
		t.Fatal(err)
	}
	f.Clock = f.Clock.Add(time.Second)
	v = asked(makeKey()) // which a yes to the other question does not cover
	says(v, "in use already", "opens everything")
	if err := f.Approve(v.ID, approvals.Choice{}); err != nil {
		t.Fatal(err)
	}
	for _, ask := range []func() (consent.Outcome, error){makeKey, find, makeKey} {
		out, err := ask()
		fixture.OwnRouteBody(t, out, err)
	}
}
