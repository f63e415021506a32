package secretstorage

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"walletd/internal/did"
)

func TestParseSecret(t *testing.T) {
	tests := []struct {
		it, raw, code string
	}{
		{"keeps members and copies it does not know", `{"x":1.50,"encrypted":{"k":{"v":2},"K":7,"a.b/c \u00e9":null}}`, ""},
		{"takes an empty map", `{"encrypted":{}}`, ""},
		{"refuses one that was removed", ` { } `, "not_found"},
		{"refuses one that is not encrypted", `{"plain":"x"}`, "not_encrypted"},
		{"refuses one whose copies are no map", `{"encrypted":["k"]}`, "not_encrypted"},
		{"refuses a key twice", `{"encrypted":{"k":{},"k":{}}}`, "malformed"},
		{"refuses a map twice", `{"encrypted":{"k":{}},"encrypted":{}}`, "malformed"},
		{"refuses a map in two cases", `{"encrypted":{"k":{}},"Encrypted":{}}`, "malformed"},
		{"refuses a member twice within a copy", `{"encrypted":{"k":{"iv":"","iv":""}}}`, "malformed"},
		{"refuses an id that is no text", `{"encrypted":{"\udc00":{}}}`, "malformed"},
		{"refuses what is no JSON", `{"encrypted":{}`, "malformed"},
		{"refuses more than 16 copies need", `{"x":"` + strings.Repeat("x", 2<<20) + `"}`, "too_large"},
	}
	for _, test := range tests {
		t.Run(test.it, func(t *testing.T) {
			s, err := ParseSecret([]byte(test.raw), MaxPlaintext)
			if test.code != "" {
				wantCode(t, err, test.code)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := string(mustMarshal(t, s)); got != test.raw {
				t.Errorf("it is written %s", got)
			}
		})
	}
}

func TestCopies(t *testing.T) {
	iv, mac := base64.StdEncoding.EncodeToString(make([]byte, 16)), base64.StdEncoding.EncodeToString(make([]byte, 32))
	raw := fmt.Sprintf(`{"encrypted":{
		"good": {"iv":%[1]q,"ciphertext":"AAAA","mac":%[2]q,"v":2},
		"short": {"iv":"AAAA","ciphertext":"AAAA","mac":%[2]q},
		"other": {"ephemeral":"x"},
		"empty": {"iv":%[1]q,"ciphertext":"","mac":%[2]q},
		"null": null,
		"long": {"iv":%[1]q,"ciphertext":"AAAAAAAA","mac":%[2]q},
		"longest": {"iv":%[1]q,"ciphertext":"AAAAAA","mac":%[2]q},
		"cases": {"iv":%[1]q,"ciphertext":"AAAA","mac":%[2]q,"IV":"x"}
	}}`, iv, mac)
	s, err := ParseSecret([]byte(raw), 4)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"good", "short", "long", "longest"}, s.KeyIDs()); diff != "" {
		t.Error(diff)
	}
	for id, code := range map[string]string{
		"good": "", "empty": "", "longest": "",
		"short": "bad_iv", "other": "malformed", "null": "malformed", "cases": "malformed", "long": "too_large", "none": "no_usable_copy",
	} {
		if _, err := s.Copy(id); did.CodeOf(err) != code {
			t.Errorf("%s: %v, want %q", id, err, code)
		}
	}
}

func TestWith(t *testing.T) {
	key, other := mustKey(t, strings.Repeat("a5", KeySize)), mustKey(t, strings.Repeat("a4", KeySize))
	one, err := Seal(key, "org.example.s", []byte("one"), MaxPlaintext)
	if err != nil {
		t.Fatal(err)
	}
	two, err := Seal(other, "org.example.s", []byte("two"), MaxPlaintext)
	if err != nil {
		t.Fatal(err)
	}
	with := func(s Secret, id string, sealed Sealed) Secret {
		t.Helper()
		s, err := s.With(id, sealed)
		if err != nil {
			t.Fatal(err)
		}
		if s, err = ParseSecret(mustMarshal(t, s), MaxPlaintext); err != nil {
			t.Fatal(err)
		}
		return s
	}
	opens := func(s Secret, id string, key Key, want string) {
		t.Helper()
		if got, err := s.Open("org.example.s", id, key); err != nil || string(got) != want {
			t.Errorf("the copy under %q opens to %q, %v", id, got, err)
		}
	}

	old, err := ParseSecret([]byte(`{"x":1,"encrypted":{"foreign":{"v":2}}}`), MaxPlaintext)
	if err != nil {
		t.Fatal(err)
	}
	const odd = `a.b/"c" é<` + "\u2028\x00"
	s := with(with(old, odd, one), "k", two)
	opens(s, odd, key, "one")
	opens(s, "k", other, "two")
	if got := string(mustMarshal(t, s)); !strings.HasPrefix(got, `{"x":1,"encrypted":{"foreign":{"v":2},`) {
		t.Errorf("it is written %s", got)
	}
	if got := string(mustMarshal(t, old)); got != `{"x":1,"encrypted":{"foreign":{"v":2}}}` {
		t.Errorf("the one it was made of is now %s", got)
	}
	opens(with(s, "k", one), "k", key, "one")
	if got := string(mustMarshal(t, Secret{})); got != "{}" {
		t.Errorf("nothing is written %s", got)
	}
	opens(with(Secret{}, "k", one), "k", key, "one")

	for _, id := range []string{"", strings.Repeat("x", 256), "\xff", "\ufffd"} {
		_, err := s.With(id, one)
		wantCode(t, err, "malformed")
	}
}
