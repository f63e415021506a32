package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"walletd/internal/keystore"
	"walletd/internal/store"
)

// Verification is the result of verifying an audit log.
type Verification struct {
	Entries, Heads int64
	Head           *store.Head // the last head that matches its entry
	Bad            *BadEntry   // the first entry, or head, that does not match
	Unknown        string      // a sentence: what the verification cannot tell
	// Archived is the newest archive, after which the audit log that was verified goes on; nil if none is.
	Archived *Archive
	// Passkeys are those that the audit log shows, and what they signed. Only an exported one shows them, and each
	// signature that counts verifies.
	Passkeys []PasskeyUses

	treeKeys [][]byte // that heads in trees are signed with, each once
}

// note has the first of two entries that do not match be named.
func (v *Verification) note(bad *BadEntry) {
	if bad != nil && (v.Bad == nil || bad.Seq < v.Bad.Seq) {
		v.Bad = bad
	}
}

// BadEntry names the entry or head that does not match, and why.
type BadEntry struct {
	Seq int64
	Why string
	// Files are the numbers, from 0, of the files that it is about, of those that VerifyFiles was given: the one that holds
	// the entry, those that contradict each other or, if entries are Missing, those that they are missing between.
	Files   []int
	Missing bool
}

// Verify verifies the wallet's audit log, or the service's if w is nil, from its first entry, or the first that is not
// archived, and that every signed head matches it. The result says what it cannot tell: whether entries after the last head were cut
// off. It holds a page of entries and a page of heads in memory, however long the audit log is. Where entries are archived
// meanwhile, it begins again after them.
func (l *Ledger) Verify(ctx context.Context, w *Wallet) (Verification, error) {
	for {
		found, err := l.verify(ctx, w)
		if !errors.Is(err, ErrArchivedMeanwhile) {
			return found, err
		}
	}
}

func (l *Ledger) verify(ctx context.Context, w *Wallet) (Verification, error) {
	v := Verifier{Chain: ChainOf(w)}
	root, err := l.keystore.ServiceHeadKey()
	switch {
	case err == nil:
		v.RootKey, v.Key, v.Own = root, root, true
	case !errors.Is(err, keystore.ErrLocked): // locked, it has no key to compare with
		return Verification{}, err
	}
	if w != nil {
		v.Key = w.keys.HeadKey()
	}
	archived, err := l.Archived(ctx, w)
	if err != nil {
		return Verification{}, err
	}
	v.Start = archived.Start()
	recorded := archived == nil
	entries := func(yield func(store.Record, error) bool) {
		for r, err := range l.records(ctx, w, archived.last()) {
			recorded = recorded || err == nil && archived.IsRecordedBy(r)
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
	heads, err := l.heads(ctx, w, archived.last())
	if err != nil {
		return Verification{}, err
	}
	found, err := v.Verify(entries, heads)
	if err != nil {
		return Verification{}, err
	}
	if found.Archived = archived; !recorded {
		found.note(&BadEntry{Seq: archived.Last + 1, Why: "no entry says that what was before it is archived"})
	}
	return found, nil
}

// Verifier verifies a chain and its heads as they are read, in memory that does not grow with them. It needs no
// secret. With the public key of the chain's heads it also verifies that this keystore signed the heads.
//
// A wallet that is restored, from its words or from a backup, continues its audit log under a new key. So an
// audit log has parts, each signed with one key; the hashes tie the parts together. Heads that were signed by
// themselves, as earlier versions did, and those in trees have keys of their own: a part may have both.
type Verifier struct {
	Chain   string
	Start   Start       // the zero Start: at the first entry
	Key     []byte      // a key that heads by themselves must be signed with; nil accepts any one key for each part
	RootKey []byte      // the same, of heads in trees
	Own     bool        // Key and RootKey are the keys of the newest part
	Known   *store.Head // a head from another source that the audit log must contain, or nil
	// Root, if not nil, is the root of a tree from another source, such as the service's log, and RootSeq the entry
	// that a head in the tree is of; 0: it is not known whether the tree has one of this audit log.
	Root    *keystore.SignedRoot
	RootSeq int64
}

// Start is where a verification begins: after an entry that is archived.
type Start struct {
	Seq  int64
	Hash []byte
	Head *store.Head // of that entry; nil if it is not known
}

// keyFor returns the key that a head must be signed with; nil for any.
func (v *Verifier) keyFor(h store.Head) []byte {
	if keystore.IsAlone(h) {
		return v.Key
	}
	return v.RootKey
}

// Verify verifies the entries of a chain, in order and from Start on, and its heads, in the order of their
// entries. An error is one that a sequence yielded; what does not match is in the result.
func (v Verifier) Verify(entries iter.Seq2[store.Record, error], heads iter.Seq2[store.Head, error]) (Verification, error) {
	run := verifying{Verifier: v, checker: store.Checker{Chain: v.Chain, Seq: v.Start.Seq, Hash: v.Start.Hash}, firstSigned: -1}
	run.begin()
	next, stop := iter.Pull2(withKnown(run.Known, heads))
	defer stop()
	h, err, more := next()
	for r, entryErr := range entries {
		if entryErr != nil {
			return Verification{}, entryErr
		}
		run.expected = run.expected[:0]
		for ; more && err == nil && h.Seq <= run.checker.Seq+1; h, err, more = next() {
			run.addHead(h)
		}
		if err != nil {
			return Verification{}, err
		}
		run.add(r)
	}
	for ; more && err == nil; h, err, more = next() {
		run.addUnmatched(h)
	}
	if err != nil {
		return Verification{}, err
	}
	return run.result(), nil
}

// withKnown yields a known head, if there is one, before the first head of the same entry or a later one.
func withKnown(known *store.Head, heads iter.Seq2[store.Head, error]) iter.Seq2[store.Head, error] {
	if known == nil {
		return heads
	}
	return func(yield func(store.Head, error) bool) {
		given := false
		for h, err := range heads {
			if !given && err == nil && h.Seq >= known.Seq {
				if given = true; !yield(*known, nil) {
					return
				}
			}
			if !yield(h, err) {
				return
			}
		}
		if !given {
			yield(*known, nil)
		}
	}
}

// verifying is the state of a verification.
type verifying struct {
	Verifier
	checker  store.Checker
	expected []store.Head // at most one: of the next entry, and validly signed
	newest   int64        // the entry of the last head that was read
	entries  int64
	bad      *BadEntry

	part          int // the part of the audit log that the last entry is in
	alone, inTree signedHeads
	firstSigned   int         // the first part with a head that fits; -1 if none has
	fit           tally       // of the parts that ended
	rooted        bool        // a head is in the tree with the root
	archivedKnown *store.Head // the known head, if its entry is before Start
	treeKeys      [][]byte
}

// signedHeads holds what is known of one part's heads of one form. Which key the part is signed with is only known at
// its end: the one it must have (Key or RootKey), if that signed any of them, or else the key of the first.
type signedHeads struct {
	key            []byte // of the first head
	byFirst, byKey tally  // if the part is signed with key, and with the one it must have
	ended          bool   // a part that ended has a head signed with the one it must have
}

// tally counts the heads of a part that are signed with one key.
type tally struct {
	heads   int64
	last    *store.Head
	foreign int64 // the first entry with a head that another key signed; 0 if there is none
}

func (t *tally) add(h store.Head, key []byte) {
	switch {
	case bytes.Equal(h.PublicKey, key):
		t.heads++
		t.last = &h
	case t.foreign == 0:
		t.foreign = h.Seq
	}
}

// begin takes up what is known of the entry that the chain goes on after.
func (v *verifying) begin() {
	if v.Start.Seq == 0 {
		return
	}
	if h := v.Start.Head; h != nil && v.accepts(*h) {
		v.match(*h, v.Start.Seq, v.Start.Hash)
	}
	v.newest = v.Start.Seq
	if known := v.Known; known != nil && known.Seq <= v.Start.Seq {
		v.Known = nil
		if v.archivedKnown = known; known.Seq == v.Start.Seq && v.accepts(*known) {
			v.match(*known, v.Start.Seq, v.Start.Hash)
			v.archivedKnown = nil
		}
	}
}

// beginsPart reports whether a part of a wallet's audit log begins with the entry.
func beginsPart(r store.Record) bool {
	k, known := kindOf(r.Kind)
	return known && k.is(begins) && r.Chain != store.ServiceChain
}

const foreignHead = "the head at this entry is not signed by this keystore"

// accepts reports a head that is not in order, or has no valid signature, as bad.
func (v *verifying) accepts(h store.Head) bool {
	ordered := h.Seq >= v.newest
	v.newest = max(v.newest, h.Seq)
	switch {
	case h.Chain != v.Chain || !keystore.VerifyHead(h):
		v.reportBad(h.Seq, foreignHead)
	case !ordered:
		v.reportBad(h.Seq, "the head of this entry is out of order")
	default:
		return true
	}
	return false
}

// addHead adds a head of the next entry. Of two that say the same, the first counts.
func (v *verifying) addHead(h store.Head) {
	if !v.accepts(h) {
		return
	}
	switch {
	case len(v.expected) == 0:
		v.expected = append(v.expected, h)
	case !bytes.Equal(v.expected[0].Hash, h.Hash):
		v.reportBad(h.Seq, "two heads of this entry differ")
	}
}

// addUnmatched adds a head whose entry did not come.
func (v *verifying) addUnmatched(h store.Head) {
	switch {
	case !v.accepts(h):
	case v.Own && !bytes.Equal(h.PublicKey, v.keyFor(h)):
		v.reportBad(h.Seq, foreignHead)
	default:
		v.reportBad(v.checker.Seq+1, fmt.Sprintf("entries are missing: entry %d was signed once", h.Seq))
	}
}

// add verifies the next entry.
func (v *verifying) add(r store.Record) {
	v.entries++
	if v.bad != nil && v.bad.Seq <= v.checker.Seq {
		return
	}
	if err, broken := errors.AsType[*store.BrokenError](v.checker.Add(r)); broken {
		v.reportBad(err.Seq, err.Why)
		return
	}
	if beginsPart(r) {
		v.endPart(false)
		v.part++
	}
	for _, h := range v.expected {
		if h.Seq == r.Seq && !v.match(h, r.Seq, r.Hash) {
			return
		}
	}
}

// match counts a head of an entry with a hash, or reports that it is of another one.
func (v *verifying) match(h store.Head, seq int64, hash []byte) bool {
	if h.Seq != seq || !bytes.Equal(h.Hash, hash) {
		v.reportBad(seq, "the entry is not the one whose hash was signed")
		return false
	}
	v.rooted = v.rooted || v.Root != nil && keystore.IsUnder(h, *v.Root)
	of := &v.inTree
	if keystore.IsAlone(h) {
		of = &v.alone
	} else if !slices.ContainsFunc(v.treeKeys, func(key []byte) bool { return bytes.Equal(key, h.PublicKey) }) && len(v.treeKeys) < maxTreeKeys {
		v.treeKeys = append(v.treeKeys, h.PublicKey)
	}
	if of.key == nil {
		of.key = h.PublicKey
	}
	of.byFirst.add(h, of.key)
	of.byKey.add(h, v.keyFor(h))
	return true
}

// maxTreeKeys bounds the keys of an audit log's heads: each restore into another store brings one more.
const maxTreeKeys = 1000

// reportBad sets the first entry that does not match.
func (v *verifying) reportBad(seq int64, why string) {
	if v.bad == nil || seq < v.bad.Seq {
		v.bad = &BadEntry{Seq: seq, Why: why}
	}
}

// endPart counts the heads of a part that are signed with its keys. newest says that it is the last part.
func (v *verifying) endPart(newest bool) {
	alone, inTree := v.alone.end(v.Key, newest, v.Own), v.inTree.end(v.RootKey, newest, v.Own)
	for _, t := range []tally{alone, inTree} {
		if t.foreign != 0 {
			v.reportBad(t.foreign, foreignHead)
		}
		if t.heads == 0 {
			continue
		}
		if v.fit.heads += t.heads; v.fit.last == nil || t.last.Seq >= v.fit.last.Seq {
			v.fit.last = t.last
		}
		if v.firstSigned < 0 {
			v.firstSigned = v.part
		}
	}
}

// end returns what counts of a part that ends: what is signed with the key, for the part that is known to have it, or
// else with the key of the part's first head. A key of nil is any.
func (p *signedHeads) end(key []byte, newest, own bool) tally {
	t := p.byFirst
	if key != nil && (p.byKey.heads > 0 || newest && (own || !p.ended)) {
		t = p.byKey
	}
	*p = signedHeads{ended: p.ended || p.byKey.heads > 0}
	return t
}

func (v *verifying) result() Verification {
	v.endPart(true)
	if v.Root != nil && !v.rooted && v.RootSeq > v.Start.Seq {
		v.reportBad(v.RootSeq, "its head, which was signed in the tree, is missing")
	}
	result := Verification{Entries: v.entries, Heads: v.fit.heads, Head: v.fit.last, Bad: v.bad, treeKeys: v.treeKeys}
	switch {
	case result.Head == nil:
		result.Unknown = "no head was signed, so it cannot be known whether entries were rewritten or cut off"
	case result.Head.Seq < v.checker.Seq:
		result.Unknown = fmt.Sprintf("entries after %d follow from those before, but no head was signed since", result.Head.Seq)
	default:
		result.Unknown = "whether newer entries and their heads were cut off; compare the head with one from the log"
	}
	if known := v.archivedKnown; known != nil {
		result.Unknown += fmt.Sprintf("; whether the given head fits: its entry %d is archived, so verify the archive with it", known.Seq)
	}
	if v.Root != nil && !v.rooted && v.RootSeq > 0 && v.RootSeq <= v.Start.Seq {
		result.Unknown += fmt.Sprintf("; whether the head of entry %d is in the tree with the given root: it is archived, so verify the archive with it", v.RootSeq)
	} else if v.Root != nil && !v.rooted {
		result.Unknown += "; no head of this audit log is in the tree with the given root: it had no new entry then, or they were cut off"
	}
	if v.Known != nil && keystore.IsAlone(*v.Known) && result.Head != nil && !keystore.IsAlone(*result.Head) {
		result.Unknown += "; newer heads are signed with the key of the service, of which the given head says nothing"
	}
	if v.firstSigned >= 0 && v.firstSigned < v.part {
		result.Unknown += "; the wallet was restored since its audit log began, and older heads are signed with an older key"
	}
	return result
}
