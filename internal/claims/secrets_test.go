package claims

import (
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"walletd/internal/did"
	"walletd/internal/ledger"
	"walletd/internal/policy"
	"walletd/internal/secretstorage"
	"walletd/internal/store"
	"walletd/internal/wallettest/matrix"
)

const matrixApp = "zNKpPiDfyQ5h7LWfhsYHaxdizUx7ung399sm"

// own reads the answer of a route of its own.
func own(t *testing.T, out Outcome, err error) map[string]string {
	t.Helper()
	if err != nil || out.Answer == nil {
		t.Fatalf("got %v and %v, want an answer", out, err)
	}
	var body map[string]string
	if err := json.Unmarshal(out.Answer.Own, &body); err != nil {
		t.Fatal(err)
	}
	return body
}

func (h *house) makeKey(token string, salt *string) (Outcome, error) {
	h.t.Helper()
	return h.door.MakeSecretKey(h.t.Context(), h.as(token), did.DID{}, salt, "walletd")
}

// storageKeyOf makes a key and reads it.
func (h *house) storageKeyOf(token, salt string) secretstorage.Key {
	h.t.Helper()
	out, err := h.makeKey(token, &salt)
	b, err := base64.StdEncoding.DecodeString(own(h.t, out, err)["key"])
	if err != nil {
		h.t.Fatal(err)
	}
	key, err := secretstorage.NewKey(b)
	if err != nil {
		h.t.Fatal(err)
	}
	return key
}

func (h *house) find(token string, described map[string]secretstorage.Key) (Outcome, error) {
	h.t.Helper()
	keys := map[string]json.RawMessage{}
	for id, key := range described {
		keys[id] = matrix.Description(key.Reveal(), "")
	}
	raw, err := json.Marshal(keys)
	if err != nil {
		h.t.Fatal(err)
	}
	return h.door.FindSecretKey(h.t.Context(), h.as(token), did.DID{}, raw, "m.cross_signing.master")
}

func (h *house) write(token, name, value, match string) (Outcome, error) {
	h.t.Helper()
	return h.door.WriteSecret(h.t.Context(), h.as(token), did.DID{}, NewSecret{Name: name, Value: []byte(value), Match: match})
}

func (h *house) readSecret(token, name string) (Outcome, error) {
	h.t.Helper()
	return h.door.ReadSecret(h.t.Context(), h.as(token), did.DID{}, name, false)
}

func allowSecrets() []policy.Rule {
	return []policy.Rule{{App: policy.Any, Claim: "secretStorageKey", Decision: policy.Allow}, {App: policy.Any, Claim: "secret.read", Decision: policy.Allow}, {App: policy.Any, Claim: "secret.write", Decision: policy.Allow}}
}

func TestAStorageKeyIsOnRecordBeforeItIsGiven(t *testing.T) {
	h := newHouse(t)
	h.policy(allowSecrets()...)
	app := h.appToken(matrixApp)
	h.storageKeyOf(app, "element")
	kind, e := h.lastEvent()
	if kind != "claim.allowed" || len(e.Claims) != 1 || e.Claims[0].Type != "secretStorageKey" || *e.Claims[0].Salt != "656c656d656e74" || e.Rule != 1 {
		t.Errorf("the record says %s %+v", kind, e)
	}
	_, err := h.find(app, map[string]secretstorage.Key{"x": h.storageKeyOf(h.appToken(newPeer(t, 1).did.String()), "element")})
	wantErr(t, err, ErrNoKey)
	if kind, e := h.lastEvent(); kind != "claim.refused" || e.Code != "no_match" {
		t.Errorf("a key that is not found is recorded as %s %+v", kind, e)
	}
	if _, err := h.write(app, "diary", "x", ""); err != nil {
		t.Fatal(err)
	}
	if kind, e := h.lastEvent(); kind != "claim.allowed" || e.Claims[0].Type != "secret.write" || e.Claims[0].About != "diary" {
		t.Errorf("a secret kept is recorded as %s %+v", kind, e)
	}
}

func TestNothingOfSecretsIsGivenWithoutARecord(t *testing.T) {
	h := newHouse(t)
	h.policy(allowSecrets()...)
	app := h.appToken(matrixApp)
	key := h.storageKeyOf(app, DefaultSalt)
	out, err := h.write(app, "diary", "one", "")
	tag := own(t, out, err)["etag"]
	script := func(text string) {
		h.steal(func(db *sql.DB) {
			if _, err := db.Exec(text); err != nil {
				t.Fatal(err)
			}
		})
	}
	script(`create trigger full before insert on records when new.chain <> 'service' begin select raise(abort, 'no'); end`)
	for name, do := range map[string]func() (Outcome, error){
		"a new key":   func() (Outcome, error) { return h.makeKey(app, nil) },
		"a key found": func() (Outcome, error) { return h.find(app, map[string]secretstorage.Key{"x": key}) },
		"a secret":    func() (Outcome, error) { return h.readSecret(app, "diary") },
		"a write":     func() (Outcome, error) { return h.write(app, "diary", "two", tag) },
	} {
		if out, err := do(); err == nil || out.Answer != nil {
			t.Errorf("%s: %v, %v", name, out, err)
		}
	}
	script(`drop trigger full`)
	out, err = h.readSecret(app, "diary")
	if got := own(t, out, err); got["value"] != "one" || got["etag"] != tag {
		t.Errorf("it holds %v", got)
	}
}

func TestAYesServesTheFlowForTwoMinutes(t *testing.T) {
	h := newHouse(t)
	app := h.appToken(matrixApp)
	out, err := h.makeKey(app, nil)
	if err != nil || out.Pending == nil {
		t.Fatalf("got %v, %v", out, err)
	}
	if err := h.approve(out.Pending.ID, Choice{}); err != nil {
		t.Fatal(err)
	}
	h.clock = h.clock.Add(119 * time.Second)
	out, err = h.makeKey(app, nil)
	own(t, out, err)
	if kind, e := h.lastEvent(); kind != "claim.collected" || e.Approval == "" {
		t.Errorf("it is recorded as %s %+v", kind, e)
	}
	h.clock = h.clock.Add(2 * time.Second)
	if out, err = h.makeKey(app, nil); err != nil || out.Pending == nil {
		t.Errorf("after two minutes: %v, %v", out, err)
	}
	if err := h.approve(out.Pending.ID, Choice{}); err != nil {
		t.Fatal(err)
	}
	h.policy(policy.Rule{App: policy.Any, Claim: "secretStorageKey", Decision: policy.Deny})
	_, err = h.makeKey(app, nil)
	wantErr(t, err, ErrDenied)
	_, err = h.collect(app, out.Pending.ID)
	wantErr(t, err, ErrDenied)
}

func TestAYesOfTheDatabaseServesNothing(t *testing.T) {
	h := newHouse(t)
	app := h.appToken(matrixApp)
	out, err := h.makeKey(app, nil)
	if err != nil || out.Pending == nil {
		t.Fatalf("got %v, %v", out, err)
	}
	h.exec(fmt.Sprintf(`update approvals set state = 'approved', decided = %d`, h.clock.Unix()))
	_, err = h.makeKey(app, nil)
	wantErr(t, err, ledger.ErrForged)
}

func TestAnAppHasKeysForAHundredSalts(t *testing.T) {
	h := newHouse(t)
	h.policy(allowSecrets()...)
	app := h.appToken(matrixApp)
	for i := range maxSecretKeys {
		h.storageKeyOf(app, fmt.Sprint("salt ", i))
	}
	salt := "one too many"
	_, err := h.makeKey(app, &salt)
	wantCode(t, err, "secrets_full")
	h.storageKeyOf(app, "salt 7") // one it has is given again
	key := h.storageKeyOf(app, "salt 0")
	out, err := h.find(app, map[string]secretstorage.Key{"id": key})
	if got := own(t, out, err); got["keyId"] != "id" {
		t.Errorf("got %v", got["keyId"])
	}
	h.storageKeyOf(h.appToken(newPeer(t, 1).did.String()), "another app's")
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
			h := newHouse(t)
			h.policy(allowSecrets()...)
			app := h.appToken(matrixApp)
			for _, name := range []string{"one", "two"} {
				if _, err := h.write(app, name, "value of "+name, ""); err != nil {
					t.Fatal(err)
				}
			}
			h.exec(c.change)
			forged := 0
			for _, name := range []string{"one", "two"} {
				out, err := h.readSecret(app, name)
				if errors.Is(err, ledger.ErrForged) {
					forged++
				} else if got := own(t, out, err); got["value"] != "value of "+name {
					t.Errorf("%s holds %q", name, got["value"])
				}
			}
			if forged == 0 {
				t.Error("nothing was noticed")
			}
			if events := strings.Join(h.events(), " "); !strings.Contains(events, "row.forged") {
				t.Errorf("it is not on record: %s", events)
			}
		})
	}
	t.Run("notices a key's row that was changed", func(t *testing.T) {
		h := newHouse(t)
		h.policy(allowSecrets()...)
		app := h.appToken(matrixApp)
		key := h.storageKeyOf(app, "salt")
		h.exec(`update secret_keys set sealed = x'00'`)
		_, err := h.find(app, map[string]secretstorage.Key{"x": key})
		wantErr(t, err, ErrNoKey)
		if events := strings.Join(h.events(), " "); !strings.Contains(events, "row.forged") {
			t.Errorf("it is not on record: %s", events)
		}
	})
}

func TestTheStoreSaysNothingOfSecrets(t *testing.T) {
	h := newHouse(t)
	h.policy(allowSecrets()...)
	app := h.appToken(matrixApp)
	h.storageKeyOf(app, "canary-salt")
	if _, err := h.write(app, "canary-name", "canary-value", ""); err != nil {
		t.Fatal(err)
	}
	rows, _, err := h.store.Secrets(t.Context(), h.wallet, "", store.Page{})
	if err != nil || len(rows) != 1 {
		t.Fatal(rows, err)
	}
	keys, err := h.store.SecretKeys(t.Context(), h.wallet, matrixApp)
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
	h := newHouse(t)
	h.policy(allowSecrets()...)
	app := h.appToken(matrixApp)
	out, err := h.write(app, "diary", "one", "")
	tag := own(t, out, err)["etag"]
	rounds := func(n int) {
		if _, err := h.door.UpdateWallet(t.Context(), h.as(h.owner), WalletChange{Rounds: &n}); err != nil {
			t.Fatal(err)
		}
	}
	rounds(3)
	_, err = h.readSecret(app, "diary")
	wantCode(t, err, "bad_mac")
	rounds(1)
	out, err = h.readSecret(app, "diary")
	if got := own(t, out, err); got["value"] != "one" || got["etag"] != tag {
		t.Errorf("it holds %v", got)
	}
}

// What is about to replace a secret is opened first: a request whose data is another's, or
// damaged, changes nothing.
func TestASecretIsNotReplacedByOneThatDoesNotOpen(t *testing.T) {
	h := newHouse(t)
	h.policy(allowSecrets()...)
	app := h.appToken(matrixApp)
	out, err := h.write(app, "diary", "one", "")
	tag := own(t, out, err)["etag"]
	c := h.as(app)
	good := writeRequest{Type: "secret.write", Name: "diary", Match: tag}
	account, err := h.store.AccountOf(t.Context(), h.wallet, c.App.Address(), did.AccountType().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := (rows{h.store, c}).sealSecret(t.Context(), account, NewSecret{Name: "diary", Value: []byte("two")}, &good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*writeRequest){
		"another salt":     func(r *writeRequest) { r.Salt = "other" },
		"another key's id": func(r *writeRequest) { r.KeyID = "other" },
		"another value": func(r *writeRequest) {
			r.Value = hex.EncodeToString(c.Wallet.Keys().ValueMAC("diary", []byte("three")))
		},
		"no value": func(r *writeRequest) { r.Value = "" },
		"no data":  func(r *writeRequest) { r.Data = json.RawMessage(`{}`) },
		"a changed mac": func(r *writeRequest) {
			r.Data = json.RawMessage(strings.Replace(string(r.Data), `"mac":"`, `"mac":"AAAA`, 1))
		},
		"another ciphertext": func(r *writeRequest) {
			r.Data = json.RawMessage(strings.Replace(string(r.Data), `"ciphertext":"`, `"ciphertext":"AAAA`, 1))
		},
		"another iv": func(r *writeRequest) {
			i := strings.Index(string(r.Data), `"iv":"`) + 6
			r.Data = json.RawMessage(string(r.Data[:i]) + "AAAAAAAAAAAAAAAAAAAAAA==" + string(r.Data[i+24:]))
		},
	} {
		r := good
		change(&r)
		if out, err := h.door.Request(t.Context(), h.as(app), secretWrite(), r.request()); err == nil {
			t.Errorf("with %s it is replaced: %v", name, out)
		}
	}
	out, err = h.readSecret(app, "diary")
	if got := own(t, out, err); got["value"] != "one" || got["etag"] != tag {
		t.Errorf("it holds %v", got)
	}
	out, err = h.door.Request(t.Context(), h.as(app), secretWrite(), good.request())
	own(t, out, err)
}

func TestSecretsEndWithTheirWallet(t *testing.T) {
	h := newHouse(t)
	h.policy(allowSecrets()...)
	if _, err := h.write(h.appToken(matrixApp), "diary", "one", ""); err != nil {
		t.Fatal(err)
	}
	if err := h.door.DeleteWallet(t.Context(), h.as(h.owner), h.wallet); err != nil {
		t.Fatal(err)
	}
	rows, _, err := h.store.Secrets(t.Context(), h.wallet, "", store.Page{})
	keys, err2 := h.store.SecretKeys(t.Context(), h.wallet, matrixApp)
	if err != nil || err2 != nil || len(rows)+len(keys) != 0 {
		t.Errorf("%d secrets and %d keys are left: %v, %v", len(rows), len(keys), err, err2)
	}
}
