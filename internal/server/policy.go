package server

import (
	"time"

	"walletd/internal/claims"
)

func (s *Server) policy(c *call, _ none) (claims.Policy, error) {
	return s.door.Policy(c.ctx, c.Caller)
}

func (s *Server) setPolicy(c *call, in claims.Policy) (claims.Policy, error) {
	return s.door.SetPolicy(c.ctx, c.Caller, in)
}

// trial is a claim that a policy is tried on.
type trial struct {
	App     string  `json:"app" max:"80"`
	Claim   string  `json:"claim" max:"64"`
	Salt    *string `json:"salt" max:"4096"`
	SaltHex *string `json:"saltHex" max:"8192"`
}

// verdict is what would be decided.
type verdict struct {
	Decision claims.Decision `json:"decision"`
	Reason   string          `json:"reason"`
	Rule     int             `json:"rule,omitempty"`
}

func (s *Server) testPolicy(c *call, in trial) (verdict, error) {
	v, err := s.door.TestPolicy(c.ctx, c.Caller, claims.Rule{App: in.App, Claim: in.Claim, Salt: in.Salt, SaltHex: in.SaltHex})
	return verdict{v.Decision, v.Reason, v.Rule}, err
}

// grant is an approval that is remembered.
type grant struct {
	ID         string           `json:"id"`
	App        string           `json:"app"`
	Agent      string           `json:"agent,omitempty"`
	Claim      string           `json:"claim"`
	Account    string           `json:"account"`
	Salt       *claims.SaltView `json:"salt,omitempty"`
	Delegation string           `json:"delegation,omitempty"`
	About      string           `json:"about,omitempty"`
	Items      *[]string        `json:"items,omitempty"`
	CreatedAt  time.Time        `json:"createdAt"`
	EndsAt     *time.Time       `json:"endsAt,omitempty"`
	UsesLeft   *int64           `json:"usesLeft,omitempty"`
}

func viewGrant(v claims.GrantView) grant {
	g := grant{
		ID: v.ID, App: v.App, Agent: v.Agent, Claim: v.Claim, Account: v.Account, Salt: v.Salt, Delegation: v.Delegation, About: v.About, Items: v.Items,
		CreatedAt: v.Created.UTC(), EndsAt: moment(v.Ends),
	}
	if v.Uses >= 0 {
		g.UsesLeft = &v.Uses
	}
	return g
}

func (s *Server) grants(c *call, in page) (list[grant], error) {
	views, next, err := s.door.Grants(c.ctx, c.Caller, in.of())
	return listOf(views, next, err, viewGrant)
}

func (s *Server) withdrawGrant(c *call, _ none) (none, error) {
	id, err := c.param("id")
	if err != nil {
		return none{}, err
	}
	return none{}, s.door.RevokeGrant(c.ctx, c.Caller, id)
}

// knownApp is an app the person has approved or named.
type knownApp struct {
	App       string    `json:"app"`
	Name      string    `json:"name,omitempty"`
	State     string    `json:"state"`
	CreatedAt time.Time `json:"createdAt"`
}

func viewApp(v claims.AppView) knownApp {
	a := knownApp{v.App, v.Name, "approved", v.Created.UTC()}
	if v.Revoked {
		a.State = "revoked"
	}
	return a
}

func (s *Server) knownApps(c *call, in page) (list[knownApp], error) {
	views, next, err := s.door.Apps(c.ctx, c.Caller, in.of())
	return listOf(views, next, err, viewApp)
}

// named is the owner's own name for an app.
type named struct {
	Name label `json:"name"`
}

func (s *Server) nameApp(c *call, in named) (knownApp, error) {
	app, err := c.app()
	if err != nil {
		return knownApp{}, err
	}
	v, err := s.door.NameApp(c.ctx, c.Caller, app.DID, string(in.Name))
	return viewApp(v), err
}

func (s *Server) removeApp(c *call, _ none) (none, error) {
	app, err := c.app()
	if err != nil {
		return none{}, err
	}
	return none{}, s.door.RevokeApp(c.ctx, c.Caller, app.DID)
}

// app reads the app in the path.
func (c *call) app() (app appDID, err error) {
	text, err := c.param("app")
	if err != nil {
		return app, err
	}
	if err := app.UnmarshalText([]byte(text)); err != nil {
		return app, &memberError{"the app", "in the path must be a DID"}
	}
	return app, nil
}

// delegationView is a delegation the person has approved.
type delegationView struct {
	Hash       string     `json:"hash"`
	From       string     `json:"from"`
	To         string     `json:"to"`
	ExpiresAt  time.Time  `json:"expiresAt"`
	ApprovedAt time.Time  `json:"approvedAt"`
	RevokedAt  *time.Time `json:"revokedAt,omitempty"`
}

func viewDelegation(v claims.DelegationView) delegationView {
	return delegationView{v.Hash, v.From, v.To, v.Expires.UTC(), v.Approved.UTC(), moment(v.Revoked)}
}

func (s *Server) delegations(c *call, in page) (list[delegationView], error) {
	views, next, err := s.door.Delegations(c.ctx, c.Caller, in.of())
	return listOf(views, next, err, viewDelegation)
}

func (s *Server) revokeDelegation(c *call, _ none) (none, error) {
	hash, err := c.param("hash")
	if err != nil {
		return none{}, err
	}
	return none{}, s.door.RevokeDelegation(c.ctx, c.Caller, hash)
}
