package consent

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"walletd/internal/approvals"
	"walletd/internal/delegation"
	"walletd/internal/did"
	"walletd/internal/keystore"
	"walletd/internal/policy"
	"walletd/internal/show"
	"walletd/internal/store"
	"walletd/internal/strictjson"
)

// Claim is one claim of a Request, as Parsed.Read completes it: all that is needed to decide about it, to
// show it to the owner, and to answer it. It belongs to one Request and is not safe for concurrent use.
type Claim struct {
	Asked       did.Object // the claim as requested, echoed whole in the answer; without members over a route of its own
	Description string     // the app's own words; hostile text

	Account store.Account // the account whose key answers

	// Candidates are those of Parsed.Candidates that no rule denies.
	Candidates []string

	// Once says why an approval of the claim holds for one time only, or is "".
	Once string
	// About limits a grant for the claim to one thing, which the type names, such as a credential; or it is
	// "".
	About string
	// NotHeld is the refusal if the wallet does not hold what is requested; nil if it does. The app gets it
	// only after the owner has closed the approval, so that the app cannot tell it from a rejection.
	NotHeld *did.Refusal
	// Refused says why the claim cannot be answered now; the app gets it at once.
	Refused error
	// Unusual holds what the owner should notice, a sentence each.
	Unusual []string
	// Note, if set, adds to Unusual what is looked up only when the owner is asked.
	Note func(ctx context.Context) error
	// ContentHash is the hash of the stored contents that the answer would disclose (wallets.Contents).
	ContentHash string
	// View holds the members that the type adds to the claim's view.
	View    approvals.ClaimView
	Items   []string // of a profile: the items that the answer discloses
	Created string   // address of the key pair that Prepare created
	// Identity replaces the whole claim in the digest by which two requests are the same to the owner; nil
	// if two requests are the same only if their claims are.
	Identity any
	// Stored replaces Parsed.Stored.
	Stored any

	// Announce, if set, completes View with what follows from the label of Prepare, when the owner is asked. The
	// collection gets the same label, so that what is announced is what is answered.
	Announce func(label string) error
	// Prepare returns the writes that are committed together with the audit entry of the answer. It is nil if
	// there are none. The label names this claim in the approval that is collected.
	Prepare func(ctx context.Context, label string) ([]store.Write, error)
	// Answer returns the members that the answer adds to the claim as requested, with the receipt of the
	// audit entry that allows it. It is nil if the answer adds none.
	Answer func(r store.Receipt, w *keystore.Wallet) (map[string]any, error)
	// Body returns, instead of Answer, the whole body of the answer of a type with a route of its own, and
	// its ETag or "".
	Body func(r store.Receipt, w *keystore.Wallet) (body any, etag string, err error)

	kind       Type
	parsed     Parsed
	raw        json.RawMessage // the claim as requested; nil if this process made the request
	mfa        []int           // three numbers to choose from, or none
	salt       []byte
	saltText   string
	hasSalt    bool
	delegation *delegation.Delegation
	token      string // the delegation as presented

	offers []Offer // what the claim can be answered with (Offer)
	picked *Offer  // the one that answers; nil if there are none, or if the owner has to choose

	alwaysAsk        string   // why the owner is always asked about this claim, or "" (design section 7)
	askUntilApproved string   // why the owner is asked until they have approved such a claim once, or ""
	untilApproved    []string // those of Unusual that an approval removes (approvals.Shown)
}

type bodyFunc = func(r store.Receipt, w *keystore.Wallet) (body any, etag string, err error)

// SetSalt sets the salt that the claim's key is for.
func (c *Claim) SetSalt(text string) {
	c.saltText, c.salt, c.hasSalt = text, did.LooseBytes(text), true
}

// Salt returns the bytes of the salt that the claim's key is for.
func (c *Claim) Salt() []byte { return c.salt }

// RequireAsk sets why the owner is always asked about the claim; the first reason stands.
func (c *Claim) RequireAsk(why string) {
	if c.alwaysAsk == "" {
		c.alwaysAsk = why
	}
}

// fact returns what the decision about c depends on.
func (c *Claim) fact(req *Request) policy.Fact {
	f := policy.Fact{
		App: req.Caller.App, Agent: req.Caller.Agent, Registered: req.registered,
		Claim: c.kind.Name, Account: c.Account.Address,
		Salt: c.salt, HasSalt: c.hasSalt, About: c.About, AlwaysAsk: cmp.Or(c.askUntilApproved, c.alwaysAskNow()), MFA: len(c.mfa) > 0, Bound: req.Caller.Bound,
	}
	if c.delegation != nil {
		f.Delegation = fmt.Sprintf("%x", c.delegation.Hash)
	}
	return f
}

// text returns the claim as it was requested, byte for byte, or as an approval stores it.
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
		return nil, fmt.Errorf("encoding the request: %w", err)
	}
	return raw, nil
}

// echo returns the claim as requested with the answer's members added (reference d.5). In a session it
// leaves out the description and chainInfo, which are for the owner and for the token. The members are in the order of
// their names; what was requested is as it was written, spaces too.
func (c *Claim) echo(added map[string]any, session bool) (json.RawMessage, error) {
	members := make(strictjson.Object, 0, len(c.Asked.Object)+len(added))
	for _, m := range c.Asked.Object {
		if _, replaced := added[m.Name]; replaced || session && (m.Name == "description" || m.Name == "chainInfo") {
			continue
		}
		members = append(members, strictjson.Member{Name: m.Name, Value: m.Value})
	}
	for name, value := range added {
		raw, err := encodeAdded(value)
		if err != nil {
			return nil, fmt.Errorf("encoding the answer: %w", err)
		}
		members = append(members, strictjson.Member{Name: name, Value: raw})
	}
	slices.SortFunc(members, func(a, b strictjson.Member) int { return strings.Compare(a.Name, b.Name) })
	return members.JSON(), nil
}

// encodeAdded writes a member that the answer adds; most are texts.
func encodeAdded(value any) (json.RawMessage, error) {
	if text, ok := value.(string); ok && utf8.ValidString(text) {
		return strictjson.AppendText(make([]byte, 0, len(text)+2), text), nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// view returns the claim as the owner sees it.
func (c *Claim) view() approvals.ClaimView {
	v := c.View
	v.Type, v.Description, v.Account = c.kind.Name, show.Plain(c.Description, show.MaxDescription), c.Account.Address
	v.MFACode, v.Unusual = c.mfa, c.unusualNow()
	always := c.alwaysAskNow()
	if len(v.Offers) > 0 {
		always = c.alwaysAsk // each offer has its own reason
	}
	v.AskedEachTime = c.askedEachTime(always)
	if c.hasSalt {
		v.Salt = &approvals.SaltView{Text: show.Escape(c.saltText), Hex: hex.EncodeToString(c.salt)}
	}
	if c.delegation != nil {
		v.Delegation = approvals.DescribeDelegation(*c.delegation)
	}
	return v
}
