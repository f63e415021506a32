package blocklet

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type vectors struct {
	AppDID           string `json:"appDid"`
	AppSk            string `json:"appSk"`
	EncryptionKeyHex string `json:"encryptionKeyHex"`
	Passphrase       string
	Cases            []struct{ Plain, Cipher, SaltHex, RoundTrip string }
	Files            map[string]struct{ Example json.RawMessage }
}

func load(t testing.TB) (vectors, Key) {
	t.Helper()
	text, err := os.ReadFile("testdata/backup.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Cases) < 5 || len(v.Files) < 3 {
		t.Fatalf("%d cases, %d files; were the vectors moved?", len(v.Cases), len(v.Files))
	}
	raw, err := hex.DecodeString(v.EncryptionKeyHex)
	if err != nil {
		t.Fatal(err)
	}
	key, err := NewKey(raw, v.AppDID)
	if err != nil {
		t.Fatal(err)
	}
	return v, key
}

func TestTheServersValuesAreOpenedAndMade(t *testing.T) {
	v, key := load(t)
	if got := string(key.passphrase.Reveal()); got != v.Passphrase {
		t.Errorf("passphrase %s, want %s", got, v.Passphrase)
	}
	for _, c := range v.Cases {
		plain, err := key.Open(c.Cipher)
		if err != nil || string(plain) != c.RoundTrip {
			t.Errorf("Open = %q, %v, want %q", plain, err, c.RoundTrip)
		}
		salt, err := hex.DecodeString(c.SaltHex)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := key.seal([]byte(c.Plain), [saltSize]byte(salt)); err != nil || text != c.Cipher {
			t.Errorf("seal = %s, %v, want %s", text, err, c.Cipher)
		}
	}
}

// The encrypted members of the example files, as the server wrote them.
func TestTheServersFilesAreOpened(t *testing.T) {
	v, key := load(t)
	var blocklet struct{ MigratedFrom []struct{ AppSk string } }
	type extras struct {
		Configs []struct {
			Key, Value string
			Secure     bool
		}
		Children []extras
	}
	var top extras
	if err := json.Unmarshal(v.Files["blocklet.json"].Example, &blocklet); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(v.Files["blocklet-extras.json"].Example, &top); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	open := func(name, text string) {
		plain, err := key.Open(text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		got[name] = string(plain)
	}
	for _, m := range blocklet.MigratedFrom {
		open("migrated", m.AppSk)
	}
	for _, e := range append(top.Children, top) {
		for _, c := range e.Configs {
			if c.Secure {
				open(c.Key, c.Value)
			}
		}
	}
	if got["BLOCKLET_APP_SK"] != v.AppSk || len(got["migrated"]) != 130 || got["API_TOKEN"] == "" {
		t.Errorf("opened %q", got)
	}
}

func TestSealedValuesOpenAgain(t *testing.T) {
	_, key := load(t)
	for n := range 40 {
		plain := strings.Repeat("é", n) + "."
		one, err := key.Seal([]byte(plain))
		if err != nil {
			t.Fatal(err)
		}
		two, _ := key.Seal([]byte(plain))
		got, err := key.Open(one)
		if err != nil || string(got) != plain || one == two {
			t.Errorf("%q comes back as %q, %v", plain, got, err)
		}
	}
	if _, err := key.Seal([]byte("\xff")); !errors.Is(err, ErrPlain) {
		t.Errorf("what is no text: %v", err)
	}
	if _, err := key.Seal(make([]byte, MaxValue+1)); !errors.Is(err, ErrPlain) {
		t.Errorf("too much: %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	v, key := load(t)
	good := v.Cases[0].Cipher
	raw, err := base64.StdEncoding.DecodeString(good)
	if err != nil {
		t.Fatal(err)
	}
	other, err := NewKey(make([]byte, KeySize), v.AppDID)
	if err != nil {
		t.Fatal(err)
	}
	padded := func(change func([]byte)) string {
		b := append([]byte(nil), raw...)
		change(b)
		return base64.StdEncoding.EncodeToString(b)
	}
	for name, tt := range map[string]struct {
		key  Key
		text string
		want error
	}{
		"nothing":                 {key, "", ErrValue},
		"what is no base64":       {key, "!!!!", ErrValue},
		"a line's end within":     {key, good[:4] + "\n" + good[4:], ErrValue},
		"no padding of base64":    {key, strings.TrimRight(good, "="), ErrValue},
		"another magic":           {key, padded(func(b []byte) { b[0] = 's' }), ErrValue},
		"a block that is cut":     {key, base64.StdEncoding.EncodeToString(raw[:len(raw)-1]), ErrValue},
		"a salt alone":            {key, base64.StdEncoding.EncodeToString(raw[:16]), ErrValue},
		"too much":                {key, strings.Repeat("A", maxText+4), ErrValue},
		"another key":             {other, good, ErrOpen},
		"a changed last block":    {key, padded(func(b []byte) { b[len(b)-1] ^= 1 }), ErrOpen},
		"a value without its key": {Key{}, good, ErrKey},
	} {
		t.Run("refuses "+name, func(t *testing.T) {
			if plain, err := tt.key.Open(tt.text); !errors.Is(err, tt.want) {
				t.Errorf("Open = %q, %v, want %v", plain, err, tt.want)
			}
		})
	}
	for _, bad := range []struct {
		key []byte
		app string
	}{{make([]byte, 31), "z1"}, {make([]byte, 33), "z1"}, {nil, "z1"}, {make([]byte, 32), ""}} {
		if _, err := NewKey(bad.key, bad.app); !errors.Is(err, ErrKey) {
			t.Errorf("NewKey(%d bytes, %q) = %v", len(bad.key), bad.app, err)
		}
	}
}

func TestAKeyDoesNotPrint(t *testing.T) {
	v, key := load(t)
	holder := struct{ K Key }{key}
	marshalled, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("%v %+v %#v %s %x %q %s", holder, holder, holder, key, key, key, marshalled)
	if strings.Contains(text, v.Passphrase[:8]) || strings.Contains(text, hex.EncodeToString([]byte(v.Passphrase[:8]))) {
		t.Error(text)
	}
	inside := key.passphrase.Reveal()
	key.Wipe()
	if diff := cmp.Diff(make([]byte, 64), inside); diff != "" {
		t.Error(diff)
	}
	if sealed, err := key.Seal([]byte("x")); !errors.Is(err, ErrKey) {
		t.Errorf("a wiped key seals: %q, %v", sealed, err)
	}
}

func FuzzOpen(f *testing.F) {
	v, key := load(f)
	for _, c := range v.Cases {
		f.Add(c.Cipher)
	}
	f.Fuzz(func(t *testing.T, text string) {
		plain, err := key.Open(text)
		if err != nil {
			return
		}
		raw, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		again, err := key.seal(plain, [saltSize]byte(raw[len(magic):]))
		if err != nil || again != text {
			t.Errorf("opens to %q, which seals to %s, %v", plain, again, err)
		}
	})
}
