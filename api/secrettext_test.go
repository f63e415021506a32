package api_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"walletd/api"
)

func TestSecretTextIsAJSONString(t *testing.T) {
	for _, text := range []string{"", "correct horse", "\x00\x1f\"\\/\b\f\n\r\t", "Zürich 東京 😀", "\u2028</script>", "\ufffd"} {
		body, err := json.Marshal(api.DerivedKey{Key: api.NewSecretText([]byte(text))})
		if err != nil {
			t.Fatal(err)
		}
		var other struct{ Key string }
		if err := json.Unmarshal(body, &other); err != nil || other.Key != text {
			t.Errorf("encoding/json reads %s as %q: %v", body, other.Key, err)
		}
		plain, err := json.Marshal(struct {
			Key string `json:"key"`
		}{text})
		if err != nil {
			t.Fatal(err)
		}
		var back api.DerivedKey
		if err := json.Unmarshal(plain, &back); err != nil || string(back.Key.Reveal()) != text || back.Key.IsZero() {
			t.Errorf("%s is read as %q: %v", plain, back.Key.Reveal(), err)
		}
	}
	var escaped api.SecretText
	if err := json.Unmarshal([]byte(`"\u0070\ud83d\ude00\/"`), &escaped); err != nil || string(escaped.Reveal()) != "p😀/" {
		t.Errorf("escapes are read as %q: %v", escaped.Reveal(), err)
	}
}

func TestSecretTextIsNotChangedSilently(t *testing.T) {
	for _, raw := range []string{`"\ud800"`, `"\udc00x"`, `"\ud800\ud800"`, `"\ud800\n"`, "\"\xff\""} {
		var s api.SecretText
		if err := s.UnmarshalJSON([]byte(raw)); !errors.Is(err, api.ErrNotText) {
			t.Errorf("%q is read as %q: %v", raw, s.Reveal(), err)
		}
	}
	if _, err := json.Marshal(api.NewSecretText([]byte("\xff"))); !errors.Is(err, api.ErrNotText) {
		t.Errorf("bytes that are not UTF-8 are written: %v", err)
	}
	for _, raw := range []string{`null`, `7`, `["a"]`, ``, `"`} {
		var s api.SecretText
		if err := s.UnmarshalJSON([]byte(raw)); err == nil {
			t.Errorf("%q is read as %q", raw, s.Reveal())
		}
	}
}

func TestSecretTextDoesNotPrint(t *testing.T) {
	text := []byte("hush-hush")
	s := api.NewSecretText(text)
	key := api.SlotSecret{Passphrase: s}
	hidden := struct{ key api.SlotSecret }{key}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
		shown := fmt.Sprintf(format, s) + fmt.Sprintf(format, &s) + fmt.Sprintf(format, key) + fmt.Sprintf(format, hidden)
		for _, secret := range []string{"hush", "68757368", "104 117"} {
			if strings.Contains(shown, secret) {
				t.Errorf("%s prints %s", format, shown)
			}
		}
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("unlock", "secret", s)
	if strings.Contains(log.String(), "hush") {
		t.Errorf("the log says %s", log.String())
	}
	if s.Wipe(); string(text) != strings.Repeat("\x00", len(text)) {
		t.Error("it is not wiped")
	}
}

func TestSecretTextThatIsNotThereIsLeftOut(t *testing.T) {
	body, err := json.Marshal(api.SlotSecret{Passphrase: api.NewSecretText([]byte("x"))})
	if err != nil || string(body) != `{"passphrase":"x"}` {
		t.Errorf("got %s, %v", body, err)
	}
}

// What is read is what encoding/json reads, or is refused where that would change it.
func FuzzSecretText(f *testing.F) {
	for _, seed := range []string{`"a"`, `"\u0000"`, `"\ud83d\ude00"`, `"\ud800"`, "\"\xff\"", `"\/"`, `""`, `"\"`, `"" `, ` ""`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if !json.Valid(raw) {
			return
		}
		var s api.SecretText
		if err := s.UnmarshalJSON(raw); err != nil {
			return
		}
		var text string
		if err := json.Unmarshal(raw, &text); err != nil || text != string(s.Reveal()) {
			t.Fatalf("%q is read as %q, not %q: %v", raw, s.Reveal(), text, err)
		}
		again, err := s.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(again, &text); err != nil || text != string(s.Reveal()) {
			t.Fatalf("%q is written as %q: %v", s.Reveal(), again, err)
		}
	})
}
