package claims

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"walletd/internal/did"
	"walletd/internal/store"
)

func TestASaltOfAnotherDIDIsNeverDecidedByRule(t *testing.T) {
	h := newHouse(t)
	token := h.appToken(notes)
	h.policy(allowAll)
	ethereum := h.account(another, did.Type{Role: did.RoleAccount, Key: did.Ethereum, Hash: did.Keccak})
	theirs := h.account(another, did.AccountType())
	mine := h.account(notes, did.AccountType())
	d, _ := did.Parse(another)
	for name, salt := range map[string]string{
		"as an address":                       another,
		"with a prefix":                       "did:abt:" + another,
		"with a prefix nobody knows":          "DID:x:y:" + another,
		"as hex of its bytes":                 "0x" + hexString(d.Bytes()),
		"as an account of another app":        theirs.Address,
		"as an ethereum account it holds":     ethereum.Address,
		"as that account in lower case":       strings.ToLower(ethereum.Address),
		"as that account's bytes in base58":   did.EncodeBase58(ethereumBytes(t, ethereum.Address)),
		"as that account in lower case after": "x:" + strings.ToLower(ethereum.Address),
	} {
		t.Run(name, func(t *testing.T) {
			out, err := h.ask(token, keyClaim(salt))
			if err != nil || out.Pending == nil {
				t.Fatalf("got %v and %v, want a question", out, err)
			}
			h.door.Reject(t.Context(), h.as(h.owner), out.Pending.ID)
		})
	}
	for name, salt := range map[string]string{
		"the app's own address":         notes,
		"the app's own with its prefix": "did:abt:" + notes,
		"the app's own account":         mine.Address,
		"an address with a broken sum":  another[:len(another)-1] + "E",
		"an unheld ethereum address":    "0x1563915e194d8cfba1943570603f7606a3115508",
	} {
		t.Run("but a rule decides about "+name, func(t *testing.T) { h.answer(token, keyClaim(salt)) })
	}
	t.Run("and a yes to it cannot be remembered", func(t *testing.T) {
		p := h.pending(token, keyClaim(theirs.Address+""), keyClaim("x"))
		wantErr(t, h.approve(p.ID, Choice{Remember: &Remember{Times: 3}}), ErrChoice)
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
	h := newHouse(t)
	token := h.appToken(notes)
	h.policy(allowAll)
	theirs := h.account(another, did.AccountType()).Address
	mine := h.account(notes, did.AccountType()).Address
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
			out, err := h.ask(token, string(claim))
			if err != nil || out.Pending == nil {
				t.Fatalf("got %v and %v, want a question", out, err)
			}
			h.door.Reject(t.Context(), h.as(h.owner), out.Pending.ID)
		})
	}
	for name, salt := range written(mine) {
		t.Run("but the app's own is, "+name, func(t *testing.T) {
			claim, err := json.Marshal(map[string]string{"type": "encryptionKey", "salt": salt})
			if err != nil {
				t.Fatal(err)
			}
			h.answer(token, string(claim))
		})
	}
}

func TestASaltIsFoundAmongManyAccounts(t *testing.T) {
	h := newHouse(t)
	token := h.appToken(notes)
	h.policy(allowAll)
	theirs := h.account(another, did.Type{Role: did.RoleAccount, Key: did.Ethereum, Hash: did.Keccak})
	owner := h.as(h.owner)
	for i := range 250 { // more than a page, all of them newer
		a := store.Account{Wallet: h.wallet, Address: fmt.Sprint("filler", i), App: "x", Type: "t", Sealed: []byte{1}, Created: h.clock.Unix() + 9}
		entry := store.Entry{ID: store.NewID(), Kind: "filler", Sealed: []byte{}}
		if _, err := h.store.Commit(t.Context(), store.Change{Chain: h.wallet, Entries: []store.Entry{entry}, Epoch: owner.epoch, Writes: []store.Write{store.InsertAccount(a)}}); err != nil {
			t.Fatal(err)
		}
	}
	h.pending(token, keyClaim(strings.ToLower(theirs.Address)))
	h.pending(token, keyClaim(did.EncodeBase58(ethereumBytes(t, theirs.Address))))
	h.answer(token, keyClaim("0x1563915e194d8cfba1943570603f7606a3115508"))
}
