package claims

import (
	"encoding/json"
	"fmt"
	"strconv"

	"walletd/internal/consent"
	"walletd/internal/did"
	"walletd/internal/keystore"
	"walletd/internal/store"
	"walletd/internal/wallets"
)

// asset is the claim for an asset on a chain (DID Connect reference f.7). The answer proves that the wallet has the
// owner's key; the app asks the chain who owns the asset. The wallet cannot know whether the asset was consumed.
func asset() consent.Type {
	return consent.Type{
		Name:        "asset",
		Description: "Please present an on chain asset to continue.",
		Parse:       func(asked did.Object) (consent.Parsed, error) { return parsePresented(asked, "", wallets.KindAsset) },
	}
}

// assetOrVC is the claim for an asset or a credential (DID Connect reference f.8). Its answer has the type of what is
// presented, and with it a proof for this app alone.
func assetOrVC() consent.Type {
	return consent.Type{
		Name:        "assetOrVC",
		Description: "Please present NFT to continue.",
		Parse: func(asked did.Object) (consent.Parsed, error) {
			return parsePresented(asked, "", wallets.KindCredential, wallets.KindAsset)
		},
	}
}

// presenter computes the answer to a claim for a credential or an asset.
type presenter struct {
	w         *keystore.Wallet
	r         store.Receipt
	q         *consent.Request
	account   store.Account // the account that the credential or asset belongs to
	owner     did.DID
	challenge string
}

func (p presenter) present(h wallets.Holding) (map[string]any, error) {
	if h.Kind == wallets.KindAsset {
		return p.asset(h)
	}
	presentation, err := p.presentation(h)
	if err != nil {
		return nil, err
	}
	return map[string]any{"presentation": presentation, "assetDid": ""}, nil
}

// either returns the answer to assetOrVC.
func (p presenter) either(h wallets.Holding) (map[string]any, error) {
	added, err := p.present(h)
	if err != nil {
		return nil, err
	}
	delete(added, "assetDid") // existing wallets leave it out
	added["type"] = "asset"
	if h.Kind == wallets.KindCredential {
		added["type"] = "verifiableCredential"
	}
	pk, err := p.w.PublicKey(p.account)
	if err != nil {
		return nil, fmt.Errorf("reading the account: %w", err)
	}
	added["ownerDid"], added["ownerPk"] = p.owner.Address(), did.EncodeBase58(pk)
	added["agentProof"], err = p.agentProof()
	return added, err
}

func (p presenter) asset(h wallets.Holding) (map[string]any, error) {
	pk, err := p.w.PublicKey(p.account)
	if err != nil {
		return nil, fmt.Errorf("reading the account: %w", err)
	}
	proof, err := signHashed(p.r, p.w, p.account, []byte(p.challenge))
	if err != nil {
		return nil, fmt.Errorf("signing the proof of ownership: %w", err)
	}
	return map[string]any{
		"asset": h.DID, "ownerDid": p.owner.Address(), "ownerPk": did.EncodeBase58(pk), "ownerProof": did.EncodeBase58(proof),
	}, nil
}

// presentation returns a presentation in canonical JSON, signed by the account that is the credential's subject
// (reference f.6). The challenge is inside the JSON, so the presentation can't be mistaken for another message.
func (p presenter) presentation(h wallets.Holding) (string, error) {
	pk, err := p.w.PublicKey(p.account)
	if err != nil {
		return "", fmt.Errorf("reading the account: %w", err)
	}
	body := map[string]any{
		"@context":             []string{"https://schema.arcblock.io/v0.1/context.jsonld"},
		"type":                 "VerifiablePresentation",
		"challenge":            p.challenge,
		"verifiableCredential": []string{string(h.Data)},
	}
	text, err := did.MarshalStable(body)
	if err != nil {
		return "", fmt.Errorf("writing the presentation: %w", err)
	}
	sig, err := signHashed(p.r, p.w, p.account, text)
	if err != nil {
		return "", fmt.Errorf("signing the presentation: %w", err)
	}
	body["proof"] = map[string]any{
		"type":         wallets.ProofType(p.owner.Type().Key),
		"created":      p.q.AppTime().UTC().Format("2006-01-02T15:04:05.000Z"),
		"proofPurpose": "assertionMethod",
		"pk":           did.EncodeBase58(pk),
		"jws":          did.EncodeBase64URL(sig),
	}
	if text, err = did.MarshalStable(body); err != nil {
		return "", fmt.Errorf("writing the presentation: %w", err)
	}
	return string(text), nil
}

// agentProof returns JSON with the time now, signed together with the app's address. Only that app accepts it, for
// five minutes (reference f.8).
func (p presenter) agentProof() (string, error) {
	nonce := strconv.FormatInt(p.q.AppTime().Unix(), 10)
	sig, err := signHashed(p.r, p.w, p.account, append([]byte(nonce), p.q.Caller.App.Bytes()...))
	if err != nil {
		return "", fmt.Errorf("signing for the app: %w", err)
	}
	text, err := did.MarshalStable(map[string]any{"nonce": json.Number(nonce), "signature": did.EncodeBase58(sig)})
	return string(text), err
}

// verifiableCredential is the claim for a credential (DID Connect reference f.6). The answer is a presentation of a
// credential that matches one of the filters, signed by the account that is its subject.
func verifiableCredential() consent.Type {
	return consent.Type{
		Name:        "verifiableCredential",
		Description: "Please present a verifiable credential to continue.",
		Parse: func(asked did.Object) (consent.Parsed, error) {
			return parsePresented(asked, "item", wallets.KindCredential)
		},
	}
}
