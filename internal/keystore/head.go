package keystore

import (
	"crypto/ed25519"
	"encoding/binary"
	"strconv"

	"walletd/internal/merkle"
	"walletd/internal/secret"
	"walletd/internal/store"
)

// Heads are statements of where chains stood: each the number and hash of a chain's last entry, and the time in
// milliseconds. Those of one moment are the leaves of one tree (package merkle), of which the service signs the root,
// with a key derived for that alone. The Signature of a head is that of the root, with what leads from the head to it:
//
//	64 bytes   ed25519, of the root
//	8          how many leaves the tree has, big-endian
//	8          which leaf the head is, from 0
//	32 each    the hashes beside the way to the root, the lowest first
//
// Earlier versions signed each head by itself, with a key of the wallet or, of the service's own chain, with the one
// that roots are signed with now. Such a signature is the 64 bytes alone, and stays valid.

// MaxHeads is how many heads are in one tree at most: a path has 14 hashes, and what is signed is a megabyte.
const MaxHeads = 1 << 14

// SignedRoot is the root of a tree of heads, as it was signed.
type SignedRoot struct {
	Size      int64  // how many heads
	Hash      []byte // 32 bytes
	Time      int64  // milliseconds; of all of the heads
	PublicKey []byte
	Signature []byte // 64 bytes
}

// SignHeads signs where some chains, 1 to MaxHeads, stood at a time (milliseconds), together. The only error is
// ErrLocked.
func (k *Keystore) SignHeads(ends []store.End, time int64) (SignedRoot, []store.Head, error) {
	tree := treeOf(ends)
	hash := tree.Root()
	root := SignedRoot{Size: int64(len(ends)), Hash: hash[:], Time: time}
	if err := k.signRoot(&root); err != nil {
		return SignedRoot{}, nil, err
	}
	heads := make([]store.Head, len(ends))
	for i, end := range ends {
		proof := append(make([]byte, 0, ed25519.SignatureSize+16+32*merkle.MaxPath(uint64(len(ends)))), root.Signature...)
		proof = binary.BigEndian.AppendUint64(proof, uint64(len(ends)))
		proof = binary.BigEndian.AppendUint64(proof, uint64(i))
		for _, beside := range tree.Path(i) {
			proof = append(proof, beside[:]...)
		}
		heads[i] = store.Head{Chain: end.Chain, Seq: end.Seq, Hash: end.Hash, Time: time, PublicKey: root.PublicKey, Signature: proof}
	}
	return root, heads, nil
}

func (k *Keystore) signRoot(r *SignedRoot) error {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.open == nil {
		return ErrLocked
	}
	k.open.service.withHeadKey(func(sk ed25519.PrivateKey) {
		r.PublicKey = append(r.PublicKey, sk[ed25519.SeedSize:]...)
		r.Signature = ed25519.Sign(sk, r.message())
	})
	return nil
}

// HeadKey gives the public key (32 bytes) that earlier versions signed the wallet's heads with. It is the wallet's for
// good.
func (w *Wallet) HeadKey() PublicKey { return w.keys.headKey() }

// ServiceHeadKey gives the public key (32 bytes) that SignHeads signs with, derived from the service's, which no
// rotation of the root key changes. The only error is ErrLocked.
func (k *Keystore) ServiceHeadKey() (PublicKey, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.open == nil {
		return nil, ErrLocked
	}
	return k.open.service.headKey(), nil
}

func (k *keyring) headKey() (pk []byte) {
	k.withHeadKey(func(sk ed25519.PrivateKey) { pk = append(pk, sk[ed25519.SeedSize:]...) })
	return pk
}

// withHeadKey lends f the key that heads are signed with.
func (k *keyring) withHeadKey(f func(sk ed25519.PrivateKey)) {
	secret.Do(func() {
		seed := subkey(k.base, k.use+"head v1")
		defer clear(seed[:])
		sk := ed25519.NewKeyFromSeed(seed[:])
		defer clear(sk)
		f(sk)
	})
}

// IsAlone reports whether a head was signed by itself, as earlier versions did, and not in a tree.
func IsAlone(h store.Head) bool { return len(h.Signature) == ed25519.SignatureSize }

// VerifyHead tells whether a head was signed by the key it names, by itself or in a tree. Whose key
// that is, it does not tell: compare it with one known from elsewhere.
func VerifyHead(h store.Head) bool {
	if IsAlone(h) {
		return len(h.PublicKey) == ed25519.PublicKeySize &&
			ed25519.Verify(h.PublicKey, headMessage(h.Chain, h.Seq, h.Hash, h.Time), h.Signature)
	}
	root, _, ok := RootOf(h)
	return ok && VerifyRoot(root)
}

// VerifyRoot tells whether a root was signed by the key it names.
func VerifyRoot(r SignedRoot) bool {
	return len(r.PublicKey) == ed25519.PublicKeySize && ed25519.Verify(r.PublicKey, r.message(), r.Signature)
}

// IsUnder reports whether a head is a leaf of the tree with this root.
func IsUnder(h store.Head, root SignedRoot) bool {
	own, _, ok := RootOf(h)
	return ok && own.Size == root.Size && own.Time == root.Time && string(own.Hash) == string(root.Hash)
}

// RootOf returns the root that a head leads to, and which of its leaves the head is, from 0; and false if it has no way to
// one. Whether the root is signed is not checked.
func RootOf(h store.Head) (root SignedRoot, leaf int64, ok bool) {
	const fixed = ed25519.SignatureSize + 16
	if len(h.Signature) < fixed || (len(h.Signature)-fixed)%len(merkle.Hash{}) != 0 {
		return SignedRoot{}, 0, false
	}
	size, number := binary.BigEndian.Uint64(h.Signature[ed25519.SignatureSize:]), binary.BigEndian.Uint64(h.Signature[ed25519.SignatureSize+8:])
	var path []merkle.Hash
	for rest := h.Signature[fixed:]; len(rest) > 0; rest = rest[len(merkle.Hash{}):] {
		path = append(path, merkle.Hash(rest))
	}
	hash, ok := merkle.Root(leafOf(h.Chain, h.Seq, h.Hash), number, size, path)
	if size > MaxHeads || !ok {
		return SignedRoot{}, 0, false
	}
	root = SignedRoot{Size: int64(size), Hash: hash[:], Time: h.Time, PublicKey: h.PublicKey, Signature: h.Signature[:ed25519.SignatureSize]}
	return root, int64(number), true
}

// IsRootOver reports whether a root is that of the tree whose leaves are these heads, and no others, in this order.
// Whether it is signed is not checked.
func IsRootOver(r SignedRoot, ends []store.End) bool {
	if len(ends) == 0 || r.Size != int64(len(ends)) {
		return false
	}
	hash := treeOf(ends).Root()
	return string(hash[:]) == string(r.Hash)
}

// treeOf is the tree whose leaves are the heads of these entries.
func treeOf(ends []store.End) merkle.Tree {
	leaves := make([]merkle.Hash, len(ends))
	for i, end := range ends {
		leaves[i] = leafOf(end.Chain, end.Seq, end.Hash)
	}
	return merkle.New(leaves)
}

// leafOf is the leaf that a head is in a tree.
func leafOf(chain string, seq int64, hash []byte) merkle.Hash {
	return merkle.Leaf(appendParts(nil, labelLeaf, chain, strconv.FormatInt(seq, 10), string(hash)))
}

// message is what the signature of a root covers: each part after its length, numbers in decimal.
func (r SignedRoot) message() []byte {
	return appendParts(nil, labelTree, strconv.FormatInt(r.Size, 10), string(r.Hash), strconv.FormatInt(r.Time, 10))
}

// headMessage is what the signature of a head by itself covers, in the same form.
func headMessage(chain string, seq int64, hash []byte, time int64) []byte {
	return appendParts(nil, labelHead, chain, strconv.FormatInt(seq, 10), string(hash), strconv.FormatInt(time, 10))
}
