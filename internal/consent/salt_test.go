package consent_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"walletd/internal/approvals"
	"walletd/internal/did"
	"walletd/internal/store"
	"walletd/internal/wallettest/fixture"
)

func TestASaltOfAnotherDIDIsNeverDecidedByRule(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	f.SetPolicy(fixture.AllowAll)
	ethereum := f.Account(fixture.Another, did.Type{Role: did.RoleAccount, Key: did.Ethereum, Hash: did.Keccak})
	theirs := f.Account(fixture.Another, did.AccountType())
	mine := f.Account(fixture.Notes, did.AccountType())
	d, _ := did.Parse(fixture.Another)
	for name, salt := range map[string]string{
		"as an address":                       fixture.Another,
		"with a prefix":                       "did:abt:" + fixture.Another,
		"with a prefix nobody knows":          "DID:x:y:" + fixture.Another,
		"as hex of its bytes":                 "0x" + hexString(d.Bytes()),
		"as an account of another app":        theirs.Address,
		"as an ethereum account it holds":     ethereum.Address,
		"as that account in lower case":       strings.ToLower(ethereum.Address),
		"as that account's bytes in base58":   did.EncodeBase58(ethereumBytes(t, ethereum.Address)),
		"as that account in lower case after": "x:" + strings.ToLower(ethereum.Address),
		"as one it does not hold, alike":      "0x1563915e194d8cfba1943570603f7606a3115508",
	} {
		t.Run(name, func(t *testing.T) {
			out, err := f.Ask(token, fixture.KeyClaim(salt))
			if err != nil || out.Pending == nil {
				t.Fatalf("got %v and %v, want a pending request", out, err)
			}
			f.Pipeline.Reject(t.Context(), f.As(f.Owner), out.Pending.ID)
			f.Clock = f.Clock.Add(25 * time.Hour) // rejections in a row make the next request wait
		})
	}
	for name, salt := range map[string]string{
		"the app's own address":         fixture.Notes,
		"the app's own with its prefix": "did:abt:" + fixture.Notes,
		"the app's own account":         mine.Address,
		"an address with a broken sum":  fixture.Another[:len(fixture.Another)-1] + "E",
		"twenty letters":                "letters-of-last-year",
	} {
		t.Run("but a rule decides about "+name, func(t *testing.T) { f.Answer(token, fixture.KeyClaim(salt)) })
	}
	t.Run("and an approval of it cannot be remembered", func(t *testing.T) {
		p := f.Pending(token, fixture.KeyClaim(theirs.Address+""), fixture.KeyClaim("x"))
		fixture.WantErr(t, f.Approve(p.ID, approvals.Choice{Remember: &approvals.Remember{Times: 3}}), approvals.ErrChoice)
	})
}

func hexString(b []byte) string { return hex.EncodeToString(b) }

func ethereumBytes(t *testing.T, address string) []byte {
	d, err := did.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return d.Bytes()
}

// A salt is its bytes: what gives the bytes of a DID's text gives the key of the salt that names it.
func TestASaltThatIsTheTextOfAnotherDIDIsNeverDecidedByRule(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	f.SetPolicy(fixture.AllowAll)
	theirs := f.Account(fixture.Another, did.AccountType()).Address
	mine := f.Account(fixture.Notes, did.AccountType()).Address
	written := func(address string) map[string]string {
		prefixed := "did:abt:" + address
		return map[string]string{
			"with a NUL after it":              prefixed + "\x00",
			"with a NUL before it":             "\x00" + prefixed,
			"as hex of the text":               "0x" + hexString([]byte(prefixed)),
			"as hex of the text, in capitals":  "0X" + strings.ToUpper(hexString([]byte(prefixed))),
			"as base58 of the text":            did.EncodeBase58([]byte(prefixed)),
			"as hex of the bare address":       "0x" + hexString([]byte(address)),
			"as base58 of a prefix nobody has": did.EncodeBase58([]byte("x:y:" + address)),
		}
	}
	for name, salt := range written(theirs) {
		t.Run(name, func(t *testing.T) {
			claim, err := json.Marshal(map[string]string{"type": "encryptionKey", "salt": salt})
			if err != nil {
				t.Fatal(err)
			}
			out, err := f.Ask(token, string(claim))
			if err != nil || out.Pending == nil {
				t.Fatalf("got %v and %v, want a pending request", out, err)
			}
			f.Pipeline.Reject(t.Context(), f.As(f.Owner), out.Pending.ID)
			f.Clock = f.Clock.Add(25 * time.Hour) // rejections in a row make the next request wait
		})
	}
	for name, salt := range written(mine) {
		t.Run("but the app's own is, "+name, func(t *testing.T) {
			claim, err := json.Marshal(map[string]string{"type": "encryptionKey", "salt": salt})
			if err != nil {
				t.Fatal(err)
			}
			f.Answer(token, string(claim))
		})
	}
}

func TestASaltIsFoundAmongManyAccounts(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	f.SetPolicy(fixture.AllowAll)
	theirs := f.Account(fixture.Another, did.Type{Role: did.RoleAccount, Key: did.Ethereum, Hash: did.Keccak})
	owner := f.As(f.Owner)
	for i := range 250 { // more than a page, all of them newer
		a := store.Account{Wallet: f.Wallet, Address: fmt.Sprint("filler", i), App: "x", Type: "t", Sealed: []byte{1}, Created: f.Clock.Unix() + 9}
		entry := store.Entry{ID: store.NewID(), Kind: "filler", Sealed: []byte{}}
		if _, err := f.Store.Commit(t.Context(), store.Change{Chain: f.Wallet, Entries: []store.Entry{entry}, Epoch: owner.Epoch, Writes: []store.Write{store.InsertAccount(a)}}); err != nil {
			t.Fatal(err)
		}
	}
	f.Pending(token, fixture.KeyClaim(strings.ToLower(theirs.Address)))
	f.Pending(token, fixture.KeyClaim(did.EncodeBase58(ethereumBytes(t, theirs.Address))))
	f.Answer(token, fixture.KeyClaim("twenty letters, alas"))
}
