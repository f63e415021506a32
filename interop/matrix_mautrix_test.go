package interop_test

import (
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestMautrix is a bot with mautrix-go, of a module of its own, which shares an account with matrix-js-sdk.
func TestMautrix(t *testing.T) {
	p := installMatrix(t)
	bot := filepath.Join(t.TempDir(), "bot")
	compile := exec.CommandContext(t.Context(), "go", "build", "-tags", "goolm", "-o", bot, ".")
	compile.Dir = "mautrix"
	compile.Env = append(os.Environ(), unwatched...)
	if out, err := compile.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	s := newService(t, build(t), "--data", filepath.Join(t.TempDir(), "data"))
	run := func(t *testing.T, m matrix, device string, more input, decide func(*testing.T, pending)) matrixOutcome {
		t.Helper()
		walletd := input{"url": m.service.url, "token": m.Token}
		for name, value := range more {
			walletd[name] = value
		}
		in := input{"homeserver": m.homeserver.url, "user": m.homeserver.user, "device": device, "room": room, "walletd": walletd}
		return converse[matrixOutcome](t, exec.CommandContext(t.Context(), bot), in, decide)
	}

	t.Run("recovers what the SDK set up, by a rule", func(t *testing.T) {
		m := matrix{s, newHomeserver(t, alice, "SDK", "BOT", "JSBOT"), p, s.newApp(t, "Client and bot", ""), map[string]string{}}
		first, _ := m.device(t, "first-device.mjs", "SDK", input{"userId": alice}, m.approve)
		if !first.OK {
			t.Fatalf("the SDK: %+v", first)
		}
		s.rules(t, "secretStorageKey", m.App)
		got := run(t, m, "BOT", nil, nil)
		if !got.OK || got.Message != message || !got.Verified || got.KeyID != first.KeyID {
			t.Errorf("outcome %+v", got)
		}
		js, _ := m.device(t, "bot.mjs", "JSBOT", input{"userId": alice}, nil)
		if !js.OK || js.Message != message || !js.Verified {
			t.Errorf("the bot with matrix-js-sdk: %+v", js)
		}
	})
	t.Run("has the key that it made brought in", func(t *testing.T) {
		s.rules(t, "secretStorageKey")
		for i, form := range []string{"recovery key", "passphrase"} {
			m := matrix{s, newHomeserver(t, alice, "BOT", "SDK"), p, s.newApp(t, "Bot and "+form, ""), map[string]string{}}
			made := run(t, m, "BOT", input{"make": "correct horse"}, nil)
			if !made.OK {
				t.Fatalf("outcome %+v", made)
			}
			s.write(t, "description.json", made.Description)
			s.write(t, "key", []string{made.RecoveryKey, "correct horse"}[i])
			m.owner(t, "secret", "import-key", "--app", m.App, "--key-file", s.file("key"), made.KeyID, s.file("description.json"))
			got, asked := m.device(t, "foreign-key.mjs", "SDK", input{"read": true}, m.approve)
			if !got.OK || got.Message != base64.RawStdEncoding.EncodeToString([]byte("from elsewhere")) || asked != 1 { // as mautrix writes bytes
				t.Errorf("%s: asked %d times; the SDK: %+v", form, asked, got)
			}
		}
	})
}
