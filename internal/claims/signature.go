package claims

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"walletd/internal/approvals"
	"walletd/internal/consent"
	"walletd/internal/delegation"
	"walletd/internal/did"
	"walletd/internal/keystore"
	"walletd/internal/show"
	"walletd/internal/store"
)

const (
	// maxText bounds a text that is signed for an app, in bytes: the owner must be able to read it.
	maxText = 16 << 10
	// maxDisplay bounds what an app asks to show instead, in bytes; displays of passports are large.
	maxDisplay = 64 << 10
	// maxDigest bounds the text of a digest, in bytes.
	maxDigest = 256
)

const (
	typeText       = "mime:text/plain"
	typeHTML       = "mime:text/html"
	typeDelegation = "fg:x:delegation"
)

// signature is the claim for a signature over a text, a delegation or a digest (DID Connect reference f.3). What the
// app calls a text can be a token of the account, so the claim is a signing oracle unless every rule of f.3 is
// enforced (oracle.go). A digest alone is signed blindly, for which there are rules of its own (readBlind).
func signature() consent.Type {
	return consent.Type{
		Name:        "signature",
		Description: "Sign this transaction or message to continue.",
		Parse: func(asked did.Object) (consent.Parsed, error) {
			m, err := parseMessage(asked)
			return consent.Parsed{Read: m.read}, err
		},
	}
}

// message is what an account is asked to sign.
type message struct {
	typeURL string
	text    string
	digest  []byte // to sign instead of a text, as it is; nil if there is a text
	method  string // the hash function, or methodNone
	display string
	meta    did.Object // of a delegation
}

func parseMessage(asked did.Object) (m message, err error) {
	if m.typeURL, err = asked.OptionalText("typeUrl", consent.MaxText); err != nil {
		return m, err
	}
	switch m.typeURL {
	case "":
		m.typeURL = typeText
	case typeText, typeHTML, typeDelegation:
	case "fg:t:transaction":
		return m, cannotShow("transactions")
	default:
		if strings.HasPrefix(m.typeURL, "eth:") {
			return m, cannotShow("Ethereum transactions and data")
		}
		return m, did.Refuse("claim_unsupported", "this wallet does not sign messages of that typeUrl")
	}
	if m.method, err = asked.OptionalText("method", show.MaxName); err != nil {
		return m, err
	}
	if m.method == "" {
		m.method = did.SHA3.String()
	}
	if err := m.readContent(asked); err != nil {
		return m, err
	}
	if m.display, err = asked.DisplayText("display", maxDisplay); err != nil {
		return m, err
	}
	m.meta = did.Object{}
	if raw := asked.Get("meta"); raw != nil && m.typeURL == typeDelegation && strings.HasPrefix(string(raw), "{") {
		if m.meta, err = did.ParseObject(raw); err != nil {
			return m, did.Malformed("meta must be a JSON object without duplicate members", err)
		}
	}
	return m, nil
}

func (m message) read(_ context.Context, req *consent.Request, c *consent.Claim) error {
	c.Once = "each signature needs an approval of its own"
	account, own, err := req.Answering()
	if err != nil {
		return err
	}
	if m.digest != nil {
		return m.readBlind(req, c, account, own)
	}
	if err := m.checkMethod(account); err != nil {
		return err
	}
	if m.typeURL == typeDelegation {
		if err := m.readUnsigned(req, c, account); err != nil {
			return err
		}
	} else if err := checkText(m.text, m.method); err != nil {
		return err
	} else if err := checkTransaction(m.text, account); err != nil {
		return err
	}
	c.View.Text = &approvals.TextView{TypeURL: m.typeURL, Method: m.method, Text: show.EscapeLines(m.text), Display: show.Plain(m.display, show.MaxDescription)}
	c.Answer = func(r store.Receipt, w *keystore.Wallet) (map[string]any, error) {
		sign := signHashed
		if m.method == methodNone {
			sign = signBytes
		}
		sig, err := sign(r, w, c.Account, []byte(m.text))
		if err != nil {
			return nil, fmt.Errorf("signing the text: %w", err)
		}
		return map[string]any{"sig": did.EncodeBase58(sig)}, nil
	}
	return nil
}

// readContent parses what is to be signed: the text in origin or, without one, the bytes of digest.
func (m *message) readContent(asked did.Object) error {
	origin, err := asked.OptionalText("origin", maxText*137/100+2)
	if err != nil {
		return err
	}
	if origin == "" {
		return m.readDigest(asked)
	}
	b, err := did.DecodeBase58(origin, maxText)
	if err != nil {
		return did.Malformed(fmt.Sprintf("origin must be base58btc of at most %d bytes", maxText), nil)
	}
	m.text = string(b)
	return nil
}

// readDigest parses a digest that is to be signed without its text. Its text stands for bytes by the loose rule
// (reference b.1), which are signed as they are (f.3).
func (m *message) readDigest(asked did.Object) error {
	digest, err := asked.OptionalText("digest", maxDigest)
	if err != nil {
		return err
	}
	if digest == "" {
		return did.Refuse("blind_signature", "the request holds neither a text to sign nor a digest")
	}
	if m.typeURL == typeDelegation {
		return did.Refuse("blind_signature", "a delegation is signed only as a text that the owner can read, and not as its digest")
	}
	m.digest = did.LooseBytes(digest)
	return checkDigest(m.digest, m.method)
}

// readBlind reads a claim to sign a digest alone. Nobody can tell what such a signature is of (oracle.go), so only
// the owner decides, each time, after a warning that says what it can be used for; and only the app's own account
// signs. An application's own key never does: its signatures are that application's requests and certificates.
// The refusal does not depend on whether the wallet holds the account.
func (m message) readBlind(req *consent.Request, c *consent.Claim, account did.DID, own bool) error {
	if !own || account == req.Caller.App {
		return did.Refuse("blind_signature", "only the asking app's own account of the owner signs a digest without its text")
	}
	if account.Type().Key != did.Ed25519 && len(m.digest) != 32 {
		return did.Refuse("blind_signature", "this account signs digests of 32 bytes only")
	}
	c.RequireAsk("the request asks for a blind signature")
	c.Unusual = append(c.Unusual, blindWarning, blindUses)
	c.View.Text = &approvals.TextView{TypeURL: m.typeURL, Method: m.method, Digest: hex.EncodeToString(m.digest), Display: show.Plain(m.display, show.MaxDescription)}
	c.Answer = func(r store.Receipt, w *keystore.Wallet) (map[string]any, error) {
		sig, err := signBytes(r, w, c.Account, m.digest)
		if err != nil {
			return nil, fmt.Errorf("signing the digest: %w", err)
		}
		return map[string]any{"sig": did.EncodeBase58(sig)}, nil
	}
	return nil
}

// What the owner is told before a blind signature.
const (
	blindWarning = "You would sign blindly. The app shows a number in place of what you sign. Neither you nor the wallet can see what it stands for, and what the app says about it may be false."
	blindUses    = "Whoever gets the signature can use it to log in as you with this account, to act for you as long as they like, or to pay with what the account owns. Sign only if you trust this app with all of that."
)

const methodNone = "none"

// checkMethod refuses a method that this wallet does not sign. The signature is over the hash that the account's DID
// names, whatever method says (reference f.3). No app is known that uses a method other than the default, that hash,
// or none.
func (m message) checkMethod(account did.DID) error {
	switch m.method {
	case methodNone:
		if account.Type().Key != did.Ed25519 {
			return did.Refuse("blind_signature", "this account signs hashes only, and a hash without its text could be the hash of a token")
		}
	case did.SHA3.String(), account.Type().Hash.String():
	default:
		return did.Refuse("claim_unsupported", "this wallet signs with the account's own hash function only")
	}
	return nil
}

// readUnsigned makes the checks of reference g.ii.1 on a delegation to sign. Only the owner can decide about it.
func (m message) readUnsigned(req *consent.Request, c *consent.Claim, account did.DID) error {
	if m.method == methodNone || account.Type().Hash != did.SHA3 {
		return did.Refuse("claim_unsupported", "a delegation must be hashed with SHA3, by an account whose hash function is SHA3")
	}
	d, err := delegation.CheckUnsigned(m.text, account, req.Signer(), m.meta, req.Now)
	if err != nil {
		return err
	}
	// A delegation that lets somebody ask for keys or speak for the account ends soon. One that allows only what the
	// app's own service knows by name, such as to publish, may last as long as the owner approves.
	if req.ExceedsLifetime(d) {
		if !d.NamesOnly {
			return req.CheckLifetime(d)
		}
		c.Unusual = append(c.Unusual, "You would allow this until "+d.Expires.UTC().Format("2 January 2006")+", and the wallet cannot take it back before: only the app can.")
	}
	c.RequireAsk("the request asks for a signature of a delegation")
	c.View.Delegation = describeUnsigned(d)
	c.Unusual = append(c.Unusual, "With this signature "+d.To.Address()+" can act in the name of "+d.From.Address()+".")
	return nil
}

// describeUnsigned returns a delegation to sign with sentences that name every permission it grants.
func describeUnsigned(d delegation.Delegation) *approvals.DelegationWords {
	words := approvals.DescribeDelegation(d)
	words.Hash = "" // a delegation has no hash before it is signed
	var roles []string
	for _, role := range d.Roles {
		roles = append(roles, show.Plain(role, show.MaxName))
	}
	permissions := strings.Join(roles, ", ")
	if permissions == "" {
		permissions = "none that this wallet knows"
	}
	words.Words = fmt.Sprintf("%s lets %s act in its name until %s. Permissions: %s.",
		d.From.Address(), d.To.Address(), d.Expires.UTC().Format(time.RFC3339), permissions)
	if len(words.Claims) > 0 {
		words.Words += " It may ask for: " + strings.Join(words.Claims, ", ") + "."
	}
	return words
}

// cannotShow returns the refusal of something that the owner could not read.
func cannotShow(what string) error {
	return did.Refuse("claim_unsupported", "this wallet cannot decode and show "+what+", and does not sign them")
}

// signHashed signs the hash of a message, with the hash function that the account's DID names, which is how dApps
// verify it (reference f.3).
func signHashed(r store.Receipt, w *keystore.Wallet, a store.Account, message []byte) (keystore.Signature, error) {
	account, err := did.Parse(a.Address)
	if err != nil {
		return nil, fmt.Errorf("reading the account: %w", err)
	}
	return w.SignBytes(r, a, account.Type().Hash.Sum(message))
}

// signBytes signs a message without hashing it (method none).
func signBytes(r store.Receipt, w *keystore.Wallet, a store.Account, message []byte) (keystore.Signature, error) {
	return w.SignBytes(r, a, message)
}
