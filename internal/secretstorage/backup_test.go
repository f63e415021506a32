package secretstorage

import (
	"bytes"
	"crypto/ecdh"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"walletd/internal/did"
)

type backupVectors struct {
	Derive []struct {
		ID          string
		PrivateHex  string          `json:"private_hex"`
		SecretValue string          `json:"secret_value"`
		RecoveryKey string          `json:"recovery_key"`
		PublicKey   string          `json:"public_key"`
		AuthData    json.RawMessage `json:"auth_data_before_signing"`
	}
	Sealed []struct {
		ID           string
		PrivateHex   string `json:"backup_private_hex"`
		Public       string `json:"backup_public"`
		EphemeralHex string `json:"ephemeral_private_hex"`
		Plaintext    string
		SessionData  json.RawMessage `json:"session_data"`
	}
	MadeByRust []struct {
		PrivateHex  string          `json:"backup_private_hex"`
		SessionData json.RawMessage `json:"session_data"`
		Plaintext   string
	} `json:"made_by_rust"`
	Cases []struct {
		ID          string
		PrivateHex  string          `json:"backup_private_hex"`
		SessionData json.RawMessage `json:"session_data"`
		Walletd     want
	}
}

func mustBackupKey(t testing.TB, text string) BackupKey {
	t.Helper()
	key, err := ParseBackupKey(unpaddedBase64(unhex(t, text)))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func openSession(key BackupKey, raw []byte) ([]byte, error) {
	data, err := ParseSessionData(raw)
	if err != nil {
		return nil, err
	}
	return key.Open(data)
}

func TestBackupKeys(t *testing.T) {
	for _, v := range some(t, loadVectors[backupVectors](t, "megolm-backup.json").Derive) {
		t.Run(v.ID, func(t *testing.T) {
			key := mustBackupKey(t, v.PrivateHex)
			public, err := key.Public()
			if err != nil {
				t.Fatal(err)
			}
			got := []string{public.String(), string(key.Value()), string(key.RecoveryKey())}
			if diff := cmp.Diff([]string{v.PublicKey, v.SecretValue, v.RecoveryKey}, got); diff != "" {
				t.Error(diff)
			}
			backup, err := ParseBackup(fmt.Appendf(nil, `{"algorithm":%q,"auth_data":%s}`, BackupAlgorithm, v.AuthData))
			if err != nil || backup.Public() != public || backup.Fits(key) != nil {
				t.Errorf("the SDK's own description is read as of %s, %v", backup.Public(), err)
			}
		})
	}
}

func TestSealSessionWritesWhatClientsOpen(t *testing.T) {
	for _, v := range some(t, loadVectors[backupVectors](t, "megolm-backup.json").Sealed) {
		t.Run(v.ID, func(t *testing.T) {
			key := mustBackupKey(t, v.PrivateHex)
			public, err := key.Public()
			if err != nil || public.String() != v.Public {
				t.Fatalf("the public key is %s, %v", public, err)
			}
			ephemeral, err := ecdh.X25519().NewPrivateKey(unhex(t, v.EphemeralHex))
			if err != nil {
				t.Fatal(err)
			}
			data, err := public.seal(ephemeral, []byte(v.Plaintext))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(compacted(t, v.SessionData), string(mustMarshal(t, data))); diff != "" {
				t.Error(diff)
			}
			if got, err := openSession(key, v.SessionData); err != nil || string(got) != v.Plaintext {
				t.Errorf("it opens to %q, %v", got, err)
			}
			fresh, err := public.Seal([]byte(v.Plaintext))
			if err != nil {
				t.Fatal(err)
			}
			if fresh.Ephemeral == data.Ephemeral {
				t.Error("the ephemeral key is not fresh")
			}
			if got, err := openSession(key, mustMarshal(t, fresh)); err != nil || string(got) != v.Plaintext {
				t.Errorf("a fresh one opens to %q, %v", got, err)
			}
		})
	}
}

func TestOpenSession(t *testing.T) {
	vectors := loadVectors[backupVectors](t, "megolm-backup.json")
	for i, v := range some(t, vectors.MadeByRust) {
		if got, err := openSession(mustBackupKey(t, v.PrivateHex), v.SessionData); err != nil || string(got) != v.Plaintext {
			t.Errorf("made by Rust %d: got %q, %v", i, got, err)
		}
	}
	for _, v := range some(t, vectors.Cases) {
		t.Run(v.ID, func(t *testing.T) {
			got, err := openSession(mustBackupKey(t, v.PrivateHex), v.SessionData)
			switch {
			case v.Walletd.Error != "":
				wantCode(t, err, v.Walletd.Error)
			case v.Walletd.Undetected:
				if err != nil || json.Valid(got) {
					t.Errorf("got %q, %v", got, err)
				}
			case v.Walletd.Plaintext != nil:
				if err != nil || string(got) != *v.Walletd.Plaintext {
					t.Errorf("got %q, %v", got, err)
				}
			default:
				t.Fatal("the vector expects nothing")
			}
		})
	}
}

func TestSealSessionRefuses(t *testing.T) {
	_, err := BackupPublicKey{}.Seal([]byte("x"))
	wantCode(t, err, "bad_key") // of low order
	_, err = BackupPublicKey{9}.Seal(make([]byte, MaxPlaintext+1))
	wantCode(t, err, "too_large")
	_, err = BackupKey{}.Public()
	wantCode(t, err, "bad_key")
	_, err = BackupKey{}.Open(SessionData{})
	wantCode(t, err, "bad_key")
	_, err = ParseBackupKey(unpaddedBase64(make([]byte, 31)))
	wantCode(t, err, "bad_secret")
}

func TestParseSessionData(t *testing.T) {
	zeros := func(n int) string { return string(unpaddedBase64(make([]byte, n))) }
	data := func(ephemeral, ciphertext, mac int) string {
		return fmt.Sprintf(`{"ephemeral":%q,"ciphertext":%q,"mac":%q}`, zeros(ephemeral), zeros(ciphertext), zeros(mac))
	}
	tests := []struct {
		it, raw, code string
	}{
		{"takes the longest", data(32, MaxPlaintext+16, 8), ""},
		{"refuses a longer one", data(32, MaxPlaintext+17, 8), "too_large"},
		{"refuses more JSON than that needs", data(32, maxSessionData, 8), "too_large"},
		{"refuses a long ephemeral key", data(33, 16, 8), "bad_key"},
		{"refuses a long MAC", data(32, 16, 9), "bad_mac"},
		{"refuses a whole HMAC", data(32, 16, 32), "bad_mac"},
		{"refuses a member that is missing", `{"ephemeral":"","mac":""}`, "malformed"},
		{"refuses a member that is no text", `{"ephemeral":"","mac":"","ciphertext":[]}`, "malformed"},
		{"refuses a member twice", `{"ephemeral":"","mac":"","ciphertext":"","mac":""}`, "malformed"},
	}
	for _, test := range tests {
		t.Run(test.it, func(t *testing.T) {
			if _, err := ParseSessionData([]byte(test.raw)); did.CodeOf(err) != test.code {
				t.Errorf("got %v, want %q", err, test.code)
			}
		})
	}
}

func TestParseBackup(t *testing.T) {
	public := string(unpaddedBase64(make([]byte, KeySize)))
	auth := `"auth_data":{"public_key":"` + public + `","x":[1]}`
	start := `{"algorithm":"` + BackupAlgorithm + `",`
	tests := []struct {
		it, raw, code string
	}{
		{"takes members it does not know", start + auth + `,"version":"1","etag":"<1>","count":1}`, ""},
		{"refuses another algorithm", `{"algorithm":"m.megolm_backup.v2",` + auth + `}`, "unknown_algorithm"},
		{"refuses one that was removed", `{}`, "unknown_algorithm"},
		{"refuses no auth data", start + `"version":"1"}`, "malformed"},
		{"refuses auth data that is no object", start + `"auth_data":[]}`, "malformed"},
		{"refuses no public key", start + `"auth_data":{}}`, "malformed"},
		{"refuses a public key in two cases", start + `"auth_data":{"public_key":"` + public + `","Public_Key":"x"}}`, "malformed"},
		{"refuses a public key that is not base64", start + `"auth_data":{"public_key":"!"}}`, "bad_base64"},
		{"refuses a short public key", start + `"auth_data":{"public_key":"AAAA"}}`, "bad_key"},
		{"refuses more than 64 KiB", start + `"x":"` + strings.Repeat("x", 64<<10) + `"}`, "too_large"},
	}
	for _, test := range tests {
		t.Run(test.it, func(t *testing.T) {
			b, err := ParseBackup([]byte(test.raw))
			if test.code != "" {
				wantCode(t, err, test.code)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if b.Public() != (BackupPublicKey{}) {
				t.Errorf("its key is %s", b.Public())
			}
		})
	}
}

func compacted(t testing.TB, raw []byte) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
