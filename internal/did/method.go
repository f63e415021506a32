package did

import (
	"errors"
	"strings"
	"sync"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/crypto/sha3"
)

// errSignature is returned by [method.Verify]; callers turn it into a refusal.
var errSignature = errors.New("the signature does not verify")

// method is one way to sign a token (DID Connect reference c.3 and c.4), as
// the JWT library knows signing methods. Its parser and its validation of
// claims are not used: they would take a missing exp, milliseconds and members
// whose names differ in case.
type method struct {
	alg   string // as the header writes it
	key   KeyType
	plain bool // the text itself is signed and not its SHA3-256
}

// ed25519Plain is version 1.0.0 of an ed25519 token. It is no method of its own
// on the wire, so it is not registered; for other keys there is no such method,
// because their unhashed signatures cover a part of the header only.
func ed25519Plain() jwt.SigningMethod {
	return method{alg: "Ed25519", key: Ed25519, plain: true}
}

// registerMethods adds the DID Connect algorithms to the JWT library. It runs
// at the first use of a method.
var registerMethods = sync.OnceFunc(func() {
	for _, m := range []method{
		{alg: "Ed25519", key: Ed25519},
		{alg: "ES256K", key: Secp256k1},
		{alg: "Secp256k1", key: Secp256k1},
		{alg: "Ethereum", key: Ethereum},
		{alg: "Passkey", key: Passkey},
	} {
		jwt.RegisterSigningMethod(m.alg, func() jwt.SigningMethod { return m })
	}
})

// signingMethod gives the hashed method by the name in a header, which is read
// without case because the mobile SDKs spell it their own ways; nil if there is
// none.
func signingMethod(alg string) jwt.SigningMethod {
	registerMethods()
	switch strings.ToLower(alg) {
	case "ed25519":
		return jwt.GetSigningMethod("Ed25519")
	case "es256k":
		return jwt.GetSigningMethod("ES256K")
	case "secp256k1":
		return jwt.GetSigningMethod("Secp256k1")
	case "ethereum":
		return jwt.GetSigningMethod("Ethereum")
	case "passkey":
		return jwt.GetSigningMethod("Passkey")
	}
	return nil
}

// methodName is the name that a header of ours gives to the method of a key.
func methodName(t KeyType) string {
	switch t {
	case Secp256k1:
		return "ES256K"
	case Ethereum:
		return "Ethereum"
	case Passkey:
		return "Passkey"
	}
	return "Ed25519"
}

// Alg gives the name of the algorithm as headers write it.
func (m method) Alg() string { return m.alg }

// Sign signs the signing string with a [SecretKey] of the method's type.
func (m method) Sign(signing string, key any) ([]byte, error) {
	secret, ok := key.(SecretKey)
	if !ok || secret.Type() != m.key {
		return nil, jwt.ErrInvalidKeyType
	}
	return secret.SignBytes(m.message(signing))
}

// Verify checks a signature with a [publicKey], which the caller has read as
// one of the method's type.
func (m method) Verify(signing string, sig []byte, key any) error {
	public, ok := key.(publicKey)
	if !ok {
		return jwt.ErrInvalidKeyType
	}
	if !public.verify(m.message(signing), sig) {
		return errSignature
	}
	return nil
}

// message is what the algorithm is given for a signing string.
func (m method) message(signing string) []byte {
	if m.plain {
		return []byte(signing)
	}
	sum := sha3.Sum256([]byte(signing))
	return sum[:]
}
