package push_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"walletd/internal/connect"
	"walletd/internal/passkey"
	"walletd/internal/push"
	"walletd/internal/wallettest"
)

// service is a push service, which has the browsers of a test too.
type service struct {
	t      *testing.T
	url    string
	pool   *x509.CertPool
	pushes chan pushed

	mu     sync.Mutex
	answer map[string][]int // statuses to answer with, by path, before 201
	tried  map[string]int
	held   chan struct{} // if not nil, nothing is answered until it is closed
}

// pushed is a request that the service took.
type pushed struct {
	path   string
	header http.Header
	body   []byte
}

func newService(t *testing.T) *service {
	t.Helper()
	s := &service{t: t, pushes: make(chan pushed, 100), answer: map[string][]int{}, tried: map[string]int{}}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != "POST" {
			t.Errorf("%s: %v", r.Method, err)
		}
		s.mu.Lock()
		s.tried[r.URL.Path]++
		status := http.StatusCreated
		if left := s.answer[r.URL.Path]; len(left) > 0 {
			status, s.answer[r.URL.Path] = left[0], left[1:]
		}
		held := s.held
		s.mu.Unlock()
		if held != nil {
			<-held
		}
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(status)
		if status == http.StatusCreated {
			s.pushes <- pushed{r.URL.Path, r.Header, body}
		}
	}))
	t.Cleanup(server.Close)
	s.url, s.pool = server.URL, x509.NewCertPool()
	s.pool.AddCert(server.Certificate())
	return s
}

// next is the next push that was taken.
func (s *service) next() pushed {
	s.t.Helper()
	select {
	case p := <-s.pushes:
		return p
	case <-time.After(time.Minute):
		s.t.Fatal("nothing is pushed")
		panic("unreachable")
	}
}

// tries is how often a browser was tried.
func (s *service) tries(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tried[path]
}

func (s *service) answers(path string, statuses ...int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer[path] = statuses
}

// browser is one with a subscription.
type browser struct {
	key  *ecdh.PrivateKey
	auth []byte
	id   string
}

// subscription is what the browser sends of itself.
func (b *browser) subscription(endpoint string) wallettest.Members {
	b64 := base64.RawURLEncoding.EncodeToString
	return wallettest.Members{
		"endpoint": endpoint, "keys": wallettest.Members{"p256dh": b64(b.key.PublicKey().Bytes()), "auth": b64(b.auth)}, "language": "ja",
	}
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{key: key, auth: make([]byte, 16)}
	rand.Read(b.auth)
	return b
}

// subscribe subscribes a browser with a token.
func (s *service) subscribe(w *wallettest.Wallet, token, path string) *browser {
	s.t.Helper()
	b := newBrowser(s.t)
	b.id = w.Do("PUT", "/v1/push/subscriptions", token, b.subscription(s.url+path)).Must(200).Text("id")
	return b
}

// open decrypts a push as RFC 8291 and RFC 8188 say, with nothing but HMAC and AES-GCM.
func (b *browser) open(t *testing.T, p pushed) (text []byte) {
	t.Helper()
	mac := func(key []byte, parts ...[]byte) []byte {
		h := hmac.New(sha256.New, key)
		for _, part := range parts {
			h.Write(part)
		}
		return h.Sum(nil)
	}
	salt, size, theirs, sealed := p.body[:16], int(p.body[20]), p.body[21:86], p.body[86:]
	if size != 65 || len(p.body) > 4096 {
		t.Fatalf("the body has a key of %d bytes, and %d in all", size, len(p.body))
	}
	point, err := ecdh.P256().NewPublicKey(theirs)
	if err != nil {
		t.Fatal(err)
	}
	shared, err := b.key.ECDH(point)
	if err != nil {
		t.Fatal(err)
	}
	prk := mac(b.auth, shared)
	ikm := mac(prk, []byte("WebPush: info\x00"), b.key.PublicKey().Bytes(), theirs, []byte{1})
	prk = mac(salt, ikm)
	block, err := aes.NewCipher(mac(prk, []byte("Content-Encoding: aes128gcm\x00"), []byte{1})[:16])
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := aead.Open(nil, mac(prk, []byte("Content-Encoding: nonce\x00"), []byte{1})[:12], sealed, nil)
	if err != nil {
		t.Fatalf("the browser cannot open it: %v", err)
	}
	text, padding, found := bytes.Cut(plain, []byte{2})
	if !found || len(bytes.Trim(padding, "\x00")) > 0 {
		t.Fatal("the padding is not that of the last record")
	}
	return text
}

// told is what a message says.
type told = map[string]any

func (b *browser) message(t *testing.T, p pushed) told {
	t.Helper()
	var m told
	if err := json.Unmarshal(b.open(t, p), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// checkVAPID checks the header as a push service does (RFC 8292).
func checkVAPID(t *testing.T, header, audience, key string) {
	t.Helper()
	rest, ok := strings.CutPrefix(header, "vapid t=")
	token, k, found := strings.Cut(rest, ", k=")
	parts := strings.Split(token, ".")
	if !ok || !found || len(parts) != 3 || k != key {
		t.Fatalf("the header is %q, and the key %s", header, key)
	}
	un := func(text string) []byte {
		b, err := base64.RawURLEncoding.Strict().DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	pk, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), un(k))
	if err != nil {
		t.Fatal(err)
	}
	signature := un(parts[2])
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if len(signature) != 64 || !ecdsa.Verify(pk, digest[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
		t.Error("the token is not signed by the key")
	}
	var claims struct {
		Aud, Sub string
		Exp      int64
	}
	if err := json.Unmarshal(un(parts[1]), &claims); err != nil {
		t.Fatal(err)
	}
	if left := time.Until(time.Unix(claims.Exp, 0)); claims.Aud != audience || claims.Sub != "mailto:operator@wallet.example" || left <= 0 || left > 24*time.Hour {
		t.Errorf("the token says %+v", claims)
	}
	if got := string(un(parts[0])); got != `{"typ":"JWT","alg":"ES256"}` {
		t.Errorf("its header is %s", got)
	}
}

// gone waits until the wallet has no subscription, and is the code with which the last one ended.
func gone(t *testing.T, w *wallettest.Wallet) string {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if items := w.Do("GET", "/v1/push/subscriptions", w.Owner, nil).Must(200).Members()["items"].([]any); len(items) == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the subscription stays")
		}
	}
	var list struct {
		Items []struct {
			Kind  string
			Entry struct{ By, Code string }
		}
	}
	w.Do("GET", "/v1/wallets/"+w.Address+"/audit?limit=200", w.Owner, nil).Must(200).Into(&list)
	for _, e := range list.Items {
		if e.Kind == "push.unsubscribed" {
			return e.Entry.By + " " + e.Entry.Code
		}
	}
	t.Error("its end is not on record")
	return ""
}

// settled waits until no push is under way or is to be tried again: that is noted soon after the push service has answered.
func settled(t *testing.T, w *wallettest.Wallet) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		now := w.Store.Now() // at the end of the longest pause, which is a minute
		due, err := w.Store.DuePushes(t.Context(), now.Add(time.Minute).Unix(), now.Unix(), 100, 100)
		if err != nil {
			t.Fatal(err)
		}
		if len(due) == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("pushes are still due: %v", due)
		}
	}
}

func TestAnOwnerIsToldWhoAsksAndTheCode(t *testing.T) {
	t.Parallel()
	s := newService(t)
	w := wallettest.New(t, wallettest.Roots(s.pool))
	key := w.Do("GET", "/v1/push/key", w.Owner, nil).Must(200).Text("key")
	b := s.subscribe(w, w.Owner, "/phone")
	notes := w.App("Notes")
	asked := notes.Ask(wallettest.EncryptionKey("notes")).Must(202)
	p := s.next()
	got := b.message(t, p)
	expires, err := time.Parse(time.RFC3339, fmt.Sprint(got["expiresAt"]))
	if err != nil || time.Until(expires) > 5*time.Minute {
		t.Errorf("it expires at %v", got["expiresAt"])
	}
	delete(got, "expiresAt")
	want := told{"type": "approval", "id": asked.Text("id"), "code": asked.Text("code"), "app": "Notes", "did": notes.DID.String(), "language": "ja"}
	if !maps.Equal(got, want) {
		t.Errorf("told %v, want %v", got, want)
	}
	checkVAPID(t, p.header.Get("Authorization"), s.url, key)
	ttl, err := strconv.Atoi(p.header.Get("TTL"))
	if err != nil || ttl < 1 || ttl > 300 || p.header.Get("Content-Encoding") != "aes128gcm" || p.header.Get("Urgency") != "high" || len(p.header.Get("Topic")) != 32 {
		t.Errorf("the headers are %v", p.header)
	}

	// The key is the service's for good, and the same browser has one subscription.
	if again := w.Do("PUT", "/v1/push/subscriptions", w.Owner, b.subscription(s.url+"/phone")).Must(200).Text("id"); again != b.id {
		t.Errorf("the browser is %s, and %s", b.id, again)
	}
	settled(t, w)
	w.Restart()
	w.UnlockKeystore()
	if again := w.Do("GET", "/v1/push/key", w.Owner, nil).Must(200).Text("key"); again != key {
		t.Errorf("after a restart the key is %s, not %s", again, key)
	}
	if n := len(w.Do("GET", "/v1/push/subscriptions", w.Owner, nil).Must(200).Members()["items"].([]any)); n != 1 {
		t.Errorf("there are %d subscriptions", n)
	}
	if text := w.Log.String(); strings.Contains(text, "/phone") || strings.Contains(text, base64.RawURLEncoding.EncodeToString(b.auth)) {
		t.Error("the log says how the browser is reached")
	}

	// What was told is not told again; what begins to wait is.
	second := notes.Ask(wallettest.EncryptionKey("other")).Must(202)
	if got := b.message(t, s.next())["code"]; got != second.Text("code") {
		t.Errorf("told of %v, want %s", got, second.Text("code"))
	}
	w.Do("DELETE", "/v1/push/subscriptions/"+b.id, w.Owner, nil).Must(204)
	w.Do("DELETE", "/v1/push/subscriptions/"+b.id, w.Owner, nil).Refused(404, "not_found")
	if got := gone(t, w); got != "owner " {
		t.Errorf("it was ended by %q", got)
	}
}

func TestASubscriptionThatIsGoneIsRemoved(t *testing.T) {
	t.Parallel()
	for _, status := range []int{404, 410} {
		s := newService(t)
		w := wallettest.New(t, wallettest.Roots(s.pool))
		s.answers("/phone", status)
		s.subscribe(w, w.Owner, "/phone")
		w.App("Notes").Ask(wallettest.EncryptionKey("notes")).Must(202)
		if got := gone(t, w); got != "walletd gone" {
			t.Errorf("%d: it was ended by %q", status, got)
		}
	}
}

// A push service that is away, or asks to be left alone for a second, is tried again; one that refuses, or leads elsewhere, is not.
func TestAPushIsTriedAgain(t *testing.T) {
	t.Parallel()
	s := newService(t)
	w := wallettest.New(t, wallettest.Roots(s.pool))
	s.answers("/busy", 503, 429)
	for _, refuses := range []int{400, 403, 413, 301} {
		path := fmt.Sprint("/refuses/", refuses)
		s.answers(path, refuses)
		s.subscribe(w, w.Owner, path)
	}
	b := s.subscribe(w, w.Owner, "/busy")
	asked := w.App("Notes").Ask(wallettest.EncryptionKey("notes")).Must(202)
	p := s.next()
	if got := b.message(t, p)["code"]; got != asked.Text("code") || p.path != "/busy" {
		t.Errorf("told %v of %v", p.path, got)
	}
	if n := s.tries("/busy"); n != 3 {
		t.Errorf("it was tried %d times", n)
	}
	settled(t, w)
	for _, refuses := range []int{400, 403, 413, 301} {
		if n := s.tries(fmt.Sprint("/refuses/", refuses)); n != 1 {
			t.Errorf("after %d it was tried %d times", refuses, n)
		}
	}
	if n := len(w.Do("GET", "/v1/push/subscriptions", w.Owner, nil).Must(200).Members()["items"].([]any)); n != 5 {
		t.Errorf("%d subscriptions are left", n)
	}
}

func TestASubscriptionEndsWithItsToken(t *testing.T) {
	t.Parallel()
	s := newService(t)
	w := wallettest.New(t, wallettest.Roots(s.pool))
	phone := w.Do("POST", "/v1/tokens", w.Owner, wallettest.Members{"role": "owner", "wallet": w.Address, "name": "phone"}).Must(201)
	s.subscribe(w, phone.Text("token"), "/phone")
	w.Do("DELETE", "/v1/tokens/"+phone.Text("id"), w.Owner, nil).Must(204)
	w.App("Notes").Ask(wallettest.EncryptionKey("notes")).Must(202)
	if got := gone(t, w); got != "walletd token_ended" || s.tries("/phone") != 0 {
		t.Errorf("it was ended by %q, and tried %d times", got, s.tries("/phone"))
	}
}

// A browser session that a token began ends with it, and so does what the session subscribed to; not before.
func TestASubscriptionOfATokensSession(t *testing.T) {
	t.Parallel()
	s := newService(t)
	w := wallettest.New(t, wallettest.Roots(s.pool))
	alice := w.Person("Alice")
	phone := w.Do("POST", "/v1/tokens", w.Owner, wallettest.Members{"role": "owner", "wallet": w.Address, "name": "phone"}).Must(201)
	session, err := w.Owners.SignInWithToken(t.Context(), phone.Text("token"), "Firefox")
	if err != nil {
		t.Fatal(err)
	}
	w.Send(alice.Touched(session.Text, "PUT", "/v1/push/subscriptions", newBrowser(t).subscription(s.url+"/phone"))).Must(200)
	w.App("Notes").Ask(wallettest.EncryptionKey("notes")).Must(202)
	if path := s.next().path; path != "/phone" {
		t.Errorf("pushed to %s", path)
	}
	w.Do("DELETE", "/v1/tokens/"+phone.Text("id"), w.Owner, nil).Must(204)
	w.App("Drive").Ask(wallettest.EncryptionKey("photos")).Must(202)
	if got := gone(t, w); got != "walletd token_ended" {
		t.Errorf("it was ended by %q", got)
	}
}

// The passkey's sessions end in the same write; a later request reaches the browser no more.
func TestASubscriptionEndsWithItsPasskey(t *testing.T) {
	t.Parallel()
	s := newService(t)
	w := wallettest.New(t, wallettest.Roots(s.pool))
	alice := w.Person("Alice")
	again := alice.SignIn().Must(201).Text("token")
	subscription := newBrowser(t).subscription(s.url + "/alice")
	alice.DoTouched("PUT", "/v1/push/subscriptions", subscription).Must(200)
	w.Do("DELETE", "/v1/tokens/"+alice.TokenID, w.Owner, nil).Must(204) // it outlives the session that made it
	w.App("Notes").Ask(wallettest.EncryptionKey("notes")).Must(202)
	if path := s.next().path; path != "/alice" {
		t.Errorf("pushed to %s", path)
	}
	second := w.NewPerson(passkey.ES256) // another device of Alice's, so that the first can be removed
	begun := w.Do("POST", "/v1/passkeys/begin", again, wallettest.Members{}).Must(200)
	w.Send(alice.Touched(again, "POST", "/v1/passkeys", wallettest.Members{"state": begun.Text("state"), "registration": second.Registration(begun)})).Must(201)
	w.Send(alice.Touched(again, "DELETE", "/v1/passkeys/"+alice.Passkey, nil)).Must(204)
	w.Do("GET", "/v1/approvals", again, nil).Refused(401, "unauthorized")
	tries := s.tries("/alice")
	w.App("Drive").Ask(wallettest.EncryptionKey("photos")).Must(202)
	if got := gone(t, w); got != "walletd token_ended" || s.tries("/alice") != tries {
		t.Errorf("it was ended by %q, and tried %d more times", got, s.tries("/alice")-tries)
	}
}

// A push service that never answers holds up nobody.
func TestAnAppWaitsForNoPush(t *testing.T) {
	t.Parallel()
	s := newService(t)
	hang := make(chan struct{})
	slow := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
	defer slow.Close()
	defer close(hang)
	s.pool.AddCert(slow.Certificate())
	w := wallettest.New(t, wallettest.Roots(s.pool))
	for i := range 10 {
		w.Do("PUT", "/v1/push/subscriptions", w.Owner, newBrowser(t).subscription(fmt.Sprint(slow.URL, "/", i))).Must(200)
	}
	notes := w.App("Notes")
	asked := notes.Ask(wallettest.EncryptionKey("notes")).Must(202)
	w.MustApprove(asked.Text("code"))
	notes.Collect(asked.Text("id")).Must(200)
}

func TestWhatASubscriptionMayBe(t *testing.T) {
	t.Parallel()
	s := newService(t)
	w := wallettest.New(t, wallettest.Roots(s.pool))
	good := newBrowser(t)
	keys := good.subscription("")["keys"].(wallettest.Members)
	long := s.url + "/" + strings.Repeat("a", 2048)
	for name, bad := range map[string]wallettest.Members{
		"http":            {"endpoint": strings.Replace(s.url, "https:", "http:", 1), "keys": keys},
		"no url":          {"endpoint": "push", "keys": keys},
		"a user":          {"endpoint": "https://a:b@push.example/", "keys": keys},
		"a file":          {"endpoint": "file:///etc/passwd", "keys": keys},
		"too long":        {"endpoint": long, "keys": keys},
		"no point":        {"endpoint": s.url, "keys": wallettest.Members{"p256dh": base64.RawURLEncoding.EncodeToString(make([]byte, 65)), "auth": keys["auth"]}},
		"a short secret":  {"endpoint": s.url, "keys": wallettest.Members{"p256dh": keys["p256dh"], "auth": "AAAA"}},
		"other base64":    {"endpoint": s.url, "keys": wallettest.Members{"p256dh": keys["p256dh"], "auth": "////////////////////////"}},
		"a long language": {"endpoint": s.url, "keys": keys, "language": strings.Repeat("a", 17)},
	} {
		if r := w.Do("PUT", "/v1/push/subscriptions", w.Owner, bad); r.Status != 400 {
			t.Errorf("%s: %d %s", name, r.Status, r.Body)
		}
	}
	app := w.App("Notes")
	for _, token := range []string{app.Token, w.Operator} {
		w.Do("PUT", "/v1/push/subscriptions", token, good.subscription(s.url+"/phone")).Refused(403, "forbidden")
		w.Do("GET", "/v1/push/subscriptions", token, nil).Refused(403, "forbidden")
		w.Do("GET", "/v1/push/key", token, nil).Refused(403, "forbidden")
	}
	for i := range push.PerWallet {
		s.subscribe(w, w.Owner, fmt.Sprint("/", i))
	}
	w.Do("PUT", "/v1/push/subscriptions", w.Owner, good.subscription(s.url+"/more")).Refused(409, "conflict")
	s.subscribe(w, w.Owner, "/0") // one of them, again
}

// Addresses that no link may lead to are not for pushes either.
func TestAPushGoesToNoPrivateAddress(t *testing.T) {
	t.Parallel()
	s := newService(t)
	for name, c := range map[string]struct {
		config connect.ClientConfig
		url    string
	}{
		"this machine":        {connect.ClientConfig{Roots: s.pool}, s.url},
		"a metadata service":  {connect.ClientConfig{Roots: s.pool, Allow: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}}, "https://169.254.169.254/"},
		"http, where allowed": {connect.ClientConfig{AllowHTTP: true, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, strings.Replace(s.url, "https:", "http:", 1)},
	} {
		if d, err := connect.NewClient(c.config).Deliver(t.Context(), c.url+"/phone", http.Header{}, nil, time.Minute); err == nil {
			t.Errorf("%s: %+v", name, d)
		}
	}
	if n := s.tries("/phone"); n != 0 {
		t.Errorf("%d arrived", n)
	}
}

// Of several replicas one tells a browser; a browser does not ring without end.
func TestEachPushIsOneReplicas(t *testing.T) {
	t.Parallel()
	s := newService(t)
	w := wallettest.New(t, wallettest.Roots(s.pool))
	loopback := connect.ClientConfig{Roots: s.pool, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for range 3 {
		other := push.New(push.Config{
			Store: w.Store, Keystore: w.Keystore, Ledger: w.Ledger, Auth: w.Auth, Approvals: w.Approvals,
			Client: connect.NewClient(loopback), Contact: "mailto:operator@wallet.example", Log: zerolog.New(w.Log),
		})
		running.Go(func() { other.Run(ctx) })
	}
	defer running.Wait()
	defer cancel()
	browsers := map[string]*browser{"/a": s.subscribe(w, w.Owner, "/a"), "/b": s.subscribe(w, w.Owner, "/b")}
	const mostTold = 10
	seen := map[string]int{}
	notes := w.App("Notes")
	for i := range mostTold + 3 {
		notes.Ask(wallettest.EncryptionKey(fmt.Sprint("salt ", i))).Must(202)
	}
	for range 2 * mostTold {
		p := s.next()
		seen[p.path+fmt.Sprint(browsers[p.path].message(t, p)["code"])]++
	}
	for what, n := range seen {
		if n != 1 {
			t.Errorf("%s was told %d times", what, n)
		}
	}
	if len(seen) != 2*mostTold {
		t.Errorf("%d were told", len(seen))
	}
	now := w.Store.Now()
	if due, err := w.Store.DuePushes(t.Context(), now.Unix(), now.Add(-5*time.Minute).Unix(), mostTold, 100); err != nil || len(due) != 0 {
		t.Errorf("after %d the rest is due: %v, %v", mostTold, due, err)
	}
	select {
	case p := <-s.pushes:
		t.Errorf("one more is told: %s", p.path)
	default:
	}

	// A browser that comes late is told of what waits.
	late := newBrowser(t)
	w.Do("PUT", "/v1/push/subscriptions", w.Owner, late.subscription(s.url+"/late")).Must(200)
	if p := s.next(); p.path != "/late" || late.message(t, p)["type"] != "approval" {
		t.Errorf("%s is told", p.path)
	}
}

func TestNothingIsPushedWhileLocked(t *testing.T) {
	t.Parallel()
	s := newService(t)
	w := wallettest.New(t, wallettest.Roots(s.pool))
	b := s.subscribe(w, w.Owner, "/phone")
	s.answers("/phone", 503) // so that it waits for a second try
	s.held = make(chan struct{})
	asked := w.App("Notes").Ask(wallettest.EncryptionKey("notes")).Must(202)
	for s.tries("/phone") == 0 {
		time.Sleep(5 * time.Millisecond)
	}
	w.Do("POST", "/v1/keystore/lock", w.Operator, wallettest.Members{}).Must(200)
	close(s.held) // the first try ends while it is locked, so that none comes before
	w.Do("GET", "/v1/push/key", w.Owner, nil).Refused(423, "locked")
	time.Sleep(1500 * time.Millisecond) // longer than Retry-After: a push could come now
	if n := s.tries("/phone"); n != 1 {
		t.Errorf("while locked it is tried, %d times in all", n)
	}
	w.UnlockKeystore()
	if got := b.message(t, s.next())["code"]; got != asked.Text("code") {
		t.Errorf("told of %v", got)
	}
}
