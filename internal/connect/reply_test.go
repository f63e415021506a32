package connect

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"strconv"
	"testing"
	"time"

	"walletd/internal/did"
)

type replyCase struct {
	Name, Expect, OpenedURL string
	Reply                   json.RawMessage
}

type replyVectors struct {
	Now   int64
	App   struct{ DID string }
	Cases []replyCase
}

func readReplies(t testing.TB, name string) replyVectors {
	t.Helper()
	var v replyVectors
	readVectors(t, name, &v)
	if len(v.Cases) == 0 {
		t.Fatal("no replies in the vectors")
	}
	return v
}

// verdict reads a reply as Advance does and says what it is, or with which code it is refused.
func verdict(body []byte, e expected) string {
	w, err := readWire(response{status: 200, body: body})
	if err == nil {
		w, _, err = w.decrypt(nil)
	}
	var v verified
	if err == nil {
		v, err = check(w, e)
	}
	switch {
	case err != nil:
		if code := did.CodeOf(err); code != "" {
			return code
		}
		return err.Error()
	case v.unconfirmed:
		return "final_unauthenticated"
	case !v.final:
		return "request"
	}
	if status, _ := v.connect.Token.Body.Text("status"); status == "error" {
		return "final_error"
	}
	return "final"
}

func TestReplyVectors(t *testing.T) {
	v := readReplies(t, "authinfo.json")
	for _, tt := range v.Cases {
		t.Run(tt.Name, func(t *testing.T) {
			e := expected{url: tt.OpenedURL, now: time.Unix(v.Now, 0)}
			if got := verdict(tt.Reply, e); got != tt.Expect {
				t.Errorf("got %s, want %s", got, tt.Expect)
			}
		})
	}
}

func TestCertificateVectors(t *testing.T) {
	v := readReplies(t, "delegation-certificate.json")
	for _, tt := range v.Cases {
		t.Run(tt.Name, func(t *testing.T) {
			want := tt.Expect
			if want == "ok" {
				want = "request"
			}
			e := expected{url: "https://dapp.example.test/api", now: time.Unix(v.Now, 0)}
			if got := verdict(tt.Reply, e); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

// far is an app that signs what a test wants signed.
type far struct {
	t   testing.TB
	key did.SecretKey
	did did.DID
}

func newFar(t testing.TB, seed byte, key did.KeyType) *far {
	t.Helper()
	secret, err := did.SecretKeyFromSeed(key, append(make([]byte, 31), seed))
	if err != nil {
		t.Fatal(err)
	}
	typ := did.Type{Role: did.RoleApplication, Key: key, Hash: did.SHA3}
	if key == did.Ethereum {
		typ = did.Type{Role: did.RoleAccount, Key: key, Hash: did.Keccak}
	}
	app, err := did.FromPublicKey(secret.Public(), typ)
	if err != nil {
		t.Fatal(err)
	}
	return &far{t, secret, app}
}

// token signs a body as it is, hostile members too. What it leaves out is filled in, and what is
// nil in it left out.
func (f *far) token(now time.Time, body map[string]any) string {
	f.t.Helper()
	at := func(d time.Duration) string { return strconv.FormatInt(now.Add(d).Unix(), 10) }
	whole := map[string]any{"iss": f.did.String(), "iat": at(0), "nbf": at(0), "exp": at(5 * time.Minute), "version": "1.1.0"}
	maps.Copy(whole, body)
	maps.DeleteFunc(whole, func(_ string, value any) bool { return value == nil })
	text, err := json.Marshal(whole)
	if err != nil {
		f.t.Fatal(err)
	}
	alg := map[did.KeyType]string{did.Ed25519: "Ed25519", did.Secp256k1: "ES256K", did.Ethereum: "Ethereum"}[f.key.Type()]
	encode := base64.RawURLEncoding.EncodeToString
	unsigned := encode([]byte(`{"alg":"`+alg+`","type":"JWT"}`)) + "." + encode(text)
	message := did.SHA3.Sum([]byte(unsigned))
	if whole["version"] != "1.1.0" {
		if message = []byte(unsigned); f.key.Type() != did.Ed25519 {
			message = message[:32] // what the packages sign: the beginning of the header
		}
	}
	sig, err := f.key.SignBytes(message)
	if err != nil {
		f.t.Fatal(err)
	}
	return unsigned + "." + encode(sig)
}

// reply is a request, with what a test changes in it.
func (f *far) reply(now time.Time, change map[string]any) wire {
	body := map[string]any{
		"action": "responseAuth", "challenge": "0123456789ABCDEF0123456789ABCDEF", "url": "https://dapp.example/auth?_t_=1",
		"requestedClaims": []any{map[string]any{"type": "authPrincipal"}},
	}
	maps.Copy(body, change)
	return wire{AppPk: did.EncodeBase58(f.key.Public()), AuthInfo: f.token(now, body)}
}

func (w wire) json(t testing.TB) []byte {
	t.Helper()
	b, err := json.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestCheck(t *testing.T) {
	now := time.Unix(1767225600, 0)
	app, other := newFar(t, 1, did.Ed25519), newFar(t, 2, did.Ed25519)
	const opened = "https://dapp.example/auth?_t_=1&x=2"
	tests := []struct {
		name  string
		reply wire
		e     expected
		want  string
	}{
		{"accepts a request", app.reply(now, nil), expected{}, "request"},
		{"accepts one of the same app", app.reply(now, nil), expected{app: app.did.Address()}, "request"},
		{"refuses another app in mid-session", other.reply(now, nil), expected{app: app.did.Address()}, "app_changed"},
		{"accepts the same origin written in another way", app.reply(now, map[string]any{"url": "https://DAPP.example:443/other"}), expected{}, "request"},
		{"refuses another port", app.reply(now, map[string]any{"url": "https://dapp.example:444/auth"}), expected{}, "url_origin_changed"},
		{"refuses another scheme", app.reply(now, map[string]any{"url": "http://dapp.example/auth"}), expected{}, "url_origin_changed"},
		{"refuses a subdomain", app.reply(now, map[string]any{"url": "https://a.dapp.example/auth"}), expected{}, "url_origin_changed"},
		{"refuses a url with another host in it", app.reply(now, map[string]any{"url": "https://dapp.example@evil.example/auth"}), expected{}, "url_origin_changed"},
		{"refuses a relative url", app.reply(now, map[string]any{"url": "/auth"}), expected{}, "request_malformed"},
		{"refuses a challenge that is a number", app.reply(now, map[string]any{"challenge": 7}), expected{}, "request_malformed"},
		{"refuses claims that are an object", app.reply(now, map[string]any{"requestedClaims": map[string]any{}}), expected{}, "request_malformed"},
		{"accepts no claims, which the pipeline refuses", app.reply(now, map[string]any{"requestedClaims": []any{}}), expected{}, "request"},
		{"refuses a request of ten minutes ago", app.reply(now.Add(-10*time.Minute), nil), expected{}, "jwt_expired"},
		{"accepts it by the app's clock", app.reply(now.Add(-10*time.Minute), nil), expected{skew: -10 * time.Minute}, "request"},
		{"tells a last reply by its status", app.reply(now, map[string]any{"status": "ok"}), expected{}, "final"},
		{"refuses another app's last reply", other.reply(now, map[string]any{"status": "ok"}), expected{app: app.did.Address()}, "app_changed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.e.url, tt.e.now = opened, now
			if got := verdict(tt.reply.json(t), tt.e); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestReadWire(t *testing.T) {
	tests := []struct {
		name, body string
		status     int
	}{
		{"refuses HTML", `<html>`, 200},
		{"refuses JSONP", `/**/ cb({"appPk":"z","authInfo":"a"});`, 200},
		{"refuses a list", `[]`, 200},
		{"refuses a plain error", `{"error":"x"}`, 200},
		{"refuses a key that is no text", `{"appPk":1,"authInfo":"a"}`, 200},
		{"refuses a token that is no text", `{"appPk":"z","authInfo":{}}`, 200},
		{"refuses two tokens", `{"appPk":"z","authInfo":"a","authInfo":"b"}`, 200},
		{"refuses a name in another case", `{"appPk":"z","authInfo":"a","AUTHINFO":"b"}`, 200},
		{"refuses a shared key that is no text", `{"appPk":"z","authInfo":"a","sharedKey":[]}`, 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := readWire(response{status: tt.status, body: []byte(tt.body)}); did.CodeOf(err) != "reply_unsigned" {
				t.Errorf("got %v", err)
			}
		})
	}
	for _, status := range []int{204, 302, 500} {
		_, err := readWire(response{status: status, body: []byte(`{"appPk":"z","authInfo":"a"}`)})
		if e, ok := errors.AsType[*statusError](err); !ok || e.code != status || did.CodeOf(err) != "app_http_error" {
			t.Errorf("the HTTP status %d: %v", status, err)
		}
	}
}

func TestSkew(t *testing.T) {
	now := time.Unix(1767225600, 0)
	app := newFar(t, 1, did.Ed25519)
	tests := []struct {
		name  string
		off   time.Duration
		code  string
		learn bool
	}{
		{"learns of a clock that is behind", -9 * time.Minute, "jwt_expired", true},
		{"learns of a clock that is ahead", time.Minute, "jwt_iat_future", true},
		{"stops at ten minutes", 11 * time.Minute, "jwt_iat_future", false},
		{"stops at ten minutes behind", -11 * time.Minute, "jwt_expired", false},
		{"learns nothing from another fault", time.Minute, "jwt_bad_signature", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := expected{url: "https://dapp.example/auth", now: now}
			skew, ok := learnSkew(app.reply(now.Add(tt.off), nil), e, did.Refuse(tt.code, ""))
			if ok != tt.learn || ok && skew != tt.off {
				t.Errorf("skew %v, %v", skew, ok)
			}
		})
	}
}

func TestSkewMakesNoCertificateValid(t *testing.T) {
	now := time.Unix(1767225600, 0)
	behind := -8 * time.Minute
	app, agent := newFar(t, 1, did.Ed25519), newFar(t, 2, did.Ed25519)
	reply := func(expires time.Time, issued time.Time) wire {
		certificate := app.token(issued, map[string]any{
			"agentDid": agent.did.String(), "exp": expires.Unix(),
			"permissions": []any{map[string]any{"role": "DIDConnectAgent", "claims": []string{"authPrincipal"}}},
		})
		w := agent.reply(now.Add(behind), map[string]any{
			"iss": app.did.String(), "agentDid": agent.did.String(),
			"verifiableClaims": []any{map[string]any{"type": "certificate", "content": certificate}},
		})
		w.AppPk, w.AgentPk = did.EncodeBase58(app.key.Public()), did.EncodeBase58(agent.key.Public())
		return w
	}
	e := expected{url: "https://dapp.example/auth", now: now, skew: behind}
	if got := verdict(reply(now.Add(time.Hour), now.Add(-time.Hour)).json(t), e); got != "request" {
		t.Errorf("a certificate that holds: %s", got)
	}
	if got := verdict(reply(now.Add(-time.Minute), now.Add(-time.Hour)).json(t), e); got != "delegation_expired" {
		t.Errorf("a certificate that ended by our clock: %s", got)
	}
}

func TestStops(t *testing.T) {
	tests := []struct {
		code              string
		atFirst, whenLate bool // stops
	}{
		{"reply_unsigned", true, true},
		{"jwt_bad_signature", true, true},
		{"app_changed", true, true},
		{"request_malformed", true, true},
		{"delegation_claim_not_allowed", true, false},
		{"delegation_expired", true, false},
		{"claim_unsupported", false, false},
		{"account_not_held", false, false},
		{"salt_mismatch", false, false},
		{"text_is_a_token", false, false},
		{"delegation_is_a_session_message", false, false},
	}
	for _, tt := range tests {
		err := did.Refuse(tt.code, "")
		if endsSilently(err, false) != tt.atFirst || endsSilently(err, true) != tt.whenLate {
			t.Errorf("%s: stops %v and %v", tt.code, endsSilently(err, false), endsSilently(err, true))
		}
	}
	if !endsSilently(errors.New("an error"), true) {
		t.Error("an error that is no refusal is not told to the app")
	}
}

func FuzzReadReply(f *testing.F) {
	for _, name := range []string{"authinfo.json", "delegation-certificate.json"} {
		for _, tt := range readReplies(f, name).Cases {
			f.Add([]byte(tt.Reply))
		}
	}
	e := expected{url: "https://dapp.example.test/api", now: time.Unix(1767225600, 0)}
	f.Fuzz(func(t *testing.T, body []byte) { verdict(body, e) })
}
