package secretstorage

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"walletd/internal/did"
)

// parseSealed reads one entry of a secret's encrypted map.
func parseSealed(raw []byte, limit int) (Sealed, error) {
	o, err := parse(raw)
	if err != nil {
		return Sealed{}, err
	}
	return sealedOf(o, limit)
}

type sealVector struct {
	ID               string
	KeyHex           string  `json:"key_hex"`
	Name             string  `json:"secret_name"`
	IVHex            string  `json:"iv_hex"`
	PlaintextHex     string  `json:"plaintext_utf8_hex"`
	Repeat           *repeat `json:"plaintext_repeat"`
	AESKeyHex        string  `json:"aes_key_hex"`
	HMACKeyHex       string  `json:"hmac_key_hex"`
	IV               string
	Ciphertext       string
	CiphertextSHA256 string `json:"ciphertext_sha256"`
	MAC              string
	Walletd          string
}

type sealVectors struct{ Cases []sealVector }

func (v sealVector) plaintext(t testing.TB) []byte {
	if v.Repeat != nil {
		return []byte(v.Repeat.text())
	}
	return unhex(t, v.PlaintextHex)
}

func TestSealWritesWhatTheSDKWrites(t *testing.T) {
	for _, v := range some(t, loadVectors[sealVectors](t, "aes-hmac-sha2.json").Cases) {
		t.Run(v.ID, func(t *testing.T) {
			if v.Walletd == "either counter" {
				return // no client can make this IV
			}
			key, plaintext := mustKey(t, v.KeyHex), v.plaintext(t)
			e, err := newEnvelope(key, v.Name)
			if err != nil {
				t.Fatal(err)
			}
			if got := hex.EncodeToString(e.okm); got != v.AESKeyHex+v.HMACKeyHex {
				t.Errorf("the keys are %s", got)
			}
			sealed, err := seal(key, v.Name, [IVSize]byte(unhex(t, v.IVHex)), plaintext)
			if err != nil {
				t.Fatal(err)
			}
			var got struct{ IV, Ciphertext, MAC string }
			if err := json.Unmarshal(mustMarshal(t, sealed), &got); err != nil {
				t.Fatal(err)
			}
			if got.IV != v.IV || got.MAC != v.MAC {
				t.Errorf("got iv %s and mac %s", got.IV, got.MAC)
			}
			sum := sha256.Sum256(sealed.Ciphertext)
			switch {
			case v.CiphertextSHA256 != "":
				if v.CiphertextSHA256 != hex.EncodeToString(sum[:]) {
					t.Errorf("the ciphertext's hash is %x", sum)
				}
			case got.Ciphertext != v.Ciphertext:
				t.Errorf("got ciphertext %s", got.Ciphertext)
			}
			if back, err := Open(key, v.Name, sealed); err != nil || !bytes.Equal(back, plaintext) {
				t.Errorf("it opens to %d bytes, %v", len(back), err)
			}
		})
	}
}

type openVector struct {
	ID      string
	KeyHex  string `json:"key_hex"`
	Name    string `json:"secret_name"`
	Data    json.RawMessage
	Walletd want
}

type openVectors struct{ Cases []openVector }

// open goes the way of an entry that came from outside.
func (v openVector) open(t testing.TB) ([]byte, error) {
	sealed, err := parseSealed(v.Data, MaxPlaintext)
	if err != nil {
		return nil, err
	}
	key, err := NewKey(unhex(t, v.KeyHex))
	if err != nil {
		return nil, err
	}
	return Open(key, v.Name, sealed)
}

func TestOpen(t *testing.T) {
	for _, v := range some(t, loadVectors[openVectors](t, "decrypt.json").Cases) {
		t.Run(v.ID, func(t *testing.T) {
			got, err := v.open(t)
			checked := err
			if err == nil {
				checked = CheckValue(v.Name, got)
			}
			switch {
			case v.Walletd.Error == "not_utf8":
				wantCode(t, checked, "not_utf8")
			case v.Walletd.Error != "":
				wantCode(t, err, v.Walletd.Error)
			case v.Walletd.PlaintextGarbled:
				if err != nil {
					t.Fatalf("the cipher noticed: %v", err)
				}
				if code := did.CodeOf(checked); code != "bad_secret" && code != "not_utf8" {
					t.Errorf("the shape of %q passes: %v", got, checked)
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

func TestSeal(t *testing.T) {
	key := mustKey(t, strings.Repeat("a5", KeySize))
	value := []byte(strings.Repeat("A", 43))
	tests := []struct {
		it        string
		key       Key
		name      string
		plaintext []byte
		code      string
	}{
		{"seals a secret", key, "org.example.s", []byte("x"), ""},
		{"seals the longest", key, "org.example.s", bytes.Repeat([]byte{'x'}, MaxPlaintext), ""},
		{"seals a key's value", key, NameMaster, value, ""},
		{"seals a padded value", key, NameBackup, append(slices.Clone(value), '='), ""},
		{"seals a byte order mark", key, "org.example.s", []byte("\ufeffhello"), ""},
		{"refuses an empty secret", key, "org.example.s", nil, "empty_secret"},
		{"refuses one byte too many", key, "org.example.s", bytes.Repeat([]byte{'x'}, MaxPlaintext+1), "too_large"},
		{"refuses what no client could read", key, "org.example.s", []byte{0xff}, "not_utf8"},
		{"refuses a key that is no key", key, NameSelfSigning, []byte("251,211"), "bad_secret"},
		{"refuses the URL-safe alphabet where clients do", key, NameMaster, bytes.Replace(value, []byte("A"), []byte("_"), 1), "bad_secret"},
		{"refuses to seal without a key", Key{}, "org.example.s", []byte("x"), "bad_key"},
		{"refuses an empty name", key, "", []byte("x"), "bad_name"},
	}
	for _, test := range tests {
		t.Run(test.it, func(t *testing.T) {
			sealed, err := Seal(test.key, test.name, test.plaintext, MaxPlaintext)
			if test.code != "" {
				wantCode(t, err, test.code)
				if diff := cmp.Diff(Sealed{}, sealed); diff != "" {
					t.Error(diff)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got, err := Open(key, test.name, sealed); err != nil || !bytes.Equal(got, test.plaintext) {
				t.Errorf("it opens to %d bytes, %v", len(got), err)
			}
		})
	}
}

func TestSealDrawsAFreshIVWithBit63Clear(t *testing.T) {
	key := mustKey(t, strings.Repeat("a5", KeySize))
	seen := map[[IVSize]byte]bool{}
	var union [IVSize]byte
	for range 400 {
		sealed, err := Seal(key, "org.example.s", []byte("x"), MaxPlaintext)
		if err != nil {
			t.Fatal(err)
		}
		if seen[sealed.IV] {
			t.Fatal("an IV came twice")
		}
		seen[sealed.IV] = true
		for i, c := range sealed.IV {
			union[i] |= c
		}
	}
	want := [IVSize]byte(bytes.Repeat([]byte{0xff}, IVSize))
	want[8] = 0x7f
	if union != want {
		t.Errorf("bits that are ever set: %x", union)
	}
}

// Changed anywhere but in the IV, it does not open; changed there, it opens to something else, and
// the shape of a known secret says so.
func TestOpenNoticesEveryChangedBit(t *testing.T) {
	key := mustKey(t, strings.Repeat("a5", KeySize))
	value := []byte("dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo")
	sealed, err := Seal(key, NameMaster, value, MaxPlaintext)
	if err != nil {
		t.Fatal(err)
	}
	flip := func(at, bit int) Sealed {
		s := sealed
		s.Ciphertext = slices.Clone(s.Ciphertext)
		if at < len(s.Ciphertext) {
			s.Ciphertext[at] ^= 1 << bit
		} else {
			s.MAC[at-len(s.Ciphertext)] ^= 1 << bit
		}
		return s
	}
	for at := range len(sealed.Ciphertext) + len(sealed.MAC) {
		for bit := range 8 {
			_, err := Open(key, NameMaster, flip(at, bit))
			wantCode(t, err, "bad_mac")
		}
	}
	for at := range sealed.IV {
		s := sealed
		s.IV[at] ^= 1
		copied, err := Secret{}.With("k", s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := copied.Open(NameMaster, "k", key); did.CodeOf(err) != "bad_secret" && did.CodeOf(err) != "not_utf8" {
			t.Errorf("IV byte %d: %v", at, err)
		}
	}
}
