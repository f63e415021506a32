package connect

import (
	"bytes"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"walletd/internal/delegation"
	"walletd/internal/did"
)

const (
	maxChallenge = 256 // bytes; apps send 32
	// maxSkew is how far the app's clock may be from the wallet's (reference c.6).
	maxSkew = 10 * time.Minute
)

// wire is a reply as it was received (reference d.3).
type wire struct {
	AppPk     string `json:"appPk"`
	AgentPk   string `json:"agentPk,omitempty"`
	AuthInfo  string `json:"authInfo"`
	SharedKey string `json:"sharedKey,omitempty"`
	Version   string `json:"version,omitempty"`
}

// statusError is the refusal app_http_error: a reply with another HTTP status than 200.
type statusError struct{ code int }

func (e *statusError) Error() string { return e.Unwrap().Error() }

func (e *statusError) Unwrap() error {
	return did.Refuse("app_http_error", strings.TrimSpace(fmt.Sprintf("the app answered with the HTTP status %d %s", e.code, http.StatusText(e.code))))
}

// readWire makes checks 1 and 2 of reference d.4. For a status other than 200 the error is a *statusError; for anything
// else that is not a reply, such as an HTML page or JSONP, it is reply_unsigned.
func readWire(r response) (wire, error) {
	if r.status != http.StatusOK {
		return wire{}, &statusError{r.status}
	}
	unsigned := did.Refuse("reply_unsigned", "the app's response is not a DID Connect reply")
	o, err := did.ParseObject(r.body)
	if err != nil {
		return wire{}, unsigned
	}
	var w wire
	for _, m := range []struct {
		name     string
		into     *string
		required bool
	}{
		{"appPk", &w.AppPk, true},
		{"authInfo", &w.AuthInfo, true},
		{"agentPk", &w.AgentPk, false},
		{"sharedKey", &w.SharedKey, false},
		{"version", &w.Version, false},
	} {
		raw := o.Get(m.name)
		if !m.required && (raw == nil || bytes.Equal(raw, []byte("null"))) {
			continue
		}
		text, ok := o.Text(m.name)
		if !ok {
			return wire{}, unsigned
		}
		*m.into = text
	}
	return w, nil
}

// isEncrypted reports whether authInfo is ciphertext, and not a token.
func (w wire) isEncrypted() bool {
	return w.Version == "1.0.0" && strings.Count(w.AuthInfo, ".") != 2
}

// decrypt makes check 3: it unwraps the channel's key, if the reply has one, and decrypts what is encrypted with it. This
// authenticates nothing. priv may be nil. The caller wipes the returned key, if it is not nil.
func (w wire) decrypt(priv *rsa.PrivateKey) (wire, *did.ChannelKey, error) {
	var key *did.ChannelKey
	if w.SharedKey != "" && priv != nil {
		k, err := did.UnwrapChannelKey(w.SharedKey, priv)
		if err != nil {
			return wire{}, nil, err
		}
		key = &k
	}
	if !w.isEncrypted() {
		return w, key, nil
	}
	if key == nil {
		return wire{}, nil, did.Refuse("reply_sealed_without_key", "the reply is encrypted, and has no key to decrypt it")
	}
	token, err := key.Open(w.AuthInfo)
	if err != nil {
		key.Wipe()
		return wire{}, nil, err
	}
	w.AuthInfo = string(token)
	return w, key, nil
}

// expected is what a reply is checked against.
type expected struct {
	url  string // the url that was requested; the url in a request must have the same origin
	app  string // address of the session's app; "" before its first reply
	now  time.Time
	skew time.Duration // of the app's clock against the wallet's
}

// verified is a reply that passed the checks: a request, or the last reply of its session.
type verified struct {
	connect delegation.Connect
	origin  string

	// These are set for a request.
	challenge string
	url       string // where its answer goes
	claims    []json.RawMessage

	// These are set for a last reply.
	final bool
	// unconfirmed says that nothing proves who sent the reply (reference c.7). Its text may be shown;
	// nothing else in it may be used.
	unconfirmed bool
}

// check makes checks 4 to 8 of reference d.4 on a decrypted reply, in their order, and returns the refusal of the first
// that fails. Of check 8 it makes the part about the certificate; package claims knows the types of claims. With the
// refusal of check 8 it returns the whole request; with other refusals, at most verified.final.
func check(w wire, e expected) (verified, error) {
	v, err := authenticate(w, e)
	if err != nil {
		return verified{final: looksLast(w)}, err
	}
	if e.app != "" && v.connect.App.Address() != e.app {
		return verified{}, did.Refuse("app_changed", "another app replied in the middle of the session")
	}
	body := v.connect.Token.Body
	v.origin = origin(e.url)
	if v.final = body.Has("status"); v.final {
		return v, nil
	}
	malformed := did.Refuse("request_malformed", "the app's request is not complete")
	action, _ := body.Text("action")
	v.challenge, _ = body.Text("challenge")
	v.url, _ = body.Text("url")
	if action != "responseAuth" || v.challenge == "" || len(v.challenge) > maxChallenge || v.url == "" {
		return verified{}, malformed
	}
	if json.Unmarshal(body.Get("requestedClaims"), &v.claims) != nil || v.claims == nil {
		return verified{}, malformed
	}
	if origin(v.url) == "" {
		return verified{}, malformed
	}
	if origin(v.url) != v.origin {
		return verified{}, did.Refuse("url_origin_changed", "the app asks for its answer at another site than the one that was opened")
	}
	return v, v.connect.Allow(requests(v.claims))
}

// authenticate makes check 4.
func authenticate(w wire, e expected) (verified, error) {
	r := delegation.Reply{AppPk: w.AppPk, AgentPk: w.AgentPk, AuthInfo: w.AuthInfo}
	conn, err := delegation.VerifyReply(r, e.now.Add(e.skew))
	if did.CodeOf(err) == "final_unauthenticated" {
		token, err := did.ReadToken(w.AuthInfo)
		return verified{connect: delegation.Connect{App: token.Signer, Token: token}, unconfirmed: true}, err
	}
	if err != nil {
		return verified{}, err
	}
	if conn.Certificate != nil && e.skew != 0 {
		err = certificateHolds(conn, e.now)
	}
	return verified{connect: conn}, err
}

// looksLast reports whether a reply that does not verify has the form of a last reply. The app may then have ended the
// session, so that even a decline must not be sent.
func looksLast(w wire) bool {
	token, err := did.ReadToken(w.AuthInfo)
	if err != nil {
		return false
	}
	last := token.Body.Has("status")
	return last
}

// certificateHolds checks a certificate's times against the wallet's own clock: the skew of an app's clock must not make
// an expired certificate valid.
func certificateHolds(conn delegation.Connect, now time.Time) error {
	var list []struct{ Content string }
	if err := json.Unmarshal(conn.Token.Body.Get("verifiableClaims"), &list); err != nil || len(list) == 0 {
		return did.Refuse("delegation_missing", "the agent shows no certificate of the app")
	}
	_, err := did.VerifyToken(list[0].Content, did.Check{PublicKey: conn.AppKey, Now: now})
	switch did.CodeOf(err) {
	case "":
		return err
	case "jwt_expired":
		return did.Refuse("delegation_expired", "the app's certificate for its agent has expired")
	case "jwt_iat_future", "jwt_nbf_future":
		return did.Refuse("delegation_not_yet_valid", "the app's certificate for its agent is not valid yet; check the clocks")
	}
	return did.Refuse("delegation_bad_signature", "the app's certificate for its agent does not verify")
}

// requests returns the parts of claims that a certificate can limit.
func requests(claims []json.RawMessage) []delegation.ClaimRequest {
	list := make([]delegation.ClaimRequest, len(claims))
	for i, raw := range claims {
		o, err := did.ParseObject(raw)
		if err != nil {
			continue // no certificate lists the empty type, and the pipeline refuses the claim
		}
		list[i].Type, _ = o.Text("type")
		if list[i].Type != "profile" {
			continue
		}
		if json.Unmarshal(o.Get("items"), &list[i].Items) != nil || len(list[i].Items) == 0 {
			list[i].Items = []string{"fullName"} // the item that profile requests if it names none
		}
	}
	return list
}

// learnSkew returns how far the app's clock is ahead of the wallet's, and whether that explains the refusal of the app's
// first reply. The skew is bounded, and the caller verifies the reply again with it (reference c.6).
func learnSkew(w wire, e expected, refusal error) (time.Duration, bool) {
	switch did.CodeOf(refusal) {
	case "jwt_expired", "jwt_iat_future", "jwt_nbf_future":
	default:
		return 0, false
	}
	token, err := did.ReadToken(w.AuthInfo)
	if err != nil {
		return 0, false
	}
	issued, err := token.Body.Time("iat")
	if err != nil || issued.IsZero() {
		return 0, false
	}
	skew := issued.Sub(e.now)
	return skew, skew.Abs() <= maxSkew
}

// endsSilently reports whether the refusal of a reply ends the session without a message to the app. Otherwise the
// request is authentic, and is declined (reference l). The refusal of a certificate ends the session silently only if
// the wallet has not answered anything in it (started).
func endsSilently(err error, started bool) bool {
	if _, is := errors.AsType[*did.Refusal](err); !is {
		return true
	}
	switch code := did.CodeOf(err); code {
	case "request_malformed", "app_pk_mismatch", "app_changed", "url_origin_changed":
		return true
	case "delegation_is_a_session_message":
		return false
	default:
		for _, kind := range []string{"app_http_", "reply_", "shared_key_", "sealed_", "jwt_", "did_", "pk_", "agent_", "authinfo_", "chain_", "scope_"} {
			if strings.HasPrefix(code, kind) {
				return true
			}
		}
		return strings.HasPrefix(code, "delegation_") && !started
	}
}
