package consent_test

import (
	"strings"
	"testing"
	"time"

	"walletd/internal/auth"
	"walletd/internal/consent"
	"walletd/internal/did"
	"walletd/internal/policy"
	"walletd/internal/secrets"
	"walletd/internal/wallets"
	"walletd/internal/wallettest/fixture"
)

const (
	cardClaim    = `{"type":"verifiableCredential","item":["Card"],"challenge":"A1B2C3D4E5F60718"}`
	assetClaim   = `{"type":"asset","challenge":"A1B2C3D4E5F60718"}`
	eitherClaim  = `{"type":"assetOrVC","filters":[{}],"challenge":"A1B2C3D4E5F60718"}`
	profileClaim = `{"type":"profile","items":["fullName","email"]}`

	agreeClaim = `{"type":"agreement","uri":"https://dapp.example.test/terms","digest":"A1B2C3D4E5F60718A1B2C3D4E5F60718"}`
)

// changing is a claim whose answer changes while its request waits.
type changing struct {
	name string
	// setup makes what is shown, and returns the request and the change.
	setup func(t *testing.T, f *fixture.Fixture) (fixture.Repeatable, func())
	// refused is what a collection is told, where that is more exact than ErrAnswerChanged, and
	// nothing is given either.
	refused error
	// again says that what was given once is given again as it was, whatever comes.
	again bool
}

// unchanging says of each type of claim, of which nothing can change, why.
var unchanging = map[string]string{
	"signature":        "the request holds the text or the digest, and the app's account never changes",
	"agreement":        "the request holds the digest, and the app's account never changes",
	"keyPair":          "the key follows from the wallet's seed and the approval's id, and the request holds the key to replace",
	"prepareTx":        "it is refused, always",
	"secretStorageKey": "the request holds the salt, and the app's account never changes",
}

// whatChanges is, for each type of claim, everything that its answer is made of and that can change.
func whatChanges() map[string][]changing {
	var tests = map[string][]changing{
		"authPrincipal": {
			{name: "an account asked for is held by now", setup: func(t *testing.T, f *fixture.Fixture) (fixture.Repeatable, func()) {
				p := fixture.NewPeer(t, 9)
				return f.BySession(t, `{"type":"authPrincipal","target":"`+p.DID.Address()+`"}`), func() {
					if _, err := f.Wallets.ImportAccount(t.Context(), f.As(f.Owner), p.Key.Reveal(), p.DID.Type()); err != nil {
						t.Fatal(err)
					}
				}
			}},
		},
		"profile": {
			{name: "an empty profile is filled", setup: func(_ *testing.T, f *fixture.Fixture) (fixture.Repeatable, func()) {
				return f.ByToken(profileClaim), func() { f.SetProfile(fixture.WholeProfile()) }
			}},
			{name: "an item has another value", setup: func(_ *testing.T, f *fixture.Fixture) (fixture.Repeatable, func()) {
				f.SetProfile(fixture.WholeProfile())
				return f.ByToken(profileClaim), func() { f.SetProfile(wallets.Profile{"fullName": "Alice Bean", "email": "secret@example.test"}) }
			}},
			{name: "an item has another value that looks the same", setup: func(_ *testing.T, f *fixture.Fixture) (fixture.Repeatable, func()) {
				long := strings.Repeat("a", 999)
				f.SetProfile(wallets.Profile{"fullName": long + "b"})
				return f.ByToken(profileClaim), func() { f.SetProfile(wallets.Profile{"fullName": long + "c"}) }
			}},
			{name: "an item is gone", setup: func(_ *testing.T, f *fixture.Fixture) (fixture.Repeatable, func()) {
				f.SetProfile(fixture.WholeProfile())
				return f.ByToken(profileClaim), func() { f.SetProfile(wallets.Profile{"fullName": "Alice Bean"}) }
			}},
		},
		"encryptionKey": {
			{name: "the salt is a secret storage's by now", setup: func(t *testing.T, f *fixture.Fixture) (fixture.Repeatable, func()) {
				f.SetPolicy(fixture.AllowSecrets()...)
				token := f.AppToken(fixture.Notes)
				return f.ByToken(fixture.KeyClaim(secrets.DefaultSalt)), func() {
					out, err := f.MakeKey(token, nil)
					fixture.OwnRouteBody(t, out, err)
				}
			}},
		},
		"secret.read": {
			{name: "the secret is another", setup: func(t *testing.T, f *fixture.Fixture) (fixture.Repeatable, func()) {
				f.SetPolicy(policy.Rule{App: policy.Any, Claim: "secret.write", Decision: policy.Allow})
				token := f.AppToken(fixture.Notes)
				out, err := f.WriteSecret(token, "diary", "one", "")
				tag := fixture.OwnRouteBody(t, out, err)["etag"]
				return f.BySecrets(func(token string) (consent.Outcome, error) { return f.ReadSecret(token, "diary") }), func() {
					out, err := f.WriteSecret(token, "diary", "two", tag)
					tag = fixture.OwnRouteBody(t, out, err)["etag"]
				}
			}},
			{name: "the secret is gone", refused: auth.ErrNotFound, setup: func(t *testing.T, f *fixture.Fixture) (fixture.Repeatable, func()) {
				f.SetPolicy(policy.Rule{App: policy.Any, Claim: "secret.write", Decision: policy.Allow})
				token := f.AppToken(fixture.Notes)
				out, err := f.WriteSecret(token, "diary", "one", "")
				tag := fixture.OwnRouteBody(t, out, err)["etag"]
				return f.BySecrets(func(token string) (consent.Outcome, error) { return f.ReadSecret(token, "diary") }), func() {
					if _, err := f.Secrets.Delete(t.Context(), f.As(token), did.DID{}, "diary", secrets.Match{OneOf: []string{tag}}); err != nil {
						t.Fatal(err)
					}
				}
			}},
		},
		"secret.write": {
			{name: "there is such a secret by now", refused: secrets.ErrPrecondition, setup: func(t *testing.T, f *fixture.Fixture) (fixture.Repeatable, func()) {
				return f.BySecrets(func(token string) (consent.Outcome, error) { return f.WriteSecret(token, "diary", "mine", "") }), func() {
					if _, err := f.Secrets.Write(t.Context(), f.As(f.Owner), fixture.ParseDID(t, fixture.Notes), secrets.NewSecret{Name: "diary", Value: []byte("the owner's")}); err != nil {
						t.Fatal(err)
					}
				}
			}},
		},
	}
	for typ, asked := range map[string]string{"verifiableCredential": cardClaim, "assetOrVC": eitherClaim} {
		tests[typ] = append(tests[typ],
			changing{name: "a card ends, and another app's fits", setup: func(t *testing.T, f *fixture.Fixture) (fixture.Repeatable, func()) {
				f.AddCredential(fixture.NewPeer(t, 8), "other", f.AccountAddress(fixture.Another), "")
				f.AddCredential(fixture.NewPeer(t, 9), "mine", f.AccountAddress(fixture.Notes), f.Clock.Add(25*time.Second).UTC().Format(time.RFC3339))
				return f.ByToken(asked), func() { f.Clock = f.Clock.Add(26 * time.Second) }
			}},
			changing{name: "a card ends, and nothing fits", setup: func(t *testing.T, f *fixture.Fixture) (fixture.Repeatable, func()) {
				f.AddCredential(fixture.NewPeer(t, 9), "mine", f.AccountAddress(fixture.Notes), f.Clock.Add(25*time.Second).UTC().Format(time.RFC3339))
				return f.ByToken(asked), func() { f.Clock = f.Clock.Add(26 * time.Second) }
			}},
			changing{name: "a card of the same id says something else", setup: func(t *testing.T, f *fixture.Fixture) (fixture.Repeatable, func()) {
				f.AddCredential(fixture.NewPeer(t, 9), "mine", f.AccountAddress(fixture.Notes), "")
				return f.ByToken(asked), func() {
					f.AddCredential(fixture.NewPeer(t, 9), "mine", f.AccountAddress(fixture.Notes), "2099-01-01T00:00:00Z")
				}
			}},
			changing{name: "a card that is put before it comes", again: true, setup: func(t *testing.T, f *fixture.Fixture) (fixture.Repeatable, func()) {
				f.AddCredential(fixture.NewPeer(t, 9), "other", f.AccountAddress(fixture.Another), "")
				return f.ByToken(asked), func() { f.AddCredential(fixture.NewPeer(t, 8), "mine", f.AccountAddress(fixture.Notes), "") }
			}},
			changing{name: "nothing fits, and a card comes", setup: func(t *testing.T, f *fixture.Fixture) (fixture.Repeatable, func()) {
				return f.ByToken(asked), func() { f.AddCredential(fixture.NewPeer(t, 9), "mine", f.AccountAddress(fixture.Another), "") }
			}},
			changing{name: "an optional claim goes without, and a card comes", setup: func(t *testing.T, f *fixture.Fixture) (fixture.Repeatable, func()) {
				return f.ByToken(strings.Replace(asked, "{", `{"optional":true,`, 1)), func() { f.AddCredential(fixture.NewPeer(t, 9), "mine", f.AccountAddress(fixture.Notes), "") }
			}},
		)
	}
	for typ, asked := range map[string]string{"asset": assetClaim, "assetOrVC": eitherClaim} {
		tests[typ] = append(tests[typ],
			changing{name: "an asset is deleted, and another fits", setup: func(_ *testing.T, f *fixture.Fixture) (fixture.Repeatable, func()) {
				f.AddAsset(fixture.Ticket, f.AccountAddress(fixture.Another))
				held := f.AddAsset(fixture.DemoIssuer, f.AccountAddress(fixture.Notes))
				return f.ByToken(asked), func() { f.DeleteHolding(held) }
			}},
			changing{name: "an asset is deleted, and nothing fits", setup: func(_ *testing.T, f *fixture.Fixture) (fixture.Repeatable, func()) {
				held := f.AddAsset(fixture.Ticket, f.AccountAddress(fixture.Notes))
				return f.ByToken(asked), func() { f.DeleteHolding(held) }
			}},
			changing{name: "nothing fits, and an asset comes", setup: func(_ *testing.T, f *fixture.Fixture) (fixture.Repeatable, func()) {
				return f.ByToken(asked), func() { f.AddAsset(fixture.Ticket, f.AccountAddress(fixture.Another)) }
			}},
		)
	}
	return tests
}
