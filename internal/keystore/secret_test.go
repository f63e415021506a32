package keystore

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/armor"
	"github.com/rs/zerolog"

	"walletd/internal/secret"
	"walletd/internal/store"
)

func TestSecretsDoNotPrint(t *testing.T) {
	const text = "canary-passphrase"
	key := Key{secret.New([]byte("canary-key-of-32-bytes-canary-ke"))}
	secret := Passphrase([]byte(text + "\n")) // so that it is held as it came, too
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
	given := []byte("passphrase\n")
	s := Passphrase(given)
	for _, inside := range [][]byte{s.Reveal(), s.given.Reveal()} {
		defer func() {
			if len(inside) < len("passphrase") || !bytes.Equal(inside, make([]byte, len(inside))) {
				t.Error("the secret is still there")
			}
		}()
	}
	s.Wipe()
	if len(s.Reveal()) != 0 || len(s.given.Reveal()) != 0 {
		t.Error("the secret is still held")
	}
	if string(given) != "passphrase\n" {
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
		"a byte order mark": {"\ufeff" + one, false},
		"UTF-16":            {"\xff\xfe" + one, false},
		"not one of plugin": {"AGE-PLUGIN-../../x-1QQ", false},
	} {
		_, err := ParseIdentity([]byte(c.text))
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

// What is wrong with an identity file is said where it is known.
func TestIdentityThatIsNone(t *testing.T) {
	identity, recipient, err := GenerateRecovery()
	if err != nil {
		t.Fatal(err)
	}
	one := identity.Reveal()
	r, err := age.ParseHybridRecipient(recipient)
	if err != nil {
		t.Fatal(err)
	}
	var encrypted, armored bytes.Buffer
	for _, to := range []io.WriteCloser{nopCloser{&encrypted}, armor.NewWriter(&armored)} {
		w, err := age.Encrypt(to, r)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(one); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(w.Close(), to.Close()); err != nil {
			t.Fatal(err)
		}
	}
	var wide []byte
	for _, c := range one {
		wide = append(wide, c, 0)
	}
	for name, c := range map[string]struct {
		text []byte
		says string
	}{
		"a byte order mark":     {append([]byte("\ufeff"), one...), "byte order mark"},
		"UTF-16":                {append([]byte("\xff\xfe"), wide...), "UTF-16"},
		"UTF-16 without a mark": {wide, "UTF-16"},
		"encrypted":             {encrypted.Bytes(), "itself encrypted"},
		"encrypted and armored": {armored.Bytes(), "itself encrypted"},
	} {
		_, err := ParseIdentity(c.text)
		if !errors.Is(err, ErrIdentity) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want it to say %q", name, err, c.says)
		}
	}
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// The same passphrase in other bytes is the same passphrase.
func TestPassphraseIsNormalised(t *testing.T) {
	const normal = "caf\u00e9 au lait \u9375"
	for name, text := range map[string]string{
		"as it is":                  normal,
		"with combining marks":      "cafe\u0301 au lait \u9375",
		"with a line's end":         normal + "\r\n",
		"with blanks and lines":     "\n  " + normal + " \n\n",
		"with a byte order mark":    "\ufeff" + normal,
		"with blanks of other kind": "caf\u00e9\u00a0au\u3000lait \u9375",
	} {
		s := Passphrase([]byte(text))
		if got := string(s.Reveal()); got != normal {
			t.Errorf("%s: %q, want %q", name, got, normal)
		}
		if err := CheckPassphrase([]byte(text), false); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, text := range map[string]string{
		"a second line": "correct horse\nbattery staple", "a tab": "correct\thorse battery", "UTF-16": "c\x00o\x00r\x00r\x00", "Latin-1": "caf\xe9 au lait, please",
	} {
		if err := CheckPassphrase([]byte(text), true); !errors.Is(err, ErrPassphrase) {
			t.Errorf("%s: %v, want ErrPassphrase", name, err)
		}
	}
}

// before gives a passphrase as builds before the normal form took it.
func before(text string) Secret {
	return Secret{Bytes: secret.New([]byte(text)), kind: slotPassphrase}
}

func TestSlotsOfBytesAsTheyWere(t *testing.T) {
	made := func(t *testing.T, text string) *house {
		t.Helper()
		h := newHouse(t, NewSlot{Name: "first", Passphrase: Passphrase([]byte(firstPass))})
		h.mustUnlock(firstPass)
		a, err := openSlots(t.Context(), h.row(), h.slots(), false, []Secret{Passphrase([]byte(firstPass))})
		if err != nil {
			t.Fatal(err)
		}
		defer a.wipe()
		s := h.sealForPassphrase(a.row, a.root, store.Slot{ID: store.NewID(), Kind: slotPassphrase, Name: "old", Created: 1}, before(text))
		if err := h.changeSlots(t.Context(), a, append(a.slots, s), store.PutSlot(s), event{Event: "test"}); err != nil {
			t.Fatal(err)
		}
		h.restart()
		return h
	}
	for name, c := range map[string]struct{ old, same string }{
		"decomposed":               {"cafe\u0301 au lait", "caf\u00e9 au lait"},
		"with a blank end":         {"correct horse ", "correct horse"},
		"with an empty line":       {"correct horse\n", "correct horse"},
		"with a byte order mark":   {"\ufeffcorrect horse", "correct horse"},
		"with a blank of no break": {"correct\u00a0horse", "correct horse"},
	} {
		t.Run(name, func(t *testing.T) {
			h := made(t, c.old)
			if err := h.Unlock(t.Context(), "walletd", Passphrase([]byte(c.same))); !errors.Is(err, ErrWrongSecret) {
				t.Errorf("before it is made anew: %v, want ErrWrongSecret", err)
			}
			h.mustUnlock(c.old)
			if !h.recorded("slot made anew") {
				t.Error("not on record")
			}
			for _, text := range []string{c.same, c.old} {
				h.restart()
				h.mustUnlock(text)
			}
			if h.recorded("slots changed") || h.recorded("forged") {
				t.Errorf("our own change looks forged: %+v", h.events())
			}
		})
	}
	t.Run("are made anew by a rotation", func(t *testing.T) {
		h := made(t, "cafe\u0301 au lait")
		h.mustUnlock(firstPass)
		if err := h.Rotate(t.Context(), "token", []Secret{Passphrase([]byte(firstPass)), Passphrase([]byte("cafe\u0301 au lait"))}, false); err != nil {
			t.Fatal(err)
		}
		h.restart()
		h.mustUnlock("caf\u00e9 au lait")
	})
	// What no new passphrase may be stays as it is, and goes on opening.
	for name, text := range map[string]string{"two lines": "correct\nhorse", "Latin-1": "caf\xe9 au lait", "UTF-16": "\xff\xfec\x00o\x00", "blanks alone": "   "} {
		t.Run(name, func(t *testing.T) {
			h := made(t, text)
			for range 2 {
				h.mustUnlock(text)
				h.restart()
			}
			if h.recorded("slot made anew") {
				t.Error("made anew")
			}
		})
	}
	t.Run("are none for another passphrase, which is told its fault", func(t *testing.T) {
		h := made(t, "cafe\u0301 au lait")
		err := h.Unlock(t.Context(), "walletd", Passphrase([]byte("another\nline")))
		if !errors.Is(err, ErrWrongSecret) || !errors.Is(err, secret.ErrLines) {
			t.Errorf("Unlock: %v, want ErrWrongSecret for its lines", err)
		}
	})
}

func FuzzPassphrase(f *testing.F) {
	for _, seed := range []string{"cafe\u0301", " a\u0308 \u3000", "\ufeff\uac00\u11a8", "\uf9a3 \u212b"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		first := Passphrase(text)
		again := Passphrase(first.Reveal())
		if !again.given.IsZero() || !bytes.Equal(again.Reveal(), first.Reveal()) {
			t.Errorf("the normal form of %q is %q, and of that %q", text, first.Reveal(), again.Reveal())
		}
	})
}
