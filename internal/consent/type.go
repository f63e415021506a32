package consent

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"walletd/internal/did"
	"walletd/internal/policy"
)

// Limits of a request, all checked before any cryptography.
const (
	maxClaims     = 16
	MaxDelegation = 16 << 10
	MaxText       = 4096 // bytes of a description
)

// Type is one type of claim, a value that is plugged into the pipeline. All types pass the same four
// steps: read, decide, record, act.
type Type struct {
	Name        string // as claims and rules name it
	Description string // what an app that gives none is taken to say
	AlwaysAsk   string // why no rule may decide any claim of it, or ""
	// OwnRoute says that it is asked for over a route of its own, and never among requestedClaims;
	// its answer is not the claim with members added. The wallet's owner may ask for it too.
	OwnRoute bool
	// Reuse says that one yes serves the same request of the same token for as long as it can be
	// collected: clients ask several times in a row.
	Reuse bool
	// Parse reads a claim as it was asked or as an approval keeps it. It looks nothing up, so that a
	// malformed claim costs nothing and tells nothing.
	Parse func(asked did.Object) (Parsed, error)
}

// Parsed is one claim that was parsed.
type Parsed struct {
	// Stored is what an approval keeps to read the request again, where that is not what was asked.
	Stored any
	// Salt is the text of the salt that the claim's key is for, nil without one: rules may name it.
	Salt *string
	// Candidates lists the salts that the request may be answered with, where Read is to find out
	// which; Read chooses among those that no rule denies (Claim.Candidates). Nothing is derived.
	Candidates func(ctx context.Context, req *Request) ([]string, error)
	// Items are the profile items that are asked for; an agent's certificate may list them.
	Items []string
	// Principal asks which account answers: it is settled before any claim is read. One claim of a
	// request may.
	Principal *Principal
	// Read looks up what the claim is about and completes it. It runs once nothing denies the claim.
	Read func(ctx context.Context, req *Request, c *Claim) error
}

// Principal is the account that a claim asks for. Target is the zero DID where the app leaves the
// choice to the person; then it is the app's own account of the type, or the one that they choose.
type Principal struct {
	Target did.DID
	Type   did.Type
}

// vocabulary are the types that are known.
type vocabulary map[string]Type

func newVocabulary(types []Type) vocabulary {
	v := make(vocabulary, len(types))
	for _, t := range types {
		v[t.Name] = t
	}
	return v
}

// has reports whether a name is a type that rules may name.
func (v vocabulary) has(name string) bool {
	_, known := v[name]
	return known
}

// parse reads a claim of a request, or, with kept, one that an approval keeps. What every claim may
// carry is read here (DID Connect reference f.0).
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
	description, err := asked.OptionalText("description", MaxText)
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

// newClaim is a claim of a request that was parsed, or that was made in this process.
func newClaim(t Type, r Parsed) *Claim {
	c := &Claim{kind: t, parsed: r, Description: t.Description, alwaysAsk: t.AlwaysAsk}
	if r.Salt != nil {
		c.SetSalt(*r.Salt)
	}
	return c
}

// readNumbers reads mfaCode: absent, or three different numbers from 10 to 99 (reference d.8).
func readNumbers(o did.Object) ([]int, error) {
	raw, present := o["mfaCode"]
	if !present || bytes.Equal(raw, []byte("null")) {
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

// CheckSaltLength bounds a salt's text.
func CheckSaltLength(salt string) error {
	if len(salt) > policy.MaxSalt {
		return did.Malformed(fmt.Sprintf("the salt is longer than %d bytes", policy.MaxSalt), nil)
	}
	return nil
}
