package keystore

import (
	"crypto/hmac"
	"strconv"
)

// Labels that keep each use of a key, and each associated data, apart from all
// others. They are part of the format.
const (
	labelSeal    = "walletd seal v1"
	labelSlot    = "walletd slot v1"
	labelSlots   = "walletd slots v1"
	labelOldRoot = "walletd old root v1"
	labelHead    = "walletd head v1"
	labelLeaf    = "walletd head leaf v1"
	labelTree    = "walletd head tree v1"
	labelArchive = "walletd archive v1"
	labelContent = "walletd archived content v1"
	labelKeyPair = "walletd key pair v1"

	rootKeys    = "walletd root " // of a root key's subkeys
	walletKeys  = "walletd wallet "
	serviceKeys = "walletd service "
)

// Place is where sealed bytes live: they open nowhere else. The wallet is part
// of it besides. Version is of the field's own format, not of the row.
type Place struct {
	Table, Row, Field string
	Version           int
}

// isOwn reports whether the keystore alone seals and opens what lives there.
func (p Place) isOwn() bool { return p.Table == tableWallets || p.Table == tableAccounts }

// associated gives the associated data of a place, and of more columns of the
// row that must not be changed, each part after its length (appendParts).
func (p Place) associated(wallet string, more ...string) []byte {
	parts := append([]string{labelSeal, p.Table, wallet, p.Row, p.Field, strconv.Itoa(p.Version)}, more...)
	n := 0
	for _, part := range parts {
		n += 8 + len(part)
	}
	return appendParts(make([]byte, 0, n), parts...)
}

// keyring is a key and those derived from it, one for each use. All of it is
// wiped together. Its methods may be called concurrently, but not with wipe.
type keyring struct {
	use             string // rootKeys, walletKeys or serviceKeys
	base, seal, mac *[keySize]byte
}

// newKeyring takes the key over: wipe wipes it too.
func newKeyring(use string, base *[keySize]byte) *keyring {
	return &keyring{use: use, base: base, seal: subkey(base, use+"seal v1"), mac: subkey(base, use+"mac v1")}
}

// clone gives a keyring of its own, for a holder that wipes at another time.
func (k *keyring) clone() *keyring {
	base := *k.base
	return newKeyring(k.use, &base)
}

func (k *keyring) wipe() {
	if k != nil {
		clear(k.base[:])
		clear(k.seal[:])
		clear(k.mac[:])
	}
}

// checkMAC compares in constant time.
func (k *keyring) checkMAC(canonical, sum []byte) bool {
	return hmac.Equal(mac(k.mac, canonical), sum)
}
