package derive

import (
	"encoding/binary"
	"fmt"
	"strings"

	"golang.org/x/crypto/sha3"

	"walletd/internal/did"
)

// hardened marks a level of a path whose child cannot be had from the parent's
// public key (BIP-32); String writes it as an apostrophe.
const hardened uint32 = 1 << 31

const (
	purposeBIP44 = 44 | hardened
	coinABT      = 260 | hardened
)

// defaultApp is the name that the wallet's own account is derived for, in place
// of an app's address. It is base58 and no DID, so no app can have it (DID
// Connect reference h).
const defaultApp = "zfffffffffffffffffffffffffffffffff"

// Path is the way from a seed to an account's key: five levels of BIP-32, the
// top bit of each set when that level is hardened. The zero Path leads nowhere
// and is refused by Child.
type Path [5]uint32

// AppPath is the path of a wallet's account for app: m/44'/260'/S1'/S2'/index,
// where S1 and S2 are 62 bits of SHA3-256 over the address's bytes (DID Connect
// reference h). Two apps can share a path; who derives must look (design
// section 5). The index is below 1<<31 and normally 0. A zero DID has no path:
// the result is the zero Path.
func AppPath(app did.DID, index uint32) Path {
	if app.IsZero() {
		return Path{}
	}
	return pathOf(app.Bytes(), index)
}

// DefaultPath is the path of the wallet's own account, which names the wallet.
func DefaultPath() Path { return pathOf(did.LooseBytes(defaultApp), 0) }

// pathOf is AppPath for the bytes that name an app.
func pathOf(app []byte, index uint32) Path {
	digest := sha3.Sum256(app)
	return Path{
		purposeBIP44,
		coinABT,
		binary.BigEndian.Uint32(digest[0:4]) | hardened,
		binary.BigEndian.Uint32(digest[4:8]) | hardened,
		index,
	}
}

// String writes the path as m/44'/260'/S1'/S2'/index.
func (p Path) String() string {
	var b strings.Builder
	b.WriteString("m")
	for _, level := range p {
		fmt.Fprintf(&b, "/%d", level&^hardened)
		if level&hardened != 0 {
			b.WriteByte('\'')
		}
	}
	return b.String()
}
