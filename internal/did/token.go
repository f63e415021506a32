package did

import (
	"cmp"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// MaxToken bounds a token before any work is done on it, in bytes. The last replies of sessions
// hand over credentials with pictures in them.
const MaxToken = 2 << 20

// Token is a DID Connect token (DID Connect reference c).
type Token struct {
	Signer  DID // who the signer member names
	Header  Object
	Body    Object
	Version string // "1.1.0", "1.0.0", "1.0", or "" if the body has none

	// The times of the body in UTC, fractions kept; zero if absent, and always
	// zero in a token from [ReadToken] that was not verified.
	IssuedAt, NotBefore, Expires time.Time

	Unsigned  string // header64.body64, the text that is signed
	Signature []byte // the third segment; ASN.1 DER, 64 bytes, or the JSON of an assertion

	signer string // the member that Signer was read from
}

// Check is what a token is verified against.
type Check struct {
	PublicKey []byte    // of the signer
	Signer    string    // member that names the signer; "" is "iss"
	Now       time.Time // must be set
	// Final is set for the last reply of a session, which did-connect-js always
	// sends as version 1.0.0. For ECDSA signers such a token proves nothing;
	// with Final it comes back beside the refusal final_unauthenticated.
	Final bool
}

// VerifyToken verifies a token in the order of DID Connect reference c.8 and
// refuses with the code of the first rule that does not hold. A token is
// returned beside a refusal in two cases: when only its times are wrong
// (jwt_no_exp, jwt_time_invalid, jwt_expired, jwt_iat_future, jwt_nbf_future),
// so that the skew of a clock can be told, and with final_unauthenticated, when
// nothing about it was proved but identity and key belong together.
func VerifyToken(token string, c Check) (Token, error) {
	t, err := takeApart(token)
	if err != nil {
		return Token{}, err
	}
	return t.Verify(c)
}

// Verify is [VerifyToken] for a token that [ReadToken] returned and that was
// not changed since.
func (t Token) Verify(c Check) (Token, error) {
	if err := t.readSigner(cmp.Or(c.Signer, "iss")); err != nil {
		return Token{}, err
	}
	if err := t.Signer.checkDerivation(c.PublicKey); err != nil {
		return Token{}, err
	}
	signing, err := t.method()
	if err != nil {
		return Token{}, err
	}
	key, err := parseKey(t.Signer.Type().Key, c.PublicKey)
	if err != nil {
		return Token{}, err
	}
	if err := t.checkVersion(); err != nil {
		return Token{}, err
	}
	if t.Version != "1.1.0" {
		switch t.Signer.Type().Key {
		case Ed25519:
			signing = ed25519Plain()
		case Secp256k1, Ethereum:
			if c.Final {
				return t, Refuse("final_unauthenticated", "the last reply is not signed in a way that proves anything")
			}
			return Token{}, Refuse("jwt_unhashed_ecdsa", "the token is signed in a way that proves nothing")
		}
	}
	if err := signing.Verify(t.Unsigned, t.Signature, key); err != nil {
		return Token{}, Refuse("jwt_bad_signature", "the signature does not verify")
	}
	return t, t.checkTimes(c.Now)
}

// ReadToken takes a token apart and verifies nothing: neither signature, nor
// key, nor algorithm, nor version, nor time. What it returns is no more than a
// claim of whoever sent it. It refuses with jwt_malformed, and with
// jwt_no_signer or did_invalid where iss is not a DID.
func ReadToken(token string) (Token, error) {
	t, err := takeApart(token)
	if err != nil {
		return Token{}, err
	}
	if err := t.readSigner("iss"); err != nil {
		return Token{}, err
	}
	return t, nil
}

// takeApart is step 1 of c.8. The signer is not read yet.
func takeApart(token string) (Token, error) {
	if len(token) > MaxToken {
		return Token{}, Refuse("jwt_malformed", "the token is longer than 2 MiB")
	}
	header, rest, _ := strings.Cut(token, ".")
	body, signature, three := strings.Cut(rest, ".")
	if !three || strings.Contains(signature, ".") {
		return Token{}, malformedToken()
	}
	segments := [3]string{header, body, signature}
	var decoded [3][]byte
	for i, segment := range segments {
		b, err := DecodeBase64URL(segment)
		if err != nil {
			return Token{}, malformedToken()
		}
		decoded[i] = b
	}
	t := Token{Unsigned: token[:len(header)+1+len(body)], Signature: decoded[2]}
	var err error
	if t.Header, err = ParseObject(decoded[0]); err != nil {
		return Token{}, malformedToken()
	}
	if t.Body, err = ParseObject(decoded[1]); err != nil {
		return Token{}, malformedToken()
	}
	t.Version, _ = t.Body.Text("version")
	return t, nil
}

func malformedToken() error { return Refuse("jwt_malformed", "the token is not well formed") }

// readSigner is step 2 of c.8: the member of that name is who signed.
func (t *Token) readSigner(member string) error {
	if t.signer == member {
		return nil
	}
	name, ok := t.Body.Text(member)
	if !ok {
		return Refuse("jwt_no_signer", "the token does not name its signer")
	}
	var err error
	if t.Signer, err = Parse(name); err == nil {
		t.signer = member
	}
	return err
}

// method is the signing method that the header names, if it is one of the
// signer's key type: the DID decides and not the header.
func (t Token) method() (jwt.SigningMethod, error) {
	alg, _ := t.Header.Text("alg")
	signing, ok := signingMethod(alg).(method)
	if !ok || signing.key != t.Signer.Type().Key {
		return nil, Refuse("jwt_alg_mismatch", "the algorithm of the token is not that of its signer")
	}
	return signing, nil
}

// checkVersion refuses versions whose signatures are not portable (c.3); a
// version that is there but no string is refused too.
func (t Token) checkVersion() error {
	present := t.Body.Has("version")
	switch t.Version {
	case "1.0", "1.0.0", "1.1.0":
		return nil
	case "":
		if !present {
			return nil
		}
	}
	return Refuse("jwt_version", "the token has a version that is not known")
}
