package server

import (
	"context"

	"walletd/api"
	"walletd/internal/approvals"
	"walletd/internal/passkey"
)

func approvalOf(v approvals.View) api.Approval {
	a := api.Approval{
		ID: v.ID, Wallet: v.Wallet, Status: api.ApprovalState(v.Status), Code: v.Code,
		App: api.Requester{DID: v.App, Name: v.AppName, CallsItself: v.CallsItself}, Session: v.Session, Origin: v.Origin, Account: v.Account, Accounts: v.Accounts,
		Claims: each(v.Claims, claimOf), Unusual: append([]string{}, v.Unusual...), Reason: v.Reason, Requested: v.Requested,
		CreatedAt: utc(v.Created), ExpiresAt: utc(v.Expires), DecidedAt: utc(v.Decided), DecidedBy: v.DecidedBy, Digest: v.Digest,
	}
	if v.From != nil {
		a.From = &api.From{Address: v.From.Address, Program: v.From.Program}
	}
	if h := v.History; h != nil {
		a.History = &api.History{Approved: h.Approved, Rejected: h.Rejected, Same: h.Same, SameSalts: h.SameSalts, Since: utc(h.Since), More: h.More}
	}
	if v.Agent != "" {
		a.Agent = &api.Requester{DID: v.Agent}
	}
	return a
}

func claimOf(v approvals.ClaimView) api.ApprovalClaim {
	c := api.ApprovalClaim{
		Type: api.ClaimName(v.Type), Description: v.Description, Account: v.Account, Salt: (*api.SaltShown)(v.Salt), MFACode: v.MFACode,
		Text: (*api.TextShown)(v.Text), Agreement: (*api.AgreementShown)(v.Agreement), KeyPair: (*api.KeyPairShown)(v.KeyPair),
		Items:   each(v.Items, func(i approvals.ItemView) api.ItemShown { return api.ItemShown(i) }),
		Filters: each(v.Filters, func(f approvals.FilterView) api.Filter { return api.Filter(f) }),
		Unusual: append([]string{}, v.Unusual...), AskedEachTime: v.AskedEachTime,
	}
	if d := v.Delegation; d != nil {
		c.Delegation = &api.DelegationShown{Hash: d.Hash, From: d.From, To: d.To, Claims: d.Claims, ExpiresAt: utc(d.Expires), Words: d.Words}
	}
	if v.Presents != nil {
		held := credentialOf(*v.Presents)
		c.Presents = &held
	}
	c.Offers = each(v.Offers, func(o approvals.OfferView) api.Offer {
		return api.Offer{Credential: credentialOf(o.HoldingView), Unusual: o.Unusual, AskedEachTime: o.AskedEachTime}
	})
	return c
}

func (s *Server) listApprovals(ctx context.Context, c *call, in api.ApprovalsQuery) (api.List[api.Approval], error) {
	if in.Status == "" {
		in.Status = api.ApprovalPending
	}
	if in.Wallet != "" && in.Wallet != c.caller.WalletID {
		return api.List[api.Approval]{Items: []api.Approval{}}, nil // an owner's token is for one wallet
	}
	views, next, err := s.approvals.List(ctx, c.caller, string(in.Status), pageOf(in.Limit, in.Cursor))
	return listOf(views, next, err, approvalOf)
}

func (s *Server) approval(ctx context.Context, c *call, _ none) (api.Approval, error) {
	v, err := s.approvals.Get(ctx, c.caller, c.names["id"])
	return approvalOf(v), err
}

func choiceOf(in api.Choice) approvals.Choice {
	return approvals.Choice{MFACode: in.MFACode, Account: in.Account, Items: in.Items, Credentials: in.Credentials, Remember: (*approvals.Remember)(in.Remember)}
}

func (s *Server) approve(ctx context.Context, c *call, in api.Approve) (api.Approval, error) {
	var assertion *passkey.Assertion
	if in.Assertion != nil {
		as, err := assertionOf("assertion", *in.Assertion)
		if err != nil {
			return api.Approval{}, err
		}
		assertion = &as
	}
	v, err := s.pipeline.Approve(ctx, c.caller, c.names["id"], choiceOf(in.Choice()), assertion)
	return approvalOf(v), err
}

// approvalChallenge answers what a passkey signs to approve with a choice.
func (s *Server) approvalChallenge(ctx context.Context, c *call, in api.Choice) (api.PasskeyRequest, error) {
	a, err := s.approvals.Open(ctx, c.caller, c.names["id"])
	if err != nil {
		return api.PasskeyRequest{}, err
	}
	r, err := s.owners.BeginApprove(ctx, c.caller, approvals.Decision(a, choiceOf(in)))
	return requestOf(r), err
}

func (s *Server) reject(ctx context.Context, c *call, _ api.Empty) (api.Approval, error) {
	v, err := s.pipeline.Reject(ctx, c.caller, c.names["id"])
	return approvalOf(v), err
}

func (s *Server) takeBack(ctx context.Context, c *call, _ api.Empty) (api.Approval, error) {
	v, err := s.pipeline.TakeBack(ctx, c.caller, c.names["id"])
	return approvalOf(v), err
}
