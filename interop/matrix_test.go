package interop_test

import (
	"encoding/base64"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// matrixOutcome is the last line of a Matrix client.
type matrixOutcome struct {
	OK                                    bool
	Code, Error                           string
	Calls                                 []string
	KeyID                                 string
	CrossSigning, SecretStorage, Verified bool
	PrivateKeys                           int
	Backup                                string
	Unreadable                            bool
	Total                                 int
	Message                               string
	Shared                                bool
	Description, RecoveryKey              string
}

// matrix is one user's devices, which have nothing in common but the wallet.
type matrix struct {
	*service
	*homeserver
	peers
	app
	tokens map[string]string // of devices
}

const alice = "@alice:hs.example"

const message = "what only alice may read"

// device runs a program as a device of the user, with a token of its own, and returns what it
// said and how often the person was asked; decide is nil if that must not be.
func (m matrix) device(t *testing.T, program, name string, more input, decide func(*testing.T, pending)) (matrixOutcome, int) {
	t.Helper()
	if m.tokens[name] == "" {
		m.tokens[name] = m.newApp(t, name, m.App).Token
	}
	walletd := input{"url": m.service.url, "token": m.tokens[name]}
	for option, value := range more {
		walletd[option] = value
	}
	asked := 0
	in := input{"homeserver": m.homeserver.url, "user": m.homeserver.user, "device": name, "room": room, "message": message, "walletd": walletd}
	counted := decide
	if decide != nil {
		counted = func(t *testing.T, p pending) {
			asked++
			decide(t, p)
		}
	}
	return talk[matrixOutcome](t, m.peers, filepath.Join("matrix", program), in, counted), asked
}

// TestMatrix is matrix-js-sdk with its Rust crypto, unchanged, with callbacks of walletd-matrix.
func TestMatrix(t *testing.T) {
	p := installMatrix(t)
	s := newService(t, build(t), "--data", filepath.Join(t.TempDir(), "data"))
	m := matrix{s, newHomeserver(t, alice, "FIRST", "SECOND", "THIRD", "STRANGER", "OLD", "OLDER"), p, s.newApp(t, "Matrix client", ""), map[string]string{}}

	t.Run("sets up a first device, with one yes", func(t *testing.T) {
		got, asked := m.device(t, "first-device.mjs", "FIRST", nil, m.approve)
		want := matrixOutcome{
			OK: true, KeyID: got.KeyID, CrossSigning: true, SecretStorage: true, Verified: true, PrivateKeys: 3, Backup: "1",
			Calls: []string{
				"createSecretStorageKey", "cacheSecretStorageKey", "getSecretStorageKey m.cross_signing.master",
				"getSecretStorageKey m.cross_signing.user_signing", "getSecretStorageKey m.cross_signing.self_signing",
				"getSecretStorageKey m.megolm_backup.v1",
			},
		}
		if diff := cmp.Diff(want, got); diff != "" || asked != 1 {
			t.Errorf("asked %d times; outcome (-want +got):\n%s", asked, diff)
		}
	})
	t.Run("gives a second device its keys back, with one yes", func(t *testing.T) {
		got, asked := m.device(t, "second-device.mjs", "SECOND", nil, m.approve)
		want := matrixOutcome{
			OK: true, CrossSigning: true, SecretStorage: true, Verified: true, PrivateKeys: 3, Backup: "1",
			Unreadable: true, Total: 1, Message: message,
			Calls: []string{
				"getSecretStorageKey m.cross_signing.master", "getSecretStorageKey m.cross_signing.self_signing",
				"getSecretStorageKey m.cross_signing.user_signing", "getSecretStorageKey m.megolm_backup.v1",
			},
		}
		if diff := cmp.Diff(want, got); diff != "" || asked != 1 {
			t.Errorf("asked %d times; outcome (-want +got):\n%s", asked, diff)
		}
	})
	t.Run("gives the room keys of a backup to a client that imports them", m.roomKeys)
	t.Run("gives the homeserver nothing that opens it", m.sealed)
	t.Run("serves the last SDK with the old crypto, with the old callbacks too", func(t *testing.T) {
		in := input{
			"homeserver": m.homeserver.url, "user": alice, "devices": []string{"OLD", "OLDER"},
			"walletd": input{"url": s.url, "token": m.newApp(t, "OLD", m.App).Token},
		}
		got := talk[matrixOutcome](t, p, "matrix/old-devices.mjs", in, s.approve)
		want := matrixOutcome{OK: true, Verified: true, Shared: true, Calls: []string{"getCrossSigningKey", "onSecretRequested"}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("outcome (-want +got):\n%s", diff)
		}
	})
	t.Run("gives an app nothing that another one set up", func(t *testing.T) {
		other := m
		other.app = m.newApp(t, "Another client", "")
		got, _ := other.device(t, "second-device.mjs", "STRANGER", nil, nil)
		if got.OK || !strings.Contains(got.Error, "getSecretStorageKey callback returned falsey") {
			t.Errorf("outcome %+v", got)
		}
	})
	for _, c := range []struct {
		name       string
		more       input
		decide     func(*testing.T, pending)
		code, says string
	}{
		{"says that nobody decided in the app's time", input{"limit": 500}, func(*testing.T, pending) {}, "timeout", "nobody decided"},
		{"gives nothing when the person says no", nil, m.reject, "", "getSecretStorageKey callback returned falsey"},
		{"does not ask again for a while after a no", nil, nil, "", "getSecretStorageKey callback returned falsey"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, _ := m.device(t, "second-device.mjs", "THIRD", c.more, c.decide)
			if got.OK || got.Code != c.code || !strings.Contains(got.Error, c.says) {
				t.Errorf("outcome %+v", got)
			}
		})
	}
	t.Run("says that the wallet is locked", func(t *testing.T) {
		said[struct{}](t, s, "operator", "keystore", "lock")
		got, _ := m.device(t, "second-device.mjs", "THIRD", nil, nil)
		if got.OK || got.Code != "locked" {
			t.Errorf("outcome %+v", got)
		}
	})
	// One that is not of today's specification, which the SDK does without.
	for _, request := range m.unknown {
		if !strings.HasPrefix(request, "GET /_matrix/client/unstable/org.matrix.msc4143/") {
			t.Errorf("the homeserver has no answer to %s", request)
		}
	}
}

// sealed looks for the wallet's key in everything that the homeserver was sent.
func (m matrix) sealed(t *testing.T) {
	made := said[struct{ Key, RecoveryKey string }](t, m.service, "owner", "secret", "recovery-key", "--app", m.App)
	key, err := base64.StdEncoding.DecodeString(made.Key)
	if err != nil || len(key) != 32 {
		t.Fatalf("the owner gets a key of %d bytes: %v", len(key), err)
	}
	sent := m.sent.String()
	if !strings.Contains(sent, "m.megolm.v1.aes-sha2") || !strings.Contains(sent, `"ciphertext"`) {
		t.Error("the homeserver was sent no message, or no secret")
	}
	for _, secret := range []string{
		message, made.Key, strings.TrimRight(made.Key, "="), made.RecoveryKey, strings.ReplaceAll(made.RecoveryKey, " ", ""),
		base64.URLEncoding.EncodeToString(key),
	} {
		if strings.Contains(sent, secret) {
			t.Error("the homeserver was sent a secret")
		}
	}
	if !said[struct{ OK bool }](t, m.service, "owner", "audit", "verify").OK {
		t.Error("the record does not hold together")
	}
}
