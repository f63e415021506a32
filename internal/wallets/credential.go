package wallets

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"walletd/internal/did"
)

// readCredential parses and verifies a credential (reference f.6): its issuer must have signed the canonical JSON
// of all but the proof, and it must not have expired.
func readCredential(data json.RawMessage, now time.Time) (Holding, error) {
	if len(data) > MaxCredential {
		return Holding{}, badCredential(fmt.Sprintf("the credential is larger than %d KiB", MaxCredential>>10))
	}
	o, err := did.ParseObject(data)
	if err != nil {
		return Holding{}, badCredential("the credential is not a JSON object without duplicate members")
	}
	stable, err := did.Stable(data)
	if err != nil {
		return Holding{}, badCredential("the credential cannot be written in canonical form")
	}
	h := Holding{Kind: KindCredential, Data: stable}
	if h.DID, _ = o.Text("id"); h.DID == "" || len(h.DID) > maxItem {
		return Holding{}, badCredential("the credential has no id")
	}
	h.DID = did.Bare(h.DID)
	if h.Types, err = ReadNames(o, "type"); err != nil || len(h.Types) == 0 {
		return Holding{}, badCredential("the credential has no type")
	}
	if err := h.readIssuer(o); err != nil {
		return Holding{}, err
	}
	subject, err := did.ParseObject(o.Get("credentialSubject"))
	if err != nil {
		return Holding{}, badCredential("the credential has no subject: credentialSubject must be an object")
	}
	about, _ := subject.Text("id")
	owner, err := did.Parse(about)
	if err != nil {
		return Holding{}, badCredential("the credential has no subject: credentialSubject.id must be a DID")
	}
	h.Owner = owner.Address()
	for name, into := range map[string]*time.Time{"issuanceDate": &h.Issued, "expirationDate": &h.Expires} {
		text, _ := o.Text(name)
		if text == "" {
			continue
		}
		if *into, err = time.Parse(time.RFC3339, text); err != nil {
			return Holding{}, badCredential(name + " is not a time in RFC 3339 format")
		}
	}
	if h.IsExpired(now) {
		return Holding{}, badCredential("the credential has expired")
	}
	return h, nil
}

// Said is what a credential says that is not stored beside it. It is all empty for an asset.
type Said struct {
	Tag   string // the credential's own
	Title string // of a passport
	Role  string // of a passport: its holder's role at the app that issued it
}

// Said parses what the credential says.
func (h Holding) Said() Said {
	var s Said
	o, err := did.ParseObject(h.Data)
	if err != nil {
		return s
	}
	if tag, _ := o.Text("tag"); isTag(tag) {
		s.Tag = tag
	}
	subject, err := did.ParseObject(o.Get("credentialSubject"))
	if err != nil {
		return s
	}
	if passport, err := did.ParseObject(subject.Get("passport")); err == nil {
		s.Title, _ = passport.Text("title")
		s.Role, _ = passport.Text("name")
	}
	return s
}

// IsExpired reports whether the credential has expired at now.
func (h Holding) IsExpired(now time.Time) bool { return !h.Expires.IsZero() && !now.Before(h.Expires) }

// readIssuer verifies that the credential's issuer signed it, and sets the issuer. A credential that others have
// counter-signed has a list of proofs; what the others state is for the apps that ask for it.
func (h *Holding) readIssuer(o did.Object) error {
	issuer, err := did.ParseObject(o.Get("issuer"))
	if err != nil {
		return badCredential("the credential has no issuer")
	}
	proofs, err := readProofs(o.Get("proof"))
	if err != nil {
		return err
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
	unsigned := map[string]json.RawMessage{}
	for _, m := range o.Object {
		if m.Name != "proof" && m.Name != "signature" {
			unsigned[m.Name] = m.Value
		}
	}
	text, err := did.MarshalStable(unsigned)
	if err != nil {
		return badCredential("the credential cannot be written in canonical form")
	}
	hash := by.Type().Hash.Sum(text)
	refusal := badCredential("the credential was not signed by its issuer")
	for _, proof := range proofs {
		if !isBy(proof, by, pk) {
			continue
		}
		if refusal = checkProof(proof, by, pk, hash); refusal == nil {
			h.Issuer = by.Address()
			h.IssuerName, _ = issuer.Text("name")
			return nil
		}
	}
	return refusal
}

// maxProofs bounds the proofs of a credential, before any signature is verified.
const maxProofs = 16

// readProofs parses the proof of a credential, or the list of them.
func readProofs(raw json.RawMessage) ([]did.Object, error) {
	var list []json.RawMessage
	if len(raw) == 0 || raw[0] != '[' {
		list = append(list, raw)
	} else if err := json.Unmarshal(raw, &list); err != nil || len(list) == 0 || len(list) > maxProofs {
		return nil, badCredential(fmt.Sprintf("the proof of a credential is an object, or a list of at most %d", maxProofs))
	}
	proofs := make([]did.Object, len(list))
	for i, one := range list {
		var err error
		if proofs[i], err = did.ParseObject(one); err != nil {
			return nil, badCredential("the credential has no proof")
		}
	}
	return proofs, nil
}

// isBy reports whether a proof says that the issuer made it. @arcblock/vc up to 1.28.6 wrote neither signer nor pk,
// and means the issuer's.
func isBy(proof did.Object, issuer did.DID, pk []byte) bool {
	signer, err := proof.OptionalText("signer", maxItem)
	if err != nil {
		return false
	}
	if signer != "" {
		if by, err := did.Parse(signer); err != nil || by != issuer {
			return false
		}
	}
	text, err := proof.OptionalText("pk", maxItem)
	if err != nil {
		return false
	}
	if text != "" {
		if key, err := did.DecodePublicKey(text); err != nil || !bytes.Equal(key, pk) {
			return false
		}
	}
	return true
}

// checkProof verifies the issuer's proof over the hash of the credential without its proofs.
func checkProof(proof did.Object, issuer did.DID, pk, hash []byte) error {
	if kind, _ := proof.Text("type"); kind != ProofType(issuer.Type().Key) {
		return badCredential("the type of the proof does not match the issuer's key")
	}
	jws, _ := proof.Text("jws")
	sig, err := did.DecodeBase64URL(jws)
	if err != nil {
		return badCredential("the signature of the credential cannot be read")
	}
	if !did.VerifyBytes(issuer.Type().Key, pk, hash, sig) {
		return badCredential("the credential was not signed by its issuer")
	}
	return nil
}

// ProofType returns the type that a proof has for signatures of a key type; "" if there is none.
func ProofType(t did.KeyType) string {
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

const (
	maxNames = 32   // in a list of types or of DIDs
	maxName  = 4096 // bytes of one name
)

// ReadNames parses a list of texts or of {"did": …}; a single text counts as a list of one.
func ReadNames(o did.Object, name string) ([]string, error) {
	wrong := did.Malformed(name+" must be a list of at most 32 texts", nil)
	raw := o.Get(name)
	if raw == nil || string(raw) == "null" || string(raw) == `""` {
		return nil, nil
	}
	if text, ok := o.Text(name); ok {
		return []string{text}, nil
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil || len(list) > maxNames {
		return nil, wrong
	}
	var names []string
	for _, entry := range list {
		var text string
		if json.Unmarshal(entry, &text) != nil {
			members, err := did.ParseObject(entry)
			if err != nil {
				return nil, wrong
			}
			if text, _ = members.Text("did"); text == "" {
				return nil, wrong
			}
		}
		if len(text) > maxName {
			return nil, wrong
		}
		names = append(names, text)
	}
	return names, nil
}
