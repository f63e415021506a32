package secretstorage

import (
	"crypto/ed25519"
	"encoding/json"
	"strings"
	"testing"
)

// capture is what a real homeserver held after a real session.
type capture struct {
	UserID string `json:"user_id"`
	Wallet struct {
		KeysHex map[string]string `json:"keys_hex"`
	}
	AccountData        map[string]json.RawMessage `json:"account_data"`
	Secrets            map[string]string
	CrossSigningPublic map[string]string `json:"cross_signing_public"`
	Backup             struct {
		Info  json.RawMessage
		Rooms map[string]map[string]struct {
			SessionData json.RawMessage `json:"session_data"`
			Plaintext   string
		}
	}
}

func TestCaptureOpensWithTheWalletsKeys(t *testing.T) {
	c := loadVectors[capture](t, "e2e-capture.json")
	if len(c.Secrets) < 5 || len(c.Wallet.KeysHex) < 2 || len(c.Backup.Rooms) == 0 {
		t.Fatal("the capture has lost something")
	}
	keys := map[string]Key{}
	for id, text := range c.Wallet.KeysHex {
		keys[id] = mustKey(t, text)
	}
	for id := range keys {
		d, err := ParseDescription(c.AccountData[keyEvent+id])
		if err != nil {
			t.Fatal(err)
		}
		for other, key := range keys {
			if got, want := d.Check(key) == Match, id == other; got != want {
				t.Errorf("key %s for %s: match is %t", other, id, got)
			}
		}
	}
	for name, want := range c.Secrets {
		secret, err := ParseSecret(c.AccountData[name], MaxPlaintext)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		ids := secret.KeyIDs()
		if len(ids) != 1 {
			t.Fatalf("%s has copies under %q", name, ids)
		}
		if got, err := secret.Open(name, ids[0], keys[ids[0]]); err != nil || string(got) != want {
			t.Errorf("%s opens to %q, %v", name, got, err)
		}
		for id, key := range keys {
			if id != ids[0] {
				_, err := secret.Open(name, ids[0], key)
				wantCode(t, err, "bad_mac")
				_, err = secret.Open(name, id, key)
				wantCode(t, err, "no_usable_copy")
			}
		}
	}
}

func TestCaptureSeedsAreOfThePublishedKeys(t *testing.T) {
	c := loadVectors[capture](t, "e2e-capture.json")
	for kind, public := range c.CrossSigningPublic {
		seed, err := ParseValue([]byte(c.Secrets["m.cross_signing."+kind]))
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		got := ed25519.NewKeyFromSeed(seed.Reveal()).Public().(ed25519.PublicKey)
		if string(unpaddedBase64(got)) != public {
			t.Errorf("%s: the seed's public key is %s", kind, unpaddedBase64(got))
		}
	}
	if len(c.CrossSigningPublic) != 3 {
		t.Errorf("%d published keys", len(c.CrossSigningPublic))
	}
}

func TestCaptureBackup(t *testing.T) {
	c := loadVectors[capture](t, "e2e-capture.json")
	key, err := ParseBackupKey([]byte(c.Secrets[NameBackup]))
	if err != nil {
		t.Fatal(err)
	}
	backup, err := ParseBackup(c.Backup.Info)
	if err != nil {
		t.Fatal(err)
	}
	if err := backup.Fits(key); err != nil {
		t.Error(err)
	}
	wantCode(t, backup.Fits(mustBackupKey(t, strings.Repeat("a5", KeySize))), "no_match")
	wantCode(t, backup.Fits(BackupKey{}), "bad_key")

	for _, sessions := range c.Backup.Rooms {
		for _, session := range sessions {
			if got, err := openSession(key, session.SessionData); err != nil || string(got) != session.Plaintext {
				t.Errorf("a session opens to %q, %v", got, err)
			}
		}
	}
}
