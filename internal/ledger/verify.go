package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"walletd/internal/keystore"
	"walletd/internal/store"
)

// Verification is the result of verifying an audit log.
type Verification struct {
	Entries, Heads int64
	Head           *store.Head // the last head that matches its entry
	Bad            *BadEntry   // the first entry, or head, that does not match
	Unknown        string      // a sentence: what the verification cannot tell
}

// BadEntry names the entry or head that does not match, and why.
type BadEntry struct {
	Seq int64
	Why string
}

// Verify verifies the wallet's audit log, or the service's if w is nil, from its first entry, and that every
// signed head matches it. The result says what it cannot tell: whether entries after the last head were cut
// off.
func (l *Ledger) Verify(ctx context.Context, w *Wallet) (Verification, error) {
	chain := ChainOf(w)
	key, err := l.headKey(w)
	if err != nil {
		return Verification{}, err
	}
	v := NewVerifier(chain)
	v.Key, v.Own = key, key != nil
	if err := l.EachHead(ctx, chain, func(h store.Head) error { v.AddHead(h); return nil }); err != nil {
		return Verification{}, err
	}
	if err := l.walk(ctx, chain, func(r store.Record) error { v.Add(r); return nil }); err != nil {
		return Verification{}, err
	}
	return v.Result(), nil
}

// headKey returns the public key of a chain's heads; nil for the service's chain while the keystore is locked.
func (l *Ledger) headKey(w *Wallet) ([]byte, error) {
	if w != nil {
		return w.keys.HeadKey(), nil
	}
	pk, err := l.keystore.ServiceHeadKey()
	if errors.Is(err, keystore.ErrLocked) {
		return nil, nil
	}
	return pk, err
}

// Verifier verifies a chain and its heads as they are read: first all heads, then the entries in order. It needs
// no secret. With the public key of the chain's heads it also verifies that this keystore signed the heads.
//
// A wallet that is restored, from its words or from a backup, continues its audit log under a new key. So an
// audit log has parts, each signed with one key; the hashes tie the parts together.
type Verifier struct {
	Key []byte // a key that heads must be signed with; nil accepts any one key for each part
	Own bool   // Key is the key of the newest part

	checker store.Checker
	heads   map[int64]store.Head // heads whose entry was not read yet
	matched []matchedHead
	part    int
	entries int64
	bad     *BadEntry
}

// matchedHead is a head that matches its entry, and the part of the audit log that it is in.
type matchedHead struct {
	part int
	head store.Head
}

// NewVerifier returns a verifier of the chain with that name.
func NewVerifier(chain string) *Verifier {
	return &Verifier{checker: store.Checker{Chain: chain}, heads: map[int64]store.Head{}}
}

// beginsPart reports whether a part of a wallet's audit log begins with the entry.
func beginsPart(r store.Record) bool {
	k, known := kindOf(r.Kind)
	return known && k.is(begins) && r.Chain != store.ServiceChain
}

// AddHead adds a head. A head without a valid signature is reported as bad.
func (v *Verifier) AddHead(h store.Head) {
	if h.Chain != v.checker.Chain || !keystore.VerifyHead(h) {
		v.reportBad(h.Seq, foreignHead)
		return
	}
	if _, noted := v.heads[h.Seq]; !noted {
		v.heads[h.Seq] = h
	}
}

const foreignHead = "the head at this entry is not signed by this keystore"

// Add verifies the next entry.
func (v *Verifier) Add(r store.Record) {
	v.entries++
	if v.bad != nil && v.bad.Seq <= v.checker.Seq {
		return
	}
	if err, broken := errors.AsType[*store.BrokenError](v.checker.Add(r)); broken {
		v.reportBad(err.Seq, err.Why)
		return
	}
	if beginsPart(r) {
		v.part++
	}
	h, signed := v.heads[r.Seq]
	if !signed {
		return
	}
	if !bytes.Equal(h.Hash, r.Hash) {
		v.reportBad(r.Seq, "the entry is not the one whose hash was signed")
		return
	}
	v.matched = append(v.matched, matchedHead{v.part, h})
	delete(v.heads, r.Seq)
}

// reportBad sets the first entry that does not match.
func (v *Verifier) reportBad(seq int64, why string) {
	if v.bad == nil || seq < v.bad.Seq {
		v.bad = &BadEntry{Seq: seq, Why: why}
	}
}

// matchingHeads returns the heads that are signed with the key of their part: Key for the part that is known to
// have it, or else the key of the part's first head.
func (v *Verifier) matchingHeads() []matchedHead {
	keys := map[int][]byte{}
	if v.Own {
		keys[v.part] = v.Key
	}
	for _, m := range v.matched {
		if v.Key != nil && bytes.Equal(m.head.PublicKey, v.Key) {
			keys[m.part] = v.Key
		}
	}
	if v.Key != nil && len(keys) == 0 {
		keys[v.part] = v.Key
	}
	var fit []matchedHead
	for _, m := range v.matched {
		if keys[m.part] == nil {
			keys[m.part] = m.head.PublicKey
		}
		if !bytes.Equal(keys[m.part], m.head.PublicKey) {
			v.reportBad(m.head.Seq, foreignHead)
			continue
		}
		fit = append(fit, m)
	}
	return fit
}

// Result returns the result; call it after the last entry.
func (v *Verifier) Result() Verification {
	for seq, h := range v.heads {
		switch {
		case seq > v.checker.Seq && v.Own && !bytes.Equal(h.PublicKey, v.Key):
			v.reportBad(seq, foreignHead)
		case seq > v.checker.Seq:
			v.reportBad(v.checker.Seq+1, fmt.Sprintf("entries are missing: entry %d was signed once", seq))
		}
	}
	fit := v.matchingHeads()
	result := Verification{Entries: v.entries, Heads: int64(len(fit)), Bad: v.bad}
	if len(fit) > 0 {
		result.Head = &fit[len(fit)-1].head
	}
	switch {
	case result.Head == nil:
		result.Unknown = "no head was signed, so it cannot be known whether entries were rewritten or cut off"
	case result.Head.Seq < v.checker.Seq:
		result.Unknown = fmt.Sprintf("entries after %d follow from those before, but no head was signed since", result.Head.Seq)
	default:
		result.Unknown = "whether newer entries and their heads were cut off; compare the head with one from the log"
	}
	if len(fit) > 0 && fit[0].part < v.part {
		result.Unknown += "; the wallet was restored since its audit log began, and older heads are signed with an older key"
	}
	return result
}
