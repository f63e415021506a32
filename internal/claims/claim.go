package claims

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"

	"walletd/internal/delegation"
	"walletd/internal/did"
	"walletd/internal/keystore"
	"walletd/internal/policy"
	"walletd/internal/store"
)

// Limits of a request, all checked before any cryptography.
const (
	maxClaims     = 16
	maxDelegation = 16 << 10
	maxWords      = 4096 // bytes of a description
)

// claim is one thing asked, read and verified: everything the door needs to decide about it, to
// show it, and to answer it.
type claim struct {
	kind        kind
	asked       did.Object // as asked, echoed whole in the answer
	description string
	mfa         []int // three numbers to choose from, or none

	account    store.Account // whose key answers
	salt       []byte
	saltText   string
	hasSalt    bool
	delegation *delegation.Delegation
	token      string // the delegation as presented

	// never says why no rule may decide this claim, or is "" (design section 7).
	never string
	// notYet says why no rule may decide it before the person has said yes to its like, or is "".
	notYet string
	// once says why a yes to it stands for this one time, or is "".
	once string
	// about holds a grant to what the kind says it must be held to, or is "".
	about string
	// missing refuses the answer after the person has closed the question, because the wallet
	// does not hold what is asked for; nil if it does. An app that asks can't tell it from a no.
	missing *did.Refusal
	// unusual holds what the person should notice, a sentence each.
	unusual []string
	first   []string // those of unusual that a yes takes away (shown)
	gives   string   // hash of the contents that would be given (shownClaim.Gives)
	// shown is what the kind adds to the claim's view.
	shown ClaimView
	items []string // of a profile, those that are given
	made  string   // address of the key pair that prepare made

	// prepare makes what is stored in the same write as the record of the answer. It is nil
	// where nothing is. The label is of this claim in the approval that is collected.
	prepare func(ctx context.Context, label string) ([]store.Write, error)
	// answer makes the members that the answer adds to the claim as asked, with the receipt of the
	// entry that allows it. It is nil where nothing is added.
	answer func(r store.Receipt, w *keystore.Wallet) (map[string]any, error)
	apart  *apart // of a route of its own, or nil
}

// kind is a type of claim. Reading one may refuse it; it sets whose account answers, what is
// shown, and how the answer is made.
type kind struct {
	name        string
	description string // what an app that gives none is taken to say
	never       string // why no rule may decide any claim of it, or ""
	read        func(ctx context.Context, q *question, c *claim) error
}

// kindOf is the vocabulary: the claims this wallet answers (DID Connect reference f). A kind
// that is not here is refused with claim_unsupported.
func kindOf(name string) (kind, bool) {
	for _, k := range [...]kind{authPrincipal(), encryptionKey(), profile(), signature(), agreement(),
		verifiableCredential(), asset(), assetOrVC(), keyPair(), prepareTx()} {
		if k.name == name {
			return k, true
		}
	}
	return kind{}, false
}

// readCommon reads what every claim may carry (reference f.0).
func readCommon(raw json.RawMessage, vocabulary func(string) (kind, bool)) (*claim, error) {
	asked, err := did.ParseObject(raw)
	if err != nil {
		return nil, malformed("a claim must be a JSON object without duplicate members", err)
	}
	name, ok := asked.Text("type")
	if !ok {
		return nil, malformed("a claim needs a type", nil)
	}
	k, known := vocabulary(name)
	if !known {
		return nil, did.Refuse("claim_unsupported", "this wallet does not answer claims of that type")
	}
	c := &claim{kind: k, asked: asked, description: k.description, never: k.never}
	if c.description, err = optionalText(asked, "description", maxWords); err != nil {
		return nil, err
	}
	if c.description == "" {
		c.description = k.description
	}
	if c.mfa, err = readNumbers(asked); err != nil {
		return nil, err
	}
	return c, nil
}

// optionalText returns a text member; absent, null and "" are the same (reference c.2).
func optionalText(o did.Object, name string, limit int) (string, error) {
	raw, present := o[name]
	if !present || bytes.Equal(raw, []byte("null")) {
		return "", nil
	}
	text, ok := o.Text(name)
	if !ok {
		return "", malformed(name+" must be a text", nil)
	}
	if len(text) > limit {
		return "", malformed(fmt.Sprintf("%s is longer than %d bytes", name, limit), nil)
	}
	return text, nil
}

// readNumbers reads mfaCode: absent, or three different numbers from 10 to 99 (reference d.8).
func readNumbers(o did.Object) ([]int, error) {
	raw, present := o["mfaCode"]
	if !present || bytes.Equal(raw, []byte("null")) {
		return nil, nil
	}
	var numbers []int
	if err := json.Unmarshal(raw, &numbers); err != nil || len(numbers) != 0 && len(numbers) != 3 {
		return nil, malformed("mfaCode must hold no number or three", nil)
	}
	seen := map[int]bool{}
	for _, n := range numbers {
		if n < 10 || n > 99 || seen[n] {
			return nil, malformed("mfaCode must hold three different numbers from 10 to 99", nil)
		}
		seen[n] = true
	}
	return numbers, nil
}

// fact returns what the decision about c rests on.
func (c *claim) fact(q *question) policy.Fact {
	f := policy.Fact{
		App: q.caller.App, Agent: q.caller.Agent, Known: q.known,
		Claim: c.kind.name, Account: c.account.Address,
		Salt: c.salt, HasSalt: c.hasSalt, About: c.about, Never: cmp.Or(c.notYet, c.never), MFA: len(c.mfa) > 0,
	}
	if c.delegation != nil {
		f.Delegation = fmt.Sprintf("%x", c.delegation.Hash)
	}
	return f
}

// echo returns the claim as asked with the answer's members added (reference d.5). A session's
// leaves out what is for people and what was lifted into the token.
func (c *claim) echo(added map[string]any, session bool) (json.RawMessage, error) {
	whole := make(map[string]any, len(c.asked)+len(added))
	for name, raw := range c.asked {
		if session && (name == "description" || name == "chainInfo") {
			continue
		}
		whole[name] = raw
	}
	for name, value := range added {
		whole[name] = value
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(whole); err != nil {
		return nil, fmt.Errorf("writing the answer: %w", err)
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}
