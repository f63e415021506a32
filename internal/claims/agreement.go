package claims

import (
	"context"
	"fmt"

	"walletd/internal/approvals"
	"walletd/internal/consent"
	"walletd/internal/did"
	"walletd/internal/keystore"
	"walletd/internal/show"
	"walletd/internal/store"
)

// agreement is the claim that the owner agrees to the document of a digest (DID Connect reference f.5). The answer
// is agreed: true, with sig over the account's hash of the digest's text. That is the form that apps accept; no
// verifier of it is known. Only the owner can agree, so no rule and no grant decides the claim, and an owner who
// does not agree rejects the request. The wallet does not fetch the document at uri: the owner reads it elsewhere.
func agreement() consent.Type {
	return consent.Type{
		Name:        "agreement",
		Description: "Confirm your agreement to continue.",
		AlwaysAsk:   "only the owner can agree to something",
		Parse: func(asked did.Object) (consent.Parsed, error) {
			a, err := parseAgreement(asked)
			return consent.Parsed{Read: a.read}, err
		},
	}
}

// agreed is what an agreement is about.
type agreed struct {
	digest string // as the app wrote it, which is what is signed
	view   approvals.AgreementView
}

// parseAgreement reads the digest in whatever form the app writes it: base58, hex, base64, or prose (reference p).
// Its text is signed, hashed, as the text of a signature claim is, and so it is refused where that would be
// (checkText): a text that is a token or cannot be shown. Apps on did-auth up to 1.13 call it hash.
func parseAgreement(asked did.Object) (a agreed, err error) {
	if a.digest, err = asked.OptionalText("digest", consent.MaxText); err != nil {
		return a, err
	}
	hash, err := asked.OptionalText("hash", consent.MaxText)
	if err != nil {
		return a, err
	}
	switch {
	case a.digest == "":
		a.digest = hash
	case hash != "" && hash != a.digest:
		return a, did.Malformed("digest and hash are two different digests", nil)
	}
	if a.digest == "" {
		return a, did.Refuse("blind_signature", "the agreement names no digest of what is agreed to")
	}
	if err := checkText(a.digest, did.SHA3.String()); err != nil {
		return a, err
	}
	uri, err := asked.OptionalText("uri", consent.MaxText)
	if err != nil {
		return a, err
	}
	method, err := asked.OptionalText("method", show.MaxName)
	if err != nil {
		return a, err
	}
	if method == "" {
		method = did.SHA2.String()
	}
	a.view = approvals.AgreementView{URI: show.Plain(uri, consent.MaxText), Digest: show.EscapeLines(a.digest), Method: show.Plain(method, show.MaxName)}
	return a, nil
}

func (a agreed) read(_ context.Context, req *consent.Request, c *consent.Claim) error {
	c.Once = "each agreement needs an approval of its own"
	account, _, err := req.Answering()
	if err != nil {
		return err
	}
	if err := checkTransaction(a.digest, account); err != nil {
		return err
	}
	c.View.Agreement = &a.view
	c.Unusual = append(c.Unusual, "The wallet has not read the document, and cannot check that the digest is its digest.")
	if !isDigestText(a.digest) {
		c.Unusual = append(c.Unusual, "What the app calls a digest is a text. You would agree to it, and sign it, as it stands.")
	}
	c.Answer = func(r store.Receipt, w *keystore.Wallet) (map[string]any, error) {
		sig, err := signHashed(r, w, c.Account, []byte(a.digest))
		if err != nil {
			return nil, fmt.Errorf("signing the agreement: %w", err)
		}
		return map[string]any{"agreed": true, "sig": did.EncodeBase58(sig)}, nil
	}
	return nil
}
