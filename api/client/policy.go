package client

import (
	"context"

	"walletd/api"
)

// Policy returns the wallet's rules.
func (w *Wallet) Policy(ctx context.Context) (api.Policy, error) {
	return inWallet[api.Policy](ctx, w, request{method: "GET", path: "/policy"})
}

// SetPolicy replaces the rules with an api.Policy, or with a json.RawMessage, which is sent as it is
// so that the service checks all of it. A rule that denies ends the grants, the waiting approvals and
// the uncollected answers that it matches.
func (w *Wallet) SetPolicy(ctx context.Context, policy any) (api.StoredPolicy, error) {
	return inWallet[api.StoredPolicy](ctx, w, request{method: "PUT", path: "/policy", body: policy})
}

// TestPolicy says what would be decided about a claim, and why. Nothing is issued or recorded.
func (w *Wallet) TestPolicy(ctx context.Context, t api.PolicyTest) (api.PolicyVerdict, error) {
	return inWallet[api.PolicyVerdict](ctx, w, request{method: "POST", path: "/policy/test", body: t})
}

// Grants lists the grants in force.
func (w *Wallet) Grants(ctx context.Context, page api.Page) (api.List[api.Grant], error) {
	return inWallet[api.List[api.Grant]](ctx, w, request{method: "GET", path: "/grants", query: page})
}

// RevokeGrant revokes a grant.
func (w *Wallet) RevokeGrant(ctx context.Context, id string) error {
	_, err := inWallet[struct{}](ctx, w, request{method: "DELETE", path: "/grants/" + segment(id)})
	return err
}

// Apps lists the apps that the owner has approved or named.
func (w *Wallet) Apps(ctx context.Context, page api.Page) (api.List[api.AppEntry], error) {
	return inWallet[api.List[api.AppEntry]](ctx, w, request{method: "GET", path: "/apps", query: page})
}

// NameApp gives an app, by its DID, the owner's own name.
func (w *Wallet) NameApp(ctx context.Context, app string, name api.AppName) (api.AppEntry, error) {
	return inWallet[api.AppEntry](ctx, w, request{method: "PUT", path: "/apps/" + segment(app), body: name})
}

// RemoveApp ends all that an app has in the wallet: its tokens, grants, waiting approvals and
// uncollected answers.
func (w *Wallet) RemoveApp(ctx context.Context, app string) error {
	_, err := inWallet[struct{}](ctx, w, request{method: "DELETE", path: "/apps/" + segment(app)})
	return err
}

// Delegations lists the delegations that the owner has approved.
func (w *Wallet) Delegations(ctx context.Context, page api.Page) (api.List[api.Delegation], error) {
	return inWallet[api.List[api.Delegation]](ctx, w, request{method: "GET", path: "/delegations", query: page})
}

// RevokeDelegation revokes a delegation by its hash, and with it the grants, waiting approvals and
// uncollected answers that rest on it.
func (w *Wallet) RevokeDelegation(ctx context.Context, hash string) error {
	_, err := inWallet[struct{}](ctx, w, request{method: "DELETE", path: "/delegations/" + segment(hash)})
	return err
}
