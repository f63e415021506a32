package claims

import (
	"context"
	"fmt"

	"walletd/internal/did"
	"walletd/internal/keystore"
	"walletd/internal/show"
	"walletd/internal/store"
)

// AgreementView is what the person is asked to agree to. The wallet has not read it.
type AgreementView struct {
	URI    string `json:"uri,omitempty"`
	Digest string `json:"digest"`
	Method string `json:"method"` // of the digest
}

// agreement is the claim that the person agrees to what a digest names (DID Connect reference
// f.5). The answer is agreed: true, with sig over the account's hash of the digest's text, which is
// what is known to be accepted; no verifier of it is known. Only a person can agree, so no rule
// and no grant decides it, and who does not agree rejects the question. The document at uri is
// not fetched: the person reads it where they read.
func agreement() kind {
	return kind{
		name:        "agreement",
		description: "Confirm your agreement to continue.",
		never:       "only a person can agree to something",
		read:        readAgreement,
	}
}

func readAgreement(_ context.Context, q *question, c *claim) error {
	c.account = q.account
	digest, err := optionalText(c.asked, "digest", maxWords)
	if err != nil {
		return err
	}
	if err := checkNonce(digest); err != nil {
		return err
	}
	uri, err := optionalText(c.asked, "uri", maxWords)
	if err != nil {
		return err
	}
	method, err := optionalText(c.asked, "method", show.MaxName)
	if err != nil {
		return err
	}
	if method == "" {
		method = did.SHA2.String()
	}
	c.once = "each agreement is agreed to for itself"
	c.shown.Agreement = &AgreementView{URI: show.Plain(uri, maxWords), Digest: digest, Method: show.Plain(method, show.MaxName)}
	c.unusual = append(c.unusual, "The wallet has not read the document, and cannot know that the digest is of it.")
	c.answer = func(r store.Receipt, w *keystore.Wallet) (map[string]any, error) {
		sig, err := signHashed(r, w, c.account, []byte(digest))
		if err != nil {
			return nil, fmt.Errorf("signing the agreement: %w", err)
		}
		return map[string]any{"agreed": true, "sig": did.EncodeBase58(sig)}, nil
	}
	return nil
}
