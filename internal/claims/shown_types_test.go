package claims

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"walletd/internal/did"
	"walletd/internal/policy"
)

// issue makes a credential of a peer's about an account; "" for one that does not end.
func (p peer) issue(t *testing.T, id, about, expires string) json.RawMessage {
	t.Helper()
	body := map[string]any{
		"id": id, "type": []string{"VerifiableCredential", "Card"}, "issuer": map[string]any{"id": p.did.Address(), "pk": p.pk(), "name": "Issuer"},
		"credentialSubject": map[string]any{"id": about}, "issuanceDate": "2025-01-01T00:00:00Z",
	}
	if expires != "" {
		body["expirationDate"] = expires
	}
	text, err := did.MarshalStable(body)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := p.key.SignBytes(did.SHA3.Sum(text))
	if err != nil {
		t.Fatal(err)
	}
	body["proof"] = map[string]any{"type": "Ed25519Signature", "pk": p.pk(), "signer": p.did.Address(), "jws": did.EncodeBase64URL(sig)}
	whole, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return whole
}

// card puts a credential of an issuer into the wallet, and returns its row's id.
func (h *house) card(issuer peer, id, about, expires string) string {
	h.t.Helper()
	v, err := h.door.PutCredential(h.t.Context(), h.as(h.owner), issuer.issue(h.t, id, about, expires), "")
	if err != nil {
		h.t.Fatal(err)
	}
	return v.ID
}

// asset puts an asset of an account into the wallet, and returns its row's id.
func (h *house) asset(asset, owner string) string {
	h.t.Helper()
	v, err := h.door.PutAsset(h.t.Context(), h.as(h.owner), NewAsset{Asset: parsed(h.t, asset), Owner: parsed(h.t, owner)})
	if err != nil {
		h.t.Fatal(err)
	}
	return v.ID
}

func (h *house) drop(id string) {
	h.t.Helper()
	if err := h.door.DeleteHolding(h.t.Context(), h.as(h.owner), id); err != nil {
		h.t.Fatal(err)
	}
}

// again is a question that can be put to the person any number of times.
type again struct {
	ask     func() (Outcome, error)
	collect func(id string) (Outcome, error)
	caller  func() *Caller
}

// byToken asks for claims with the app's token.
func (h *house) byToken(claims ...string) again {
	token := h.appToken(notes)
	return again{
		func() (Outcome, error) { return h.ask(token, claims...) },
		func(id string) (Outcome, error) { return h.collect(token, id) },
		func() *Caller { return h.as(token) },
	}
}

// bySession asks for claims in a session.
func (h *house) bySession(t *testing.T, claims ...string) again {
	s := recorded(t, "session-profile")[0]
	return again{
		func() (Outcome, error) { return h.door.Answer(t.Context(), h.enter(s, ""), raw(claims...)) },
		func(id string) (Outcome, error) { return h.door.Collect(t.Context(), h.enter(s, ""), id, 0) },
		func() *Caller { return h.enter(s, "") },
	}
}

// bySecrets asks with one of the routes of secret storage, and collects what was asked.
func (h *house) bySecrets(ask func(token string) (Outcome, error)) again {
	token := h.appToken(notes)
	return again{
		func() (Outcome, error) { return ask(token) },
		func(id string) (Outcome, error) { return h.collect(token, id) },
		func() *Caller { return h.as(token) },
	}
}

const (
	cardClaim    = `{"type":"verifiableCredential","item":["Card"],"challenge":"A1B2C3D4E5F60718"}`
	assetClaim   = `{"type":"asset","challenge":"A1B2C3D4E5F60718"}`
	eitherClaim  = `{"type":"assetOrVC","filters":[{}],"challenge":"A1B2C3D4E5F60718"}`
	profileClaim = `{"type":"profile","items":["fullName","email"]}`

	agreeClaim = `{"type":"agreement","uri":"https://dapp.example.test/terms","digest":"A1B2C3D4E5F60718A1B2C3D4E5F60718"}`
)

// changing is a claim whose answer changes while its question waits.
type changing struct {
	name string
	// setup makes what is shown, and returns the question and the change.
	setup func(t *testing.T, h *house) (again, func())
	// refused is what a collection is told, where that is more exact than ErrAnswerChanged, and
	// nothing is given either.
	refused error
}

// ethereum is an account whose address is a salt of 20 bytes.
func ethereum(t *testing.T) (secret []byte, salt string) {
	t.Helper()
	secret = []byte(strings.Repeat("\x05", 32))
	key, err := did.SecretKeyFromSeed(did.Ethereum, secret)
	if err != nil {
		t.Fatal(err)
	}
	d, err := did.FromPublicKey(key.Public(), did.Type{Role: did.RoleAccount, Key: did.Ethereum, Hash: did.Keccak})
	if err != nil {
		t.Fatal(err)
	}
	return secret, d.Address()
}

func (h *house) importEthereum(secret []byte) {
	h.t.Helper()
	if _, err := h.door.ImportAccount(h.t.Context(), h.as(h.owner), secret, did.Type{Role: did.RoleAccount, Key: did.Ethereum, Hash: did.Keccak}); err != nil {
		h.t.Fatal(err)
	}
}

// unchanging says of each type of claim, of which nothing can change, why.
var unchanging = map[string]string{
	"signature": "the request holds the text, and the app's account never changes",
	"agreement": "the request holds the digest, and the app's account never changes",
	"keyPair":   "the key follows from the wallet's seed and the approval's id",
	"prepareTx": "it is refused, always",
}

// whatChanges is, for each type of claim, everything that its answer is made of and that can change.
func whatChanges() map[string][]changing {
	var tests = map[string][]changing{
		"authPrincipal": {
			{name: "an account asked for is held by now", setup: func(t *testing.T, h *house) (again, func()) {
				p := newPeer(t, 9)
				return h.bySession(t, `{"type":"authPrincipal","target":"`+p.did.Address()+`"}`), func() {
					if _, err := h.door.ImportAccount(t.Context(), h.as(h.owner), p.key.Reveal(), p.did.Type()); err != nil {
						t.Fatal(err)
					}
				}
			}},
		},
		"profile": {
			{name: "an empty profile is filled", setup: func(_ *testing.T, h *house) (again, func()) {
				return h.byToken(profileClaim), func() { h.profile(wholeProfile()) }
			}},
			{name: "an item has another value", setup: func(_ *testing.T, h *house) (again, func()) {
				h.profile(wholeProfile())
				return h.byToken(profileClaim), func() { h.profile(Profile{"fullName": "Alice Bean", "email": "secret@example.test"}) }
			}},
			{name: "an item has another value that looks the same", setup: func(_ *testing.T, h *house) (again, func()) {
				long := strings.Repeat("a", 999)
				h.profile(Profile{"fullName": long + "b"})
				return h.byToken(profileClaim), func() { h.profile(Profile{"fullName": long + "c"}) }
			}},
			{name: "an item is gone", setup: func(_ *testing.T, h *house) (again, func()) {
				h.profile(wholeProfile())
				return h.byToken(profileClaim), func() { h.profile(Profile{"fullName": "Alice Bean"}) }
			}},
		},
		"encryptionKey": {
			{name: "the salt is a secret storage's by now", setup: func(t *testing.T, h *house) (again, func()) {
				h.policy(allowSecrets()...)
				token := h.appToken(notes)
				return h.byToken(keyClaim(DefaultSalt)), func() {
					out, err := h.makeKey(token, nil)
					own(t, out, err)
				}
			}},
			{name: "the salt is the address of an account by now", setup: func(t *testing.T, h *house) (again, func()) {
				secret, salt := ethereum(t)
				return h.byToken(keyClaim(salt)), func() { h.importEthereum(secret) }
			}},
		},
		"secretStorageKey": {
			{name: "the salt is the address of an account by now", setup: func(t *testing.T, h *house) (again, func()) {
				secret, salt := ethereum(t)
				return h.bySecrets(func(token string) (Outcome, error) { return h.makeKey(token, &salt) }), func() { h.importEthereum(secret) }
			}},
		},
		"secret.read": {
			{name: "the secret is another", setup: func(t *testing.T, h *house) (again, func()) {
				h.policy(policy.Rule{App: policy.Any, Claim: "secret.write", Decision: policy.Allow})
				token := h.appToken(notes)
				out, err := h.write(token, "diary", "one", "")
				tag := own(t, out, err)["etag"]
				return h.bySecrets(func(token string) (Outcome, error) { return h.readSecret(token, "diary") }), func() {
					out, err := h.write(token, "diary", "two", tag)
					tag = own(t, out, err)["etag"]
				}
			}},
			{name: "the secret is gone", refused: ErrNotFound, setup: func(t *testing.T, h *house) (again, func()) {
				h.policy(policy.Rule{App: policy.Any, Claim: "secret.write", Decision: policy.Allow})
				token := h.appToken(notes)
				out, err := h.write(token, "diary", "one", "")
				tag := own(t, out, err)["etag"]
				return h.bySecrets(func(token string) (Outcome, error) { return h.readSecret(token, "diary") }), func() {
					if _, err := h.door.DeleteSecret(t.Context(), h.as(token), did.DID{}, "diary", tag); err != nil {
						t.Fatal(err)
					}
				}
			}},
		},
		"secret.write": {
			{name: "there is such a secret by now", refused: ErrPrecondition, setup: func(t *testing.T, h *house) (again, func()) {
				return h.bySecrets(func(token string) (Outcome, error) { return h.write(token, "diary", "mine", "") }), func() {
					if _, err := h.door.WriteSecret(t.Context(), h.as(h.owner), parsed(t, notes), NewSecret{Name: "diary", Value: []byte("the owner's")}); err != nil {
						t.Fatal(err)
					}
				}
			}},
		},
	}
	for typ, asked := range map[string]string{"verifiableCredential": cardClaim, "assetOrVC": eitherClaim} {
		tests[typ] = append(tests[typ],
			changing{name: "a card ends, and another app's fits", setup: func(t *testing.T, h *house) (again, func()) {
				h.card(newPeer(t, 8), "other", h.of(another), "")
				h.card(newPeer(t, 9), "mine", h.of(notes), h.clock.Add(25*time.Second).UTC().Format(time.RFC3339))
				return h.byToken(asked), func() { h.clock = h.clock.Add(26 * time.Second) }
			}},
			changing{name: "a card ends, and nothing fits", setup: func(t *testing.T, h *house) (again, func()) {
				h.card(newPeer(t, 9), "mine", h.of(notes), h.clock.Add(25*time.Second).UTC().Format(time.RFC3339))
				return h.byToken(asked), func() { h.clock = h.clock.Add(26 * time.Second) }
			}},
			changing{name: "a card of the same id says something else", setup: func(t *testing.T, h *house) (again, func()) {
				h.card(newPeer(t, 9), "mine", h.of(notes), "")
				return h.byToken(asked), func() { h.card(newPeer(t, 9), "mine", h.of(notes), "2099-01-01T00:00:00Z") }
			}},
			changing{name: "a card that is put before it comes", setup: func(t *testing.T, h *house) (again, func()) {
				h.card(newPeer(t, 9), "other", h.of(another), "")
				return h.byToken(asked), func() { h.card(newPeer(t, 8), "mine", h.of(notes), "") }
			}},
			changing{name: "nothing fits, and a card comes", setup: func(t *testing.T, h *house) (again, func()) {
				return h.byToken(asked), func() { h.card(newPeer(t, 9), "mine", h.of(another), "") }
			}},
			changing{name: "an optional claim goes without, and a card comes", setup: func(t *testing.T, h *house) (again, func()) {
				return h.byToken(strings.Replace(asked, "{", `{"optional":true,`, 1)), func() { h.card(newPeer(t, 9), "mine", h.of(notes), "") }
			}},
		)
	}
	for typ, asked := range map[string]string{"asset": assetClaim, "assetOrVC": eitherClaim} {
		tests[typ] = append(tests[typ],
			changing{name: "an asset is deleted, and another fits", setup: func(_ *testing.T, h *house) (again, func()) {
				h.asset(ticket, h.of(another))
				held := h.asset(demoIssuer, h.of(notes))
				return h.byToken(asked), func() { h.drop(held) }
			}},
			changing{name: "an asset is deleted, and nothing fits", setup: func(_ *testing.T, h *house) (again, func()) {
				held := h.asset(ticket, h.of(notes))
				return h.byToken(asked), func() { h.drop(held) }
			}},
			changing{name: "nothing fits, and an asset comes", setup: func(_ *testing.T, h *house) (again, func()) {
				return h.byToken(asked), func() { h.asset(ticket, h.of(another)) }
			}},
		)
	}
	return tests
}
