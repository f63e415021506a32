package did

import (
	"encoding/json"
	"strconv"
	"strings"
)

// KeyType is the kind of key an identifier stands for: the five key bits of
// its type (DID Connect reference a.1).
type KeyType uint8

// The key types. Public keys are 32, 65 (04‖x‖y), 64 (x‖y) and 77 bytes (a
// COSE_Key of curve P-256), in this order.
const (
	Ed25519   KeyType = 0
	Secp256k1 KeyType = 1
	Ethereum  KeyType = 2
	Passkey   KeyType = 3
)

// String gives the lower-case name: "ed25519", "secp256k1", "ethereum",
// "passkey".
func (k KeyType) String() string {
	switch k {
	case Ed25519:
		return "ed25519"
	case Secp256k1:
		return "secp256k1"
	case Ethereum:
		return "ethereum"
	case Passkey:
		return "passkey"
	}
	return "key" + strconv.Itoa(int(k))
}

// ParseKeyType reads the name that [KeyType.String] gives to a known type. It
// refuses with did_invalid.
func ParseKeyType(name string) (KeyType, error) {
	for k := Ed25519; k <= Passkey; k++ {
		if k.String() == name {
			return k, nil
		}
	}
	return 0, Refuse("did_invalid", "the key type is not known")
}

// Role is what an identifier stands for: the six role bits of its type (DID
// Connect reference a.1). Numbers without a name are kept as they are.
type Role uint8

// The roles that the reference names.
const (
	RoleAccount       Role = 0
	RoleNode          Role = 1
	RoleDevice        Role = 2
	RoleApplication   Role = 3
	RoleSmartContract Role = 4
	RoleBot           Role = 5
	RoleAsset         Role = 6
	RoleStake         Role = 7
	RoleValidator     Role = 8
	RoleGroup         Role = 9
	RoleTx            Role = 10
	RoleTether        Role = 11
	RoleSwap          Role = 12
	RoleDelegation    Role = 13
	RoleVC            Role = 14
	RoleBlocklet      Role = 15
	RoleStore         Role = 16
	RoleToken         Role = 17
	RoleFactory       Role = 18
	RoleRollup        Role = 19
	RoleStorage       Role = 20
	RoleProfile       Role = 21
	RolePasskey       Role = 22
	RoleTokenFactory  Role = 23
	RoleProvider      Role = 24
	RoleAny           Role = 63
)

var namedRoles = strings.Fields("account node device application smart_contract bot asset stake validator group " +
	"tx tether swap delegation vc blocklet store token factory rollup storage " +
	"profile passkey token_factory provider")

// String gives the lower-case name, or "role" and the number where the
// reference has no name.
func (r Role) String() string {
	if r == RoleAny {
		return "any"
	}
	if int(r) < len(namedRoles) {
		return namedRoles[r]
	}
	return "role" + strconv.Itoa(int(r))
}

// ParseRole reads what [Role.String] gives. It refuses with did_invalid.
func ParseRole(name string) (Role, error) {
	for r := RoleAccount; r <= RoleAny; r++ {
		if r.String() == name {
			return r, nil
		}
	}
	return 0, Refuse("did_invalid", "the role is not known")
}

// Type is what the first two bytes of an identifier say.
type Type struct {
	Role Role
	Key  KeyType
	Hash HashType
}

// AccountType is the type of a person's account unless another is asked for:
// account/ed25519/sha3.
func AccountType() Type {
	return Type{Role: RoleAccount, Key: Ed25519, Hash: SHA3}
}

// EthereumType is the type of an Ethereum account: account/ethereum/keccak.
func EthereumType() Type {
	return Type{Role: RoleAccount, Key: Ethereum, Hash: Keccak}
}

// String gives "role/key/hash", as in "account/ed25519/sha3".
func (t Type) String() string {
	return t.Role.String() + "/" + t.Key.String() + "/" + t.Hash.String()
}

// ParseTypeName reads what [Type.String] gives. It refuses with did_invalid.
func ParseTypeName(name string) (Type, error) {
	parts := strings.Split(name, "/")
	if len(parts) != 3 {
		return Type{}, Refuse("did_invalid", "a type is written role/key/hash")
	}
	role, err := ParseRole(parts[0])
	if err != nil {
		return Type{}, err
	}
	key, err := ParseKeyType(parts[1])
	if err != nil {
		return Type{}, err
	}
	hash, err := ParseHashType(parts[2])
	if err != nil {
		return Type{}, err
	}
	return Type{Role: role, Key: key, Hash: hash}, nil
}

// canonical is the type that an identifier made for t really has. The packages
// hash these four roles with SHA-256 whatever was asked, and an Ethereum
// address has no room for a role (DID Connect reference a.1 and a.2).
func (t Type) canonical() Type {
	switch t.Role {
	case RoleNode, RoleValidator, RoleTether, RoleSwap:
		t.Hash = SHA2
	}
	if t.isEthereumAddress() {
		t.Role = RoleAccount
	}
	return t
}

// isEthereumAddress tells whether identifiers of this type are written 0x….
func (t Type) isEthereumAddress() bool {
	return t.Key == Ethereum && t.Hash == Keccak
}

// bits packs the type as role(6) ‖ key(5) ‖ hash(5), big-endian.
func (t Type) bits() [2]byte {
	n := uint16(t.Role)<<10 | uint16(t.Key)<<5 | uint16(t.Hash)
	return [2]byte{byte(n >> 8), byte(n)}
}

func typeOfBits(b [2]byte) Type {
	n := uint16(b[0])<<8 | uint16(b[1])
	return Type{Role: Role(n >> 10), Key: KeyType(n >> 5 & 31), Hash: HashType(n & 31)}
}

// ParseType reads {"role","key","hash","encoding"} with the lower-case names of reference
// section a; each defaults to that of an ordinary account. A type this wallet cannot hold, such
// as a passkey, is claim_unsupported.
func ParseType(members Object) (Type, error) {
	t := AccountType()
	for _, part := range []struct {
		name string
		read func(string) error
	}{
		{"role", func(s string) (err error) { t.Role, err = ParseRole(s); return err }},
		{"key", func(s string) (err error) { t.Key, err = ParseKeyType(s); return err }},
		{"hash", func(s string) (err error) { t.Hash, err = ParseHashType(s); return err }},
	} {
		raw := members.Get(part.name)
		if raw == nil {
			continue
		}
		var text string
		if json.Unmarshal(raw, &text) != nil || part.read(text) != nil {
			return t, Refuse("claim_unsupported", "the account type asked for is not one this wallet knows")
		}
	}
	// Ethereum's addresses are hexadecimal whatever is asked for, others base58 (reference a.2).
	if e, ok := members.Text("encoding"); ok && e != "base58" && !(e == "base16" && t.Key == Ethereum) {
		return t, Refuse("claim_unsupported", "addresses are given in base58, those of Ethereum in base16")
	}
	if t.Key == Passkey {
		return t, Refuse("claim_unsupported", "this wallet holds no passkeys")
	}
	if t.Key == Ethereum {
		t.Role, t.Hash = RoleAccount, Keccak // ethereum addresses carry neither (reference a.2)
	}
	return t, nil
}
