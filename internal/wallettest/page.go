package wallettest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"walletd/internal/store"
)

// Page is a page in a browser that is paired with a wallet, or may be: it has a key, and proves it with each request.
type Page struct {
	w   *Wallet
	key *ecdsa.PrivateKey

	Origin string
	Nonce  string // of the service, for the proofs that follow
	Token  string // "" until it is paired
	ID     string // of the pairing
}

// Page makes a page of an origin, with a key of its own.
func (w *Wallet) Page(origin string) *Page {
	w.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		w.t.Fatalf("making a key: %v", err)
	}
	return &Page{w: w, key: key, Origin: origin}
}

// With is the same page with another copy of the service.
func (p *Page) With(w *Wallet) *Page {
	other := *p
	other.w = w
	return &other
}

// Proof makes a proof of a request. Each change may change its header and its body before they are signed.
func (p *Page) Proof(method, path string, change ...func(header, body Members)) string {
	p.w.t.Helper()
	point, err := p.key.PublicKey.Bytes()
	if err != nil {
		p.w.t.Fatalf("writing the key: %v", err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	header := Members{"typ": "dpop+jwt", "alg": "ES256", "jwk": Members{"kty": "EC", "crv": "P-256", "x": encode(point[1:33]), "y": encode(point[33:])}}
	path, _, _ = strings.Cut(path, "?")
	body := Members{"jti": store.NewID(), "htm": method, "htu": p.w.URL + path, "iat": time.Now().Unix()}
	if p.w.set.clock != nil {
		body["iat"] = p.w.set.clock().Unix()
	}
	if p.Nonce != "" {
		body["nonce"] = p.Nonce
	}
	if p.Token != "" {
		sum := sha256.Sum256([]byte(p.Token))
		body["ath"] = encode(sum[:])
	}
	for _, c := range change {
		c(header, body)
	}
	segment := func(m Members) string {
		b, err := json.Marshal(m)
		if err != nil {
			p.w.t.Fatalf("writing a proof: %v", err)
		}
		return encode(b)
	}
	unsigned := segment(header) + "." + segment(body)
	signature, err := jwt.SigningMethodES256.Sign(unsigned, p.key)
	if err != nil {
		p.w.t.Fatalf("signing a proof: %v", err)
	}
	return unsigned + "." + encode(signature)
}

// Send sends one request with a proof, as it is.
func (p *Page) Send(method, path string, body any, proof string) *Response {
	p.w.t.Helper()
	r := p.w.Request(method, path, body)
	if p.Origin != "" { // "" is a program that is no browser
		r.Header.Set("Origin", p.Origin)
	}
	if proof != "" {
		r.Header.Set("DPoP", proof)
	}
	if p.Token != "" {
		r.Header.Set("Authorization", "DPoP "+p.Token)
	}
	got := p.w.Send(r)
	if nonce := got.Header.Get("DPoP-Nonce"); nonce != "" {
		p.Nonce = nonce
	}
	return got
}

// Do sends a request as a good client does: once more, with the nonce, where one is wanted.
func (p *Page) Do(method, path string, body any) *Response {
	p.w.t.Helper()
	got := p.Send(method, path, body, p.Proof(method, path))
	if got.Status == http.StatusUnauthorized && got.Text("code") == "use_dpop_nonce" {
		got = p.Send(method, path, body, p.Proof(method, path))
	}
	return got
}

// Begin begins a pairing and returns its code.
func (p *Page) Begin(name string) string {
	p.w.t.Helper()
	began := p.Do("POST", "/v1/pairings", Members{"name": name}).Must(http.StatusCreated)
	p.ID = began.Text("id")
	return began.Text("code")
}

// Poll asks for the page's token, which it keeps.
func (p *Page) Poll() *Response {
	p.w.t.Helper()
	p.Token = "" // a proof for the token has no ath
	got := p.Do("POST", "/v1/pairings/"+p.ID+"/token", Members{})
	if got.Status == http.StatusOK {
		p.Token = got.Text("token")
	}
	return got
}

// MustApprovePairing says yes to what the owner is shown under a code; more, if given, are further members of the choice.
func (w *Wallet) MustApprovePairing(code string, more ...Members) *Response {
	w.t.Helper()
	shown := w.Do("GET", "/v1/pairings/"+code, w.Owner, nil).Must(http.StatusOK)
	choice := Members{"origin": shown.Text("origin"), "thumbprint": shown.Text("thumbprint")}
	for _, m := range more {
		for name, value := range m {
			choice[name] = value
		}
	}
	return w.Do("POST", "/v1/pairings/"+code+"/approve", w.Owner, choice).Must(http.StatusOK)
}

// PairedPage makes a page that is paired with the wallet.
func (w *Wallet) PairedPage(origin string) *Page {
	w.t.Helper()
	p := w.Page(origin)
	w.MustApprovePairing(p.Begin("Client"))
	p.Poll().Must(http.StatusOK)
	return p
}
