package consent

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"walletd/internal/approvals"
	"walletd/internal/delegation"
	"walletd/internal/did"
	"walletd/internal/keystore"
	"walletd/internal/policy"
	"walletd/internal/show"
	"walletd/internal/store"
)

// Claim is one thing asked, as Request.Read completes it: all that is needed to decide about it, to
// show it, and to answer it. It belongs to one Question and is not safe for concurrent use.
type Claim struct {
	Asked       did.Object // as asked, echoed whole in the answer; nil over a route of its own
	Description string     // the app's own words; hostile text

	Account store.Account // whose key answers

	// Candidates are those of Request.Candidates that no rule denies.
	Candidates []string

	// Once says why a yes to it stands for this one time, or is "".
	Once string
	// About holds a grant to what the type says it must be held to, or is "".
	About string
	// NotHeld refuses the answer after the person has closed the question, because the wallet
	// does not hold what is asked for; nil if it does. An app that asks can't tell it from a no.
	NotHeld *did.Refusal
	// Refused says why it cannot be done as things stand; the app hears it at once.
	Refused error
	// Unusual holds what the person should notice, a sentence each.
	Unusual []string
	// Note, if set, adds to Unusual what is looked up only where the person is asked.
	Note func(ctx context.Context) error
	// ContentHash is the hash of the contents that would be given and that the wallet keeps (Contents).
	ContentHash string
	// View is what the type adds to the claim's view.
	View    approvals.ClaimView
	Items   []string // of a profile, those that are given
	Created string   // address of the key pair that Prepare made
	// Identity is what two requests have in common that are the same question to the person; nil where
	// that is all that was asked.
	Identity any
	// Stored replaces Request.Kept.
	Stored any

	// Prepare makes what is stored in the same write as the record of the answer. It is nil
	// where nothing is. The label is of this claim in the approval that is collected.
	Prepare func(ctx context.Context, label string) ([]store.Write, error)
	// Answer makes the members that the answer adds to the claim as asked, with the receipt of the
	// entry that allows it. It is nil where nothing is added.
	Answer func(r store.Receipt, w *keystore.Wallet) (map[string]any, error)
	// Body makes, instead of Answer, the whole body of the answer of a type with a route of its own,
	// and its ETag or "".
	Body func(r store.Receipt, w *keystore.Wallet) (body any, etag string, err error)

	kind       Type
	parsed     Parsed
	raw        json.RawMessage // as asked; nil where the request was made in this process
	mfa        []int           // three numbers to choose from, or none
	salt       []byte
	saltText   string
	hasSalt    bool
	delegation *delegation.Delegation
	token      string // the delegation as presented

	alwaysAsk        string   // why no rule may decide this claim, or "" (design section 7)
	askUntilApproved string   // why no rule may decide it before the person has said yes to its like, or ""
	untilApproved    []string // those of Unusual that a yes takes away (shown)
}

type bodyFunc = func(r store.Receipt, w *keystore.Wallet) (body any, etag string, err error)

// SetSalt sets the salt that the claim's key is for.
func (c *Claim) SetSalt(text string) {
	c.saltText, c.salt, c.hasSalt = text, did.LooseBytes(text), true
}

// Salt returns the bytes of the salt that the claim's key is for.
func (c *Claim) Salt() []byte { return c.salt }

// RequireAsk notes why no rule may decide the claim; the first reason stands.
func (c *Claim) RequireAsk(why string) {
	if c.alwaysAsk == "" {
		c.alwaysAsk = why
	}
}

// fact returns what the decision about c rests on.
func (c *Claim) fact(req *Request) policy.Fact {
	f := policy.Fact{
		App: req.Caller.App, Agent: req.Caller.Agent, Registered: req.registered,
		Claim: c.kind.Name, Account: c.Account.Address,
		Salt: c.salt, HasSalt: c.hasSalt, About: c.About, AlwaysAsk: cmp.Or(c.askUntilApproved, c.alwaysAsk), MFA: len(c.mfa) > 0,
	}
	if c.delegation != nil {
		f.Delegation = fmt.Sprintf("%x", c.delegation.Hash)
	}
	return f
}

// text is the claim as it was asked, byte for byte, or as an approval keeps it.
func (c *Claim) text() (json.RawMessage, error) {
	if c.raw != nil {
		return c.raw, nil
	}
	stored := c.parsed.Stored
	if c.Stored != nil {
		stored = c.Stored
	}
	raw, err := json.Marshal(stored)
	if err != nil {
		return nil, fmt.Errorf("writing the question: %w", err)
	}
	return raw, nil
}

// echo returns the claim as asked with the answer's members added (reference d.5). A session's
// leaves out what is for people and what was lifted into the token.
func (c *Claim) echo(added map[string]any, session bool) (json.RawMessage, error) {
	whole := make(map[string]any, len(c.Asked)+len(added))
	for name, raw := range c.Asked {
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

// view is the claim as the person sees it.
func (c *Claim) view() approvals.ClaimView {
	v := c.View
	v.Type, v.Description, v.Account = c.kind.Name, show.Plain(c.Description, show.MaxDescription), c.Account.Address
	v.MFACode, v.Unusual = c.mfa, c.Unusual
	if c.hasSalt {
		v.Salt = &approvals.SaltView{Text: show.Escape(c.saltText), Hex: hex.EncodeToString(c.salt)}
	}
	if c.delegation != nil {
		v.Delegation = approvals.DescribeDelegation(*c.delegation)
	}
	return v
}
