package did

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// loadVectors reads a file of testdata, made by the real packages.
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

// some fails the test when a list of vectors is empty, as it would be after a
// member was renamed.
func some[T any](t testing.TB, vectors []T) []T {
	t.Helper()
	if len(vectors) == 0 {
		t.Fatal("no vectors")
	}
	return vectors
}

// unhex reads hex with or without 0x.
func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.TrimPrefix(text, "0x"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mustParse(t testing.TB, text string) DID {
	t.Helper()
	d, err := Parse(text)
	if err != nil {
		t.Fatalf("parsing %q: %v", text, err)
	}
	return d
}

// wantCode fails unless err is a refusal with that code.
func wantCode(t testing.TB, err error, code string) {
	t.Helper()
	if err == nil || CodeOf(err) != code {
		t.Errorf("got %v, want a refusal %s", err, code)
	}
}

// vectorTime is the clock that the vectors were made with.
var vectorTime = time.Unix(1767225600, 0)

// keyOf makes the key of one byte repeated, as the vectors do.
func keyOf(t testing.TB, typ KeyType, b byte) SecretKey {
	t.Helper()
	key, err := SecretKeyFromSeed(typ, []byte(strings.Repeat(string([]byte{b}), 32)))
	if err != nil {
		t.Fatal(err)
	}
	return key
}
