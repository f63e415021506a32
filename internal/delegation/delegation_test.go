package delegation

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/sha3"

	"walletd/internal/did"
)

// now is the clock of all vectors.
var now = time.Unix(1767225600, 0)

func load(t testing.TB, name string, into any) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func mustParse(t testing.TB, text string) did.DID {
	t.Helper()
	d, err := did.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// wantCode checks that an error is a refusal with this code; "ok" is none.
func wantCode(t testing.TB, err error, code string) {
	t.Helper()
	if code == "ok" && err == nil {
		return
	}
	if got := did.CodeOf(err); got != code {
		t.Errorf("got %q (%v), want %q", got, err, code)
	}
}

// party is somebody with a key who signs what he likes.
type party struct {
	key did.SecretKey
	did.DID
	pk string
}

var algorithms = map[did.KeyType]string{did.Ed25519: "Ed25519", did.Secp256k1: "ES256K", did.Ethereum: "Ethereum"}

func newParty(t testing.TB, fill byte, typ did.Type) party {
	t.Helper()
	key, err := did.SecretKeyFromSeed(typ.Key, bytes.Repeat([]byte{fill}, 32))
	if err != nil {
		t.Fatal(err)
	}
	id, err := did.FromPublicKey(key.Public(), typ)
	if err != nil {
		t.Fatal(err)
	}
	return party{key: key, DID: id, pk: did.EncodeBase58(key.Public())}
}

func application(t testing.TB, fill byte, key did.KeyType) party {
	return newParty(t, fill, did.Type{Role: did.RoleApplication, Key: key, Hash: did.SHA3})
}

func unsigned(header, body string) string {
	return did.EncodeBase64URL([]byte(header)) + "." + did.EncodeBase64URL([]byte(body))
}

// sign makes a token out of any text that is to be its body.
func (p party) sign(t testing.TB, body string) string {
	return p.signAs(t, `{"alg":"`+algorithms[p.key.Type()]+`","type":"JWT"}`, body)
}

func (p party) signAs(t testing.TB, header, body string) string {
	t.Helper()
	text := unsigned(header, body)
	message := []byte(text)
	switch {
	case strings.Contains(body, `"version":"1.1.0"`):
		sum := sha3.Sum256(message)
		message = sum[:]
	case p.key.Type() != did.Ed25519:
		message = message[:32] // as far as unhashed ECDSA looks (reference c.7)
	}
	sig, err := p.key.SignBytes(message)
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + did.EncodeBase64URL(sig)
}

// fill puts names and times into the body of a test.
func fill(body string, parties map[string]party) string {
	for name, p := range parties {
		body = strings.NewReplacer("<"+name+".bare>", p.Address(), "<"+name+".pk>", p.pk, "<"+name+">", p.String()).Replace(body)
	}
	unix := func(seconds int64) string { return strconv.FormatInt(now.Unix()+seconds, 10) }
	return strings.NewReplacer("<hour>", unix(3600), "<now>", unix(0), "<past>", unix(-60), "<future>", unix(60)).Replace(body)
}
