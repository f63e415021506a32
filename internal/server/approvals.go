package server

import (
	"encoding/json"
	"time"

	"walletd/internal/claims"
)

// approval is a question as the person sees it.
type approval struct {
	ID        string            `json:"id"`
	Wallet    string            `json:"wallet"`
	Status    string            `json:"status"`
	Code      string            `json:"code"`
	App       party             `json:"app"`
	Agent     *party            `json:"agent,omitempty"`
	Session   string            `json:"session,omitempty"` // that asks
	Origin    string            `json:"origin,omitempty"`  // where the session's app was reached
	Account   string            `json:"account"`
	Claims    []askedClaim      `json:"claims"`
	Unusual   []string          `json:"unusual"`
	Reason    string            `json:"reason"`
	CreatedAt time.Time         `json:"createdAt"`
	ExpiresAt time.Time         `json:"expiresAt"`
	DecidedAt *time.Time        `json:"decidedAt,omitempty"`
	DecidedBy string            `json:"decidedBy,omitempty"`
	Requested []json.RawMessage `json:"requested"`
}

// askedClaim is a claim as the person sees it.
type askedClaim struct {
	claims.ClaimView
	Unusual []string `json:"unusual"` // never null
}

// party is an app, or who speaks for it.
type party struct {
	DID         string `json:"did"`
	Name        string `json:"name,omitempty"`        // the owner's own name for it
	CallsItself string `json:"callsItself,omitempty"` // nobody has confirmed it
}

func viewApproval(v claims.ApprovalView) approval {
	a := approval{
		ID: v.ID, Wallet: v.Wallet, Status: v.Status, Code: v.Code, App: party{v.App, v.AppName, v.CallsItself}, Session: v.Session, Origin: v.Origin, Account: v.Account,
		Claims: []askedClaim{}, Unusual: append([]string{}, v.Unusual...), Reason: v.Reason, CreatedAt: v.Created.UTC(), ExpiresAt: v.Expires.UTC(),
		DecidedAt: moment(v.Decided), DecidedBy: v.DecidedBy, Requested: v.Requested,
	}
	if v.Agent != "" {
		a.Agent = &party{DID: v.Agent}
	}
	for _, c := range v.Claims {
		a.Claims = append(a.Claims, askedClaim{c, append([]string{}, c.Unusual...)})
	}
	return a
}

// moment is a time of an answer, or nil where there is none.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// questions is the query of a list of approvals.
type questions struct {
	Status string `json:"status,omitempty" max:"16"`
	Wallet string `json:"wallet,omitempty" max:"64"`
	Limit  number `json:"limit,omitempty" min:"1" max:"200"`
	Cursor string `json:"cursor,omitempty" max:"512"`
}

func (s *Server) approvals(c *call, in questions) (list[approval], error) {
	if in.Status == "" {
		in.Status = "pending"
	}
	if in.Wallet != "" && c.Role == claims.Owner && in.Wallet != c.Wallet {
		return list[approval]{Items: []approval{}}, nil // an owner's token is for one wallet
	}
	views, next, err := s.door.Approvals(c.ctx, c.Caller, in.Status, page{in.Limit, in.Cursor}.of())
	return listOf(views, next, err, viewApproval)
}

func (s *Server) approval(c *call, _ none) (approval, error) {
	id, err := c.param("id")
	if err != nil {
		return approval{}, err
	}
	v, err := s.door.Approval(c.ctx, c.Caller, id)
	return viewApproval(v), err
}

func (s *Server) approve(c *call, in claims.Choice) (approval, error) {
	id, err := c.param("id")
	if err != nil {
		return approval{}, err
	}
	v, err := s.door.Approve(c.ctx, c.Caller, id, in)
	return viewApproval(v), err
}

func (s *Server) reject(c *call, _ empty) (approval, error) {
	id, err := c.param("id")
	if err != nil {
		return approval{}, err
	}
	v, err := s.door.Reject(c.ctx, c.Caller, id)
	return viewApproval(v), err
}
