package did

import (
	"encoding/hex"
	"strings"
)

// Lengths in bytes (DID Connect reference a.1 and a.2).
const (
	didLength             = 26 // type (2) ‖ body (20) ‖ checksum (4)
	ethereumAddressLength = 20
	maxDIDText            = 64 // did:spaces: and an Ethereum address are 53
)

// DID is a valid identifier. The method it was written with is forgotten:
// did:abt:z1… and did:afs:z1… are the same key, so identifiers compare with ==
// by address. The zero value names nobody.
type DID struct {
	address string // "z1…" or "0x…", canonical
	raw     string // the bytes behind it
}

// Parse reads an identifier strictly, in the order of DID Connect reference
// a.3: a bare address, or one with the method abt, afs, aos or spaces. It
// refuses with did_invalid.
func Parse(text string) (DID, error) {
	if len(text) > maxDIDText {
		return DID{}, Refuse("did_invalid", "the DID is too long")
	}
	address := text
	if named, ok := strings.CutPrefix(text, "did:"); ok {
		var method string
		method, address, _ = strings.Cut(named, ":")
		switch method {
		case "abt", "afs", "aos", "spaces":
		default:
			return DID{}, Refuse("did_invalid", "the DID has a method that has no keys")
		}
	}
	if strings.HasPrefix(address, "0x") {
		return parseEthereum(address)
	}
	raw, err := DecodeBase58(address, didLength)
	if err != nil || len(raw) != didLength {
		return DID{}, Refuse("did_invalid", "the DID is not 26 bytes of base58")
	}
	t := typeOfBits([2]byte(raw))
	if t.Key > Passkey || t.Hash > SHA2 {
		return DID{}, Refuse("did_invalid", "the DID has a key type or hash that is not known")
	}
	if sum := t.Hash.digest(raw[:22]); string(sum[:4]) != string(raw[22:]) {
		return DID{}, Refuse("did_invalid", "the DID has a wrong checksum")
	}
	return DID{address: address, raw: string(raw)}, nil
}

func parseEthereum(address string) (DID, error) {
	raw, err := hex.DecodeString(address[2:])
	if err != nil || len(raw) != ethereumAddressLength {
		return DID{}, Refuse("did_invalid", "the address is not 20 bytes of hex")
	}
	if checksumEthereum(raw) != address {
		return DID{}, Refuse("did_invalid", "the address has a wrong checksum")
	}
	return DID{address: address, raw: string(raw)}, nil
}

// FromEthereumBytes gives the identifier of the 20 bytes of an Ethereum address.
func FromEthereumBytes(raw [ethereumAddressLength]byte) DID {
	return DID{address: checksumEthereum(raw[:]), raw: string(raw[:])}
}

// checksumEthereum writes 20 bytes as EIP-55 asks: a letter is upper case where
// the hash of the lower-case text has a nibble of 8 or more.
func checksumEthereum(raw []byte) string {
	text := []byte(hex.EncodeToString(raw))
	sum := Keccak.Sum(text)
	for i, c := range text {
		nibble := sum[i/2] >> (4 * (1 - i%2)) & 15
		if c >= 'a' && nibble >= 8 {
			text[i] = c - 'a' + 'A'
		}
	}
	return "0x" + string(text)
}

// FromPublicKey gives the identifier of a public key. Two things may differ
// from the type asked for, as they do in the packages: the roles node,
// validator, tether and swap always hash with sha2, and an Ethereum address
// has no role. A key that is not one of the type is refused with pk_malformed,
// an unknown type with did_invalid.
func FromPublicKey(pk []byte, t Type) (DID, error) {
	if t.Role > RoleAny || t.Key > Passkey || t.Hash > SHA2 {
		return DID{}, Refuse("did_invalid", "the type of the DID is not known")
	}
	if err := checkKey(t.Key, pk); err != nil {
		return DID{}, err
	}
	return derive(pk, t), nil
}

// derive hashes whatever it is given; whether pk is a key is for the caller.
func derive(pk []byte, t Type) DID {
	raw := deriveRaw(pk, t)
	if len(raw) == ethereumAddressLength {
		return DID{address: checksumEthereum(raw), raw: string(raw)}
	}
	return DID{address: EncodeBase58(raw), raw: string(raw)}
}

// deriveRaw gives the bytes behind the address.
func deriveRaw(pk []byte, t Type) []byte {
	t = t.canonical()
	sum := t.Hash.digest(pk)
	if t.isEthereumAddress() {
		return sum[12:32]
	}
	kind := t.bits()
	raw := append(make([]byte, 0, didLength), kind[:]...)
	raw = append(raw, sum[:20]...)
	checksum := t.Hash.digest(raw)
	return append(raw, checksum[:4]...)
}

// Address gives the bare address, "z1…" or "0x…"; "" for the zero value.
func (d DID) Address() string { return d.address }

// String gives "did:abt:" and the address; "" for the zero value.
func (d DID) String() string {
	if d.IsZero() {
		return ""
	}
	return "did:abt:" + d.address
}

// Bytes gives a copy of the 26 bytes behind the address, 20 for an Ethereum
// address, none for the zero value.
func (d DID) Bytes() []byte { return []byte(d.raw) }

// IsZero tells whether d names nobody.
func (d DID) IsZero() bool { return d.raw == "" }

// Equal tells whether both name the same key, as == does.
func (d DID) Equal(other DID) bool { return d == other }

// Type gives role, key type and hash. An Ethereum address is always
// account/ethereum/keccak. The zero value has no type; what it returns then
// means nothing.
func (d DID) Type() Type {
	if len(d.raw) == didLength {
		return typeOfBits([2]byte([]byte(d.raw[:2])))
	}
	return Type{Role: RoleAccount, Key: Ethereum, Hash: Keccak}
}

// CheckPublicKey tells whether pk is the key behind d: whether the address
// follows from it (else did_pk_mismatch) and whether it is a sound key of the
// type that d names (else pk_malformed; DID Connect reference a.4). The type
// bytes alone prove nothing about the curve.
func (d DID) CheckPublicKey(pk []byte) error {
	if err := d.checkDerivation(pk); err != nil {
		return err
	}
	return checkKey(d.Type().Key, pk)
}

func (d DID) checkDerivation(pk []byte) error {
	t := d.Type()
	if !d.IsZero() && t == t.canonical() && t.isEthereumAddress() == (len(d.raw) == ethereumAddressLength) {
		sum := t.Hash.digest(pk)
		// The checksum of another DID than an Ethereum address was checked when d was read.
		if t.isEthereumAddress() && string(sum[12:32]) == d.raw || !t.isEthereumAddress() && string(sum[:20]) == d.raw[2:22] {
			return nil
		}
	}
	return Refuse("did_pk_mismatch", "the DID does not belong to the public key")
}

// MarshalText gives the form of [DID.String].
func (d DID) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what [Parse] reads; the empty text is refused.
func (d *DID) UnmarshalText(text []byte) error {
	parsed, err := Parse(string(text))
	if err != nil {
		return err
	}
	*d = parsed
	return nil
}

// Prefixed writes the address of a DID with its prefix, did:abt:…; what is no DID gives "".
func Prefixed(address string) string {
	d, err := Parse(address)
	if err != nil {
		return ""
	}
	return d.String()
}

// Bare gives the address of a DID in any form; other text is left as it is and matches nothing
// but itself.
func Bare(text string) string {
	if d, err := Parse(text); err == nil {
		return d.Address()
	}
	return text
}
