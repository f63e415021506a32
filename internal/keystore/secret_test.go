package keystore

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"walletd/internal/secret"
)

func TestSecretsDoNotPrint(t *testing.T) {
	const text = "canary-passphrase"
	key := Key{secret.New([]byte("canary-key-of-32-bytes-canary-ke"))}
	secret := Passphrase([]byte(text))
	// As a member that fmt calls no methods on, too.
	type request struct {
		secret Secret
		key    Key
		slot   NewSlot
	}
	values := []any{secret, &secret, key, &key, []Secret{secret}, map[string]Key{"k": key},
		NewSlot{Name: "n", Passphrase: secret}, request{secret, key, NewSlot{Passphrase: secret}}}
	var out strings.Builder
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		b, err := json.Marshal(v)
		if err != nil {
			t.Error(err)
		}
		out.Write(b)
	}
	log := zerolog.New(&out)
	log.Info().Interface("secret", secret).Interface("key", key).Any("slot", values[6]).Msg("x")
	for _, canary := range []string{text, string(key.Reveal())} {
		for _, form := range []string{canary, hex.EncodeToString([]byte(canary)), strings.ToUpper(hex.EncodeToString([]byte(canary))),
			strings.Trim(fmt.Sprint([]byte(canary)), "[]"), strings.Trim(fmt.Sprintf("%#v", []byte(canary)), "[]byte{}")} {
			if strings.Contains(out.String(), form) {
				t.Errorf("printed as %s", form)
			}
		}
	}
}

func TestSecretsWipe(t *testing.T) {
	given := []byte("passphrase")
	s := Passphrase(given)
	inside := s.Reveal()
	s.Wipe()
	if !bytes.Equal(inside, make([]byte, len(given))) || len(s.Reveal()) != 0 {
		t.Error("the secret is still there")
	}
	if string(given) != "passphrase" {
		t.Error("the caller's bytes were wiped")
	}
	held := [32]byte{1}
	key := Key{secret.New(held[:])}
	key.Wipe()
	if held != [32]byte{} {
		t.Error("the key is still there")
	}
	Secret{}.Wipe()
	Key{}.Wipe()
	if (Key{}).Base58() != "" {
		t.Error("a key from nothing")
	}

	h := newHouse(t)
	h.mustUnlock(firstPass)
	root := h.open.root
	if err := h.Lock(t.Context(), "token"); err != nil {
		t.Fatal(err)
	}
	if *root.base != [keySize]byte{} || *root.seal != [keySize]byte{} || *root.mac != [keySize]byte{} {
		t.Error("Lock left the root key in memory")
	}
}

func TestParseIdentity(t *testing.T) {
	identity, _, err := GenerateRecovery()
	if err != nil {
		t.Fatal(err)
	}
	one := string(identity.Reveal())
	for name, c := range map[string]struct {
		text string
		ok   bool
	}{
		"one":               {one, true},
		"comments":          {"# created\r\n\n" + one + "\r\n", true},
		"none":              {"# nothing\n", false},
		"empty":             {"", false},
		"a recipient":       {"age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p", false},
		"cut":               {one[:len(one)-1], false},
		"too many":          {strings.Repeat(one+"\n", maxIdentities+1), false},
		"too long":          {"#" + strings.Repeat("x", maxSecret) + "\n" + one, false},
		"not one of plugin": {"AGE-PLUGIN-../../x-1QQ", false},
	} {
		_, err := ParseIdentity(c.text)
		if c.ok != (err == nil) || err != nil && !errors.Is(err, ErrIdentity) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), one[20:40]) {
			t.Errorf("%s: the error quotes the identity", name)
		}
	}
}

// Known secrets are searched for in every file of the database, while it is
// open and after.
func TestDatabaseHoldsNoSecret(t *testing.T) {
	identity, recipient, _ := GenerateRecovery()
	h := newHouse(t, NewSlot{Name: "first", Passphrase: Passphrase([]byte(firstPass))}, NewSlot{Name: "paper", Recipient: recipient})
	h.mustUnlock(firstPass)
	row, own := h.addWallet(0xc7)
	w := h.opens(row.ID)
	a, err := w.openAccount(own)
	if err != nil {
		t.Fatal(err)
	}
	canaries := map[string][]byte{
		"passphrase":   []byte(firstPass),
		"identity":     identity.Reveal(),
		"recipient":    []byte(recipient[:60]),
		"seed":         bytes.Repeat([]byte{0xc7}, 64),
		"wallet name":  []byte("alice"),
		"account key":  a.secret[:32],
		"wallet key":   w.keys.base[:],
		"root key":     h.open.root.base[:],
		"root subkeys": h.open.root.seal[:],
		"service key":  h.open.service.base[:],
	}
	for name := range canaries {
		canaries[name] = bytes.Clone(canaries[name])
	}
	if err := h.Rotate(t.Context(), "token", []Secret{Passphrase([]byte(firstPass))}, false); err != nil {
		t.Fatal(err)
	}
	canaries["new root key"] = bytes.Clone(h.open.root.base[:])
	search := func() {
		files, err := filepath.Glob(filepath.Join(filepath.Dir(strings.TrimPrefix(h.url, "sqlite:")), "*"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no files: %v", err)
		}
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for name, canary := range canaries {
				for _, form := range [][]byte{canary, []byte(hex.EncodeToString(canary))} {
					if bytes.Contains(content, form) {
						t.Errorf("%s: the %s is in it", filepath.Base(file), name)
					}
				}
			}
		}
	}
	search()
	h.store.Close()
	search()
}

func TestCheckPassphrase(t *testing.T) {
	for text, c := range map[string]struct{ refused, accepted error }{
		"":                      {ErrPassphraseTooShort, ErrPassphraseTooShort},
		"1234567":               {ErrPassphraseTooShort, ErrPassphraseTooShort},
		"12345678":              {ErrPassphraseShort, nil},
		"12345678901":           {ErrPassphraseShort, nil},
		"123456789012":          {nil, nil},
		strings.Repeat("鍵", 7):  {ErrPassphraseTooShort, ErrPassphraseTooShort}, // characters, not bytes
		strings.Repeat("鍵", 11): {ErrPassphraseShort, nil},
		strings.Repeat("鍵", 12): {nil, nil},
	} {
		if err := CheckPassphrase([]byte(text), false); err != c.refused {
			t.Errorf("%q: %v, want %v", text, err, c.refused)
		}
		if err := CheckPassphrase([]byte(text), true); err != c.accepted {
			t.Errorf("%q, accepted: %v, want %v", text, err, c.accepted)
		}
	}
}
