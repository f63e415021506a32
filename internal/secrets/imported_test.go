package secrets_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"walletd/internal/consent"
	"walletd/internal/did"
	"walletd/internal/ledger"
	"walletd/internal/policy"
	"walletd/internal/secret"
	"walletd/internal/secrets"
	"walletd/internal/secretstorage"
	"walletd/internal/wallettest/fixture"
	"walletd/internal/wallettest/matrix"
)

// elsewhere is a key that another client made, as its account describes it.
func elsewhere(t *testing.T, fill byte) (secretstorage.Key, json.RawMessage) {
	t.Helper()
	key, err := secretstorage.NewKey(bytes.Repeat([]byte{fill}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return key, matrix.Description(key.Reveal(), "Element")
}

func recoveryKey(key secretstorage.Key) secrets.ImportedKey {
	return secrets.ImportedKey{RecoveryKey: secret.New(key.RecoveryKey())}
}

func importKey(t *testing.T, f *fixture.Fixture, token, id string, description json.RawMessage, i secrets.ImportedKey) error {
	t.Helper()
	return f.Secrets.ImportKey(t.Context(), f.As(token), did.DID{}, id, description, i)
}

func rowsOfKeys(t *testing.T, f *fixture.Fixture) int {
	t.Helper()
	rows, err := f.Store.WalletSecretKeys(t.Context(), f.Wallet, nil)
	if err != nil {
		t.Fatal(err)
	}
	return len(rows)
}

func TestAKeyFromElsewhereIsAnsweredLikeOneOfOurs(t *testing.T) {
	f := fixture.New(t)
	app := f.AppToken(matrixApp)
	key, description := elsewhere(t, 7)
	if _, err := find(t, f, app, secrets.Question{}, description); !errors.Is(err, secrets.ErrNoKey) {
		t.Fatalf("before: %v", err)
	}
	for range 2 { // the second time changes nothing
		if err := importKey(t, f, app, "theirs", description, recoveryKey(key)); err != nil {
			t.Fatal(err)
		}
	}
	if kinds := strings.Join(f.EventKinds(), " "); strings.Count(kinds, "secretkey.imported") != 1 || rowsOfKeys(t, f) != 1 {
		t.Errorf("recorded %s; %d keys", kinds, rowsOfKeys(t, f))
	}
	out, err := find(t, f, app, secrets.Question{}, description)
	if err != nil || out.Pending == nil {
		t.Fatalf("the person is not asked: %v, %v", out, err)
	}
	got := f.ApproveAndCollect(app, out.Pending.ID)
	if found := fixture.StorageKey(t, fixture.OwnRouteBody(t, got, nil)["key"]); !found.Equal(key.Bytes) {
		t.Error("it is another key")
	}
	f.SetPolicy(fixture.AllowSecrets()...)
	out, err = find(t, f, app, secrets.Question{}, description)
	fixture.OwnRouteBody(t, out, err)
	// An id that was noted answers for a description that has lost its check.
	out, err = f.Secrets.FindKey(t.Context(), f.As(app), did.DID{}, secrets.Question{Keys: json.RawMessage(`{"theirs":{"algorithm":"m.secret_storage.v1.aes-hmac-sha2"}}`)})
	fixture.OwnRouteBody(t, out, err)
	if _, err := find(t, f, f.AppToken(fixture.NewPeer(t, 3).DID.String()), secrets.Question{}, description); !errors.Is(err, secrets.ErrNoKey) {
		t.Errorf("another app: %v", err)
	}

	rows, err := f.Store.WalletSecretKeys(t.Context(), f.Wallet, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if bytes.Contains(row.Sealed, key.Reveal()) || bytes.Contains(row.Sealed, key.Value()) {
			t.Error("the row holds the key in clear")
		}
	}
}

func TestAPassphraseFromElsewhere(t *testing.T) {
	f := fixture.New(t)
	f.SetPolicy(fixture.AllowSecrets()...)
	app := f.AppToken(matrixApp)
	info := secretstorage.PassphraseInfo{Salt: "NaCl", Iterations: 1000}
	key, err := info.DeriveKey([]byte("correct horse"))
	if err != nil {
		t.Fatal(err)
	}
	passphrase := `{"passphrase":{"algorithm":"m.pbkdf2","salt":"NaCl","iterations":1000},`
	description := json.RawMessage(strings.Replace(string(matrix.Description(key.Reveal(), "")), "{", passphrase, 1))
	if err := importKey(t, f, app, "id", description, secrets.ImportedKey{Passphrase: secret.New([]byte("correct horse "))}); did.CodeOf(err) != "no_match" {
		t.Errorf("a wrong one: %v", err)
	}
	if err := importKey(t, f, app, "id", description, secrets.ImportedKey{Passphrase: secret.New([]byte("correct horse"))}); err != nil {
		t.Fatal(err)
	}
	out, err := find(t, f, app, secrets.Question{}, description)
	if found := fixture.StorageKey(t, fixture.OwnRouteBody(t, out, err)["key"]); !found.Equal(key.Bytes) {
		t.Error("it is another key")
	}
}

func TestAKeyThatDoesNotFitIsNotImported(t *testing.T) {
	f := fixture.New(t)
	app := f.AppToken(matrixApp)
	key, description := elsewhere(t, 7)
	other, _ := elsewhere(t, 8)
	text := func(s string) secrets.ImportedKey {
		return secrets.ImportedKey{RecoveryKey: secret.New([]byte(s))}
	}
	phrase := secrets.ImportedKey{Passphrase: secret.New([]byte("x"))}
	for i, c := range []struct {
		description string
		given       secrets.ImportedKey
		code        string
	}{
		{string(description), recoveryKey(other), "no_match"},
		{`{"algorithm":"m.secret_storage.v1.aes-hmac-sha2"}`, recoveryKey(key), "no_match"},
		{`{}`, recoveryKey(key), "unknown_algorithm"},
		{string(description), text("0"), "bad_base58"},
		{string(description), text("EsTc"), "bad_length"},
		{string(description), phrase, "bad_passphrase_info"},
		{strings.Replace(string(description), "{", `{"passphrase":{"algorithm":"m.pbkdf2","salt":"s","iterations":2000000000},`, 1), phrase, "bad_passphrase_info"},
	} {
		if err := importKey(t, f, app, "id", json.RawMessage(c.description), c.given); did.CodeOf(err) != c.code {
			t.Errorf("case %d: %v, want %s", i, err, c.code)
		}
	}
	both := recoveryKey(key)
	both.Passphrase = phrase.Passphrase
	for _, given := range []secrets.ImportedKey{{}, both} {
		if err := importKey(t, f, app, "id", description, given); err == nil {
			t.Error("two texts, or none, are taken")
		}
	}
	f.SetPolicy(policy.Rule{App: policy.Any, Claim: "secretStorageKey", Decision: policy.Deny})
	fixture.WantErr(t, importKey(t, f, app, "id", description, recoveryKey(key)), consent.ErrDenied)
	if n := rowsOfKeys(t, f); n != 0 {
		t.Errorf("%d keys are kept", n)
	}
}

func TestAKeyFromElsewhereIsOfItsUserAndUnderOneID(t *testing.T) {
	f := fixture.New(t)
	f.SetPolicy(fixture.AllowSecrets()...)
	app := f.AppToken(matrixApp)
	const alice, bob = "@alice:example.org", "@bob:example.org"
	key, description := elsewhere(t, 7)
	second, otherDescription := elsewhere(t, 8)
	ofAlice := recoveryKey(key)
	ofAlice.User = alice
	if err := importKey(t, f, app, "id", description, ofAlice); err != nil {
		t.Fatal(err)
	}
	if _, err := find(t, f, app, secrets.Question{User: bob}, description); !errors.Is(err, secrets.ErrNoKey) {
		t.Errorf("bob: %v", err)
	}
	out, err := find(t, f, app, secrets.Question{User: alice}, description)
	fixture.OwnRouteBody(t, out, err)
	if err := importKey(t, f, app, "id", otherDescription, recoveryKey(second)); err != nil { // the id moves
		t.Fatal(err)
	}
	out, err = f.Secrets.FindKey(t.Context(), f.As(app), did.DID{}, secrets.Question{Keys: json.RawMessage(`{"id":{"algorithm":"m.secret_storage.v1.aes-hmac-sha2"}}`)})
	if found := fixture.StorageKey(t, fixture.OwnRouteBody(t, out, err)["key"]); !found.Equal(second.Bytes) {
		t.Error("the id is that of the first key still")
	}
	// A key of the wallet's own is not kept twice.
	own, name := f.StorageKeyOf(app, "own"), "own"
	before := rowsOfKeys(t, f)
	if err := importKey(t, f, app, name, matrix.Description(own.Reveal(), ""), recoveryKey(own)); err != nil || rowsOfKeys(t, f) != before {
		t.Errorf("%v; %d keys, before %d", err, rowsOfKeys(t, f), before)
	}
	// Nothing is derived for the salt that it is known by.
	list, err := f.Store.SecretKeys(t.Context(), f.Wallet, matrixApp)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := f.Wallets.AuditEntries(t.Context(), f.As(f.Owner), 0, 200)
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for _, entry := range entries {
		if entry.Kind != "secretkey.imported" {
			continue
		}
		var e ledger.Event
		if err := json.Unmarshal(entry.Entry, &e); err != nil {
			t.Fatal(err)
		}
		salt := "0x" + *e.Claims[0].Salt
		if _, err := f.MakeKey(app, &salt); did.CodeOf(err) == "salt_mismatch" {
			refused++
		}
	}
	if refused != 2 || len(list) != 3 {
		t.Errorf("%d are refused, of %d keys", refused, len(list))
	}
}
