package interop_test

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"walletd/internal/derive"
)

// TestMatrixOpensABackup is a wallet's backup, opened by matrix-js-sdk's own code with the key that
// the words give.
func TestMatrixOpensABackup(t *testing.T) {
	p := installMatrix(t)
	s := newService(t, build(t), "--data", filepath.Join(t.TempDir(), "data"))
	a := s.newApp(t, "Notes", "")
	s.write(t, "secret", "hunter2")
	said[json.RawMessage](t, s, "owner", "secret", "put", "--app", a.App, "--value-file", s.file("secret"), "com.example.note")
	file := filepath.Join(t.TempDir(), "backup.json")
	made := said[struct {
		Wallet, SHA256   string
		Secrets, Entries int
	}](t, s, "owner", "backup", "create", "--out", file)

	w, err := derive.ParseWords([]byte(words))
	if err != nil {
		t.Fatal(err)
	}
	key := derive.EncryptionKey(w.Seed().Reveal(), []byte("walletd/backup/v1"), 1)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	opened := talk[struct {
		OK               bool
		Wallet, Digest   string
		Secrets, Entries int
	}](t, p, filepath.Join("matrix", "open-backup.mjs"), input{
		"backup": json.RawMessage(text), "name": "walletd.backup.v1", "key": base64.StdEncoding.EncodeToString(key[:]),
	}, nil)
	if !opened.OK || opened.Wallet != s.wallet || opened.Digest != made.SHA256 || opened.Secrets != 1 || made.Secrets != 1 || opened.Entries != made.Entries {
		t.Errorf("opened %+v, made %+v", opened, made)
	}
}
