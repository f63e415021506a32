package store

import "strings"

// Write is one change of rows, made by the functions of this file. It applies
// exactly or fails with the error its function names, and then nothing of its
// Change applies.
//
// "Raises" means that it raises the version of the wallet: a decision cached
// under the old version is no longer to be used.
type Write struct {
	steps  []step
	chain  string // the Change must be on this chain: what makes the Write safe against the other replicas
	raises string // the wallet whose version it raises, or keystoreEpoch
}

// step is one statement of a Write: unless it touches exactly one row, the
// Write fails with err. A nil err takes any number.
type step struct {
	query string
	args  []any
	err   error
}

func raiseVersion(wallet string) step {
	return step{"raise version", []any{wallet}, ErrNotFound}
}

// InsertWallet makes a wallet of version 1. ErrExists. The Change is on the
// service's chain.
func InsertWallet(w Wallet) Write {
	return Write{chain: ServiceChain, steps: []step{
		{"insert wallet", []any{w.ID, w.Generation, w.SealedKey, w.Sealed, w.Created}, ErrExists}}}
}

// UpdateWallet replaces the wallet's content, Sealed, if its version is still
// w.Version; else ErrChanged. Raises.
func UpdateWallet(w Wallet) Write {
	return Write{raises: w.ID, steps: []step{{"update wallet", []any{w.Sealed, w.ID, w.Version}, ErrChanged}}}
}

// RotateWallet replaces the wallet's sealed key, if it is still under the root
// key of generation from; else ErrChanged. Raises.
func RotateWallet(id string, from, to int64, sealedKey []byte) Write {
	return Write{raises: id, steps: []step{{"rotate wallet", []any{sealedKey, to, id, from}, ErrChanged}}}
}

// DeleteWallet removes the wallet and everything of it but its chain.
// ErrNotFound. The Change is on the wallet's chain.
func DeleteWallet(id string) Write {
	w := Write{chain: id, raises: id, steps: []step{{"delete wallet", []any{id}, ErrNotFound}}}
	for _, of := range []string{"accounts", "paths", "policy", "tokens", "apps", "approvals", "grants", "delegations", "profile", "credentials", "sessions", "secret keys", "secrets", "restored record"} {
		w.steps = append(w.steps, step{"delete wallet's " + of, []any{id}, nil})
	}
	return w
}

// InsertAccount adds an account. ErrCollision if its path belongs to another
// app of the wallet, ErrExists if the wallet has the address. Raises.
func InsertAccount(a Account) Write {
	w := Write{raises: a.Wallet, steps: []step{raiseVersion(a.Wallet)}}
	if a.Path != "" {
		w.steps = append(w.steps, step{"take path", []any{a.Wallet, a.Path, a.App}, ErrCollision})
	}
	w.steps = append(w.steps, step{"insert account", values(a.fields()), ErrExists})
	return w
}

// PutPolicy replaces the wallet's policy if p.Version is one more than that of
// the policy there (1 if there is none); else ErrChanged. Raises.
func PutPolicy(p Policy) Write {
	put := step{"insert policy", values(p.fields()), ErrChanged}
	if p.Version != 1 {
		put = step{"update policy", append(values(p.fields()), p.Version-1), ErrChanged}
	}
	return Write{raises: p.Wallet, steps: []step{raiseVersion(p.Wallet), put}}
}

// InsertToken adds a token. ErrExists.
func InsertToken(t Token) Write {
	return Write{steps: []step{{"insert token", values(t.fields()), ErrExists}}}
}

// RevokeToken revokes old at updated.Revoked, with updated.MAC. ErrChanged.
// Callers see it at once, since each request reads its token.
func RevokeToken(old, updated Token) Write {
	revoke := step{"revoke token", []any{updated.Revoked, updated.MAC, old.ID, old.MAC}, ErrChanged}
	if old.Wallet == "" {
		return Write{steps: []step{revoke}}
	}
	return Write{raises: old.Wallet, steps: []step{raiseVersion(old.Wallet), revoke}}
}

// CheckNoOwner fails with ErrChanged if the wallet has, or ever had, an owner's
// token. The Change is on the wallet's chain.
func CheckNoOwner(wallet string) Write {
	return Write{chain: wallet, steps: []step{{"no owner", []any{wallet}, ErrChanged}}}
}

// PutApp adds an app (old is the zero App; ErrExists), or replaces old
// (ErrChanged). Raises.
func PutApp(old, updated App) Write {
	put := step{"insert app", values(updated.fields()), ErrExists}
	if old.App != "" {
		put = step{"update app", append(values(updated.fields()), old.MAC), ErrChanged}
	}
	return Write{raises: updated.Wallet, steps: []step{raiseVersion(updated.Wallet), put}}
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
		{"not asked yet", []any{a.Wallet, a.App, a.Digest, b.Now}, ErrWaiting},
		{"within budget", []any{a.Wallet, a.App, b.Now, b.PerApp, b.PerWallet}, ErrTooMany},
		{"insert approval", values(a.fields()), ErrCodeTaken},
	}}
}

// DecideApproval gives a pending approval its end: the state, decision, answer
// and MAC of updated. ErrChanged if it is no longer pending or not as old was, so of
// two who decide at once one wins. It approves, rejects and cancels.
func DecideApproval(old, updated Approval) Write {
	return Write{steps: []step{{"decide approval",
		[]any{updated.State, updated.Decided, updated.DecidedBy, updated.Answer, updated.MAC, old.ID, old.MAC}, ErrChanged}}}
}

// CheckWaiting fails with ErrChanged unless n approvals of the app ("" for every
// app) wait at the time now (unix seconds). The Change is on the wallet's chain,
// and what decides any of them comes after it.
func CheckWaiting(wallet, app string, now, n int64) Write {
	return Write{chain: wallet, steps: []step{{"as many waiting", []any{wallet, app, now, n}, ErrChanged}}}
}

// WithdrawApproval is DecideApproval for one that was approved: ErrChanged if it
// no longer is, or is not as old was.
func WithdrawApproval(old, updated Approval) Write {
	return Write{steps: []step{{"withdraw approval",
		[]any{updated.State, updated.Decided, updated.DecidedBy, updated.Answer, updated.MAC, old.ID, old.MAC}, ErrChanged}}}
}

// InsertGrant adds a grant. ErrExists. Raises.
func InsertGrant(g Grant) Write {
	return Write{raises: g.Wallet, steps: []step{
		raiseVersion(g.Wallet),
		{"insert grant", values(g.fields()), ErrExists},
	}}
}

// UseGrant sets the uses left and the MAC, if the grant is as old was and not
// revoked; else ErrChanged. It does not raise: who finds ErrChanged reads the
// grant again.
func UseGrant(old, updated Grant) Write {
	return Write{steps: []step{{"use grant", []any{updated.Uses, updated.MAC, old.ID, old.MAC}, ErrChanged}}}
}

// RevokeGrant sets Revoked, Uses and the MAC, if the grant is not revoked; else
// ErrChanged. Uses that were taken meanwhile don't keep it from that. Raises.
func RevokeGrant(updated Grant) Write {
	return Write{raises: updated.Wallet, steps: []step{
		raiseVersion(updated.Wallet),
		{"revoke grant", []any{updated.Revoked, updated.Uses, updated.MAC, updated.ID, updated.Wallet}, ErrChanged},
	}}
}

// PutDelegation adds a delegation (old is the zero Delegation; ErrExists), or
// replaces old's Approved, Revoked, Sealed and MAC (ErrChanged). Raises.
func PutDelegation(old, updated Delegation) Write {
	put := step{"insert delegation", values(updated.fields()), ErrExists}
	if len(old.Hash) > 0 {
		put = step{"update delegation", []any{old.Wallet, old.Hash, updated.Approved, updated.Revoked, updated.Sealed,
			updated.MAC, old.MAC}, ErrChanged}
	}
	return Write{raises: updated.Wallet, steps: []step{raiseVersion(updated.Wallet), put}}
}

// PutSlot adds the slot or replaces the one with its id. The Change is on the
// service's chain.
func PutSlot(s Slot) Write {
	return Write{chain: ServiceChain, steps: []step{{"put slot", values(s.fields()), ErrChanged}}}
}

// DeleteSlot removes a slot. ErrNotFound; ErrLastSlot if it is the last. The
// Change is on the service's chain.
func DeleteSlot(id string) Write {
	return Write{chain: ServiceChain, steps: []step{
		{"slot", []any{id}, ErrNotFound},
		{"delete slot", []any{id}, ErrLastSlot},
	}}
}

// UpdateKeystore sets Generation, Epoch, SealedOldRoot, SealedService and Check,
// if the row's id, Generation, Epoch and Check are still old's; else ErrChanged.
// The Change is on the service's chain.
func UpdateKeystore(old, updated Keystore) Write {
	return Write{chain: ServiceChain, raises: keystoreEpoch, steps: []step{{"update keystore",
		[]any{updated.Generation, updated.Epoch, updated.SealedOldRoot, updated.SealedService, updated.Check, old.ID, old.Generation, old.Epoch, old.Check}, ErrChanged}}}
}

// stmt gives the step as a statement. The rows of a select must be asked for:
// SQLite counts them only then.
func (st step) stmt() stmt {
	text := query(st.query)
	return stmt{text: text, args: noNulls(st.args), rows: strings.HasPrefix(text, "select")}
}
