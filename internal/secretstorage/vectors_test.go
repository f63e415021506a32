package secretstorage

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"walletd/internal/did"
)

// loadVectors reads a file of testdata, made with the real clients.
func loadVectors[T any](t testing.TB, name string) T {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var vectors T
	if err := json.Unmarshal(raw, &vectors); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return vectors
}

// some fails the test when a list of vectors is empty, as it would be after a member was renamed.
func some[T any](t testing.TB, vectors []T) []T {
	t.Helper()
	if len(vectors) == 0 {
		t.Fatal("no vectors")
	}
	return vectors
}

// want is what a vector says walletd should do.
type want struct {
	Plaintext        *string
	PlaintextGarbled bool `json:"plaintext_garbled"`
	Undetected       bool
	Result           string
	KeyHex           string `json:"key_hex"`
	Error            string
}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mustKey(t testing.TB, text string) Key {
	t.Helper()
	key, err := NewKey(unhex(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// wantCode fails unless err is a refusal with that code.
func wantCode(t testing.TB, err error, code string) {
	t.Helper()
	if err == nil || did.CodeOf(err) != code {
		t.Errorf("got %v, want a refusal %s", err, code)
	}
}

func mustMarshal(t testing.TB, v json.Marshaler) []byte {
	t.Helper()
	b, err := v.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// repeat is a long plaintext of a vector.
type repeat struct {
	Repeat string
	Times  int
}

func (r *repeat) text() string { return strings.Repeat(r.Repeat, r.Times) }
