package server_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"walletd/internal/did"
	"walletd/internal/secretstorage"
	"walletd/internal/server"
	"walletd/internal/wallettest"
	"walletd/internal/wallettest/matrix"
)

var secretsAllowed = []members{
	{"app": "*", "claim": "secretStorageKey", "decision": "allow", "tokens": "any"},
	{"app": "*", "claim": "secret.read", "decision": "allow"},
	{"app": "*", "claim": "secret.write", "decision": "allow"},
}

// storageKey reads the key of an answer.
func storageKey(t *testing.T, r *wallettest.Response) secretstorage.Key {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(r.Must(200).Text("key"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := secretstorage.NewKey(b)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// describe is what a client puts on its homeserver.
func describe(key secretstorage.Key) json.RawMessage {
	return matrix.Description(key.Reveal(), "walletd")
}

// put writes a secret with headers, given as name and value in turn.
func put(w *wallettest.Wallet, token, path string, body any, headers ...string) *wallettest.Response {
	r := w.Request("PUT", path, body)
	return sendWith(w, r, token, headers...)
}

func sendWith(w *wallettest.Wallet, r *http.Request, token string, headers ...string) *wallettest.Response {
	r.Header.Set("Authorization", "Bearer "+token)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return w.Send(r)
}

func TestSecretStorageKeyIsTheAppsEncryptionKey(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	w.Rules(everything)
	notes := w.App("Notes")
	for _, c := range []struct {
		name, salt string
		body       members
	}{
		{"for the default salt", "m.secret_storage", members{}},
		{"for a salt of the app's", "element", members{"salt": "element", "name": "Element"}},
		{"for an empty salt", "", members{"salt": ""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, notes := w.In(t), *notes
			made := w.Do("POST", "/v1/secret-storage/keys", notes.Token, c.body)
			key := storageKey(t, made)
			want := w.Do("POST", "/v1/claims", notes.Token, members{"requestedClaims": []members{wallettest.EncryptionKey(c.salt)}}).Key()
			if got := did.EncodeBase58(key.Reveal()); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			again, err := secretstorage.DecodeRecoveryKey([]byte(made.Text("recoveryKey")))
			if err != nil || !bytes.Equal(again.Reveal(), key.Reveal()) {
				t.Errorf("the recovery key is another: %v", err)
			}
			name, _ := c.body["name"].(string)
			if name != "" {
				name += " "
			}
			if name += "walletd " + notes.DID.Address() + " " + c.salt; made.Text("name") != name {
				t.Errorf("it is called %q, want %q", made.Text("name"), name)
			}
		})
	}
}

func TestWhichKeyFits(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	w.Rules(secretsAllowed...)
	notes, other := w.App("Notes"), w.App("Other")
	def := storageKey(t, w.Do("POST", "/v1/secret-storage/keys", notes.Token, members{}))
	second := storageKey(t, w.Do("POST", "/v1/secret-storage/keys", notes.Token, members{"salt": "second"}))
	foreign := storageKey(t, w.Do("POST", "/v1/secret-storage/keys", other.Token, members{}))
	nobodys := storageKey(t, w.Do("POST", "/v1/secret-storage/keys?app="+notes.DID.Address(), w.Owner, members{"salt": "of the owner"}))
	find := func(w *wallettest.Wallet, keys any) *wallettest.Response {
		return w.Do("POST", "/v1/secret-storage/key", notes.Token, members{"keys": keys, "name": "m.cross_signing.master"})
	}
	bare := json.RawMessage(`{"algorithm":"m.secret_storage.v1.aes-hmac-sha2","name":"x"}`)
	strange := json.RawMessage(`{"algorithm":"org.example.other","mac":7}`)
	w.Do("PUT", "/v1/secret-storage/keys/noted", notes.Token, members{"keyInfo": describe(second)}).Must(204)

	many := func(n int) members {
		m := members{}
		for i := range n {
			m[fmt.Sprint("k", i)] = describe(foreign)
		}
		return m
	}
	sixteen := many(15)
	sixteen["ours"] = describe(second)
	for _, c := range []struct {
		name string
		keys any
		id   string
		key  secretstorage.Key
	}{
		{"answers the default key", members{"a": describe(def)}, "a", def},
		{"answers a key of another salt", members{"a": describe(second)}, "a", second},
		{"answers a key that the owner had made for the app", members{"a": describe(nobodys)}, "a", nobodys},
		{"prefers the default key", members{"a": describe(second), "b": describe(def), "noted": describe(second)}, "b", def},
		{"prefers an id that was noted", members{"a": describe(second), "noted": describe(second)}, "noted", second},
		{"passes over keys of others", members{"a": describe(foreign), "b": describe(second)}, "b", second},
		{"passes over what it does not know", members{"a": strange, "b": describe(second), "c": 7}, "b", second},
		{"believes a description without a check for the key noted under its id", members{"noted": bare}, "noted", second},
		{"takes an id of any text", members{"m.x/ü 1": describe(def)}, "m.x/ü 1", def},
		{"takes sixteen", sixteen, "ours", second},
		{"keeps members it does not know", members{"a": json.RawMessage(strings.Replace(string(describe(def)), "{", `{"passphrase":{"algorithm":"m.other"},"more":[1],`, 1))}, "a", def},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := find(w.In(t), c.keys)
			if key := storageKey(t, got); got.Text("keyId") != c.id || !bytes.Equal(key.Reveal(), c.key.Reveal()) {
				t.Errorf("got the id %q: %v", got.Text("keyId"), bytes.Equal(key.Reveal(), c.key.Reveal()))
			}
		})
	}
	for _, c := range []struct{ first, id string }{{"a", "a"}, {"b", "b"}, {"noted", "noted"}, {"foreign", "b"}, {"none", "b"}} {
		t.Run("prefers the account's default key "+c.first, func(t *testing.T) {
			keys := members{"a": describe(second), "b": describe(def), "noted": bare, "foreign": describe(foreign)}
			got := w.In(t).Do("POST", "/v1/secret-storage/key", notes.Token, members{"keys": keys, "defaultKeyId": c.first})
			if got.Must(200).Text("keyId") != c.id {
				t.Errorf("got the id %q, want %q", got.Text("keyId"), c.id)
			}
		})
	}
	for _, c := range []struct {
		name   string
		keys   any
		status int
		code   string
	}{
		{"refuses a key of another app", members{"a": describe(foreign)}, 404, "no_match"},
		{"refuses a description without a check under an id nobody noted", members{"a": bare}, 404, "no_match"},
		{"refuses a wrong check under an id that was noted", members{"noted": describe(foreign)}, 404, "no_match"},
		{"refuses seventeen", many(17), 400, "member_invalid"},
		{"refuses none", members{}, 400, "member_invalid"},
		{"refuses a list", []string{"a"}, 400, "member_invalid"},
		{"refuses another algorithm alone", members{"a": strange}, 422, "unknown_algorithm"},
		{"refuses a description that was removed", members{"a": members{}}, 422, "unknown_algorithm"},
		{"refuses a mac without iv", members{"a": members{"algorithm": secretstorage.Algorithm, "mac": "AAAA"}}, 422, "malformed"},
		{"refuses bad base64", members{"a": members{"algorithm": secretstorage.Algorithm, "mac": "!", "iv": "AAAA"}}, 422, "bad_base64"},
		{"refuses a short iv", members{"a": members{"algorithm": secretstorage.Algorithm, "mac": "AAAA", "iv": "AAAA"}}, 422, "bad_iv"},
		{"refuses an empty id", members{"": describe(def)}, 422, "malformed"},
		{"refuses a member twice within a description", json.RawMessage(`{"a":{"algorithm":"x","algorithm":"y"}}`), 400, "json_duplicate_member"},
	} {
		t.Run(c.name, func(t *testing.T) { find(w.In(t), c.keys).Refused(c.status, c.code) })
	}
}

func TestNotingAKeysID(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	w.Rules(secretsAllowed...)
	notes, other := w.App("Notes"), w.App("Other")
	key := storageKey(t, w.Do("POST", "/v1/secret-storage/keys", notes.Token, members{"salt": "one"}))
	foreign := storageKey(t, w.Do("POST", "/v1/secret-storage/keys", other.Token, members{}))
	bare := json.RawMessage(`{"algorithm":"m.secret_storage.v1.aes-hmac-sha2"}`)
	note := func(w *wallettest.Wallet, token, id string, info any) *wallettest.Response {
		return w.Do("PUT", "/v1/secret-storage/keys/"+url.PathEscape(id), token, members{"keyInfo": info})
	}
	note(w, notes.Token, "id", describe(key)).Must(204)
	before := w.Do("GET", w.Path("/audit?limit=200"), w.Owner, nil).Must(200).Body
	note(w, notes.Token, "id", describe(key)).Must(204)
	if after := w.Do("GET", w.Path("/audit?limit=200"), w.Owner, nil).Must(200).Body; !bytes.Equal(before, after) {
		t.Error("noting the same again is on record")
	}
	note(w, notes.Token, "bare", bare).Must(204)
	got := w.Do("POST", "/v1/secret-storage/key", notes.Token, members{"keys": members{"bare": bare}, "name": "x"})
	if found := storageKey(t, got); !bytes.Equal(found.Reveal(), key.Reveal()) {
		t.Error("a description without a check is not of the key made last")
	}
	storageKey(t, w.Do("POST", "/v1/secret-storage/keys", notes.Token, members{"salt": "two"}))
	note(w, notes.Token, "bare", bare).Must(204) // noted already: it stays where it is
	got = w.Do("POST", "/v1/secret-storage/key", notes.Token, members{"keys": members{"bare": bare}, "name": "x"})
	if found := storageKey(t, got); !bytes.Equal(found.Reveal(), key.Reveal()) {
		t.Error("an id moved without proof")
	}
	fresh := w.Do("POST", "/v1/tokens", w.Owner, members{"role": "app", "wallet": w.Address, "app": notes.DID.String(), "name": "n"}).Must(201).Text("token")
	for _, c := range []struct {
		name, token, id string
		info            any
		status          int
		code            string
	}{
		{"refuses a key of another app", notes.Token, "a", describe(foreign), 422, "no_match"},
		{"refuses no check from a token that had no key made", fresh, "a", bare, 422, "no_match"},
		{"refuses another algorithm", notes.Token, "a", members{"algorithm": "x"}, 422, "unknown_algorithm"},
		{"refuses what is no object", notes.Token, "a", "x", 422, "malformed"},
		{"finds nothing under an id of 256 bytes", notes.Token, strings.Repeat("a", 256), describe(key), 404, "not_found"},
		{"is not for operators", w.Operator, "a", describe(key), 403, "forbidden"},
	} {
		t.Run(c.name, func(t *testing.T) { note(w.In(t), c.token, c.id, c.info).Refused(c.status, c.code) })
	}
	note(w, notes.Token, strings.Repeat("ü", 127)+"/", describe(key)).Must(204)
}

func TestOneYesServesTheFlow(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	notes := w.App("Notes")
	asked := w.Do("POST", "/v1/secret-storage/keys", notes.Token, members{}).Must(202)
	if again := w.Do("POST", "/v1/secret-storage/keys", notes.Token, members{"name": "another"}).Must(202); again.Text("id") != asked.Text("id") {
		t.Error("the same question is asked twice")
	}
	w.MustApprove(asked.Text("code"))
	key := storageKey(t, notes.Collect(asked.Text("id")))
	offer := members{"keys": members{"id": describe(key)}, "name": "m.cross_signing.master"}
	for range 3 {
		if got := w.Do("POST", "/v1/secret-storage/key", notes.Token, offer); !bytes.Equal(storageKey(t, got).Reveal(), key.Reveal()) {
			t.Error("it is another key")
		}
	}
	second := w.Do("POST", "/v1/tokens", w.Owner, members{"role": "app", "wallet": w.Address, "app": notes.DID.String(), "name": "n"}).Must(201).Text("token")
	w.Do("POST", "/v1/secret-storage/key", second, offer).Must(202)
	w.Do("POST", "/v1/secret-storage/keys", notes.Token, members{"salt": "another"}).Must(202)
	w.MustReject(w.Do("POST", "/v1/secret-storage/keys", notes.Token, members{"salt": "rejected"}).Must(202).Text("code"))
	w.Do("POST", "/v1/secret-storage/keys", notes.Token, members{"salt": "rejected"}).Refused(403, "rejected")
}

func TestRulesOfSecrets(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	notes := w.App("Notes")
	key := storageKey(t, w.Do("POST", "/v1/secret-storage/keys?app="+notes.DID.Address(), w.Owner, members{}))
	offer := members{"keys": members{"id": describe(key)}, "name": ""}
	make := func() *wallettest.Response {
		return w.Do("POST", "/v1/secret-storage/keys", notes.Token, members{})
	}
	find := func() *wallettest.Response {
		return w.Do("POST", "/v1/secret-storage/key", notes.Token, offer)
	}
	w.Rules(members{"app": "*", "claim": "encryptionKey", "decision": "allow"})
	make().Must(202)
	find().Must(202)
	w.Rules(everything)
	make().Must(200)
	find().Must(200)
	w.Do("PUT", "/v1/secrets/a", notes.Token, members{"value": "x"}).Must(201)
	w.Do("GET", "/v1/secrets/a", notes.Token, nil).Must(200)

	w.Rules(members{"app": "*", "claim": "secretStorageKey", "decision": "deny"}, everything)
	make().Refused(403, "denied")
	find().Refused(403, "denied")
	w.Do("PUT", "/v1/secret-storage/keys/id", notes.Token, members{"keyInfo": describe(key)}).Refused(403, "denied")
	w.Rules(members{"app": "*", "claim": "secretStorageKey", "salt": "m.secret_storage", "decision": "deny"}, everything)
	make().Refused(403, "denied")
	find().Refused(403, "denied")
	w.Do("POST", "/v1/secret-storage/keys", notes.Token, members{"salt": "other"}).Must(200)
	find().Refused(404, "no_match") // the denied one is not even tried

	w.Rules(members{"app": "*", "claim": "secret.write", "decision": "deny"}, everything)
	w.Do("PUT", "/v1/secrets/b", notes.Token, members{"value": "x"}).Refused(403, "denied")
	w.Do("DELETE", "/v1/secrets/a", notes.Token, nil).Refused(403, "denied")
	w.Do("DELETE", "/v1/secrets/none", notes.Token, nil).Refused(403, "denied")
	w.Do("GET", "/v1/secrets/a", notes.Token, nil).Must(200)
	w.Rules(members{"app": "*", "claim": "secret.read", "decision": "deny"}, everything)
	w.Do("GET", "/v1/secrets/a", notes.Token, nil).Refused(403, "denied")
	w.Do("GET", "/v1/secrets/none", notes.Token, nil).Refused(403, "denied")
	w.Do("GET", "/v1/secrets", notes.Token, nil).Refused(403, "denied")

	for _, name := range []string{"secretStorageKey", "secret.read", "secret.write"} {
		w.Do("POST", "/v1/claims", notes.Token, members{"requestedClaims": []members{{"type": name, "salt": "m.secret_storage", "name": "a", "Make": true}}}).Refused(403, "claim_unsupported")
	}
	w.Rules()
	asked := w.Do("POST", "/v1/claims", notes.Token, members{"requestedClaims": []members{wallettest.EncryptionKey("m.secret_storage")}}).Must(202)
	if waiting := fmt.Sprint(w.Waiting(asked.Text("code"))["claims"]); !strings.Contains(waiting, "key of a secret storage") {
		t.Errorf("an encryptionKey of a salt in use does not say so: %s", waiting)
	}
	asked = w.Do("POST", "/v1/claims", notes.Token, members{"requestedClaims": []members{wallettest.EncryptionKey("not in use")}}).Must(202)
	if waiting := fmt.Sprint(w.Waiting(asked.Text("code"))["claims"]); strings.Contains(waiting, "key of a secret storage") {
		t.Errorf("one that is not in use says so: %s", waiting)
	}
	// A salt that is somebody else's address is never decided by rule.
	w.Rules(everything)
	w.Do("POST", "/v1/secret-storage/keys", notes.Token, members{"salt": w.Stranger("Far", 0).DID.Address()}).Must(202)
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	w.Rules(secretsAllowed...)
	notes, other := w.App("Notes"), w.App("Other")
	seed := base64.RawStdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))
	long := strings.Repeat("\x01", 64<<10)

	made := w.Do("PUT", "/v1/secrets/m.cross_signing.master", notes.Token, members{"value": seed}).Must(201)
	tag := made.Header.Get("ETag")
	got := w.Do("GET", "/v1/secrets/m.cross_signing.master", notes.Token, nil).Must(200)
	if got.Text("value") != seed || got.Text("name") != "m.cross_signing.master" || got.Header.Get("ETag") != tag || tag != `"`+made.Text("etag")+`"` {
		t.Errorf("got %s with the ETag %s, wrote it with %s", got.Body, got.Header.Get("ETag"), tag)
	}
	// What is kept is what a client with the same key reads.
	raw := w.Do("GET", "/v1/secrets/m.cross_signing.master?raw", notes.Token, nil).Must(200)
	key := storageKey(t, w.Do("POST", "/v1/secret-storage/keys", notes.Token, members{}))
	data, err := secretstorage.ParseSecret(raw.Body, secretstorage.MaxPlaintext)
	if err != nil || len(data.KeyIDs()) != 1 {
		t.Fatalf("%s: %v", raw.Body, err)
	}
	if plain, err := data.Open("m.cross_signing.master", data.KeyIDs()[0], key); err != nil || string(plain) != seed {
		t.Errorf("a client reads %q, %v", plain, err)
	}

	t.Run("gives back every text as it went in", func(t *testing.T) {
		w := w.In(t)
		for i, text := range []string{"x", "\x00\u2028 <&> \" \\ \ufeff\ufffd 😀", long} {
			path := fmt.Sprintf("/v1/secrets/org.example.%d", i)
			w.Do("PUT", path, notes.Token, members{"value": text}).Must(201)
			if got := w.Do("GET", path, notes.Token, nil).Must(200).Text("value"); got != text {
				t.Errorf("%.40q came back as %.40q", text, got)
			}
		}
	})
	t.Run("keeps account data as it came", func(t *testing.T) {
		w := w.In(t)
		mine, err := secretstorage.Seal(key, "org.example.raw", []byte("text"), 99)
		if err != nil {
			t.Fatal(err)
		}
		entry, err := mine.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		account := fmt.Sprintf(`{"org.example.more":[1],"encrypted":{"strange":{"x":1},"mine":%s}}`, entry)
		w.Do("PUT", "/v1/secrets/org.example.raw", notes.Token, members{"raw": json.RawMessage(account)}).Must(201)
		if got := w.Do("GET", "/v1/secrets/org.example.raw?raw", notes.Token, nil).Must(200).Body; string(bytes.TrimSpace(got)) != account {
			t.Errorf("it came back as %s", got)
		}
		if got := w.Do("GET", "/v1/secrets/org.example.raw", notes.Token, nil).Must(200).Text("value"); got != "text" {
			t.Errorf("it holds %q", got)
		}
	})
	t.Run("names are per app", func(t *testing.T) {
		w := w.In(t)
		w.Do("GET", "/v1/secrets/m.cross_signing.master", other.Token, nil).Refused(404, "not_found")
		w.Do("PUT", "/v1/secrets/m.cross_signing.master", other.Token, members{"value": seed}).Must(201)
		w.Do("GET", "/v1/secrets/m.cross_signing.master?app="+notes.DID.Address(), other.Token, nil).Refused(403, "forbidden")
		var page struct {
			Items []struct{ Name, App, ETag string }
		}
		w.Do("GET", "/v1/secrets", other.Token, nil).Must(200).Into(&page)
		if len(page.Items) != 1 || page.Items[0].App != other.DID.String() {
			t.Errorf("the other app has %v", page.Items)
		}
		w.Do("GET", "/v1/secrets", w.Owner, nil).Must(200).Into(&page)
		if len(page.Items) < 5 {
			t.Errorf("the owner sees %v", page.Items)
		}
		w.Do("GET", "/v1/secrets?app="+notes.DID.Address(), w.Owner, nil).Must(200).Into(&page)
		for _, item := range page.Items {
			if item.App != notes.DID.String() {
				t.Errorf("the owner asked for one app and sees %v", item)
			}
		}
	})
	t.Run("an owner's request is its own yes", func(t *testing.T) {
		w := w.In(t)
		w.Rules(members{"app": "*", "claim": "*", "decision": "deny"})
		defer w.Rules(secretsAllowed...)
		of := "?app=" + url.QueryEscape(notes.DID.String())
		w.Do("PUT", "/v1/secrets/owners"+of, w.Owner, members{"value": "x"}).Must(201)
		got := w.Do("GET", "/v1/secrets/owners"+of, w.Owner, nil).Must(200)
		w.Do("GET", "/v1/secrets/owners", w.Owner, nil).Refused(400, "member_invalid")
		sendWith(w, w.Request("DELETE", "/v1/secrets/owners"+of, nil), w.Owner, "If-Match", got.Header.Get("ETag")).Must(204)
		w.Do("GET", "/v1/secrets/owners"+of, w.Owner, nil).Refused(404, "not_found")
		w.Do("GET", "/v1/secrets/owners"+of, w.Operator, nil).Refused(403, "forbidden")
		if record := string(w.Do("GET", w.Path("/audit?limit=200"), w.Owner, nil).Must(200).Body); strings.Count(record, `"claim.own"`) < 3 {
			t.Errorf("it is not on record: %s", record)
		}
	})
}

func TestSecretsAreRefused(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	w.Rules(secretsAllowed...)
	notes, other := w.App("Notes"), w.App("Other")
	foreign := storageKey(t, w.Do("POST", "/v1/secret-storage/keys", other.Token, members{}))
	own := storageKey(t, w.Do("POST", "/v1/secret-storage/keys", notes.Token, members{}))
	sealed := func(key secretstorage.Key, name, text string) json.RawMessage {
		s, err := secretstorage.Seal(key, name, []byte(text), 99)
		if err != nil {
			t.Fatal(err)
		}
		data, err := secretstorage.Secret{}.With("id", s)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := data.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	for _, c := range []struct {
		name, secret string
		body         any
		status       int
		code         string
	}{
		{"no text", "a", members{"value": ""}, 422, "empty_secret"},
		{"a byte over 64 KiB", "a", members{"value": strings.Repeat("x", 64<<10+1)}, 413, "too_large"},
		{"a body over 512 KiB", "a", members{"value": strings.Repeat("x", 512<<10)}, 413, "body_too_large"},
		{"half a character", "a", []byte(`{"value":"\ud800"}`), 422, "not_utf8"},
		{"the other half", "a", []byte(`{"value":"x\uDC00y"}`), 422, "not_utf8"},
		{"a number", "a", members{"value": 7}, 400, "member_invalid"},
		{"neither", "a", members{}, 400, "member_invalid"},
		{"both", "a", members{"value": "x", "raw": sealed(own, "a", "x")}, 400, "member_invalid"},
		{"another member", "a", members{"value": "x", "force": true}, 400, "json_unknown_member"},
		{"a key that is none", "m.cross_signing.master", members{"value": "short"}, 422, "bad_secret"},
		{"a description's name", "m.secret_storage.key.x", members{"value": "x"}, 422, "bad_name"},
		{"the default key's name", "m.secret_storage.default_key", members{"value": "x"}, 422, "bad_name"},
		{"the name of other account data", "m.push_rules", members{"value": "x"}, 422, "bad_name"},
		{"a control character in the name", "a%0Ab", members{"value": "x"}, 422, "bad_name"},
		{"a name that is no UTF-8", "%ff", members{"value": "x"}, 404, "not_found"},
		{"account data under another app's key", "a", members{"raw": sealed(foreign, "a", "x")}, 422, "no_usable_copy"},
		{"account data under another name", "a", members{"raw": sealed(own, "b", "x")}, 422, "no_usable_copy"},
		{"account data that was removed", "a", members{"raw": members{}}, 422, "not_encrypted"},
		{"account data that is not encrypted", "a", members{"raw": members{"value": "x"}}, 422, "not_encrypted"},
		{"account data without copies", "a", members{"raw": members{"encrypted": members{}}}, 422, "no_usable_copy"},
		{"account data that is a text", "a", members{"raw": "x"}, 422, "malformed"},
	} {
		t.Run("refuses "+c.name, func(t *testing.T) {
			w := w.In(t)
			w.Do("PUT", "/v1/secrets/"+c.secret, notes.Token, c.body).Refused(c.status, c.code)
			var page struct{ Items []any }
			w.Do("GET", "/v1/secrets", notes.Token, nil).Must(200).Into(&page)
			if len(page.Items) > 0 {
				t.Error("and keeps something all the same")
			}
		})
	}
	t.Run("takes a name of 4000 bytes", func(t *testing.T) {
		w, path := w.In(t), "/v1/secrets/"+url.PathEscape(strings.Repeat("ü", 1999)+"//")
		w.Do("PUT", path, notes.Token, members{"value": "x"}).Must(201)
		w.Do("GET", path, notes.Token, nil).Must(200)
		w.Do("POST", "/v1/secret-storage/key", notes.Token, members{"name": strings.Repeat("ü", 2000), "keys": members{"x": describe(storageKey(t, w.Do("POST", "/v1/secret-storage/keys", notes.Token, members{})))}}).Must(200)
	})
}

func TestTwoWritersOfOneSecret(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	w.Rules(secretsAllowed...)
	notes := w.App("Notes")
	const path = "/v1/secrets/shared"
	write := func(w *wallettest.Wallet, text string, headers ...string) *wallettest.Response {
		return put(w, notes.Token, path, members{"value": text}, headers...)
	}
	write(w, "x", "If-Match", `"none"`).Refused(412, "precondition_failed")
	first := write(w, "one", "If-None-Match", "*").Must(201).Header.Get("ETag")
	write(w, "x").Refused(412, "precondition_failed")
	write(w, "x", "If-None-Match", "*").Refused(412, "precondition_failed")
	second := write(w, "two", "If-Match", first).Must(200).Header.Get("ETag")
	write(w, "x", "If-Match", first).Refused(412, "precondition_failed")
	write(w, "x", "If-Match", "W/"+second).Refused(412, "precondition_failed")
	if got := w.Do("GET", path, notes.Token, nil).Must(200).Text("value"); got != "two" {
		t.Errorf("it holds %q", got)
	}
	w.Do("DELETE", path, notes.Token, nil).Refused(412, "precondition_failed")
	sendWith(w, w.Request("DELETE", path, nil), notes.Token, "If-Match", first).Refused(412, "precondition_failed")
	sendWith(w, w.Request("DELETE", path, nil), notes.Token, "If-Match", second).Must(204)
	sendWith(w, w.Request("DELETE", path, nil), notes.Token, "If-Match", second).Refused(404, "not_found")

	// Of many who replace the same one at once, one does.
	tag := write(w, "start").Must(201).Header.Get("ETag")
	const n = 8
	answers := make(chan int, n)
	for i := range n {
		go func() {
			r := w.Request("PUT", path, members{"value": fmt.Sprint(i)})
			r.Header.Set("Authorization", "Bearer "+notes.Token)
			r.Header.Set("If-Match", tag)
			answer, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				answers <- 0
				return
			}
			answer.Body.Close()
			answers <- answer.StatusCode
		}()
	}
	count := map[int]int{}
	for range n {
		count[<-answers]++
	}
	if count[200] != 1 || count[412] != n-1 {
		t.Errorf("got %v", count)
	}
}

// RFC 9110, sections 5.6.1, 8.8.3 and 13.1. NOW stands for the ETag of the secret, GONE for one that
// it had.
func TestConditionsAreReadAsTheStandardWritesThem(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	w.Rules(secretsAllowed...)
	notes := w.App("Notes")
	const path = "/v1/secrets/shared"
	gone := put(w, notes.Token, path, members{"value": "one"}).Must(201).Header.Get("ETag")
	now := put(w, notes.Token, path, members{"value": "two"}, "If-Match", gone).Must(200).Header.Get("ETag")
	for _, c := range []struct {
		name            string
		match, unless   []string // fields of If-Match and If-None-Match
		status, missing int      // where there is a secret, and where there is none
	}{
		{"takes the ETag", []string{"NOW"}, nil, 200, 412},
		{"takes one of a list", []string{`GONE, NOW`}, nil, 200, 412},
		{"takes one of a list without blanks, with nothing in places", []string{",GONE,,NOW ,"}, nil, 200, 412},
		{"takes one of two fields", []string{"GONE", "NOW"}, nil, 200, 412},
		{"takes one beside an ETag with a comma", []string{`"a,b", NOW`}, nil, 200, 412},
		{"takes one beside an ETag with a backslash", []string{`"a\", NOW`}, nil, 200, 412},
		{"takes one beside an ETag that is not ASCII", []string{"\"\xe9\", NOW"}, nil, 200, 412},
		{"takes one beside an ETag that is empty", []string{`"", NOW`}, nil, 200, 412},
		{"takes whatever there is", []string{"*"}, nil, 200, 412},
		{"takes another that is named not to be there", []string{"NOW"}, []string{"GONE"}, 200, 412},
		{"takes whatever there is but another", []string{"*"}, []string{"GONE"}, 200, 412},
		{"is refused what was", []string{"GONE"}, nil, 412, 412},
		{"is refused where nothing is named", []string{""}, nil, 412, 412},
		{"makes one where nothing is unwanted", nil, []string{""}, 412, 201},
		{"is refused an ETag that is empty", []string{`""`}, nil, 412, 412},
		{"is refused a weak one", []string{"W/NOW"}, nil, 412, 412},
		{"is refused what is named both ways", []string{"NOW"}, []string{"W/NOW"}, 412, 412},
		{"is refused whatever there is, if there is none", []string{"*"}, []string{"*"}, 412, 412},
		{"makes one where none is wanted", nil, []string{"*"}, 412, 201},
		{"makes one where another is not wanted", nil, []string{"NOW"}, 412, 201},
		{"makes one where several are not wanted", nil, []string{"GONE", `W/"a"`}, 412, 201},
		{"is told of what is no ETag", []string{"none"}, nil, 400, 400},
		{"is told of other quotes", []string{"`a`"}, nil, 400, 400},
		{"is told of a blank", []string{`"a b"`}, nil, 400, 400},
		{"is told of no comma", []string{`NOW GONE`}, nil, 400, 400},
		{"is told of a small w", []string{`w/NOW`}, nil, 400, 400},
		{"is told of a star in a list", []string{`*, NOW`}, nil, 400, 400},
		{"is told of what is no ETag there either", nil, []string{"none"}, 400, 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := w.In(t)
			send := func(method, path string, body any) *wallettest.Response {
				r := w.Request(method, path, body)
				r.Header.Set("Authorization", "Bearer "+notes.Token)
				for name, fields := range map[string][]string{"If-Match": c.match, "If-None-Match": c.unless} {
					for _, field := range fields {
						r.Header[name] = append(r.Header[name], strings.NewReplacer("NOW", now, "GONE", gone).Replace(field))
					}
				}
				return w.Send(r)
			}
			got := send("PUT", path, members{"value": "two"})
			if got.Status == 200 {
				now = got.Header.Get("ETag")
			}
			missing := send("PUT", "/v1/secrets/none", members{"value": "two"})
			if missing.Status == 201 {
				w.Do("DELETE", "/v1/secrets/none?app="+notes.DID.Address(), w.Owner, nil).Refused(412, "precondition_failed")
				sendWith(w, w.Request("DELETE", "/v1/secrets/none", nil), notes.Token, "If-Match", "*").Must(204)
			}
			if got.Status != c.status || missing.Status != c.missing {
				t.Errorf("%d and %d, want %d and %d: %s %s", got.Status, missing.Status, c.status, c.missing, got.Body, missing.Body)
			}
			if c.status >= 400 && len(c.match) > 0 {
				send("DELETE", path, nil).Must(c.status)
			}
		})
	}
}

func TestSecretsAreAskedAbout(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	notes := w.App("Notes")
	canary := "canary-of-a-secret"
	asked := w.Do("PUT", "/v1/secrets/diary", notes.Token, members{"value": canary}).Must(202)
	shown, err := json.Marshal(w.Waiting(asked.Text("code")))
	if err != nil || bytes.Contains(shown, []byte(canary)) || !bytes.Contains(shown, []byte("diary")) {
		t.Errorf("the question shows %s", shown)
	}
	if again := w.Do("PUT", "/v1/secrets/diary", notes.Token, members{"value": canary}).Must(202); again.Text("id") != asked.Text("id") {
		t.Error("the same question is asked twice")
	}
	if another := w.Do("PUT", "/v1/secrets/diary", notes.Token, members{"value": "another"}).Must(202); another.Text("id") == asked.Text("id") {
		t.Error("another value is the same question")
	}
	w.Do("GET", "/v1/secrets/diary", notes.Token, nil).Refused(404, "not_found")
	w.MustApprove(asked.Text("code"))
	kept := notes.Collect(asked.Text("id")).Must(200)
	if again := notes.Collect(asked.Text("id")).Must(200); again.Text("etag") != kept.Text("etag") {
		t.Error("collecting twice writes twice")
	}
	reading := w.Do("GET", "/v1/secrets/diary", notes.Token, nil).Must(202)
	w.MustApprove(reading.Text("code"), members{"remember": members{"until": "withdrawn"}})
	if got := notes.Collect(reading.Text("id")).Must(200); got.Text("value") != canary || got.Header.Get("ETag") != `"`+kept.Text("etag")+`"` {
		t.Errorf("got %s", got.Body)
	}
	w.Do("GET", "/v1/secrets/diary", notes.Token, nil).Must(200)
	// A yes that is remembered is held to the name.
	other := w.Do("PUT", "/v1/secrets/other?app="+notes.DID.Address(), w.Owner, members{"value": "x"}).Must(201)
	w.Do("GET", "/v1/secrets/other", notes.Token, nil).Must(202)
	// What changed while the question waited is not overwritten.
	stale := put(w, notes.Token, "/v1/secrets/other", members{"value": "stale"}, "If-Match", other.Header.Get("ETag")).Must(202)
	put(w, w.Owner, "/v1/secrets/other?app="+notes.DID.Address(), members{"value": "newer"}, "If-Match", other.Header.Get("ETag")).Must(200)
	w.MustApprove(stale.Text("code"))
	notes.Collect(stale.Text("id")).Refused(412, "precondition_failed")

	w.LockKeystore()
	w.Do("GET", "/v1/secrets/diary", notes.Token, nil).Refused(423, "locked")
	w.Do("POST", "/v1/secret-storage/keys", notes.Token, members{}).Refused(423, "locked")
	for _, secret := range []string{canary, kept.Text("value")} {
		if secret != "" && strings.Contains(w.Log.String(), secret) {
			t.Error("the log holds the secret")
		}
	}
}

func TestPagesCallWithTheirToken(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	w.Rules(secretsAllowed...)
	const page = "https://client.example"
	token := w.Do("POST", "/v1/tokens", w.Owner, members{"role": "app", "wallet": w.Address, "name": "client", "origins": []string{page, "http://localhost:5173"}}).Must(201).Text("token")
	none := w.App("Notes").Token
	from := func(w *wallettest.Wallet, origin, method, path, token string, body any, headers ...string) *wallettest.Response {
		r := w.Request(method, path, body)
		r.Header.Set("Origin", origin)
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		return w.Send(r)
	}
	ask := []string{"Access-Control-Request-Method", "PUT", "Access-Control-Request-Headers", "authorization,content-type,if-match"}

	before := from(w, page, "OPTIONS", "/v1/secrets/a", "", nil, ask...).Must(204).Header
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin": page, "Access-Control-Allow-Methods": "GET, POST, PUT, DELETE", "Vary": "Origin",
		"Access-Control-Allow-Headers": "Authorization, Content-Type, DPoP, Idempotency-Key, If-Match, If-None-Match", "Access-Control-Allow-Credentials": "",
	} {
		if got := before.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	got := from(w, page, "PUT", "/v1/secrets/a", token, members{"value": "x"}).Must(201)
	if got.Header.Get("Access-Control-Allow-Origin") != page || got.Header.Get("Access-Control-Expose-Headers") != "Date, DPoP-Nonce, ETag, Location, Retry-After, WWW-Authenticate" {
		t.Errorf("the page cannot read the answer: %v", got.Header)
	}
	for _, same := range []string{"https://CLIENT.example", "HTTPS://client.example", "https://client.example:443"} {
		if got := from(w, same, "GET", "/v1/secrets/a", token, nil).Must(200).Header.Get("Access-Control-Allow-Origin"); got != same {
			t.Errorf("Access-Control-Allow-Origin is %q, want %q", got, same)
		}
	}
	w.Do("POST", "/v1/tokens", w.Owner, members{"role": "app", "wallet": w.Address, "name": "x", "origins": []string{"https://Other.Example:443"}}).Must(201)
	from(w, "http://localhost:5173", "POST", "/v1/secret-storage/keys", token, members{}).Must(200)
	from(w, page, "GET", "/v1/secrets/none", token, nil).Refused(404, "not_found")
	if refused := from(w, page, "GET", "/v1/secrets/a", "", nil).Refused(401, "unauthorized"); refused.Header.Get("Access-Control-Allow-Origin") != page {
		t.Error("the page cannot read why it is refused")
	}
	for _, c := range []struct {
		name, origin, method, path, token, code string
	}{
		{"an origin nobody lists", "https://evil.example", "GET", "/v1/secrets/a", token, "forbidden"},
		{"null", "null", "GET", "/v1/secrets/a", token, "forbidden"},
		{"another scheme", "http://client.example", "GET", "/v1/secrets/a", token, "forbidden"},
		{"a wildcard of the database's", "https://client_example", "GET", "/v1/secrets/a", token, "forbidden"},
		{"a token that does not list it", page, "GET", "/v1/secrets/a", none, "origin_refused"},
		{"an owner's token", page, "GET", "/v1/secrets", w.Owner, "forbidden"},
		{"what is not for apps", page, "POST", "/v1/keystore/lock", w.Operator, "forbidden"},
	} {
		t.Run("refuses "+c.name, func(t *testing.T) {
			var body any
			if c.method == "POST" {
				body = members{}
			}
			from(w.In(t), c.origin, c.method, c.path, c.token, body).Refused(403, c.code)
		})
	}
	t.Run("tells no other page beforehand", func(t *testing.T) {
		for _, c := range [][2]string{{"https://evil.example", "/v1/secrets/a"}, {page, "/v1/approvals"}, {page, "/v1/secretsx"}} {
			got := from(w, c[0], "OPTIONS", c[1], "", nil, ask...)
			if got.Status < 400 || got.Header.Get("Access-Control-Allow-Methods") != "" {
				t.Errorf("%v: %d %v", c, got.Status, got.Header)
			}
		}
	})
	t.Run("no more once the token is revoked", func(t *testing.T) {
		w.Do("DELETE", "/v1/tokens/"+strings.Split(token, "_")[2], w.Owner, nil).Must(204)
		from(w, page, "OPTIONS", "/v1/secrets/a", "", nil, ask...).Refused(403, "forbidden")
	})
	for _, bad := range []any{[]string{"*"}, []string{"https://a.example/"}, []int{1}, "https://a.example", make([]string, 9)} {
		w.Do("POST", "/v1/tokens", w.Owner, members{"role": "app", "wallet": w.Address, "name": "x", "origins": bad}).Refused(400, "member_invalid")
	}
	w.Do("POST", "/v1/tokens", w.Owner, members{"role": "owner", "wallet": w.Address, "name": "x", "origins": []string{page}}).Refused(400, "member_invalid")
}

func TestSecretsOnTheListenerOfApps(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t, wallettest.Config(func(c *server.Config) { c.Apps = true }))
	w.Rules(secretsAllowed...)
	notes := w.App("Notes")
	w.Do("GET", "/v1/secrets", notes.Token, nil).Refused(403, "forbidden")
	w.Do("GET", "/v1/secrets", w.Owner, nil).Must(200)
}
