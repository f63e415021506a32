package keystore

import (
	"bytes"
	"errors"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"walletd/internal/did"
	"walletd/internal/secretstorage"
	"walletd/internal/store"
)

// harmless are the types that an operation may return without a receipt: ciphertext, MACs, public keys,
// verdicts, rows, what a row says, and words about the keystore itself. None of them can hold a seed, a
// key, a signature of an account or the plaintext of a secret.
var harmless = map[string]bool{
	"error": true, "bool": true, "int": true, "<-chan struct{}": true,
	"walletd/internal/keystore.Sealed":             true,
	"walletd/internal/keystore.MAC":                true,
	"walletd/internal/keystore.PublicKey":          true,
	"walletd/internal/keystore.VAPIDSignature":     true, // with a key for that alone
	"walletd/internal/keystore.RowContent":         true,
	"walletd/internal/keystore.Content":            true,
	"*walletd/internal/keystore.Wallet":            true, // whose methods are held to the same
	"walletd/internal/keystore.Status":             true,
	"walletd/internal/keystore.Loss":               true,
	"walletd/internal/store.Account":               true, // sealed
	"walletd/internal/store.Wallet":                true, // sealed
	"[]walletd/internal/store.Head":                true, // signed with a key for heads alone
	"walletd/internal/keystore.SignedRoot":         true, // the same
	"walletd/internal/keystore.ArchiveSignature":   true, // with the same key, under a label of its own
	"walletd/internal/secretstorage.Sealed":        true, // ciphertext
	"[]walletd/internal/secretstorage.CheckResult": true,
}

// Every exported method of Wallet and Keystore that returns anything but what is harmless takes a
// receipt, so that a key without its record does not compile.
func TestWhatLeavesTakesAReceipt(t *testing.T) {
	pkg := typesOf(t, "walletd/internal/keystore")
	const receipt = "walletd/internal/store.Receipt"
	released := map[string]bool{}
	methods := 0
	for _, name := range []string{"Wallet", "Keystore"} {
		set := types.NewMethodSet(types.NewPointer(pkg.Scope().Lookup(name).Type()))
		for i := range set.Len() {
			f := set.At(i).Obj()
			if !f.Exported() {
				continue
			}
			methods++
			signature := f.Type().(*types.Signature)
			takes := false
			for i := range signature.Params().Len() {
				takes = takes || signature.Params().At(i).Type().String() == receipt
			}
			if takes {
				released[f.Name()] = true
				continue
			}
			for i := range signature.Results().Len() {
				result := signature.Results().At(i).Type().String()
				if name == "Keystore" && f.Name() == "AddSlot" && result == "string" {
					continue // the id of the slot's row
				}
				if !harmless[result] {
					t.Errorf("%s.%s returns %s without a receipt", name, f.Name(), result)
				}
			}
		}
	}
	if methods < 20 {
		t.Errorf("only %d methods were found", methods)
	}
	for _, name := range []string{"EncryptionKey", "OwnerKey", "SignToken", "SignBytes", "Secret", "OpenSecret"} {
		if !released[name] {
			t.Errorf("%s takes no receipt; was it renamed?", name)
		}
	}
	if len(released) != 6 {
		t.Errorf("%d operations release something; TestWithoutAReceiptNothingLeaves knows 6", len(released))
	}
}

// typesOf reads the types of a package from what the compiler wrote about it.
func typesOf(t *testing.T, path string) *types.Package {
	t.Helper()
	out, err := exec.Command("go", "list", "-export", "-deps", "-f", "{{.ImportPath}}\t{{.Export}}", path).Output()
	if err != nil {
		t.Fatalf("go list -export: %v", err)
	}
	files := map[string]string{}
	for line := range strings.SplitSeq(string(out), "\n") {
		name, file, _ := strings.Cut(line, "\t")
		files[name] = file
	}
	open := func(path string) (io.ReadCloser, error) { return os.Open(files[path]) }
	pkg, err := importer.ForCompiler(token.NewFileSet(), "gc", open).Import(path)
	if err != nil {
		t.Fatal(err)
	}
	return pkg
}

func TestWithoutAReceiptNothingLeaves(t *testing.T) {
	h := newHouse(t)
	h.mustUnlock(firstPass)
	row, own := h.addWallet(1)
	other, _ := h.addWallet(2)
	w := h.opens(row.ID)
	salt, digest := []byte("salt"), bytes.Repeat([]byte{7}, 32)
	sealed, err := w.SealSecret(own, salt, "m.test", []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	kept, err := secretstorage.Secret{}.With("id", sealed)
	if err != nil {
		t.Fatal(err)
	}
	operations := map[string]func(store.Receipt) (any, bool, error){
		"EncryptionKey": func(r store.Receipt) (any, bool, error) {
			key, err := w.EncryptionKey(r, own, salt)
			return key.Base58(), key.IsZero(), err
		},
		"OwnerKey": func(r store.Receipt) (any, bool, error) {
			key, err := w.OwnerKey(r, salt)
			return key.Base58(), key.IsZero(), err
		},
		"SignToken": func(r store.Receipt) (any, bool, error) {
			token, err := w.SignToken(r, own, map[string]any{}, time.Unix(1, 0))
			return token, token == "", err
		},
		"SignBytes": func(r store.Receipt) (any, bool, error) {
			sig, err := w.SignBytes(r, own, digest)
			return sig, sig == nil, err
		},
		"Secret": func(r store.Receipt) (any, bool, error) {
			secret, err := w.Secret(r, own)
			return secret, secret == nil, err
		},
		"OpenSecret": func(r store.Receipt) (any, bool, error) {
			plain, err := w.OpenSecret(r, own, salt, kept, "m.test", "id")
			return plain, plain == nil, err
		},
	}
	good := releases(t, row.ID)
	refused := map[string]store.Receipt{
		"without a receipt":                          {},
		"with another wallet's":                      releases(t, other.ID),
		"with one of the service's":                  releases(t, store.ServiceChain),
		"with one whose entry does not release":      receiptOf(t, row.ID, false),
		"with another wallet's that does not either": receiptOf(t, other.ID, false),
	}
	for name, operation := range operations {
		t.Run(name, func(t *testing.T) {
			for why, r := range refused {
				if got, none, err := operation(r); !errors.Is(err, ErrReceipt) || !none {
					t.Errorf("%s it gives %v, %v, want ErrReceipt", why, got, err)
				}
			}
			if _, none, err := operation(good); err != nil || none {
				t.Errorf("with the receipt of its entry it gives nothing: %v", err)
			}
		})
	}
}

// Rows are opened for whoever holds the wallet; the seed and the accounts are no such rows.
func TestOpenGivesNoSeedAndNoAccount(t *testing.T) {
	h := newHouse(t)
	h.mustUnlock(firstPass)
	row, own := h.addWallet(1)
	w := h.opens(row.ID)
	for name, try := range map[string]func() (RowContent, error){
		"the seed":    func() (RowContent, error) { return w.Open(walletPlace(row.ID, "seed"), w.sealedSeed) },
		"the content": func() (RowContent, error) { return w.Open(walletPlace(row.ID, "content"), row.Sealed) },
		"an account": func() (RowContent, error) {
			return w.Open(Place{Table: tableAccounts, Row: own.Address, Field: "secret", Version: 1}, own.Sealed)
		},
	} {
		if plain, err := try(); err == nil || plain != nil {
			t.Errorf("%s was opened", name)
		}
	}
}

func TestSecretsAreSealedAndKnownAgain(t *testing.T) {
	h := newHouse(t)
	h.mustUnlock(firstPass)
	row, own := h.addWallet(1)
	w := h.opens(row.ID)
	salt := []byte("m.secret_storage")
	sealed, err := w.SealSecret(own, salt, "m.test", []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	kept, err := secretstorage.Secret{}.With("id", sealed)
	if err != nil {
		t.Fatal(err)
	}
	key, err := w.EncryptionKey(releases(t, row.ID), own, salt)
	if err != nil {
		t.Fatal(err)
	}
	storageKey, err := secretstorage.NewKey(key.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := kept.Open("m.test", "id", storageKey); err != nil || string(plain) != "secret" {
		t.Errorf("the app's encryptionKey opens %q, %v", plain, err)
	}
	sum, err := w.SecretMAC(own, salt, kept, "m.test", "id")
	if err != nil || !bytes.Equal(sum, w.ValueMAC("m.test", []byte("secret"))) {
		t.Errorf("the value is not known again: %v", err)
	}
	if _, err := w.SecretMAC(own, []byte("another"), kept, "m.test", "id"); did.CodeOf(err) != "bad_mac" {
		t.Errorf("another salt's key: %v", err)
	}
	if bytes.Equal(sum, w.ValueMAC("m.other", []byte("secret"))) {
		t.Error("two secrets of one value and different names have one MAC")
	}
	unchecked, err := secretstorage.ParseDescription([]byte(`{"algorithm":"m.secret_storage.v1.aes-hmac-sha2"}`))
	if err != nil {
		t.Fatal(err)
	}
	fits, err := w.FitsDescriptions(own, salt, []secretstorage.Description{unchecked})
	if err != nil || len(fits) != 1 || fits[0] != secretstorage.Unknown {
		t.Errorf("a description without a check: %v, %v", fits, err)
	}
}
