package consent_test

import (
	"fmt"
	"testing"
	"time"

	"walletd/internal/approvals"
	"walletd/internal/consent"
	"walletd/internal/did"
	"walletd/internal/wallettest/fixture"
)

// An app cannot find out which accounts a wallet holds: what it asks for of an account that belongs to somebody
// else has the same answer as of one that is not there, until the owner has decided.
func TestAnAppCannotFindOutWhichAccountsAreHeld(t *testing.T) {
	f := fixture.New(t)
	f.SetPolicy(fixture.AllowAll)
	token := f.AppToken(fixture.Notes)
	held := []string{
		f.Account(fixture.Another, did.AccountType()).Address,
		f.Account(fixture.Another, did.Type{Role: did.RoleAccount, Key: did.Ethereum, Hash: did.Keccak}).Address,
	}
	absent := []string{fixture.NewPeer(t, 33).DID.Address(), did.FromEthereumBytes([20]byte{1, 2, 3}).Address()}
	outcome := func(claims ...string) string {
		t.Helper()
		out, err := f.Ask(token, claims...)
		f.Clock = f.Clock.Add(6 * time.Minute) // what waits expires
		switch {
		case err != nil:
			return did.CodeOf(err)
		case out.Pending != nil:
			return "pending"
		}
		return "answered"
	}
	for i := range held {
		for name, claims := range map[string]func(address string) []string{
			"itself":                     func(a string) []string { return []string{target(a)} },
			"with a key":                 func(a string) []string { return []string{target(a), fixture.KeyClaim("diary")} },
			"with a profile":             func(a string) []string { return []string{target(a), `{"type":"profile","items":["fullName"]}`} },
			"with a text as it is":       func(a string) []string { return []string{target(a), fixture.TextClaim("Hello there", "none")} },
			"with a text that is hashed": func(a string) []string { return []string{target(a), fixture.TextClaim("Hello there", "sha3")} },
			"with a text under keccak":   func(a string) []string { return []string{target(a), fixture.TextClaim("Hello there", "keccak")} },
			"as a salt":                  func(a string) []string { return []string{fixture.KeyClaim(a)} },
		} {
			if was, is := outcome(claims(held[i])...), outcome(claims(absent[i])...); was != is || was == "answered" {
				t.Errorf("%s: %q for an account that is held, %q for one that is not", name, was, is)
			}
		}
	}
	t.Run("and is declined once the owner has decided", func(t *testing.T) {
		p := f.Pending(token, target(absent[0]))
		if err := f.Approve(p.ID, approvals.Choice{}); err != nil {
			t.Fatal(err)
		}
		out, err := f.Collect(token, p.ID)
		fixture.WantCode(t, err, "account_not_held")
		if out != (consent.Outcome{}) {
			t.Errorf("got %v", out)
		}
	})
}

func target(address string) string {
	return fmt.Sprintf(`{"type":"authPrincipal","target":%q}`, address)
}
