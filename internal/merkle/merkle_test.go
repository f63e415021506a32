package merkle

import (
	"encoding/hex"
	"math/rand/v2"
	"slices"
	"testing"
)

// The inputs, roots and paths of certificate-transparency (merkle_tree_test.cc; cpp/merkletree), which RFC 6962 was
// written with.
var (
	inputs = []string{"", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"}
	roots  = []string{
		"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
		"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
		"aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
		"d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
		"4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
		"76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
		"ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
		"5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
	}
	paths = []struct {
		number, size int
		path         []string
	}{
		{0, 1, nil},
		{0, 8, []string{
			"96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
			"5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
			"6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
		}},
		{5, 8, []string{
			"bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
			"ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
			"d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
		}},
		{2, 3, []string{"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"}},
		{1, 5, []string{
			"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
			"5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
			"bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
		}},
	}
)

func hash(t *testing.T, text string) (h Hash) {
	t.Helper()
	if b, err := hex.DecodeString(text); err != nil || copy(h[:], b) != len(h) {
		t.Fatal(text, err)
	}
	return h
}

func leavesOf(t *testing.T, inputs []string) (leaves []Hash) {
	t.Helper()
	for _, in := range inputs {
		data, err := hex.DecodeString(in)
		if err != nil {
			t.Fatal(err)
		}
		leaves = append(leaves, Leaf(data))
	}
	return leaves
}

func TestVectors(t *testing.T) {
	for n, want := range roots {
		if got := New(leavesOf(t, inputs[:n+1])).Root(); got != hash(t, want) {
			t.Errorf("the root of %d leaves is %x, want %s", n+1, got, want)
		}
	}
	for _, c := range paths {
		var want []Hash
		for _, text := range c.path {
			want = append(want, hash(t, text))
		}
		leaves := leavesOf(t, inputs[:c.size])
		if got := New(leaves).Path(c.number); !slices.Equal(got, want) {
			t.Errorf("the path of leaf %d of %d is %x, want %x", c.number, c.size, got, want)
		}
		if got, ok := Root(leaves[c.number], uint64(c.number), uint64(c.size), want); !ok || got != hash(t, roots[c.size-1]) {
			t.Errorf("leaf %d of %d leads to the root %x, %t", c.number, c.size, got, ok)
		}
	}
}

// defined is the tree as RFC 6962 defines it: split at the largest power of two below the number of leaves.
func defined(leaves []Hash) Hash {
	if len(leaves) == 1 {
		return leaves[0]
	}
	k := 1
	for k*2 < len(leaves) {
		k *= 2
	}
	return node(defined(leaves[:k]), defined(leaves[k:]))
}

// Of trees of every size up to 300, and of some larger: each leaf leads to the root as it is defined, and neither with
// another number, size, leaf or path.
func TestEveryLeafLeadsToTheRootAndNothingElseDoes(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, size := range append(seq(1, 300), 511, 512, 513, 1000) {
		leaves := make([]Hash, size)
		for i := range leaves {
			leaves[i] = Leaf([]byte{byte(i), byte(i >> 8)})
		}
		tree := New(slices.Clone(leaves))
		root := defined(leaves)
		if tree.Root() != root {
			t.Fatalf("the root of %d leaves is not that of the definition", size)
		}
		leads := func(leaf Hash, number, size int, path []Hash) bool {
			got, ok := Root(leaf, uint64(number), uint64(size), path)
			return ok && got == root
		}
		for i, leaf := range leaves {
			path := tree.Path(i)
			if len(path) > MaxPath(uint64(size)) {
				t.Fatalf("the path of leaf %d of %d has %d hashes", i, size, len(path))
			}
			if !leads(leaf, i, size, path) {
				t.Fatalf("leaf %d of %d does not lead to the root", i, size)
			}
			if other := random.IntN(size); other != i && (leads(leaves[other], i, size, path) || leads(leaf, other, size, path)) {
				t.Fatalf("of %d leaves %d passes for %d", size, other, i)
			}
			if leads(leaf, i, size, append(slices.Clone(path), Hash{})) || leads(leaf, size, size, path) || leads(leaf, i, 0, path) {
				t.Fatalf("leaf %d of %d leads to the root with another path, number or size", i, size)
			}
			if len(path) > 0 {
				changed := slices.Clone(path)
				changed[random.IntN(len(path))][random.IntN(32)] ^= 1 << random.IntN(8)
				if leads(leaf, i, size, changed) || leads(leaf, i, size, path[1:]) || leads(leaf, i, size, path[:len(path)-1]) {
					t.Fatalf("leaf %d of %d leads to the root with a path that was changed", i, size)
				}
			}
		}
	}
}

func seq(from, to int) (all []int) {
	for i := from; i <= to; i++ {
		all = append(all, i)
	}
	return all
}
