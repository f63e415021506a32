package store

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// keepSessions is how long a session that has ended is kept at most, in seconds. Its row holds all that the app and
// the wallet said to each other.
const keepSessions = 7 * 24 * 60 * 60

var (
	sweepDecidedApprovals = statement("sweep decided approvals")
	sweepExpiredApprovals = statement("sweep expired approvals")
	sweepUsedGrants       = statement("sweep used grants")
	sweepEndedGrants      = statement("sweep ended grants")
	sweepRevokedTokens    = statement("sweep revoked tokens")
	sweepExpiredTokens    = statement("sweep expired tokens")
	sweepDelegations      = statement("sweep delegations")
	sweepInvitations      = statement("sweep invitations")
)

// sweepDecided are the statements that delete what Options.KeepDecided is about.
var sweepDecided = []*query{
	sweepDecidedApprovals, sweepExpiredApprovals, sweepUsedGrants, sweepEndedGrants, sweepRevokedTokens, sweepExpiredTokens, sweepDelegations, sweepInvitations,
}

// Sweep deletes what has ended and decides about nothing any more, at the time now (unix seconds), in small bites that
// let others through:
//
//   - at once, nonces; some minutes after their end, pairings; after a day, pushes and idempotency keys;
//   - after 7 days, or Options.KeepDecided if that is shorter, sessions;
//   - after Options.KeepDecided, approvals that were decided or that expired, grants that ended or were revoked, those
//     used up (after they were made), tokens that ended or were revoked, delegations and invitations that ended.
//
// The tokens that were made for owners stay: they say that a wallet has had an owner (CheckNoOwner). What was recorded
// stays. It may be called by several replicas at once.
func (s *Store) Sweep(ctx context.Context, now int64) error {
	type ended struct {
		rows   *query
		before int64
	}
	kept := int64(s.keepDecided / time.Second)
	sessions := int64(keepSessions)
	if kept > 0 {
		sessions = min(sessions, kept)
	}
	all := []ended{
		{sweepNonces, now}, {sweepPairings, now - keepPairings}, {sweepPushes, now - keepPushes}, {sweepRequests, now - keepRequests},
		{sweepSessions, now - sessions},
	}
	if kept > 0 {
		for _, rows := range sweepDecided {
			all = append(all, ended{rows, now - kept})
		}
	}
	for _, e := range all {
		if _, err := s.sweep(ctx, e.rows, e.before); err != nil {
			return err
		}
	}
	return nil
}

// Expired rows are deleted some at a time: so many that others, who wait for the same connection, wait sweepFor, and
// then for so long not at all.
const (
	sweepFor   = 5 * time.Millisecond
	sweepRest  = 20 * time.Millisecond
	sweepLeast = 100 // rows: where the disk is slow, fewer are not faster
	sweepMost  = 5000
)

// nextSweep is how many rows to delete next, when it took so long to delete some.
func nextSweep(rows int, took time.Duration) int {
	switch {
	case took > sweepFor:
		return max(sweepLeast, rows/2)
	case took < sweepFor/2:
		return min(2*rows, sweepMost)
	}
	return rows
}

// sweep runs a statement that deletes some rows, at most as many as its last argument says, until it finds fewer, unless
// the clock is ahead, by which all might seem to have ended. It returns how many it deleted.
func (s *Store) sweep(ctx context.Context, q *query, args ...any) (deleted int64, err error) {
	if err := s.CheckClock(ctx); err != nil {
		return 0, fmt.Errorf("%s: %w", q.name, err)
	}
	for rows := sweepLeast; ; {
		done, err := s.runWithin(ctx, s.patience, q, append(slices.Clone(args), rows))
		deleted += done.n
		if err != nil || int(done.n) < rows {
			return deleted, err
		}
		rows = nextSweep(rows, done.took)
		select {
		case <-ctx.Done():
			return deleted, ctx.Err()
		case <-time.After(sweepRest):
		}
	}
}
