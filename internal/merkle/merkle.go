// Package merkle makes and verifies the hash trees of RFC 6962 (section 2.1), with SHA-256: a root stands for a list of
// leaves, and a path of hashes shows that a leaf is in the list, and where. Leaves and inner nodes are hashed with
// different prefixes, so that neither passes for the other. It is pure.
package merkle

import (
	"crypto/sha256"
	"math/bits"
)

// Hash is of a leaf, or of a node and so of all leaves beneath it.
type Hash = [sha256.Size]byte

// Leaf returns the hash of a leaf.
func Leaf(data []byte) Hash {
	return sha256.Sum256(append([]byte{0}, data...))
}

func node(left, right Hash) Hash {
	var both [1 + 2*sha256.Size]byte
	both[0] = 1
	copy(both[1:], left[:])
	copy(both[1+sha256.Size:], right[:])
	return sha256.Sum256(both[:])
}

// Tree is the tree over some leaves. It keeps all nodes: about twice as many hashes as leaves.
type Tree struct {
	levels [][]Hash // the leaves, the nodes above them, …, the root
}

// New returns the tree over the leaves, of which there is at least one. It keeps the slice.
func New(leaves []Hash) Tree {
	t := Tree{levels: [][]Hash{leaves}}
	for below := leaves; len(below) > 1; {
		above := make([]Hash, 0, (len(below)+1)/2)
		for i := 0; i+1 < len(below); i += 2 {
			above = append(above, node(below[i], below[i+1]))
		}
		if len(below)%2 == 1 { // the last stands for itself, at whatever level it meets another
			above = append(above, below[len(below)-1])
		}
		t.levels = append(t.levels, above)
		below = above
	}
	return t
}

// Root returns the hash that stands for all leaves.
func (t Tree) Root() Hash { return t.levels[len(t.levels)-1][0] }

// Path returns what shows that the leaf with this number is in the tree: the hashes beside the way from it to the
// root, the lowest first.
func (t Tree) Path(number int) []Hash {
	var path []Hash
	for _, level := range t.levels[:len(t.levels)-1] {
		if beside := number ^ 1; beside < len(level) {
			path = append(path, level[beside])
		}
		number /= 2
	}
	return path
}

// Root returns the root of a tree of size leaves in which the leaf has the number and the path, and whether the path
// has as many hashes as there are beside such a leaf. Whoever knows the root of the tree compares it.
func Root(leaf Hash, number, size uint64, path []Hash) (root Hash, ok bool) {
	if number >= size {
		return Hash{}, false
	}
	root = leaf
	for last := size - 1; last > 0; number, last = number/2, last/2 {
		if number == last && number%2 == 0 {
			continue // nothing is beside it
		}
		if len(path) == 0 {
			return Hash{}, false
		}
		if number%2 == 1 {
			root = node(path[0], root)
		} else {
			root = node(root, path[0])
		}
		path = path[1:]
	}
	return root, len(path) == 0
}

// MaxPath is how many hashes a path in a tree of size leaves has at most.
func MaxPath(size uint64) int { return bits.Len64(max(size, 1) - 1) }
