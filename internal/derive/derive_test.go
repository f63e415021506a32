package derive

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"walletd/internal/did"
)

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

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.TrimPrefix(s, "0x"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func seedOf(t testing.TB, words string) Seed {
	t.Helper()
	w, err := ParseWords([]byte(words))
	if err != nil {
		t.Fatal(err)
	}
	return w.Seed()
}

// parsePath reads what Path.String writes, of any length.
func parsePath(t testing.TB, text string) []uint32 {
	t.Helper()
	var path []uint32
	for _, level := range strings.Split(text, "/")[1:] {
		digits, isHardened := strings.CutSuffix(level, "'")
		n, err := strconv.ParseUint(digits, 10, 31)
		if err != nil {
			t.Fatal(err)
		}
		if isHardened {
			n |= uint64(hardened)
		}
		path = append(path, uint32(n))
	}
	return path
}

func TestWalkFollowsTheOfficialVectors(t *testing.T) {
	var v struct {
		Vectors []struct {
			Seed   string
			Chains []struct{ Path, Key string }
		}
	}
	load(t, "bip32.json", &v)
	if len(v.Vectors) != 4 {
		t.Fatalf("found %d BIP-32 vectors, want 4", len(v.Vectors))
	}
	for i, vector := range v.Vectors {
		if len(vector.Chains) == 0 {
			t.Fatalf("vector %d has no chains", i+1)
		}
		for _, chain := range vector.Chains {
			got, err := walk(unhex(t, vector.Seed), parsePath(t, chain.Path))
			if err != nil {
				t.Errorf("vector %d, %s: %v", i+1, chain.Path, err)
			}
			if hex.EncodeToString(got) != chain.Key {
				t.Errorf("vector %d, %s: %x, want %s", i+1, chain.Path, got, chain.Key)
			}
		}
	}
}

func TestAccountsFollowTheVectors(t *testing.T) {
	var v struct {
		Mnemonic, Seed string
		Cases          []struct {
			Name, AppDid, Path, SK, PK, Address string
			Index                               uint32
		}
	}
	load(t, "accounts.json", &v)
	if len(v.Cases) != 10 {
		t.Fatalf("found %d accounts, want 10", len(v.Cases))
	}
	seed := seedOf(t, v.Mnemonic)
	if diff := cmp.Diff(unhex(t, v.Seed), seed.Reveal()); diff != "" {
		t.Fatalf("the seed differs:\n%s", diff)
	}
	for _, c := range v.Cases {
		t.Run(c.Name, func(t *testing.T) {
			want, err := did.Parse(c.Address)
			if err != nil {
				t.Fatal(err)
			}
			path := pathOf(did.LooseBytes(c.AppDid), c.Index)
			if path.String() != c.Path {
				t.Errorf("path %s, want %s", path, c.Path)
			}
			// Two of the names are no DIDs: text with its prefix, and the default.
			switch {
			case c.AppDid == defaultApp:
				if DefaultPath() != path {
					t.Errorf("default path %s, want %s", DefaultPath(), path)
				}
			case !strings.HasPrefix(c.AppDid, "did:"):
				app, err := did.Parse(c.AppDid)
				if err != nil {
					t.Fatal(err)
				}
				if got := AppPath(app, c.Index); got != path {
					t.Errorf("app's path %s, want %s", got, path)
				}
			}
			key, address, err := Account(seed, path, want.Type())
			if err != nil {
				t.Fatal(err)
			}
			if address != want {
				t.Errorf("address %s, want %s", address, want)
			}
			if got := hex.EncodeToString(key.Reveal()); "0x"+got != c.SK {
				t.Errorf("secret key differs from the packages' form")
			}
			if got := hex.EncodeToString(key.Public()); "0x"+got != c.PK {
				t.Errorf("public key %s, want %s", got, c.PK)
			}
		})
	}
}

func TestAccountsOfTheMobileWallets(t *testing.T) {
	var v struct {
		MobileSdkCheck, MobileEthereumDefault struct{ Mnemonic, Path, Expected string }
		LegacyTwoCodes                        struct{ EntropyText, ExpectedSeedBase64 string }
	}
	load(t, "accounts.json", &v)
	ethereum := did.Type{Role: did.RoleAccount, Key: did.Ethereum, Hash: did.Keccak}

	_, address, err := Account(seedOf(t, v.MobileSdkCheck.Mnemonic), pathOf(nil, 0), ethereum)
	if err != nil || address.Address() != v.MobileSdkCheck.Expected {
		t.Errorf("for an empty app: %s %v, want %s", address, err, v.MobileSdkCheck.Expected)
	}

	mobile := Path{purposeBIP44, 60 | hardened, 0 | hardened, 0, 0}
	if got := mobile.String(); got != v.MobileEthereumDefault.Path {
		t.Errorf("default ethereum path %s, want %s", got, v.MobileEthereumDefault.Path)
	}
	_, address, err = Account(seedOf(t, v.MobileEthereumDefault.Mnemonic), mobile, ethereum)
	if err != nil || address.Address() != v.MobileEthereumDefault.Expected {
		t.Errorf("default ethereum account: %s %v, want %s", address, err, v.MobileEthereumDefault.Expected)
	}

	// The words of a historic two-code wallet come from 32 bytes of ASCII.
	seed := wordsOf([]byte(v.LegacyTwoCodes.EntropyText)).Seed()
	if got := base64.StdEncoding.EncodeToString(seed.Reveal()); got != v.LegacyTwoCodes.ExpectedSeedBase64 {
		t.Error("the seed of a two-code wallet differs")
	}
}

func TestEncryptionKeyFollowsTheVectors(t *testing.T) {
	type form struct{ Hex, Base58 string }
	var v struct {
		Rule struct {
			Sha3RoundsOfZeroByte []string `json:"sha3RoundsOfZeroByte"`
		}
		Cases []struct {
			Name, SK, Salt, SaltBytes string
			OneRound, ThreeRounds     form
		}
	}
	load(t, "encryption-key.json", &v)
	if len(v.Cases) < 14 || len(v.Rule.Sha3RoundsOfZeroByte) != 3 {
		t.Fatalf("found %d keys and %d rounds", len(v.Cases), len(v.Rule.Sha3RoundsOfZeroByte))
	}
	for i, want := range v.Rule.Sha3RoundsOfZeroByte {
		if got := EncryptionKey([]byte{0}, nil, i+1); "0x"+hex.EncodeToString(got[:]) != want {
			t.Errorf("%d rounds over a zero byte: %x, want %s", i+1, got, want)
		}
	}
	for _, c := range v.Cases {
		t.Run(c.Name, func(t *testing.T) {
			salt := did.LooseBytes(c.Salt)
			if got := hex.EncodeToString(salt); got != c.SaltBytes {
				t.Fatalf("salt bytes %s, want %s", got, c.SaltBytes)
			}
			for rounds, want := range map[int]form{1: c.OneRound, 3: c.ThreeRounds} {
				got := EncryptionKey(unhex(t, c.SK), salt, rounds)
				if hex.EncodeToString(got[:]) != want.Hex || did.EncodeBase58(got[:]) != want.Base58 {
					t.Errorf("%d rounds: %x, want %s", rounds, got, want.Hex)
				}
			}
		})
	}
}

func TestChildRefusesWhatIsNoAccount(t *testing.T) {
	seed := seedOf(t, "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrong")
	if _, err := Child(Seed{}, DefaultPath()); !errors.Is(err, ErrNoSeed) {
		t.Errorf("from no seed: %v", err)
	}
	if _, err := Child(seed, AppPath(did.DID{}, 0)); !errors.Is(err, ErrPath) {
		t.Errorf("for no app: %v", err)
	}
	app, err := did.Parse("zNKpPiDfyQ5h7LWfhsYHaxdizUx7ung399sm")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Child(seed, AppPath(app, hardened)); !errors.Is(err, ErrPath) {
		t.Errorf("with an index that means a hardened level: %v", err)
	}
	seed.Wipe()
	if _, _, err := Account(seed, DefaultPath(), did.AccountType()); !errors.Is(err, ErrNoSeed) {
		t.Errorf("from a wiped seed: %v", err)
	}
	for _, n := range []int{0, 32, 63, 65} {
		if _, err := NewSeed(make([]byte, n)); !errors.Is(err, ErrSeedSize) {
			t.Errorf("a seed of %d bytes: %v", n, err)
		}
	}
}

func TestSeedIsACopy(t *testing.T) {
	b := slices.Repeat([]byte{7}, SeedSize)
	seed, err := NewSeed(b)
	if err != nil {
		t.Fatal(err)
	}
	clear(b)
	if seed.Reveal()[0] != 7 {
		t.Error("the seed changed with the caller's bytes")
	}
}

func TestSecretsDoNotPrintThemselves(t *testing.T) {
	seed, err := NewSeed([]byte(strings.Repeat("SEEDSEED", 8)))
	if err != nil {
		t.Fatal(err)
	}
	words, err := ParseWords([]byte("zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrong"))
	if err != nil {
		t.Fatal(err)
	}
	type holder struct {
		seed  Seed // fmt calls no methods of unexported fields
		words Words
	}
	values := []any{seed, words, &seed, &words, holder{seed, words}, &holder{seed, words}, []any{seed, words}, map[string]any{"s": seed}}
	for _, v := range values {
		printed := []string{fmt.Sprint(v)}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			printed = append(printed, fmt.Sprintf(verb, v))
		}
		asJSON, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range append(printed, string(asJSON)) {
			for _, secret := range []string{"SEED", "53454544", "83, 69", "83 69", "0x53", "zoo", "7a6f6f", "122 111", "7A6F6F"} {
				if strings.Contains(s, secret) {
					t.Errorf("%T prints itself: %s", v, s)
				}
			}
		}
	}
}
