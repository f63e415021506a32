package auth

import (
	"context"
	"time"

	"walletd/internal/delegation"
	"walletd/internal/did"
	"walletd/internal/store"
)

// Session is what one verified request of a DID Connect session brings. Its person
// opened the app's link, so an app that is not known may ask; no rule for "*" speaks of it.
type Session struct {
	ID      string
	Wallet  string
	Connect delegation.Connect // of this very reply
	// Challenge is echoed in the answer.
	Challenge string
	// Origin is where the app was reached, for the person to see.
	Origin string
	// Member says, as a sentence for the person, which site they are on in a federated login, and who
	// says so; "" where nobody does.
	Member string
	// Account is the address that answered an earlier step: every later one answers from it
	// (reference d.6). It is "" before.
	Account string
	// Followed says that another app's last reply led here, and not the person: no rule and no grant
	// answers then (reference d.10).
	Followed bool
	// Offered says that the encrypted channel was offered, Arrived that the request came over it.
	Offered, Arrived bool
	// Seal, if not nil, is the key that the answer is sealed with (reference e).
	Seal *did.ChannelKey
	// Skew is added to the clock in what is signed for this app (reference c.6).
	Skew time.Duration
}

// sessionFacts is what an approval keeps of its session, to read the question again.
type sessionFacts struct {
	ID      string `json:"id"`
	Origin  string `json:"origin,omitempty"`
	Member  string `json:"member,omitempty"`
	Account string `json:"account,omitempty"`
	// Followed is sealed so that the question is read again with the note that it was shown with.
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

// SessionCaller opens the wallet for one request of a session. The session's app is the caller,
// and its approvals can be collected by the same session alone. ErrNotFound, keystore.ErrLocked.
func (a *Auth) SessionCaller(ctx context.Context, s Session) (*Caller, error) {
	row, err := a.store.CallerWallet(ctx, s.Wallet)
	if err != nil {
		return nil, NotFound(err)
	}
	c := &Caller{
		Role: App, RequesterID: "session:" + s.ID, App: s.Connect.App, Agent: s.Connect.Agent,
		Name: appName(s.Connect.Token.Body), Session: &s, callerRow: &store.CallerRow{},
	}
	if s.Connect.Certificate != nil {
		c.certificate, c.CertificateEnds = &s.Connect, s.Connect.Certificate.Expires.Unix()
	}
	return c, a.open(c, row)
}
