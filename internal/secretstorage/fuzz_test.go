package secretstorage

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"walletd/internal/did"
)

// codes are all that this package refuses with.
var codes = strings.Fields(`malformed bad_base64 bad_iv bad_mac bad_secret not_utf8 bad_key unknown_algorithm no_match
	no_usable_copy not_encrypted not_found bad_passphrase_info bad_base58 bad_length bad_prefix bad_parity
	bad_padding bad_name empty_secret too_large`)

// refusedOrSame fails unless err is a refusal, or read is written as raw was, and reads again as the
// same.
func refusedOrSame[T json.Marshaler](t *testing.T, raw []byte, read T, err error, parse func([]byte) (T, error)) bool {
	t.Helper()
	if err != nil {
		if !slices.Contains(codes, did.CodeOf(err)) {
			t.Fatalf("got %v", err)
		}
		return false
	}
	written := mustMarshal(t, read)
	if string(written) != compacted(t, raw) {
		t.Fatalf("%s is written %s", raw, written)
	}
	again, err := parse(written)
	if err != nil || !bytes.Equal(mustMarshal(t, again), written) {
		t.Fatalf("%s does not read back: %v", written, err)
	}
	return true
}

func FuzzParseDescription(f *testing.F) {
	for _, v := range loadVectors[checkVectors](f, "key-check.json").Cases {
		f.Add([]byte(v.Info))
	}
	f.Add([]byte(`{"algorithm":"m.secret_storage.v1.aes-hmac-sha2","passphrase":{"algorithm":"m.pbkdf2","salt":"s","iterations":1},"x":[{"a":{}}]}`))
	key := mustKey(f, strings.Repeat("a5", KeySize))
	f.Fuzz(func(t *testing.T, raw []byte) {
		d, err := ParseDescription(raw)
		if !refusedOrSame(t, raw, d, err, ParseDescription) {
			return
		}
		if got := d.Check(key); (got == Unknown) != (d.mac == nil) {
			t.Fatalf("%s is said to be %s", raw, got)
		}
		if info, err := d.Passphrase(); err == nil && (info.Iterations < 1 || info.Iterations > maxIterations) {
			t.Fatalf("%d iterations are taken", info.Iterations)
		}
	})
}

func FuzzParseSecret(f *testing.F) {
	for name, raw := range loadVectors[capture](f, "e2e-capture.json").AccountData {
		f.Add([]byte(raw), name)
	}
	f.Add([]byte(`{"encrypted":{"a.b/c \u00e9":{"iv":"","x":"\ud800"},"K":1,"k":[]}, "y":1e999 }`), "k")
	key := mustKey(f, strings.Repeat("a5", KeySize))
	parse := func(raw []byte) (Secret, error) { return ParseSecret(raw, 1000) }
	f.Fuzz(func(t *testing.T, raw []byte, id string) {
		s, err := parse(raw)
		if !refusedOrSame(t, raw, s, err, parse) {
			return
		}
		for _, id := range append(s.KeyIDs(), id) {
			sealed, err := s.Copy(id)
			if err == nil && len(sealed.Ciphertext) > 1000 {
				t.Fatalf("%d bytes are taken", len(sealed.Ciphertext))
			}
			if _, err := s.Open("org.example.s", id, key); err == nil {
				t.Fatal("somebody guessed the key")
			}
		}
		sealed := Sealed{Ciphertext: []byte{1}}
		changed, err := s.With(id, sealed)
		if err != nil {
			return
		}
		again, err := parse(mustMarshal(t, changed))
		if err != nil {
			t.Fatalf("%s does not read back: %v", mustMarshal(t, changed), err)
		}
		if got, err := again.Copy(id); err != nil || !bytes.Equal(got.Ciphertext, sealed.Ciphertext) {
			t.Fatalf("the copy under %q is lost: %v", id, err)
		}
	})
}

func FuzzParseSealed(f *testing.F) {
	for _, v := range loadVectors[openVectors](f, "decrypt.json").Cases {
		f.Add([]byte(v.Data))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := parseSealed(raw, 1000)
		if err != nil {
			if !slices.Contains(codes, did.CodeOf(err)) {
				t.Fatalf("got %v", err)
			}
			return
		}
		again, err := parseSealed(mustMarshal(t, s), 1000)
		if err != nil || again.IV != s.IV || again.MAC != s.MAC || !bytes.Equal(again.Ciphertext, s.Ciphertext) {
			t.Fatalf("%s does not read back: %v", mustMarshal(t, s), err)
		}
	})
}

func FuzzParseBackup(f *testing.F) {
	c := loadVectors[capture](f, "e2e-capture.json")
	f.Add([]byte(c.Backup.Info))
	key, err := ParseBackupKey([]byte(c.Secrets[NameBackup]))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, err := ParseBackup(raw)
		if err != nil {
			if !slices.Contains(codes, did.CodeOf(err)) {
				t.Fatalf("got %v", err)
			}
			return
		}
		if public, _ := key.Public(); (b.Fits(key) == nil) != (b.Public() == public) {
			t.Fatal("the key fits another public key")
		}
	})
}

func FuzzOpenSession(f *testing.F) {
	for _, v := range loadVectors[backupVectors](f, "megolm-backup.json").Cases {
		f.Add([]byte(v.SessionData))
	}
	key := mustBackupKey(f, "fbd380a15066d7dd859fe5ead36a25d43bff652cfaaf667a758313a1a1cd8d4d")
	f.Fuzz(func(t *testing.T, raw []byte) {
		data, err := ParseSessionData(raw)
		if err == nil {
			again, err := ParseSessionData(mustMarshal(t, data))
			if err != nil || again.Ephemeral != data.Ephemeral || again.MAC != data.MAC || !bytes.Equal(again.Ciphertext, data.Ciphertext) {
				t.Fatalf("%s does not read back: %v", mustMarshal(t, data), err)
			}
		}
		plaintext, err := openSession(key, raw)
		if err != nil && !slices.Contains(codes, did.CodeOf(err)) {
			t.Fatalf("got %v", err)
		}
		if err == nil && len(plaintext) >= len(data.Ciphertext) {
			t.Fatalf("%d bytes come out of %d", len(plaintext), len(data.Ciphertext))
		}
	})
}

func FuzzDecodeRecoveryKey(f *testing.F) {
	for _, v := range loadVectors[recoveryVectors](f, "recovery-key.json").Cases {
		f.Add([]byte(v.Text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		key, err := DecodeRecoveryKey(text)
		if err != nil {
			if !slices.Contains(codes, did.CodeOf(err)) || !key.IsZero() {
				t.Fatalf("got %v", err)
			}
			return
		}
		if letters := strings.Join(strings.Fields(string(text)), ""); letters != strings.ReplaceAll(string(key.RecoveryKey()), " ", "") {
			t.Fatalf("%s is written %s", text, key.RecoveryKey())
		}
	})
}

func FuzzCheckValue(f *testing.F) {
	for _, v := range loadVectors[readSecretVectors](f, "megolm-backup.json").ReadSecret {
		f.Add(NameBackup, []byte(v.Text))
		f.Add(NameDehydrated, []byte(v.Text))
	}
	f.Fuzz(func(t *testing.T, name string, text []byte) {
		if err := CheckName(name); err != nil && did.CodeOf(err) != "bad_name" {
			t.Fatalf("got %v", err)
		}
		if err := CheckValue(name, text); err != nil && !slices.Contains(codes, did.CodeOf(err)) {
			t.Fatalf("got %v", err)
		}
		key, err := ParseValue(text)
		if err != nil {
			return
		}
		if got := key.Value(); !bytes.Equal(got, bytes.TrimSuffix(text, []byte("="))) {
			t.Fatalf("%s is written %s", text, got)
		}
		if err := CheckValue(NameMaster, text); err != nil {
			t.Fatalf("the value of a key is no secret: %v", err)
		}
	})
}

func FuzzDecodeBase64(f *testing.F) {
	for _, v := range loadVectors[base64Vectors](f, "base64.json").Decode {
		f.Add(v.Text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		b, err := decodeBase64(text)
		if err != nil {
			return
		}
		for _, again := range []string{string(paddedBase64(b)), string(unpaddedBase64(b))} {
			if got, err := decodeBase64(again); err != nil || !bytes.Equal(got, b) {
				t.Fatalf("%q reads back as %x, %v", again, got, err)
			}
		}
		if len(text) != len(unpaddedBase64(b)) && len(text) != len(paddedBase64(b)) {
			t.Fatalf("%q has letters that do not count", text)
		}
	})
}
