package store

import (
	"context"
	"fmt"
	"iter"
	"sort"
)

// Head is a signed statement of where a chain stood. Its JSON is part of the
// format of wallet backups.
type Head struct {
	Chain     string `json:"Chain"`
	Seq       int64  `json:"Seq"`
	Hash      []byte `json:"Hash"` // of the entry Seq
	Time      int64  `json:"Time"` // milliseconds
	PublicKey []byte `json:"PublicKey"`
	Signature []byte `json:"Signature"` // package keystore says of what
}

func (h *Head) columns() []column {
	return []column{
		plain("chain", &h.Chain),
		plain("seq", &h.Seq),
		plain("hash", &h.Hash),
		plain("time", &h.Time),
		plain("public_key", &h.PublicKey),
		plain("signature", &h.Signature),
	}
}

func (Head) Table() string { return "heads" }

var (
	listHeads = reads[Head]("heads")
	headUpTo  = reads[Head]("head up to")
	putHead   = writes[Head]("put head")
	isSigned  = writes[Head]("chain is signed")
)

// Heads reads up to limit heads of a chain after the number given, in order.
func (s *Store) Heads(ctx context.Context, chain string, after int64, limit int) ([]Head, error) {
	heads, err := many(ctx, s, listHeads, chain, after, min(limit, 1000))
	if err != nil {
		return nil, fmt.Errorf("chain %q: %w", chain, err)
	}
	return heads, nil
}

// AllHeads yields the heads of a chain after the number given, in order. An error is the last element.
func (s *Store) AllHeads(ctx context.Context, chain string, after int64) iter.Seq2[Head, error] {
	return walk(ctx, s, listHeads, func(h Head) int { return len(h.Signature) }, func(h Head) int64 { return h.Seq }, chain, after)
}

// HeadUpTo reads the newest head of a chain that is of the entry given or one before it, or ErrNotFound.
func (s *Store) HeadUpTo(ctx context.Context, chain string, seq int64) (Head, error) {
	return one(ctx, s, headUpTo, chain, seq)
}

// PutHeads keeps signed heads, in one transaction. One that is already there stays. A chain that still ends at its
// head is not Unsigned any more.
func (s *Store) PutHeads(ctx context.Context, heads ...Head) error {
	return s.putHeads(ctx, heads, stmt{})
}

// putHeads is PutHeads, with another statement in the transaction unless that is empty.
func (s *Store) putHeads(ctx context.Context, heads []Head, with stmt) error {
	if err := s.CheckClock(ctx); err != nil {
		return err
	}
	sort.Slice(heads, func(i, j int) bool { return heads[i].Chain < heads[j].Chain }) // as others take the chains
	rows := make([][]any, len(heads))
	for i := range heads {
		rows[i] = values(heads[i].columns())
		if err := fit(rows[i]); err != nil {
			return fmt.Errorf("a head: %w", err)
		}
	}
	err := s.committer.wait(ctx, &job{alone: func(ctx context.Context, c conn) error {
		batch := []stmt{{text: s.db.words().begin}}
		if with.text != "" {
			batch = append(batch, with)
		}
		batch = append(batch, s.insertMany(putHead.query, rows)...)
		for i := range heads {
			batch = append(batch, isSigned.stmt(isSigned.values(&heads[i], nil)...))
		}
		_, err := c.run(ctx, append(batch, stmt{text: "commit"}))
		return err
	}})
	if err != nil {
		return fmt.Errorf("storing heads: %w", err)
	}
	return nil
}
