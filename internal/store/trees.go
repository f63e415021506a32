package store

import (
	"context"
	"encoding/binary"
	"fmt"
)

// Tree says which heads were signed together: it names the leaves of a tree of package keystore. Who looks for a head that
// is missing learns from it whose it was. Nothing but the root's signature vouches for it: the leaves have that root.
type Tree struct {
	Time      int64 // milliseconds; of all of its heads
	Root      []byte
	PublicKey []byte
	Signature []byte // of the root
	Leaves    []byte // AppendLeaves
	// Stored says that all of its heads were stored. Where a process ended before, some have none.
	Stored bool
}

func (t *Tree) columns() []column {
	return []column{
		plain("time", &t.Time),
		plain("root", &t.Root),
		plain("public_key", &t.PublicKey),
		plain("signature", &t.Signature),
		plain("leaves", &t.Leaves),
		plain("stored", &t.Stored),
	}
}

func (Tree) Table() string { return "trees" }

// AppendLeaves writes which entries the leaves of a tree are of: for each the length of the chain's name (varint), the
// name, the entry's number (varint) and its hash (32 bytes).
func AppendLeaves(b []byte, ends []End) []byte {
	for _, e := range ends {
		b = binary.AppendUvarint(b, uint64(len(e.Chain)))
		b = append(b, e.Chain...)
		b = binary.AppendUvarint(b, uint64(e.Seq))
		b = append(b, e.Hash...)
	}
	return b
}

// Ends reads the leaves, and false if they are not what AppendLeaves writes.
func (t *Tree) Ends() (ends []End, ok bool) {
	const sum = 32
	number := func(b []byte) (n uint64, rest []byte) {
		n, size := binary.Uvarint(b)
		if size <= 0 {
			return 0, nil
		}
		return n, b[size:]
	}
	for b := t.Leaves; len(b) > 0; {
		length, rest := number(b)
		if length == 0 || length > uint64(len(rest)) {
			return nil, false
		}
		e := End{Chain: string(rest[:length])}
		seq, rest := number(rest[length:])
		if len(rest) < sum {
			return nil, false
		}
		e.Seq, e.Hash, b = int64(seq), rest[:sum], rest[sum:]
		ends = append(ends, e)
	}
	return ends, true
}

// StoredHead is a head, with the hash that its entry has in the store; empty if the entry is not there.
type StoredHead struct {
	Head
	Entry []byte
}

var (
	treesOfTime = reads[Tree]("trees of a time")
	treeOf      = reads[Tree]("tree")
	putTree     = writes[Tree]("put tree")
	treeStored  = writes[Tree]("tree is stored")
	nextTree    = statement("next tree")
	nextHead    = statement("next head")
	headsOfTime = readsInto("heads of a time", func(h *StoredHead) []any { return append(fields(h.Head.columns()), &h.Entry) })
)

// headsAtOnce are stored in one transaction, between those of others.
const headsAtOnce = 128

// PutTree keeps a tree and all of its heads, some at a time. The tree is there before the first head, and Stored with the
// last. It may reorder the heads.
func (s *Store) PutTree(ctx context.Context, t Tree, heads []Head) error {
	t.Stored = len(heads) <= headsAtOnce
	row := values(t.columns())
	if err := fit(row); err != nil {
		return fmt.Errorf("a tree of heads: %w", err)
	}
	with := putTree.stmt(putTree.values(&t, nil)...)
	for first := 0; first < len(heads); first += headsAtOnce {
		last := min(first+headsAtOnce, len(heads))
		if first > 0 && last == len(heads) {
			with = treeStored.stmt(treeStored.values(&t, nil)...)
		}
		if err := s.putHeads(ctx, heads[first:last], with); err != nil {
			return err
		}
		with = stmt{}
	}
	return nil
}

// TreesOf calls each for every tree of a time, in milliseconds.
func (s *Store) TreesOf(ctx context.Context, time int64, each func(Tree)) error {
	return s.read(ctx, treesOfTime.query, []any{time}, func(scan func(...any) error) error {
		var t Tree
		err := scan(treesOfTime.fields(&t)...)
		if err == nil {
			each(t)
		}
		return err
	})
}

// Tree reads the tree with a time and a root, or ErrNotFound.
func (s *Store) Tree(ctx context.Context, time int64, root []byte) (Tree, error) {
	return one(ctx, s, treeOf, time, root)
}

// NextTree returns the time of the first tree after a time; 0 if there is none.
func (s *Store) NextTree(ctx context.Context, after int64) (time int64, err error) {
	return time, s.scalars(ctx, nextTree, []any{after}, &time)
}

// NextHead returns the time of the first head after a time; 0 if there is none.
func (s *Store) NextHead(ctx context.Context, after int64) (time int64, err error) {
	return time, s.scalars(ctx, nextHead, []any{after}, &time)
}

// HeadsOf calls each for every head of a time, in no order. Where an entry is archived meanwhile, its head goes first.
func (s *Store) HeadsOf(ctx context.Context, time int64, each func(StoredHead)) error {
	return s.read(ctx, headsOfTime.query, []any{time}, func(scan func(...any) error) error {
		var h StoredHead
		err := scan(headsOfTime.fields(&h)...)
		if err == nil {
			each(h)
		}
		return err
	})
}
