package secretstorage

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"walletd/internal/did"
	"walletd/internal/wallettest/matrix"
)

type passphraseVectors struct {
	Cases []struct {
		ID, Passphrase, Salt string
		Iterations           int
		Bits                 *int
		SDK                  struct {
			KeyHex      string `json:"key_hex"`
			RecoveryKey string `json:"recovery_key"`
			Error       *struct{ Name string }
		}
	}
}

// described gives a description of key with a passphrase member.
func described(t testing.TB, key Key, passphrase string) Description {
	t.Helper()
	raw := string(matrix.Description(key.Reveal(), ""))
	d, err := ParseDescription([]byte(raw[:len(raw)-1] + `,"passphrase":` + passphrase + `}`))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestPassphrases(t *testing.T) {
	for _, v := range some(t, loadVectors[passphraseVectors](t, "passphrase.json").Cases) {
		t.Run(v.ID, func(t *testing.T) {
			member := map[string]any{"algorithm": "m.pbkdf2", "salt": v.Salt, "iterations": v.Iterations}
			if v.Bits != nil {
				member["bits"] = *v.Bits
			}
			raw, err := json.Marshal(member)
			if err != nil {
				t.Fatal(err)
			}
			info, err := described(t, mustKey(t, strings.Repeat("a5", KeySize)), string(raw)).Passphrase()
			// The SDK derives keys of other lengths too (reference section 6).
			if v.SDK.Error != nil || v.Bits != nil && *v.Bits != 256 {
				wantCode(t, err, "bad_passphrase_info")
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			key, err := info.DeriveKey([]byte(v.Passphrase))
			if err != nil {
				t.Fatal(err)
			}
			if got := hex.EncodeToString(key.Reveal()); got != v.SDK.KeyHex {
				t.Errorf("got %s, want %s", got, v.SDK.KeyHex)
			}
			if got := string(key.RecoveryKey()); got != v.SDK.RecoveryKey {
				t.Errorf("its recovery key is %s, want %s", got, v.SDK.RecoveryKey)
			}
		})
	}
}

func TestPassphraseMember(t *testing.T) {
	tests := []struct {
		it, member, code string
	}{
		{"takes what the SDK writes", `{"algorithm":"m.pbkdf2","iterations":500000,"salt":"s"}`, ""},
		{"takes the most iterations", `{"algorithm":"m.pbkdf2","iterations":10000000,"salt":"s","bits":256,"x":1}`, ""},
		{"refuses one more", `{"algorithm":"m.pbkdf2","iterations":10000001,"salt":"s"}`, "bad_passphrase_info"},
		{"refuses far more", `{"algorithm":"m.pbkdf2","iterations":99999999999999999999,"salt":"s"}`, "bad_passphrase_info"},
		{"refuses no iterations", `{"algorithm":"m.pbkdf2","salt":"s"}`, "bad_passphrase_info"},
		{"refuses iterations that are not whole", `{"algorithm":"m.pbkdf2","iterations":10.5,"salt":"s"}`, "bad_passphrase_info"},
		{"refuses iterations that are text", `{"algorithm":"m.pbkdf2","iterations":"10","salt":"s"}`, "bad_passphrase_info"},
		{"refuses no salt", `{"algorithm":"m.pbkdf2","iterations":10}`, "bad_passphrase_info"},
		{"refuses a salt that is no text", `{"algorithm":"m.pbkdf2","iterations":10,"salt":5}`, "bad_passphrase_info"},
		{"refuses a salt with half of a surrogate pair", `{"algorithm":"m.pbkdf2","iterations":10,"salt":"\ud800"}`, "bad_passphrase_info"},
		{"refuses other bits", `{"algorithm":"m.pbkdf2","iterations":10,"salt":"s","bits":512}`, "bad_passphrase_info"},
		{"refuses bits that are null", `{"algorithm":"m.pbkdf2","iterations":10,"salt":"s","bits":null}`, "bad_passphrase_info"},
		{"refuses another algorithm", `{"algorithm":"m.argon2","iterations":10,"salt":"s"}`, "unknown_algorithm"},
		{"refuses no algorithm", `{"iterations":10,"salt":"s"}`, "unknown_algorithm"},
		{"refuses what is no object", `"m.pbkdf2"`, "bad_passphrase_info"},
		{"refuses names that differ in case", `{"algorithm":"m.pbkdf2","iterations":10,"salt":"s","Iterations":1}`, "bad_passphrase_info"},
	}
	key := mustKey(t, strings.Repeat("a5", KeySize))
	for _, test := range tests {
		t.Run(test.it, func(t *testing.T) {
			d := described(t, key, test.member)
			if _, err := d.Passphrase(); did.CodeOf(err) != test.code {
				t.Errorf("got %v, want %q", err, test.code)
			}
			if got := d.Check(key); got != Match {
				t.Errorf("the key itself is said to be %s", got)
			}
		})
	}
}

func TestDeriveKeyRefusesBeforeWork(t *testing.T) {
	for _, iterations := range []int{0, -1, maxIterations + 1, 1 << 62} {
		_, err := PassphraseInfo{Iterations: iterations}.DeriveKey([]byte("p"))
		wantCode(t, err, "bad_passphrase_info")
	}
	_, err := PassphraseInfo{Iterations: 1}.DeriveKey([]byte("\xff"))
	wantCode(t, err, "not_utf8")
	_, err = PassphraseInfo{Iterations: 1}.DeriveKey(make([]byte, maxPassphrase+1))
	wantCode(t, err, "too_large")
}

func TestKeyFromText(t *testing.T) {
	const member = `{"algorithm":"m.pbkdf2","iterations":10,"salt":"s"}`
	key, err := PassphraseInfo{Salt: "s", Iterations: 10}.DeriveKey([]byte("correct horse"))
	if err != nil {
		t.Fatal(err)
	}
	other := mustKey(t, strings.Repeat("a5", KeySize))
	recovery, wrong := string(key.RecoveryKey()), string(other.RecoveryKey())
	plain, err := ParseDescription(matrix.Description(key.Reveal(), ""))
	if err != nil {
		t.Fatal(err)
	}
	parse := func(raw string) Description {
		d, err := ParseDescription([]byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	unchecked := fmt.Sprintf(`{"algorithm":%q,"passphrase":%s}`, Algorithm, member)
	tests := []struct {
		it     string
		d      Description
		text   string
		result CheckResult
		code   string
	}{
		{"takes the passphrase", described(t, key, member), "correct horse", Match, ""},
		{"takes the recovery key of a key with a passphrase", described(t, key, member), recovery, Match, ""},
		{"takes the recovery key where the passphrase cannot be used", described(t, key, `{}`), recovery, Match, ""},
		{"takes the recovery key of a key without", plain, recovery, Match, ""},
		{"takes any passphrase where nothing can be checked", parse(unchecked), "correct horse", Unknown, ""},
		{"takes any recovery key where nothing can be checked", parse(`{"algorithm":"` + Algorithm + `"}`), recovery, Unknown, ""},
		{"reports the passphrase when neither fits", described(t, key, member), "wrong", NoMatch, "no_match"},
		{"reports the passphrase that cannot be used", described(t, key, `{}`), "wrong", NoMatch, "unknown_algorithm"},
		{"reports what is wrong with a recovery key", plain, recovery[:len(recovery)-1] + "0", NoMatch, "bad_base58"},
		{"refuses another key's recovery key", plain, wrong, NoMatch, "no_match"},
	}
	for _, test := range tests {
		t.Run(test.it, func(t *testing.T) {
			got, result, err := test.d.KeyFromText([]byte(test.text))
			if did.CodeOf(err) != test.code || result != test.result {
				t.Fatalf("got %s, %v", result, err)
			}
			if test.code != "" {
				if !got.IsZero() {
					t.Error("a key came with the refusal")
				}
				return
			}
			if string(got.Reveal()) != string(key.Reveal()) {
				t.Error("another key came out")
			}
		})
	}
}
