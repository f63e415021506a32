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
			v, err := parseAgreement(asked)
			return consent.Parsed{Read: func(_ context.Context, _ *consent.Request, c *consent.Claim) error { return readAgreement(c, v) }}, err
		},
	}
}

func parseAgreement(asked did.Object) (v approvals.AgreementView, err error) {
	if v.Digest, err = asked.OptionalText("digest", consent.MaxText); err != nil {
		return v, err
	}
	if err := checkNonce(v.Digest); err != nil {
		return v, err
	}
	if v.URI, err = asked.OptionalText("uri", consent.MaxText); err != nil {
		return v, err
	}
	if v.Method, err = asked.OptionalText("method", show.MaxName); err != nil {
		return v, err
	}
	if v.Method == "" {
		v.Method = did.SHA2.String()
	}
	v.URI, v.Method = show.Plain(v.URI, consent.MaxText), show.Plain(v.Method, show.MaxName)
	return v, nil
}

func readAgreement(c *consent.Claim, v approvals.AgreementView) error {
	c.Once = "each agreement needs an approval of its own"
	c.View.Agreement = &v
	c.Unusual = append(c.Unusual, "The wallet has not read the document, and cannot check that the digest is its digest.")
	c.Answer = func(r store.Receipt, w *keystore.Wallet) (map[string]any, error) {
		sig, err := signHashed(r, w, c.Account, []byte(v.Digest))
		if err != nil {
			return nil, fmt.Errorf("signing the agreement: %w", err)
		}
		return map[string]any{"agreed": true, "sig": did.EncodeBase58(sig)}, nil
	}
	return nil
}
