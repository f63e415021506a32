package claims

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"walletd/internal/did"
	"walletd/internal/keystore"
	"walletd/internal/store"
)

// verifiableCredential is the claim for a credential (DID Connect reference f.6): the answer is a
// presentation of one that any of the filters fits, signed by the account it is about.
func verifiableCredential() kind {
	return kind{
		name:        "verifiableCredential",
		description: "Please present a verifiable credential to continue.",
		read: func(ctx context.Context, q *question, c *claim) error {
			return q.readHolding(ctx, c, "item", kindCredential)
		},
	}
}

// readCredential reads and verifies a credential (reference f.6): signed by its issuer over the
// canonical JSON of all but the proof, and not expired.
func readCredential(data json.RawMessage, now time.Time) (holding, error) {
	if len(data) > maxCredential {
		return holding{}, badCredential("the credential is larger than 60 KiB")
	}
	o, err := did.ParseObject(data)
	if err != nil {
		return holding{}, badCredential("the credential is no object that all readers read alike")
	}
	stable, err := did.Stable(data)
	if err != nil {
		return holding{}, badCredential("the credential cannot be written in canonical form")
	}
	h := holding{Kind: kindCredential, Data: stable}
	if h.DID, _ = o.Text("id"); h.DID == "" || len(h.DID) > maxItem {
		return holding{}, badCredential("the credential has no id")
	}
	h.DID = bare(h.DID)
	if h.Types, err = readNames(o, "type"); err != nil || len(h.Types) == 0 {
		return holding{}, badCredential("the credential has no type")
	}
	if err := h.readIssuer(o); err != nil {
		return holding{}, err
	}
	subject, err := did.ParseObject(o["credentialSubject"])
	if err != nil {
		return holding{}, badCredential("the credential is about nobody")
	}
	about, _ := subject.Text("id")
	owner, err := did.Parse(about)
	if err != nil {
		return holding{}, badCredential("the credential is about nobody")
	}
	h.Owner = owner.Address()
	for name, into := range map[string]*time.Time{"issuanceDate": &h.Issued, "expirationDate": &h.Expires} {
		text, _ := o.Text(name)
		if text == "" {
			continue
		}
		if *into, err = time.Parse(time.RFC3339, text); err != nil {
			return holding{}, badCredential(name + " is no time")
		}
	}
	if h.isOver(now) {
		return holding{}, badCredential("the credential has expired")
	}
	return h, nil
}

func (h holding) isOver(now time.Time) bool { return !h.Expires.IsZero() && !now.Before(h.Expires) }

// readIssuer checks that the credential's proof is its issuer's.
func (h *holding) readIssuer(o did.Object) error {
	issuer, err := did.ParseObject(o["issuer"])
	if err != nil {
		return badCredential("the credential has no issuer")
	}
	proof, err := did.ParseObject(o["proof"])
	if err != nil {
		return badCredential("the credential has no proof")
	}
	id, _ := issuer.Text("id")
	by, err := did.Parse(id)
	if err != nil {
		return badCredential("the credential has no issuer")
	}
	pkText, _ := issuer.Text("pk")
	pk, err := did.DecodePublicKey(pkText)
	if err != nil || by.CheckPublicKey(pk) != nil {
		return badCredential("the issuer's key is not its DID's")
	}
	signer, _ := proof.Text("signer")
	if signedBy, err := did.Parse(signer); err != nil || signedBy != by {
		return badCredential("the credential was not signed by its issuer")
	}
	if signerPK, _ := proof.Text("pk"); signerPK != pkText {
		return badCredential("the credential was not signed by its issuer")
	}
	if kind, _ := proof.Text("type"); kind != proofType(by.Type().Key) {
		return badCredential("the proof is of another type than its issuer's key")
	}
	jws, _ := proof.Text("jws")
	sig, err := did.DecodeBase64URL(jws)
	if err != nil {
		return badCredential("the signature of the credential cannot be read")
	}
	unsigned := map[string]json.RawMessage{}
	for name, raw := range o {
		if name != "proof" && name != "signature" {
			unsigned[name] = raw
		}
	}
	text, err := did.MarshalStable(unsigned)
	if err != nil || !did.VerifyBytes(by.Type().Key, pk, by.Type().Hash.Sum(text), sig) {
		return badCredential("the credential was not signed by its issuer")
	}
	h.Issuer = by.Address()
	h.IssuerName, _ = issuer.Text("name")
	return nil
}

// proofType is the name that proofs give to a key's signatures; "" where there is none.
func proofType(t did.KeyType) string {
	switch t {
	case did.Ed25519:
		return "Ed25519Signature"
	case did.Secp256k1:
		return "Secp256k1Signature"
	case did.Ethereum:
		return "EthereumSignature"
	}
	return ""
}

// readHolding reads a claim for a credential or an asset: it finds what fits, newest first, but
// that of the session's account before others. What fits none is declined after the person has
// closed the question, so that an app can't feel its way through what a person has.
func (q *question) readHolding(ctx context.Context, c *claim, types string, kinds ...string) error {
	filters, err := readFilters(c.asked, types)
	if err != nil {
		return err
	}
	for _, f := range filters {
		c.shown.Filters = append(c.shown.Filters, f.shown())
	}
	optional := string(c.asked["optional"]) == "true"
	challenge, err := q.readChallenge(c)
	if err != nil {
		return err
	}
	c.account = q.account
	h, found, err := q.find(ctx, filters, kinds)
	if err != nil {
		return err
	}
	switch {
	case !found && optional:
		c.unusual = append(c.unusual, "The wallet holds nothing that fits; the answer would go without.")
		return nil
	case !found:
		c.missing = did.Refuse("credential_not_held", "this wallet holds nothing that fits what the app asks for")
		c.refuseRule("the wallet holds nothing that fits")
		c.unusual = append(c.unusual, "The wallet holds nothing that fits. Whatever you answer, the app is declined.")
		return nil
	}
	owner, err := did.Parse(h.Owner)
	if err != nil {
		return fmt.Errorf("reading the credential's account: %w", err)
	}
	if c.account, err = q.held(ctx, owner); err != nil {
		return err
	}
	if h.Kind == kindAsset {
		if err := checkNonce(challenge); err != nil {
			return err
		}
	}
	if !q.owns(c.account) {
		c.refuseRule("it belongs to another account: " + c.account.Address)
		c.unusual = append(c.unusual, "Presents what belongs to another account, "+c.account.Address+", of "+accountOwner(c.account)+".")
	}
	c.about, c.shown.Presents = h.id(), h.view()
	if c.gives, err = h.contents(); err != nil {
		return err
	}
	c.answer = func(r store.Receipt, w *keystore.Wallet) (map[string]any, error) {
		p := presenter{w: w, r: r, q: q, account: c.account, owner: owner, challenge: challenge}
		if c.kind.name == "assetOrVC" {
			return p.either(h)
		}
		return p.present(h)
	}
	return nil
}

// readChallenge finds the challenge that a presentation must carry: the session's or the signed
// request's, or for a bearer token the claim's own.
func (q *question) readChallenge(c *claim) (string, error) {
	challenge := q.caller.challenged()
	if challenge == "" {
		var err error
		if challenge, err = optionalText(c.asked, "challenge", maxChallenge); err != nil {
			return "", err
		}
	}
	if challenge == "" || len(challenge) > maxChallenge {
		return "", malformed("what is presented is bound to a challenge: send one of 1 to 128 bytes", nil)
	}
	return challenge, nil
}

// find returns the first thing held that any filter fits.
func (q *question) find(ctx context.Context, filters []FilterView, kinds []string) (holding, bool, error) {
	all, err := q.door.held(ctx, q.caller)
	if err != nil {
		return holding{}, false, err
	}
	var fitting []holding
	for _, h := range all {
		if !slices.Contains(kinds, h.Kind) || h.isOver(q.now) || !slices.ContainsFunc(filters, func(f FilterView) bool { return f.matches(h) }) {
			continue
		}
		owner, err := did.Parse(h.Owner)
		if err != nil {
			continue
		}
		if _, err := q.held(ctx, owner); did.CodeOf(err) == "account_not_held" {
			continue // the account was deleted
		} else if err != nil {
			return holding{}, false, err
		}
		fitting = append(fitting, h)
	}
	if len(fitting) == 0 {
		return holding{}, false, nil
	}
	slices.SortStableFunc(fitting, func(a, b holding) int {
		own := func(h holding) int {
			if h.Owner == q.account.Address {
				return 0
			}
			return 1
		}
		if d := own(a) - own(b); d != 0 {
			return d
		}
		return strings.Compare(b.Kind, a.Kind) // credentials before assets
	})
	return fitting[0], true, nil
}
