package interop_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// roomKeys is for a person whose devices are gone: what the homeserver keeps, as files, and the wallet
// give a file that any client imports. The SDK's own export goes into a backup again.
func (m matrix) roomKeys(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, content any) string {
		t.Helper()
		raw, err := json.Marshal(content)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	m.mu.Lock()
	data := map[string]any{}
	for name, d := range m.accountData {
		data[name] = d.content
	}
	account, version, keys := file("account.json", data), file("version.json", m.backup), file("keys.json", object{"rooms": m.rooms})
	m.mu.Unlock()
	passphrase := filepath.Join(dir, "passphrase")
	if err := os.WriteFile(passphrase, []byte("for the file of room keys"), 0o600); err != nil {
		t.Fatal(err)
	}
	exported := filepath.Join(dir, "room-keys.txt")
	m.owner(t, "matrix", "room-keys", "export", "--app", m.App, "--account-data", account, "--backup-version", version, "--keys", keys,
		"--passphrase-file", passphrase, "--out", exported)
	read := m.readRoomKeys(t, exported)
	if len(read.Keys) == 0 || read.Imported != len(read.Keys) || read.Keys[0].Room != room {
		t.Fatalf("the SDK read %+v", read)
	}

	// What the SDK exports is sealed for the backup, and opened from it again.
	theirs := filepath.Join(dir, "theirs.txt")
	if err := os.WriteFile(theirs, []byte(read.File), 0o600); err != nil {
		t.Fatal(err)
	}
	again := filepath.Join(dir, "again.json")
	m.owner(t, "matrix", "room-keys", "seal", "--backup-version", version, "--passphrase-file", passphrase, "--out", again, theirs)
	exported = filepath.Join(dir, "again.txt")
	m.owner(t, "matrix", "room-keys", "export", "--app", m.App, "--account-data", account, "--backup-version", version, "--keys", again,
		"--passphrase-file", passphrase, "--out", exported)
	if got := m.readRoomKeys(t, exported); len(got.Keys) != len(read.Keys) || got.Imported != read.Imported {
		t.Errorf("of the backup sealed here the SDK read %+v, before %+v", got.Keys, read.Keys)
	}
}

type readRoomKeys struct {
	OK       bool
	Keys     []struct{ Room, Session string }
	Imported int
	File     string
}

func (m matrix) readRoomKeys(t *testing.T, path string) readRoomKeys {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return talk[readRoomKeys](t, m.peers, filepath.Join("matrix", "read-room-keys.mjs"), input{"file": string(text), "passphrase": "for the file of room keys"}, nil)
}

// owner runs a command with the owner's token.
func (m matrix) owner(t *testing.T, args ...string) {
	t.Helper()
	if out, err := m.command("owner", args...).CombinedOutput(); err != nil {
		t.Fatalf("walletd %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}
