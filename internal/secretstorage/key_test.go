package secretstorage

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"walletd/internal/secret"
)

func TestKeysDoNotPrint(t *testing.T) {
	raw := []byte("0123456789abcdefghijklmnopqrstuv")
	key, err := NewKey(raw)
	if err != nil {
		t.Fatal(err)
	}
	backup, err := ParseBackupKey(unpaddedBase64(raw))
	if err != nil {
		t.Fatal(err)
	}
	type exported struct {
		Key    Key
		Backup BackupKey
	}
	type unexported struct {
		key    Key
		backup BackupKey
		both   *exported
	}
	values := []any{
		key, &key, backup, &backup, exported{key, backup}, []Key{key}, map[string]BackupKey{"x": backup},
		unexported{key, backup, &exported{key, backup}}, fmt.Errorf("with %v and %v", key, backup),
	}
	var out bytes.Buffer
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%p", "%t"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		if text, err := json.Marshal(v); err == nil {
			out.Write(text)
		}
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", v)
		logger := zerolog.New(&out)
		logger.Info().Interface("v", v).Any("w", v).Send()
	}
	logger := zerolog.New(&out)
	logger.Info().Interface("k", key).Interface("b", backup).Stringer("s", key).Send()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if got := fmt.Sprintf(verb+verb, key, backup); got != secret.Redaction+secret.Redaction {
			t.Errorf("%s gives %s", verb, got)
		}
	}
	text := out.String()
	for _, shown := range []string{
		string(raw), string(raw[:8]), hex.EncodeToString(raw[:8]), strings.ToUpper(hex.EncodeToString(raw[:8])), "48 49 50 51", "48,49,50",
		"0x30, 0x31", string(key.Value()[:8]),
	} {
		if strings.Contains(text, shown) {
			t.Errorf("%q is shown", shown)
		}
	}
}

func TestWipeEmptiesEveryCopy(t *testing.T) {
	raw := bytes.Repeat([]byte{0xa5}, KeySize)
	key, err := NewKey(raw)
	if err != nil {
		t.Fatal(err)
	}
	held, copied := key.Reveal(), key
	key.Wipe()
	if !bytes.Equal(held, make([]byte, KeySize)) || !copied.IsZero() || copied.Reveal() != nil {
		t.Error("the key is still there")
	}
	if raw[0] != 0xa5 {
		t.Error("the caller's bytes were wiped too")
	}
	if key.RecoveryKey() != nil || key.Value() != nil {
		t.Error("a wiped key has a text")
	}
	_, err = Open(copied, "org.example.s", Sealed{})
	wantCode(t, err, "bad_key")
	key.Wipe()
	Key{}.Wipe()
	BackupKey{}.Wipe()
}
