package consent

import (
	"bytes"
	"context"
	"encoding/json"

	"walletd/internal/did"
)

// Limits of a request. All are checked before any cryptography.
const (
	maxClaims     = 16
	MaxDelegation = 16 << 10
	MaxText       = 4096 // bytes of a description
)

// Type is one type of claim, a value that New adds to the pipeline. All types pass the same four steps: read,
// decide, record, act.
type Type struct {
	Name        string // the name in claims and rules
	Description string // the description of a claim that has none
	AlwaysAsk   string // why the owner is always asked about claims of the type, or ""
	// OwnRoute says that claims of the type are requested over a route of their own, and never among
	// requestedClaims. The answer is a body of its own, not the claim with members added. The wallet's owner
	// may request them too.
	OwnRoute bool
	// Reuse says that one approval answers repeated requests of the same token for as long as it can be
	// collected, because clients send the same request several times in a row.
	Reuse bool
	// Parse parses a claim as it was requested or as an approval stores it. It looks nothing up, so that a
	// malformed claim costs nothing and discloses nothing.
	Parse func(asked did.Object) (Parsed, error)
}

// Parsed is one claim after Type.Parse: what the request says, before anything is looked up.
type Parsed struct {
	// Stored is what an approval stores to read the claim again; nil if it stores the claim as requested.
	Stored any
	// Salt is the text of the salt that the claim's key is for, which rules may name; nil if there is none.
	Salt *string
	// Candidates, if not nil, returns the salts that the claim may be answered with, and derives nothing. Read
	// then chooses one among those that no rule denies (Claim.Candidates).
	Candidates func(ctx context.Context, req *Request) ([]string, error)
	// Items are the profile items that the claim requests; an agent's certificate may limit them.
	Items []string
	// Principal, if not nil, asks for the account that answers the request, which is set before any claim is
	// read. At most one claim of a request has it.
	Principal *Principal
	// Read looks up what the claim is about and completes the Claim. It runs after no rule denied the claim.
	Read func(ctx context.Context, req *Request, c *Claim) error
}

// Principal is the account that a claim asks for. Target is the zero DID if the app leaves the choice to the
// owner; then the account is the app's own of the type, or the one that the owner chooses.
type Principal struct {
	Target did.DID
	Type   did.Type
	// ByChain says that the claim names no type, so that it follows from the chain that the request names
	// (reference f.1): for ChainEthereum it is an Ethereum account, else Type.
	ByChain bool
}

// ChainEthereum is the type of chain that implies an Ethereum account.
const ChainEthereum = "ethereum"

// vocabulary holds the claim types of a pipeline by name.
type vocabulary map[string]Type

func newVocabulary(types []Type) vocabulary {
	v := make(vocabulary, len(types))
	for _, t := range types {
		v[t.Name] = t
	}
	return v
}

// has reports whether a name is that of a claim type.
func (v vocabulary) has(name string) bool {
	_, known := v[name]
	return known
}

// parse parses a claim of a request or, if stored is set, one that an approval stores. It reads the members
// that every claim may have (DID Connect reference f.0), and Type.Parse the others.
func (v vocabulary) parse(raw json.RawMessage, stored bool) (*Claim, error) {
	asked, err := did.ParseObject(raw)
	if err != nil {
		return nil, did.Malformed("a claim must be a JSON object without duplicate members", err)
	}
	name, ok := asked.Text("type")
	if !ok {
		return nil, did.Malformed("a claim needs a type", nil)
	}
	t, known := v[name]
	if !known || t.OwnRoute && !stored {
		return nil, did.Refuse("claim_unsupported", "this wallet does not answer claims of that type")
	}
	description, err := asked.DisplayText("description", MaxText)
	if err != nil {
		return nil, err
	}
	mfa, err := readNumbers(asked)
	if err != nil {
		return nil, err
	}
	r, err := t.Parse(asked)
	if err != nil {
		return nil, err
	}
	c := newClaim(t, r)
	c.raw, c.Asked, c.mfa = raw, asked, mfa
	if description != "" {
		c.Description = description
	}
	return c, nil
}

// newClaim returns a claim of a type that was parsed, or that this process made.
func newClaim(t Type, r Parsed) *Claim {
	c := &Claim{kind: t, parsed: r, Description: t.Description, alwaysAsk: t.AlwaysAsk}
	if r.Salt != nil {
		c.SetSalt(*r.Salt)
	}
	return c
}

// readNumbers reads mfaCode: absent, or three different numbers from 10 to 99 (reference d.8).
func readNumbers(o did.Object) ([]int, error) {
	raw := o.Get("mfaCode")
	if raw == nil || bytes.Equal(raw, []byte("null")) {
		return nil, nil
	}
	var numbers []int
	if err := json.Unmarshal(raw, &numbers); err != nil || len(numbers) != 0 && len(numbers) != 3 {
		return nil, did.Malformed("mfaCode must hold no number or three", nil)
	}
	seen := map[int]bool{}
	for _, n := range numbers {
		if n < 10 || n > 99 || seen[n] {
			return nil, did.Malformed("mfaCode must hold three different numbers from 10 to 99", nil)
		}
		seen[n] = true
	}
	return numbers, nil
}
