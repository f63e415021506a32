package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"time"

	"walletd/internal/keystore"
	"walletd/internal/store"
)

// HeadCheck looks in a store for every head that was signed. Beside the heads the store has a row for each tree of them,
// which names its leaves and is proved by the tree's signed root: so a head that is missing is known by its chain and
// entry, and why it may be missing is known too.
//
//	its entry is archived      a statement of the archive, signed by this service, says so
//	two replicas signed it     it is in the store as a leaf of the other's tree
//	it was never stored        the process ended while it stored the tree, whose row says so; the entry is there
//
// Anything else is a fault. Trees of before there were such rows are known by what is left of them: each head says how many
// leaves its tree has and which of them it is. Of a gap in such a tree it is not known which head it is, nor why.
//
// It needs no key, holds one moment's heads in memory, and reads as the service does, beside it or without it.
type HeadCheck struct {
	Store *store.Store
	Log   iter.Seq2[LoggedTree, error] // of lines of the service's log that was kept elsewhere, by ReadLogLine; nil without
	Fault func(HeadFault)              // is told of each fault
	Seen  func(time.Time)              // is told of each moment whose heads were looked for; may be nil
}

// HeadFault is a head, or a tree of them, that is not in the store as it was signed.
type HeadFault struct {
	Time  int64  // milliseconds; when it was signed
	Chain string // "" if it is about a tree
	Seq   int64
	Heads int64  // that were signed in the tree; 0 if it is about one head
	Why   string // goes on after a colon
}

// CheckedHeads is what was found.
type CheckedHeads struct {
	Key []byte // that the service signs with; nil if it is not known

	Trees, Heads int64 // that the store names
	Archived     int64 // of these heads: of entries that are archived
	Twice        int64 // of these: are in the tree of another replica
	Unstored     int64 // of these: were never stored, and their entries are there

	Unnamed Gaps  // trees that the store does not name the heads of, and their gaps
	Alone   int64 // heads that are in no tree, as earlier versions signed them
	Foreign int64 // heads of other services, which came with wallets that were restored

	Logged      int64 // lines of the log that are this service's
	LoggedOther int64 // lines that are of other services
	LoggedGone  Gaps  // trees of the log that the store never named the heads of, and has no head of
	First, Last int64 // of the log's trees: the time of the oldest and the newest, milliseconds

	Faults  int64
	Unknown []string // sentences: what cannot be told
}

// Gaps counts trees and the heads of them that are not in the store.
type Gaps struct {
	Trees, Broken, Heads int64
	First, Last          int64 // milliseconds; of those that have a gap
}

func (g *Gaps) add(at, missing int64) {
	if g.Trees++; missing == 0 {
		return
	}
	if g.Broken == 0 {
		g.First, g.Last = at, at
	}
	g.Broken++
	g.Heads += missing
	g.First, g.Last = min(g.First, at), max(g.Last, at)
}

// ErrOtherLog: none of the heads that a log names was signed by the service whose store it is.
var ErrOtherLog = errors.New("the log is of another service than the store: none of the heads in it is signed with the key of this store's heads")

const (
	maxTreesAtOnce    = 1000 // trees of one moment; replicas make a few
	maxFaultyAtOnce   = 4 * keystore.MaxHeads
	maxArchivesCached = 1 << 16
)

// Check looks for all heads. An error says that it could not: what was found before stays true.
func (c HeadCheck) Check(ctx context.Context) (CheckedHeads, error) {
	run := checkingHeads{HeadCheck: c, archives: make(map[string]store.End)}
	err := run.begin(ctx)
	if err == nil {
		err = run.walk(ctx)
	}
	if err == nil && c.Log != nil {
		err = run.readLog(ctx)
	}
	run.sayUnknown()
	return run.CheckedHeads, err
}

// checkingHeads is the state of a HeadCheck.
type checkingHeads struct {
	HeadCheck
	CheckedHeads
	since    int64                // when the first tree that the store names was signed; 0: it names none
	archives map[string]store.End // where the newest archive of a chain ends that this service signed; Seq is 0 for none
	told     map[entryName]bool   // entries of the moment whose heads are there, and a fault
}

type entryName struct {
	chain string
	seq   int64
}

func (c *checkingHeads) fault(f HeadFault) {
	c.Faults++
	c.HeadCheck.Fault(f)
}

// faulty is fault for a head that is there, of which one is told.
func (c *checkingHeads) faulty(f HeadFault) {
	if of := (entryName{f.Chain, f.Seq}); !c.told[of] {
		c.told[of] = true
		c.fault(f)
	}
}

// begin finds out whose heads are looked for. The service's own record is restored nowhere, so its heads are of this one.
func (c *checkingHeads) begin(ctx context.Context) (err error) {
	if c.since, err = c.Store.NextTree(ctx, 0); err != nil {
		return fmt.Errorf("looking for trees of heads: %w", err)
	}
	head, err := c.Store.HeadUpTo(ctx, store.ServiceChain, math.MaxInt64)
	switch {
	case err == nil:
		c.Key = head.PublicKey
		return nil
	case !errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("looking for the key of the heads: %w", err)
	case c.since == 0:
		return nil
	}
	return c.Store.TreesOf(ctx, c.since, func(t store.Tree) { c.Key = t.PublicKey })
}

// walk goes through all moments in which heads were signed.
func (c *checkingHeads) walk(ctx context.Context) error {
	for at := int64(0); ; {
		tree, err := c.Store.NextTree(ctx, at)
		if err != nil {
			return fmt.Errorf("looking for trees of heads: %w", err)
		}
		head, err := c.Store.NextHead(ctx, at)
		if err != nil {
			return fmt.Errorf("looking for heads: %w", err)
		}
		switch {
		case tree == 0 && head == 0:
			return nil
		case tree == 0 || head != 0 && head < tree:
			at = head
		default:
			at = tree
		}
		if err := c.moment(ctx, at); err != nil {
			return fmt.Errorf("looking for the heads of %s: %w", time.UnixMilli(at).UTC().Format(time.RFC3339), err)
		}
		if c.Seen != nil {
			c.Seen(time.UnixMilli(at))
		}
	}
}

// seenTree is a tree, and which of its leaves were seen.
type seenTree struct {
	keystore.SignedRoot
	stored bool
	leaves []bool // that were seen
	count  int64
	one    store.Head // one of those
}

func (t *seenTree) see(h store.Head, leaf int64) {
	if !t.leaves[leaf] {
		t.leaves[leaf], t.one = true, h
		t.count++
	}
}

// seenTrees are those of a moment.
type seenTrees struct {
	named     map[string]*seenTree // by root: those with a row
	others    map[string]*seenTree // those that heads alone tell of
	alone     int64                // heads in no tree
	pathless  []store.StoredHead   // heads that lead to no root
	entryless []store.StoredHead   // heads whose entries are not as they were signed
	excess    bool                 // there were too many to hold
}

func (s *seenTrees) add(h store.StoredHead) {
	if s.excess = s.excess || len(s.entryless)+len(s.pathless) >= maxFaultyAtOnce; s.excess {
		return
	}
	if !bytes.Equal(h.Entry, h.Hash) {
		s.entryless = append(s.entryless, h)
	}
	if keystore.IsAlone(h.Head) {
		s.alone++
		return
	}
	root, leaf, ok := keystore.RootOf(h.Head)
	if !ok {
		s.pathless = append(s.pathless, h)
		return
	}
	if t := s.named[string(root.Hash)]; t != nil && t.Size == root.Size {
		if bytes.Equal(t.Signature, root.Signature) && bytes.Equal(t.PublicKey, root.PublicKey) {
			t.see(h.Head, leaf)
		}
		return // one with another signature is not seen, and so is looked at by its name
	}
	key := string(root.Hash) + string(root.Signature) + string(root.PublicKey)
	t := s.others[key]
	if t == nil {
		if s.excess = s.excess || len(s.others) >= maxTreesAtOnce; s.excess {
			return
		}
		t = &seenTree{SignedRoot: root, leaves: make([]bool, root.Size)}
		s.others[key] = t
	}
	t.see(h.Head, leaf)
}

// moment looks for the heads that were signed at a time.
func (c *checkingHeads) moment(ctx context.Context, at int64) error {
	seen := seenTrees{named: make(map[string]*seenTree), others: make(map[string]*seenTree)}
	err := c.Store.TreesOf(ctx, at, func(row store.Tree) {
		if len(seen.named) >= maxTreesAtOnce {
			seen.excess = true
			return
		}
		if t := c.readTree(row); t != nil {
			seen.named[string(t.Hash)] = t
		}
	})
	if err != nil {
		return err
	}
	if err := c.Store.HeadsOf(ctx, at, seen.add); err != nil {
		return err
	}
	if seen.excess {
		return fmt.Errorf("%w: it has more heads of one moment that fit together with nothing than a service makes", store.ErrDamaged)
	}
	c.told = make(map[entryName]bool)
	c.Alone += seen.alone
	for _, t := range seen.named {
		if err := c.named(ctx, t); err != nil {
			return err
		}
	}
	for _, t := range seen.others {
		c.unnamed(t)
	}
	for _, h := range seen.pathless {
		c.faulty(HeadFault{Time: at, Chain: h.Chain, Seq: h.Seq, Why: "its head is there, but leads to no root that was signed"})
	}
	for _, h := range seen.entryless {
		if err := c.entryless(ctx, h.Head); err != nil {
			return err
		}
	}
	return nil
}

// readTree takes up a tree that the store names; nil, and a fault, if its leaves are not those of a root that this service
// signed.
func (c *checkingHeads) readTree(row store.Tree) *seenTree {
	ends, ok := row.Ends()
	root := rootIn(row, len(ends))
	why := ""
	switch {
	case !ok || !keystore.IsRootOver(root, ends):
		why = "what says which heads were signed in it was changed"
	case !bytes.Equal(root.PublicKey, c.Key):
		why = "it is signed with another key than the newest head of the service's own record"
	case !keystore.VerifyRoot(root):
		why = "its signature does not verify"
	default:
		return &seenTree{SignedRoot: root, stored: row.Stored, leaves: make([]bool, len(ends))}
	}
	c.fault(HeadFault{Time: row.Time, Heads: int64(len(ends)), Why: why})
	return nil
}

func rootIn(row store.Tree, leaves int) keystore.SignedRoot {
	return keystore.SignedRoot{Size: int64(leaves), Hash: row.Root, Time: row.Time, PublicKey: row.PublicKey, Signature: row.Signature}
}

// named looks for the heads of a tree that were not seen.
func (c *checkingHeads) named(ctx context.Context, t *seenTree) error {
	c.Trees++
	c.Heads += t.Size
	if t.count == t.Size {
		return nil
	}
	row, err := c.Store.Tree(ctx, t.Time, t.Hash)
	if err != nil {
		return err
	}
	ends, _ := row.Ends()
	if len(ends) != len(t.leaves) {
		return fmt.Errorf("%w: a tree changed while it was read", store.ErrDamaged)
	}
	for i, end := range ends {
		if t.leaves[i] {
			continue
		}
		if err := c.missing(ctx, t.Time, end, t.stored); err != nil {
			return err
		}
	}
	return nil
}

// unnamed looks at a tree that heads alone tell of.
func (c *checkingHeads) unnamed(t *seenTree) {
	missing := t.Size - t.count
	switch {
	case !keystore.VerifyRoot(t.SignedRoot):
		c.faulty(HeadFault{Time: t.Time, Chain: t.one.Chain, Seq: t.one.Seq, Why: "its head is there, but its signature does not verify"})
	case !bytes.Equal(t.PublicKey, c.Key):
		c.Foreign += t.count
	case missing > 0 && c.since != 0 && t.Time >= c.since:
		c.fault(HeadFault{Time: t.Time, Heads: t.Size, Why: fmt.Sprintf("%d of its heads are missing, and so is what says which heads were signed in it", missing)})
	default:
		c.Unnamed.add(t.Time, missing)
	}
}

// readLog looks for the trees that the log names.
func (c *checkingHeads) readLog(ctx context.Context) error {
	for l, err := range c.Log {
		if err != nil {
			return err
		}
		if c.Key == nil && l.Hash != nil {
			c.Key = l.PublicKey // the store has no head of its own record, which the log may have
		}
		if l.Hash != nil && !bytes.Equal(l.PublicKey, c.Key) {
			c.LoggedOther++
			continue
		}
		if c.Logged++; c.Logged == 1 {
			c.First, c.Last = l.Time, l.Time
		}
		c.First, c.Last = min(c.First, l.Time), max(c.Last, l.Time)
		if err := c.logged(ctx, l); err != nil {
			return fmt.Errorf("looking for the heads of %s: %w", time.UnixMilli(l.Time).UTC().Format(time.RFC3339), err)
		}
	}
	if c.Logged == 0 && c.LoggedOther > 0 {
		return ErrOtherLog
	}
	return nil
}

// logged looks for a tree that the log names. One that the store names too was looked at already.
func (c *checkingHeads) logged(ctx context.Context, l LoggedTree) error {
	row, err := c.Store.Tree(ctx, l.Time, l.Hash)
	switch {
	case err == nil && !row.Stored:
		c.fault(HeadFault{Time: l.Time, Heads: l.Size, Why: "the log says that all of its heads were stored, and the store that they were not"})
		return nil
	case err == nil:
		return nil
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	if l.Listed {
		c.fault(HeadFault{Time: l.Time, Heads: l.Size, Why: "the log names it, and the store does not"})
	}
	for _, end := range l.Ends {
		if head, err := c.Store.HeadUpTo(ctx, end.Chain, end.Seq); err == nil && head.Seq == end.Seq && bytes.Equal(head.Hash, end.Hash) && keystore.VerifyHead(head) {
			continue
		}
		if err := c.missing(ctx, l.Time, end, true); err != nil {
			return err
		}
	}
	if l.Listed || l.Ends != nil {
		return nil
	}
	left := int64(0)
	err = c.Store.HeadsOf(ctx, l.Time, func(h store.StoredHead) {
		if keystore.IsUnder(h.Head, l.SignedRoot) {
			left++
		}
	})
	if err == nil && left == 0 { // one of which some heads are left was looked at already
		c.LoggedGone.add(l.Time, l.Size)
	}
	return err
}

func (c *checkingHeads) sayUnknown() {
	say := func(format string, args ...any) { c.Unknown = append(c.Unknown, fmt.Sprintf(format, args...)) }
	day := func(at int64) string { return time.UnixMilli(at).UTC().Format(time.RFC3339) }
	if c.Key == nil {
		say("which key this service signs with, for its own record has no head; so whose the heads are")
	}
	const older = "were signed from %s to %s by a walletd that did not store which heads it signs: " +
		"which they are, and whether they are of archived entries, are in the tree of another replica, or were deleted"
	if g := c.Unnamed; g.Broken > 0 {
		say("of %d heads in %d trees that are not in the store, which "+older, g.Heads, g.Broken, day(g.First), day(g.Last))
	}
	if g := c.LoggedGone; g.Broken > 0 {
		say("of %d heads in %d trees that the log names, none of which is in the store, and which "+older, g.Heads, g.Broken, day(g.First), day(g.Last))
	}
	if c.Log == nil {
		say("whether heads were deleted with all that tells of them, as where an older copy of the store was put in its place: give the service's log, kept elsewhere, with --log")
	}
}
