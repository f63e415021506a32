package auth

import (
	"context"
	"time"

	"walletd/internal/delegation"
	"walletd/internal/did"
	"walletd/internal/ledger"
	"walletd/internal/store"
)

// Session is one verified request of a DID Connect session. The owner opened the app's link, so an unregistered
// app may send the request; no rule for "*" applies to it.
type Session struct {
	ID      string
	Wallet  string
	Connect delegation.Connect // who sent this request
	// Challenge is the challenge that the answer echoes.
	Challenge string
	// Origin is the origin at which the app was reached, which the owner is shown.
	Origin string
	// Member is a sentence for the owner: which site they are on in a federated login, and who says so; "" if
	// nobody does.
	Member string
	// Account is the address of the account that answered an earlier step, from which every later step answers
	// (reference d.6); "" before the first answer.
	Account string
	// Followed says that another app's last reply opened this session, and not the owner. Then no rule and no
	// grant allows anything (reference d.10).
	Followed bool
	// Untouched says that a browser session opened the link without a touch of the owner's passkey, or a token in a wallet
	// whose owner approves with a passkey alone. Then no rule and no grant allows anything: who has stolen the session or
	// the token could open a link of their own.
	Untouched bool
	// Offered says that the wallet offered the encrypted channel, Arrived that the request came over it.
	Offered, Arrived bool
	// Seal, if not nil, is the key with which the answer is encrypted (reference e).
	Seal *did.ChannelKey
	// Skew is added to the time in what is signed for this app (reference c.6).
	Skew time.Duration
	// Join, if not nil, returns what the session commits in the same transaction as the outcome of its request, whose
	// entry is of the kind given. It is called anew for each try.
	Join func(ctx context.Context, kind ledger.Kind, o Outcome) (Joint, error)
}

// Outcome is what is about to be committed of a session's request.
type Outcome struct {
	Account string // address of the account that answers; "" if none does
	// Approval is the id of the approval that waits, and Expires its end in unix seconds; "" and 0 if none does.
	Approval string
	Expires  int64
}

// Joint is what a session commits together with the outcome of its request.
type Joint struct {
	Before, After []ledger.Event
	Writes        []store.Write
	// Committed is called once all of it is durable, and before anything is released.
	Committed func()
}

// sessionFacts is what an approval seals of its session, so that the request can be read again.
type sessionFacts struct {
	ID      string `json:"id"`
	Origin  string `json:"origin,omitempty"`
	Member  string `json:"member,omitempty"`
	Account string `json:"account,omitempty"`
	// Followed is sealed so that the request is read again with the same note that the owner was shown.
	Followed bool `json:"followed,omitempty"`
	Offered  bool `json:"offered,omitempty"`
	Arrived  bool `json:"arrived,omitempty"`
}

func (s *Session) facts() *sessionFacts {
	if s == nil {
		return nil
	}
	return &sessionFacts{ID: s.ID, Origin: s.Origin, Member: s.Member, Account: s.Account, Followed: s.Followed, Offered: s.Offered, Arrived: s.Arrived}
}

func (f *sessionFacts) session() *Session {
	if f == nil {
		return nil
	}
	return &Session{ID: f.ID, Origin: f.Origin, Member: f.Member, Account: f.Account, Followed: f.Followed, Offered: f.Offered, Arrived: f.Arrived}
}

// SessionCaller opens the wallet for one request of a session and returns the session's app as the caller. Only
// the same session can collect its approvals. Errors: ErrNotFound, keystore.ErrLocked.
func (a *Auth) SessionCaller(ctx context.Context, s Session) (*Caller, error) {
	row, err := a.store.CallerWallet(ctx, s.Wallet)
	if err != nil {
		return nil, NotFound(err)
	}
	c := sessionCaller(s)
	return c, a.open(c, row)
}

// SessionCallerForAnswer is SessionCaller as AuthenticateForAnswer is Authenticate: for a request that goes to
// Pipeline.Answer, and the entries of its session.
func (a *Auth) SessionCallerForAnswer(ctx context.Context, s Session) (*Caller, error) {
	name := store.SessionCaller(s.Wallet)
	c := sessionCaller(s)
	if row, facts, ok := a.store.Recall(name); ok && a.open(c, row) == nil {
		c.Wallet.Recall(facts)
		return c, nil
	}
	row, err := a.store.CallerWallet(ctx, s.Wallet)
	if err != nil {
		return nil, NotFound(err)
	}
	if err := a.open(c, row); err != nil {
		return nil, err
	}
	c.Wallet.Keep(a.store.Keep(name, row))
	return c, nil
}

func sessionCaller(s Session) *Caller {
	c := &Caller{
		Role: App, RequesterID: "session:" + s.ID, App: s.Connect.App, Agent: s.Connect.Agent,
		Name: appName(s.Connect.Token.Body), chain: ChainType(s.Connect.Token.Body), Session: &s, callerRow: &store.CallerRow{},
	}
	if s.Connect.Certificate != nil {
		c.certificate, c.CertificateEnds = &s.Connect, s.Connect.Certificate.Expires.Unix()
	}
	return c
}
