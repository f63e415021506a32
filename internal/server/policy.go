package server

import (
	"context"

	"walletd/api"
	"walletd/internal/approvals"
	"walletd/internal/auth"
	"walletd/internal/did"
	"walletd/internal/policy"
)

func policyOf(p policy.Policy) api.Policy {
	return api.Policy{Rules: each(p.Rules, func(r policy.Rule) api.Rule {
		return api.Rule{App: r.App, Claim: api.ClaimName(r.Claim), Salt: r.Salt, SaltHex: r.SaltHex, Decision: api.Decision(r.Decision), Off: r.Off, Tokens: r.Tokens}
	})}
}

func (s *Server) policy(ctx context.Context, c *call, _ none) (api.Policy, error) {
	p, err := s.pipeline.Policy(ctx, c.caller)
	return policyOf(p), err
}

func (s *Server) setPolicy(ctx context.Context, c *call, in api.Policy) (api.StoredPolicy, error) {
	rules := each(in.Rules, func(r api.Rule) policy.Rule {
		return policy.Rule{App: r.App, Claim: string(r.Claim), Salt: r.Salt, SaltHex: r.SaltHex, Decision: policy.Decision(r.Decision), Off: r.Off, Tokens: r.Tokens}
	})
	p, err := s.pipeline.SetPolicy(ctx, c.caller, policy.Policy{Rules: rules})
	return api.StoredPolicy{Policy: policyOf(p), Warnings: p.Warnings()}, err
}

func (s *Server) testPolicy(ctx context.Context, c *call, in api.PolicyTest) (api.PolicyVerdict, error) {
	v, err := s.pipeline.TestPolicy(ctx, c.caller, policy.Rule{App: in.App, Claim: string(in.Claim), Salt: in.Salt, SaltHex: in.SaltHex}, in.Bound)
	return api.PolicyVerdict{Decision: api.Decision(v.Decision), Reason: v.Reason, Rule: v.Rule}, err
}

func grantOf(v approvals.GrantView) api.Grant {
	g := api.Grant{
		ID: v.ID, App: v.App, Agent: v.Agent, Claim: api.ClaimName(v.Claim), Account: v.Account, Salt: (*api.SaltShown)(v.Salt), Delegation: v.Delegation,
		About: v.About, Items: v.Items, CreatedAt: utc(v.Created), EndsAt: utc(v.Ends),
	}
	if v.Uses >= 0 {
		g.UsesLeft = &v.Uses
	}
	return g
}

func (s *Server) grants(ctx context.Context, c *call, in api.Page) (api.List[api.Grant], error) {
	views, next, err := s.approvals.ListGrants(ctx, c.caller, pageOf(in.Limit, in.Cursor))
	return listOf(views, next, err, grantOf)
}

func (s *Server) revokeGrant(ctx context.Context, c *call, _ none) (none, error) {
	return none{}, s.approvals.RevokeGrant(ctx, c.caller, c.names["id"])
}

func appOf(v auth.AppView) api.AppEntry {
	a := api.AppEntry{App: v.App, Name: v.Name, State: "approved", CreatedAt: utc(v.Created)}
	if v.Revoked {
		a.State = "revoked"
	}
	return a
}

func (s *Server) listApps(ctx context.Context, c *call, in api.Page) (api.List[api.AppEntry], error) {
	views, next, err := s.auth.Apps(ctx, c.caller, pageOf(in.Limit, in.Cursor))
	return listOf(views, next, err, appOf)
}

func (s *Server) nameApp(ctx context.Context, c *call, in api.AppName) (api.AppEntry, error) {
	app, err := c.app()
	if err != nil {
		return api.AppEntry{}, err
	}
	v, err := s.auth.NameApp(ctx, c.caller, app, in.Name)
	return appOf(v), err
}

func (s *Server) removeApp(ctx context.Context, c *call, _ none) (none, error) {
	app, err := c.app()
	if err != nil {
		return none{}, err
	}
	return none{}, s.pipeline.RevokeApp(ctx, c.caller, app)
}

// app reads the app in the path.
func (c *call) app() (did.DID, error) {
	app, err := did.Parse(c.names["app"])
	if err != nil {
		return did.DID{}, &memberError{"the app", "in the path must be a DID"}
	}
	return app, nil
}

func delegationOf(v auth.DelegationView) api.Delegation {
	return api.Delegation{Hash: v.Hash, From: v.From, To: v.To, ExpiresAt: utc(v.Expires), ApprovedAt: utc(v.Approved), RevokedAt: utc(v.Revoked)}
}

func (s *Server) delegations(ctx context.Context, c *call, in api.Page) (api.List[api.Delegation], error) {
	views, next, err := s.auth.Delegations(ctx, c.caller, pageOf(in.Limit, in.Cursor))
	return listOf(views, next, err, delegationOf)
}

func (s *Server) revokeDelegation(ctx context.Context, c *call, _ none) (none, error) {
	return none{}, s.pipeline.RevokeDelegation(ctx, c.caller, c.names["hash"])
}
