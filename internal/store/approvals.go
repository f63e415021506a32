package store

import "context"

// States of an Approval. That one has expired is told by its time alone.
const (
	Pending   = "pending"
	Approved  = "approved" // of an App too
	Rejected  = "rejected"
	Cancelled = "cancelled"
	Revoked   = "revoked" // of an App
)

// Approval is a question to the person.
type Approval struct {
	ID        string
	Wallet    string
	App       string
	Agent     string // "" when the app asks itself
	Asker     string // id of the token that asked; "" for a signed request
	State     string
	Code      string // 6 letters, unique among the pending ones of the wallet
	Digest    []byte // 32 bytes; what FindApproval looks for
	Created   int64
	Expires   int64
	Decided   int64
	DecidedBy string
	Sealed    []byte // what was asked
	Answer    []byte // sealed; the person's choices
	MAC       []byte
}

func (a *Approval) columns() []column {
	return []column{
		authentic("id", &a.ID),
		authentic("wallet", &a.Wallet),
		authentic("app", &a.App),
		authentic("agent", &a.Agent),
		authentic("asker", &a.Asker),
		authentic("state", &a.State),
		authentic("code", &a.Code),
		authentic("digest", &a.Digest),
		authentic("created", &a.Created),
		authentic("expires", &a.Expires),
		authentic("decided", &a.Decided),
		authentic("decided_by", &a.DecidedBy),
		authentic("sealed", &a.Sealed),
		authentic("answer", &a.Answer),
		plain("mac", &a.MAC),
	}
}

func (Approval) Table() string       { return "approvals" }
func (a Approval) Key() string       { return a.ID }
func (a Approval) Canonical() []byte { return canonical(&a) }
func (a Approval) Sum() []byte       { return a.MAC }

// Content is the sealed field of the row, and its name in the associated data.
func (a Approval) Content() (field string, sealed []byte) { return "asked", a.Sealed }

func (a Approval) position() position { return position{a.Created, a.ID} }

var (
	getApproval          = reads[Approval]("approval")
	listApprovals        = reads[Approval]("approvals")
	pendingApprovals     = reads[Approval]("pending approvals")
	collectableApprovals = reads[Approval]("collectable approvals")
	findApproval         = reads[Approval]("find approval")
	recentApprovals      = reads[Approval]("recent approvals")
	insertApproval       = writes[Approval]("insert approval")
	decideApproval       = updates[Approval]("decide approval")
	withdrawApproval     = updates[Approval]("withdraw approval")
	takeBackRejection    = updates[Approval]("take back rejection")
	countWaiting         = statement("waiting")
	countAllWaiting      = statement("all waiting")
	notAskedYet          = statement("not asked yet")
	withinBudget         = statement("within budget")
	asManyWaiting        = statement("as many waiting")
)

// Approval reads an approval, or ErrNotFound.
func (s *Store) Approval(ctx context.Context, id string) (Approval, error) {
	return one(ctx, s, getApproval, id)
}

// Approvals lists the wallet's approvals, whatever became of them.
func (s *Store) Approvals(ctx context.Context, wallet string, p Page) (rows []Approval, next string, err error) {
	return paged(p, Approval.position, func(after position, limit int) ([]Approval, error) {
		return many(ctx, s, listApprovals, wallet, after.at, after.id, limit)
	})
}

// PendingApprovals lists those that wait for an answer at the time now (unix
// seconds).
func (s *Store) PendingApprovals(ctx context.Context, wallet string, now int64, p Page) (rows []Approval, next string, err error) {
	return paged(p, Approval.position, func(after position, limit int) ([]Approval, error) {
		return many(ctx, s, pendingApprovals, wallet, now, after.at, after.id, limit)
	})
}

// CollectableApprovals lists those approved after a time (unix seconds).
func (s *Store) CollectableApprovals(ctx context.Context, wallet string, after int64, p Page) (rows []Approval, next string, err error) {
	return paged(p, Approval.position, func(place position, limit int) ([]Approval, error) {
		return many(ctx, s, collectableApprovals, wallet, after, place.at, place.id, limit)
	})
}

// FindApproval reads the newest approval of that app and digest made at since
// (unix seconds) or later, of one second the one that waits; or ErrNotFound.
func (s *Store) FindApproval(ctx context.Context, wallet, app string, digest []byte, since int64) (Approval, error) {
	return one(ctx, s, findApproval, wallet, app, digest, since)
}

// RecentApprovals reads the approvals of an app made at since (unix seconds) or later, the newest first, at
// most 200.
func (s *Store) RecentApprovals(ctx context.Context, wallet, app string, since int64) ([]Approval, error) {
	return many(ctx, s, recentApprovals, wallet, app, since)
}

// Waiting counts the approvals that wait at the time now (unix seconds).
func (s *Store) Waiting(ctx context.Context, wallet, app string, now int64) (ofApp, ofWallet int64, err error) {
	err = s.scalars(ctx, countWaiting, []any{wallet, app, now}, &ofApp, &ofWallet)
	return ofApp, ofWallet, err
}

// CountWaiting counts the approvals of all wallets that wait at the time now (unix seconds).
func (s *Store) CountWaiting(ctx context.Context, now int64) (n int64, err error) {
	err = s.scalars(ctx, countAllWaiting, []any{now}, &n)
	return n, err
}

// Budget bounds what may wait. Those that have expired by Now don't count.
type Budget struct {
	PerApp, PerWallet int64
	Now               int64
}

// InsertApproval adds a pending approval: ErrWaiting if the same app's question
// of that digest waits, ErrTooMany if as many wait as b allows, ErrCodeTaken if
// the wallet has a pending approval with that code (expired ones included).
// The Change is on the wallet's chain.
func InsertApproval(a Approval, b Budget) Write {
	return Write{chain: a.Wallet, steps: []step{
		notAskedYet.step(ErrWaiting, a.Wallet, a.App, a.Digest, b.Now),
		withinBudget.step(ErrTooMany, a.Wallet, a.App, b.Now, b.PerApp, b.PerWallet),
		insertApproval.row(a, ErrCodeTaken),
	}}
}

// DecideApproval gives a pending approval its end: the state, decision, answer
// and MAC of updated. ErrChanged if it is no longer pending or not as old was, so of
// two who decide at once one wins. It approves, rejects and cancels.
func DecideApproval(old, updated Approval) Write {
	return Write{steps: []step{decideApproval.change(old, updated, ErrChanged)}}
}

// CheckWaiting fails with ErrChanged unless n approvals of the app ("" for every
// app) wait at the time now (unix seconds). The Change is on the wallet's chain,
// and what decides any of them comes after it.
func CheckWaiting(wallet, app string, now, n int64) Write {
	return Write{chain: wallet, steps: []step{asManyWaiting.step(ErrChanged, wallet, app, now, n)}}
}

// UpdateApprovedApproval is DecideApproval for one that was approved: it ends it, or adds
// to its answer. ErrChanged if it no longer is approved, or is not as old was.
func UpdateApprovedApproval(old, updated Approval) Write {
	return Write{steps: []step{withdrawApproval.change(old, updated, ErrChanged)}}
}

// TakeBackRejection is DecideApproval for one that was rejected: it cancels it. ErrChanged if it no longer is
// rejected, or is not as old was.
func TakeBackRejection(old, updated Approval) Write {
	return Write{steps: []step{takeBackRejection.change(old, updated, ErrChanged)}}
}
