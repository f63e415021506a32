package store

import (
	"context"
	"fmt"
)

// Head is a signed statement of where a chain stood. Its JSON is part of the
// format of wallet backups.
type Head struct {
	Chain     string `json:"Chain"`
	Seq       int64  `json:"Seq"`
	Hash      []byte `json:"Hash"` // of the entry Seq
	Time      int64  `json:"Time"` // milliseconds
	PublicKey []byte `json:"PublicKey"`
	Signature []byte `json:"Signature"`
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
	putHead   = writes[Head]("put head")
)

// Heads reads up to limit heads of a chain after the number given, in order.
func (s *Store) Heads(ctx context.Context, chain string, after int64, limit int) ([]Head, error) {
	heads, err := many(ctx, s, listHeads, chain, after, min(limit, 1000))
	if err != nil {
		return nil, fmt.Errorf("chain %q: %w", chain, err)
	}
	return heads, nil
}

// PutHead keeps a signed head. One that is already there stays.
func (s *Store) PutHead(ctx context.Context, h Head) error {
	if err := s.CheckClock(ctx); err != nil {
		return err
	}
	return s.alone(ctx, putHead.query, putHead.values(&h, nil)...)
}
