package consent

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"

	"golang.org/x/crypto/sha3"

	"walletd/internal/auth"
	"walletd/internal/did"
	"walletd/internal/ledger"
	"walletd/internal/store"
)

// ErrAnswerChanged: what a question would give is not any more what the person was shown. The
// question has ended; asked again, it is shown as it is now.
var ErrAnswerChanged = errors.New("what this question would give has changed since it was shown; ask again")

// shown is what the person was shown of an answer, as far as the wallet and not the request
// decides it: whose keys answer, what would be given, what is missing, what is unusual and what no
// rule may decide. The request itself is sealed beside it, byte for byte.
//
// A yes is to what was shown (design section 7). The value is computed whenever a question is read,
// sealed into the approval when it is asked, and covered by the approval's digest. The yes and each
// collection compute it anew, and give nothing where it differs: the approval ends, the app hears
// ErrAnswerChanged and asks again, and the person sees a new question. That is simpler than to put
// other contents under an approval that somebody may be looking at.
//
// A yes changes two things itself, and so does the yes to another question of the same app: the app
// is known from then on, and so is the delegation. What is said about them stands in First. A
// sentence of First may go while the question waits, and none may come. Everything else must stay.
type shown struct {
	Account string       `json:"account"` // the session's, which signs the answer
	Unusual []string     `json:"unusual,omitempty"`
	First   []string     `json:"first,omitempty"`
	Claims  []shownClaim `json:"claims"`
}

// shownClaim is one claim of a shown, in the request's order.
type shownClaim struct {
	Type    string `json:"type"`
	Account string `json:"account"`         // whose key answers
	Owner   string `json:"owner,omitempty"` // address of the app whose account that is
	About   string `json:"about,omitempty"` // id of the credential, asset or secret; items of a profile
	// Gives is the hash, in hex, of the contents that would be given and that the wallet keeps: the
	// values of a profile's items, a credential, an asset, a secret.
	Gives   string   `json:"gives,omitempty"`
	Missing string   `json:"missing,omitempty"` // why the app is declined whatever the person answers
	Never   string   `json:"never,omitempty"`   // why no rule may decide it
	Unusual []string `json:"unusual,omitempty"`
	First   []string `json:"first,omitempty"`
}

// show computes what the person is shown, once for a question that was read.
func (q *Question) show(ctx context.Context) (*shown, error) {
	if q.told != nil {
		return q.told, nil
	}
	if err := q.noteFirst(ctx); err != nil {
		return nil, err
	}
	for _, c := range q.claims {
		if c.Note == nil {
			continue
		}
		if err := c.Note(ctx); err != nil {
			return nil, err
		}
	}
	s := &shown{Account: q.Account.Address, Unusual: without(q.unusual, q.first), First: q.first}
	for _, c := range q.claims {
		claim := shownClaim{
			Type: c.kind.Name, Account: c.Account.Address, Owner: c.Account.App, About: c.About, Gives: c.Gives,
			Never: c.never, Unusual: without(c.Unusual, c.first), First: c.first,
		}
		if c.Missing != nil {
			claim.Missing = c.Missing.Code
		}
		s.Claims = append(s.Claims, claim)
	}
	q.told = s
	return s, nil
}

// noteFirst says that the person was not asked about the app before, or withdrew it.
func (q *Question) noteFirst(ctx context.Context) error {
	app, err := q.pipeline.auth.App(ctx, q.Caller, q.Caller.App.Address())
	note := "The first request of this app that you are asked about."
	switch {
	case err != nil:
		return err
	case app.Row().State == store.Approved:
		return nil
	case app.Row().State == store.Revoked: // it can ask in a session, whose link the person opened
		note = "You withdrew this app. A yes lets it in again."
	}
	q.unusual, q.first = append([]string{note}, q.unusual...), append([]string{note}, q.first...)
	return nil
}

// firstTime notes what is unusual only until the person says yes.
func (q *Question) firstTime(note string) {
	q.unusual, q.first = append(q.unusual, note), append(q.first, note)
}

// firstTime notes what is unusual about a claim only until the person says yes, with the reason why
// no rule may decide it until then ("": a rule may).
func (c *Claim) firstTime(note, notYet string) {
	c.Unusual, c.first = append(c.Unusual, note), append(c.first, note)
	if c.notYet == "" {
		c.notYet = notYet
	}
}

// without returns the notes that are not among those to leave out.
func without(notes, out []string) []string {
	var rest []string
	for _, note := range notes {
		if !slices.Contains(out, note) {
			rest = append(rest, note)
		}
	}
	return rest
}

// gives reports whether a question that was read anew gives what was shown. chosen is the account
// that the person chose instead of the session's, or "": it may stand wherever the session's did.
// A nil shown, which approvals of earlier versions have, is shown nothing and gives nothing.
func (s *shown) gives(now *shown, chosen string) bool {
	if s == nil || len(s.Claims) != len(now.Claims) || !slices.Equal(s.Unusual, now.Unusual) || len(without(now.First, s.First)) > 0 {
		return false
	}
	account := s.Account
	if chosen != "" {
		account = chosen
	}
	if now.Account != account {
		return false
	}
	for i, was := range s.Claims {
		is := now.Claims[i]
		if is.Account != was.Account && (was.Account != s.Account || is.Account != account) {
			return false
		}
		if was.Type != is.Type || was.Owner != is.Owner || was.About != is.About || was.Gives != is.Gives || was.Missing != is.Missing ||
			was.Never != is.Never || !slices.Equal(was.Unusual, is.Unusual) || len(without(is.First, was.First)) > 0 {
			return false
		}
	}
	return true
}

// digest is the approval's, in hex: SHA3-256 over the digest of what was asked, by whom and of
// which wallet, and over what was shown. It stands on record with the question, with the yes and with
// the collection.
func (s *shown) digest(question []byte) string {
	if s == nil {
		return ""
	}
	text, err := json.Marshal(s)
	if err != nil {
		return "" // texts alone always marshal
	}
	h := sha3.New256()
	h.Write([]byte("walletd approval v1\x00"))
	h.Write(question)
	h.Write(text)
	return hex.EncodeToString(h.Sum(nil))
}

// endedChanged reports whether an approval ended because its answer changed.
func endedChanged(ctx context.Context, c *auth.Caller, a openApproval) bool {
	end, err := openDecision(ctx, c, a)
	return err == nil && end.Changed
}

// endChanged ends an approval, that waits or that was approved, because what it would give is not
// what was shown. It returns ErrAnswerChanged, or the error of writing.
func (p *Pipeline) endChanged(ctx context.Context, c *auth.Caller, row store.Approval) error {
	next, err := p.decide(c, row, store.Cancelled, decision{Changed: true})
	if err != nil {
		return err
	}
	end := store.DecideApproval(row, next)
	if row.State == store.Approved {
		end = store.WithdrawApproval(row, next)
	}
	e := c.Event(ledger.ApprovalCancelled)
	e.Approval, e.Code = row.ID, "changed"
	if c.Role == auth.Owner {
		e.App, e.Agent = did.Prefixed(row.App), did.Prefixed(row.Agent)
	}
	if err := c.Record(ctx, e, end); err != nil {
		return err
	}
	p.ledger.Wake()
	return ErrAnswerChanged
}
