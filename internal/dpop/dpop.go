// Package dpop verifies DPoP proofs (RFC 9449): a token that is bound to a key works only for who can sign each request
// with it. Values in, values out: it has no clock, no store and no key of its own.
//
//	Parse        the header's text ──► Proof: form, typ, alg, key, signature        (section 4.3, checks 1 to 7)
//	Proof.For    is it of this request, and of this token?                          (checks 8, 9 and 12 a)
//	Nonces       made by the service, for one key, for some minutes                 (checks 10 and 11)
//
// The caller compares Proof.Thumbprint with the key that the token is bound to (check 12 b) and uses up Proof.ID, so that
// a proof serves once (section 11.1).
package dpop

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"walletd/internal/strictjson"
)

// Alg is the one algorithm that is accepted: what WebCrypto makes in every browser.
const Alg = "ES256"

const (
	maxProof = 4096           // bytes
	maxID    = 128            // of a jti
	maxSkew  = 24 * time.Hour // of an iat: the nonce tells when a proof was made, this refuses what is no time
	size     = 32             // of a coordinate of P-256, and of a hash
	typ      = "dpop+jwt"     // of the header
)

var (
	// ErrProof: the proof is missing, malformed, badly signed, or for another request, token or key. The wrapping error says
	// which; it holds no text of the caller's.
	ErrProof = errors.New("the DPoP proof is not valid")
	// ErrNonce: the proof is good, but its nonce is missing, too old, or not one that this service made for that key. The
	// client asks again with the nonce that comes with the refusal.
	ErrNonce = errors.New("the DPoP proof needs a nonce of this service")
)

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrProof, fmt.Sprintf(format, args...))
}

// Proof is a proof whose signature holds: whoever made it has the key of Thumbprint.
type Proof struct {
	// Thumbprint is the SHA-256 thumbprint of the key (RFC 7638), 43 letters of base64url: what cnf.jkt holds.
	Thumbprint string
	// ID is the jti, 1 to 128 bytes.
	ID string

	method, target, nonce, hash string
}

var base64URL = base64.RawURLEncoding.Strict()

// Parse reads the text of a DPoP header and verifies its signature. now is the time of the service. The error is ErrProof.
func Parse(text string, now time.Time) (Proof, error) {
	if len(text) > maxProof {
		return Proof{}, refuse("it is longer than %d bytes", maxProof)
	}
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return Proof{}, refuse("it is not one signed JWT")
	}
	var decoded [3][]byte
	for i, part := range parts {
		var err error
		if decoded[i], err = base64URL.DecodeString(part); err != nil {
			return Proof{}, refuse("it is not one signed JWT")
		}
	}
	header, err := strictjson.Parse(decoded[0])
	if err != nil {
		return Proof{}, refuse("its header is not one JSON object")
	}
	key, thumbprint, err := readHeader(header)
	if err != nil {
		return Proof{}, err
	}
	body, err := strictjson.Parse(decoded[1])
	if err != nil {
		return Proof{}, refuse("its body is not one JSON object")
	}
	p, err := readBody(body, now)
	if err != nil {
		return Proof{}, err
	}
	if err := jwt.SigningMethodES256.Verify(parts[0]+"."+parts[1], decoded[2], key); err != nil {
		return Proof{}, refuse("its signature does not verify")
	}
	p.Thumbprint = thumbprint
	return p, nil
}

// readHeader returns the public key and its thumbprint.
func readHeader(h strictjson.Object) (*ecdsa.PublicKey, string, error) {
	if t, _ := h.WholeText("typ"); t != typ {
		return nil, "", refuse("typ must be %s", typ)
	}
	if alg, _ := h.WholeText("alg"); alg != Alg {
		return nil, "", refuse("alg must be %s", Alg)
	}
	if h.Has("crit") {
		return nil, "", refuse("it has a crit that is not understood")
	}
	jwk, err := h.Object("jwk")
	if err != nil {
		return nil, "", refuse("jwk must be a public key")
	}
	for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} { // RFC 7518, section 6
		if jwk.Has(private) {
			return nil, "", refuse("jwk must be a public key, and has a private one")
		}
	}
	kty, _ := jwk.WholeText("kty")
	crv, _ := jwk.WholeText("crv")
	if kty != "EC" || crv != "P-256" {
		return nil, "", refuse("jwk must be of P-256")
	}
	point := make([]byte, 1, 1+2*size)
	point[0] = 4 // not compressed
	x, _ := jwk.WholeText("x")
	y, _ := jwk.WholeText("y")
	for _, text := range []string{x, y} {
		b, err := base64URL.DecodeString(text)
		if err != nil || len(b) != size {
			return nil, "", refuse("jwk must be of P-256")
		}
		point = append(point, b...)
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		return nil, "", refuse("jwk must be of P-256")
	}
	// RFC 7638, section 3: the required members in the order of their names, without white space.
	sum := sha256.Sum256([]byte(`{"crv":"P-256","kty":"EC","x":"` + x + `","y":"` + y + `"}`))
	return key, base64URL.EncodeToString(sum[:]), nil
}

func readBody(b strictjson.Object, now time.Time) (p Proof, err error) {
	text := func(name string, required bool) string {
		t, ok := b.WholeText(name)
		if err == nil && !ok && (required || b.Has(name)) {
			err = refuse("%s must be a text", name)
		}
		return t
	}
	p.ID, p.method, p.target = text("jti", true), text("htm", true), text("htu", true)
	p.nonce, p.hash = text("nonce", false), text("ath", false)
	if err != nil {
		return Proof{}, err
	}
	if p.ID == "" || len(p.ID) > maxID || strings.ContainsRune(p.ID, 0) {
		return Proof{}, refuse("jti must have 1 to %d bytes", maxID)
	}
	made, err := strconv.ParseFloat(string(b.Get("iat")), 64)
	if err != nil {
		return Proof{}, refuse("iat must be a number")
	}
	if math.Abs(made-float64(now.Unix())) > maxSkew.Seconds() {
		return Proof{}, refuse("iat is more than a day off, in seconds")
	}
	return p, nil
}

// For checks that a proof is of the request of a method for a target, its URL as the client asked for it, and with token
// if that is not "". Without a token the proof may name one or none. The error is ErrProof.
func (p Proof) For(method, target, token string) error {
	if p.method != method {
		return refuse("htm is not the method of the request")
	}
	said, ok := normal(p.target)
	asked, known := normal(target)
	if !ok || !known || said != asked {
		return refuse("htu is not the address of the request; a proxy on the way must leave its host and its path as they are")
	}
	if token == "" {
		return nil
	}
	if p.hash == "" {
		return refuse("ath is missing")
	}
	if sum := sha256.Sum256([]byte(token)); subtle.ConstantTimeCompare([]byte(p.hash), []byte(base64URL.EncodeToString(sum[:]))) != 1 {
		return refuse("ath is not of the token")
	}
	return nil
}

// normal returns a URL without query and fragment, normalized by syntax and scheme (RFC 3986, sections 6.2.2 and 6.2.3),
// and whether it is one of http or https.
func normal(text string) (string, bool) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.Opaque != "" {
		return "", false
	}
	scheme, host := strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	switch scheme {
	case "https":
		host = strings.TrimSuffix(host, ":443")
	case "http":
		host = strings.TrimSuffix(host, ":80")
	default:
		return "", false
	}
	path := normalPath(u.EscapedPath())
	if path == "" {
		path = "/"
	}
	return scheme + "://" + strings.TrimSuffix(host, ":") + path, true
}

// normalPath writes escapes in upper case, and what needs none without.
func normalPath(escaped string) string {
	var b strings.Builder
	for i := 0; i < len(escaped); i++ {
		if escaped[i] != '%' || i+2 >= len(escaped) {
			b.WriteByte(escaped[i])
			continue
		}
		code, err := strconv.ParseUint(escaped[i+1:i+3], 16, 8)
		if err == nil && unreserved(byte(code)) {
			b.WriteByte(byte(code))
		} else {
			b.WriteString(strings.ToUpper(escaped[i : i+3]))
		}
		i += 2
	}
	return b.String()
}

// unreserved says which bytes mean the same escaped or not (RFC 3986, section 2.3).
func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0
}
