package keystore

import (
	"encoding/binary"
	"unicode/utf8"
)

// maxName bounds the name of a wallet, in bytes.
const maxName = 200

// Content is what a wallet's row says about it, sealed.
type Content struct {
	Name string
	// Rounds is how often SHA3-256 is applied for an encryptionKey claim: 1,
	// which every known app expects (DID Connect reference f.10), up to 255.
	Rounds int
	// Strangers lets apps ask that have no token here and were never approved.
	Strangers bool
	// Owned says that an owner token was made: from then on operators make no
	// tokens of this wallet.
	Owned bool
	// Passkey says that the owner approves with a passkey alone: an owner token by itself approves nothing.
	Passkey bool
}

const (
	contentVersion = 1

	flagStrangers = 1 << 0
	flagOwned     = 1 << 1
	flagPasskey   = 1 << 2
)

func (c Content) check() error {
	if c.Rounds < 1 || c.Rounds > 255 || len(c.Name) > maxName || !utf8.ValidString(c.Name) {
		return ErrContent
	}
	return nil
}

// encode gives version ‖ flags ‖ rounds ‖ length of the name (2 bytes, big
// endian) ‖ name ‖ sealed seed. The content must have passed check. It is read
// on every request, which is why it isn't JSON.
func (c Content) encode(sealedSeed []byte) []byte {
	var flags byte
	if c.Strangers {
		flags |= flagStrangers
	}
	if c.Owned {
		flags |= flagOwned
	}
	if c.Passkey {
		flags |= flagPasskey
	}
	b := []byte{contentVersion, flags, byte(c.Rounds)}
	b = binary.BigEndian.AppendUint16(b, uint16(len(c.Name)))
	b = append(b, c.Name...)
	return append(b, sealedSeed...)
}

// decodeContent is the reverse of encode. It accepts only what encode makes.
func decodeContent(b []byte) (c Content, sealedSeed []byte, ok bool) {
	if len(b) < 5 || b[0] != contentVersion || b[1]&^(flagStrangers|flagOwned|flagPasskey) != 0 {
		return Content{}, nil, false
	}
	n := int(binary.BigEndian.Uint16(b[3:5]))
	if len(b) < 5+n {
		return Content{}, nil, false
	}
	c = Content{
		Name:      string(b[5 : 5+n]),
		Rounds:    int(b[2]),
		Strangers: b[1]&flagStrangers != 0,
		Owned:     b[1]&flagOwned != 0,
		Passkey:   b[1]&flagPasskey != 0,
	}
	return c, b[5+n:], c.check() == nil
}
