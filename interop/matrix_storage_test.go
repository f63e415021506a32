package interop_test

import (
	"maps"
	"path/filepath"
	"strings"
	"testing"
)

// TestMatrixStorage is secret storage of matrix-js-sdk alone: keys that were replaced, accounts that
// share a token, and wallets that have nothing but their words.
func TestMatrixStorage(t *testing.T) {
	p := installMatrix(t)
	s := newService(t, build(t), "--data", filepath.Join(t.TempDir(), "data"))

	t.Run("opens the copy under the account's default key, where the Rust SDK left an older one", func(t *testing.T) {
		m := matrix{s, newHomeserver(t, alice, "ONLY"), p, s.newApp(t, "Matrix client", ""), map[string]string{}}
		got, _ := m.device(t, "moved-key.mjs", "ONLY", nil, m.approve)
		if !got.OK || got.Message != "new" {
			t.Errorf("outcome %+v", got)
		}
	})
	t.Run("has a key for each of two accounts with one token", func(t *testing.T) { twoAccounts(t, s, p) })
	t.Run("is opened with a key that another client made, once that is brought in", func(t *testing.T) { foreignKey(t, s, p) })
	t.Run("is recovered by one version of the SDK from another", func(t *testing.T) {
		m := matrix{s, newHomeserver(t, alice, "OLDEST", "OLDER", "NEWEST"), p, s.newApp(t, "Versions", ""), map[string]string{}}
		first, _ := m.device(t, "first-device.mjs", "OLDEST", input{"userId": alice, "sdk": "matrix-js-sdk-34"}, m.approve)
		if !first.OK || first.PrivateKeys != 3 || !first.Verified {
			t.Fatalf("34: %+v", first)
		}
		for name, sdk := range map[string]string{"OLDER": "matrix-js-sdk-38", "NEWEST": "matrix-js-sdk"} {
			got, asked := m.device(t, "second-device.mjs", name, input{"userId": alice, "sdk": sdk}, m.approve)
			if !got.OK || got.Message != message || !got.Verified || got.PrivateKeys != 3 || asked != 1 {
				t.Errorf("%s: asked %d times; %+v", sdk, asked, got)
			}
		}
	})
	t.Run("is Element's, which asks its module synchronously", func(t *testing.T) {
		m := matrix{s, newHomeserver(t, alice, "FIRST", "SECOND", "THIRD"), p, s.newApp(t, "Element", ""), map[string]string{}}
		if got, asked := m.device(t, "element.mjs", "FIRST", input{"store": "of Element"}, m.approve); !got.OK || got.Message != "of Element" || asked != 1 {
			t.Fatalf("a new storage: asked %d times; %+v", asked, got)
		}
		if got, asked := m.device(t, "element.mjs", "SECOND", nil, m.approve); !got.OK || got.Message != "of Element" || asked != 1 {
			t.Errorf("a new session: asked %d times; %+v", asked, got)
		}
		if got, _ := m.device(t, "element.mjs", "THIRD", nil, m.reject); got.OK || !strings.Contains(got.Error, "getSecretStorageKey callback returned falsey") {
			t.Errorf("after a no: %+v", got)
		}
	})
	t.Run("lives on from the wallet's words alone", func(t *testing.T) { wordsAlone(t, s, p) })
}

// twoAccounts is one client that is signed in to two accounts, of which a hostile homeserver has both.
func twoAccounts(t *testing.T, s *service, p peers) {
	const bob = "@bob:hs.example"
	client := s.newApp(t, "Client of two", "")
	as := func(user string) matrix {
		return matrix{s, newHomeserver(t, user, "ONE"), p, client, map[string]string{"ONE": client.Token}}
	}
	a, b := as(alice), as(bob)
	for _, m := range []matrix{a, b} {
		got, _ := m.device(t, "storage.mjs", "ONE", input{"userId": m.homeserver.user, "store": "of " + m.homeserver.user}, m.approve)
		if got.Message != "of "+m.homeserver.user {
			t.Fatalf("%s: outcome %+v", m.homeserver.user, got)
		}
	}
	read := func(m matrix, more input) (string, string) {
		got, _ := m.device(t, "storage.mjs", "ONE", more, m.approve)
		return got.Message, got.Error
	}
	if got, err := read(a, input{"userId": alice}); got != "of "+alice {
		t.Errorf("alice reads %q: %s", got, err)
	}
	// All that is bob's comes to alice's device as hers.
	b.mu.Lock()
	theirs := maps.Clone(b.accountData)
	b.mu.Unlock()
	a.mu.Lock()
	a.accountData = theirs
	a.mu.Unlock()
	if got, err := read(a, input{"userId": alice}); got != "" || !strings.Contains(err, "getSecretStorageKey callback returned falsey") {
		t.Errorf("alice reads what is bob's: %q, %s", got, err)
	}
	if got, err := read(a, nil); got != "of "+bob { // an app that does not say whose it is cannot be helped
		t.Errorf("without a user: %q: %s", got, err)
	}

	// A storage from before goes on with its key when the client begins to name its user.
	old := matrix{s, newHomeserver(t, "@carol:hs.example", "ONE"), p, client, map[string]string{"ONE": client.Token}}
	if got, _ := old.device(t, "storage.mjs", "ONE", input{"store": "from before"}, old.approve); got.Message != "from before" {
		t.Fatalf("before: %+v", got)
	}
	if got, err := read(old, input{"userId": "@carol:hs.example"}); got != "from before" {
		t.Errorf("after: %q: %s", got, err)
	}
}

// wordsAlone is an account whose wallet was lost with its store and its backups: all that is left is the words, on paper,
// and what the homeserver keeps.
func wordsAlone(t *testing.T, s *service, p peers) {
	homeserver := newHomeserver(t, alice, "FIRST", "SECOND", "THIRD", "FOURTH")
	before := matrix{s, homeserver, p, s.newApp(t, "Before", ""), map[string]string{}}
	first, _ := before.device(t, "first-device.mjs", "FIRST", input{"userId": alice}, before.approve)
	if !first.OK {
		t.Fatalf("before: %+v", first)
	}
	lost := newService(t, s.bin, "--data", filepath.Join(t.TempDir(), "data"))
	recovers := func(m matrix, device string, decide func(*testing.T, pending), times int) {
		t.Helper()
		got, asked := m.device(t, "second-device.mjs", device, input{"userId": alice}, decide)
		if !got.OK || got.Message != message || !got.Verified || got.PrivateKeys != 3 || got.Total != 1 || asked != times {
			t.Errorf("asked %d times; outcome %+v", asked, got)
		}
	}
	// A new token, made without --app, which no rule helps.
	after := matrix{lost, homeserver, p, lost.newApp(t, "After", ""), map[string]string{}}
	lost.rules(t, "*", "*")
	recovers(after, "SECOND", func(t *testing.T, waits pending) {
		seen := said[struct{ Claims []struct{ Unusual []string } }](t, lost, "owner", "approvals", "show", waits.Pending)
		if text := strings.Join(seen.Claims[0].Unusual, " "); !strings.Contains(text, "made by another app, "+before.App) {
			t.Errorf("the person reads %q", text)
		}
		after.approve(t, waits)
	}, 1)
	// A token for the same app as before is what it was: rules decide about its own key.
	same := matrix{lost, homeserver, p, lost.newApp(t, "Same", before.App), map[string]string{}}
	recovers(same, "THIRD", nil, 0)
	// Now that the wallet knows that app, its keys are no other's.
	other := matrix{lost, homeserver, p, lost.newApp(t, "Other", ""), map[string]string{}}
	if got, _ := other.device(t, "second-device.mjs", "FOURTH", input{"userId": alice}, nil); got.OK || !strings.Contains(got.Error, "getSecretStorageKey callback returned falsey") {
		t.Errorf("another app: %+v", got)
	}
}

// foreignKey is an account that somebody has already: its recovery key, or its passphrase, is brought into the wallet, and
// nothing of the account changes.
func foreignKey(t *testing.T, s *service, p peers) {
	for i, form := range []string{"recovery key", "passphrase"} {
		m := matrix{s, newHomeserver(t, alice, "ELSEWHERE", "NEW"), p, s.newApp(t, "Client "+form, ""), map[string]string{}}
		made, _ := m.device(t, "foreign-key.mjs", "ELSEWHERE", input{"passphrase": "correct horse"}, nil)
		if !made.OK {
			t.Fatalf("%s: outcome %+v", form, made)
		}
		if got, _ := m.device(t, "foreign-key.mjs", "NEW", input{"read": true}, nil); got.OK {
			t.Errorf("%s: it is opened before: %+v", form, got)
		}
		s.write(t, "description.json", made.Description)
		s.write(t, "key", []string{made.RecoveryKey, "correct horse"}[i])
		m.owner(t, "secret", "import-key", "--app", m.App, "--key-file", s.file("key"), made.KeyID, s.file("description.json"))
		got, asked := m.device(t, "foreign-key.mjs", "NEW", input{"read": true}, m.approve)
		if !got.OK || got.Message != "from elsewhere" || got.KeyID != made.KeyID || got.Description != made.Description || asked != 1 {
			t.Errorf("%s: asked %d times; outcome %+v", form, asked, got)
		}
	}
}
