package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// ErrOtherRecord: the store has entries on the chain that are not those to be
// put back.
var ErrOtherRecord = errors.New("the store has another record of this wallet")

// restoreTimeout is for the largest wallet on a slow disk. Others wait meanwhile.
const restoreTimeout = 2 * time.Minute

// Restored is what an entry says that was put on its chain by Restore. The
// entry's own Sealed is what its hash covers, and was sealed in another store.
type Restored struct {
	Chain  string
	Seq    int64
	Sealed []byte
}

func (r *Restored) fields() []any { return []any{&r.Chain, &r.Seq, &r.Sealed} }

// OldChain is a chain as it was elsewhere: all entries from the first, in
// order, heads of theirs, and what they say. The zero OldChain is of no wallet.
type OldChain struct {
	Records  []Record
	Heads    []Head
	Contents []Restored
}

// Restore is Commit with an old chain beneath it: what c records follows the
// old entries, which go in as they are, all of it in one transaction of its own.
// The old entries must have passed a Checker.
//
// If the store still has the chain, of a wallet that was deleted, it must begin
// as the old one does, or the old one as it: what is missing is added, and
// nothing changes what is there. ErrOtherRecord if they part. Besides: what
// Commit says of the parts of c.
func (s *Store) Restore(ctx context.Context, c Change, old OldChain) error {
	err := c.check()
	if err == nil {
		err = old.check(&c)
	}
	if err != nil {
		return fmt.Errorf("restoring: %w", err)
	}
	j := &job{change: &c}
	err = s.committer.wait(ctx, &job{patience: restoreTimeout, alone: func(ctx context.Context, sess session) error {
		return j.restore(ctx, s, sess, &old)
	}})
	if err == nil {
		err = j.err
	}
	if err != nil {
		return fmt.Errorf("restoring: %w", err)
	}
	return nil
}

func (o *OldChain) check(c *Change) error {
	for i, r := range o.Records {
		if r.Seq != int64(i+1) || !slices.Contains(c.chains(), r.Chain) || r.Chain != o.Records[0].Chain {
			return fmt.Errorf("the old record: %w", ErrInvalid)
		}
		if err := fit(values(r.fields())); err != nil {
			return fmt.Errorf("the old record: %w", err)
		}
	}
	for _, h := range o.Heads {
		if err := fit(values(h.fields())); err != nil {
			return fmt.Errorf("the old heads: %w", err)
		}
	}
	for _, r := range o.Contents {
		if err := fit(values(r.fields())); err != nil {
			return fmt.Errorf("the old record: %w", err)
		}
	}
	return nil
}

// restore applies the change above the old chain. What refuses it is j.err; then
// nothing is left of it, nor of a transaction.
func (j *job) restore(ctx context.Context, s *Store, sess session, old *OldChain) error {
	g := &group{}
	g.add(j)
	refused, err := g.together(ctx, s, sess, g.jobs)
	if err == nil && len(refused) > 0 {
		err = g.apart(ctx, s, sess, refused)
	}
	if err != nil {
		return s.translate(err)
	}
	if j.err == nil && len(old.Records) > 0 {
		j.err, err = old.beneath(ctx, s, sess, g.ends[old.Records[0].Chain])
		if err != nil {
			return s.translate(err)
		}
	}
	if j.err != nil {
		_, err := sess.run(ctx, []stmt{{text: "rollback"}})
		return err
	}
	if err := g.finish(ctx, s, sess); err != nil {
		return err
	}
	for _, end := range g.ends {
		s.saw(end.Time)
	}
	return nil
}

// beneath puts the old entries on a chain that ends at end, which it moves on.
func (o *OldChain) beneath(ctx context.Context, s *Store, sess session, end *End) (refused, err error) {
	last := o.Records[len(o.Records)-1]
	if end.Seq > 0 {
		common := o.Records[min(end.Seq, last.Seq)-1]
		found, err := sess.run(ctx, []stmt{{query("hash of record"), []any{common.Chain, common.Seq}, true}})
		if err != nil {
			return nil, err
		}
		var hash []byte
		if rows := found[0].rows; len(rows) != 1 || !assign(&hash, rows[0][0]) || !bytes.Equal(hash, common.Hash) {
			return ErrOtherRecord, nil
		}
	}
	var records, heads, contents [][]any
	for _, r := range o.Records[min(end.Seq, last.Seq):] {
		records = append(records, noNulls(values(r.fields())))
		end.Seq, end.Hash, end.Time = r.Seq, r.Hash, max(end.Time, r.Time)
	}
	for _, h := range o.Heads {
		heads = append(heads, noNulls(values(h.fields())))
	}
	for _, r := range o.Contents {
		contents = append(contents, noNulls(values(r.fields())))
	}
	batch := slices.Concat(s.insertMany("insert record", records, false), s.insertMany("put head", heads, false),
		s.insertMany("insert restored record", contents, false))
	_, err = sess.run(ctx, batch)
	return nil, err
}

// RestoredRecord reads what up to limit restored entries of a chain say, after
// the number given, in order.
func (s *Store) RestoredRecord(ctx context.Context, chain string, after int64, limit int) ([]Restored, error) {
	return many[Restored](ctx, s, "restored record", chain, after, min(limit, 1000))
}

// WalletSecretKeys reads the keys for secret storage of all apps of a wallet, up
// to 200 after a tag (nil: from the first), by their tags.
func (s *Store) WalletSecretKeys(ctx context.Context, wallet string, after []byte) ([]SecretKey, error) {
	if after == nil {
		after = []byte{}
	}
	return many[SecretKey](ctx, s, "wallet's secret keys", wallet, after, maxSecretKeys)
}

// PutRestoredSecret adds a secret, whatever room there is: each costs a count
// elsewhere. ErrExists.
func PutRestoredSecret(s Secret) Write {
	return Write{steps: []step{{"insert secret", values(s.fields()), ErrExists}}}
}
