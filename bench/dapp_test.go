package bench

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	"walletd/internal/did"
)

// dapp is the far side of sessions, and costs nothing: all it says was signed before the clock
// starts. Whoever opens its link number n talks to the paths under /n/, so that one dApp tells its
// sessions apart; of the first answers on each path it looks at what is in them.
type dapp struct {
	listener net.Listener
	key      did.SecretKey
	id       did.DID
	secret   bool // it asks for an encryptionKey too, over the channel
	channel  did.ChannelKey
	ends     []chan error // of each link's sessions: its last reply was sent, or why not
	tokens   [][]string   // of each link, the requests and the last reply
	replies  [][]string   // the same as they are sent; one that is sealed without its end

	mu     sync.Mutex
	shared map[string]string // _ek_ -> the channel's key wrapped for it: once for each key
	offers []string          // of each link, the _ek_ of its newest session
	looked []int             // of each link, the answers that were looked at
}

// salt is what the dApp asks a key for.
const salt = "the salt of some notes"

// benchApp is the key and the DID of the dApp, the same in both processes.
func benchApp() (did.SecretKey, did.DID, error) {
	key, err := did.SecretKeyFromSeed(did.Ed25519, did.SHA3.Sum([]byte("a dApp that costs nothing")))
	if err != nil {
		return key, did.DID{}, err
	}
	id, err := did.FromPublicKey(key.Public(), did.Type{Role: did.RoleApplication, Key: did.Ed25519, Hash: did.SHA3})
	return key, id, err
}

// newDapp listens on a port of its own, which makes it an origin of its own.
func newDapp(links int, secret bool) (*dapp, error) {
	key, id, err := benchApp()
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d := &dapp{
		listener: l, key: key, id: id, secret: secret, channel: did.NewChannelKey(), shared: map[string]string{},
		offers: make([]string, links), looked: make([]int, links),
	}
	for n := range links {
		d.ends = append(d.ends, make(chan error, 1))
		if err := d.sign(n); err != nil {
			return nil, err
		}
	}
	go d.accept()
	return d, nil
}

// url is where a step of a link is.
func (d *dapp) url(n, step int) string {
	return fmt.Sprintf("http://%s/%d/%d?_t_=38e5c60b", d.listener.Addr(), n, step)
}

// link is what the dApp shows.
func (d *dapp) link(n int) string {
	return "https://abtwallet.io/i/?action=requestAuth&url=" + url.QueryEscape(d.url(n, 0))
}

// sign makes the replies of a link, as did-connect-js writes them (DID Connect reference d.3).
func (d *dapp) sign(n int) error {
	info := map[string]string{
		"name": "Notes", "description": "Notes that nobody else reads", "icon": "https://notes.example/logo.png", "link": "",
		"path": "https://abtwallet.io/i/", "publisher": d.id.String(),
	}
	request := func(step int, claim map[string]any) (string, error) {
		return did.SignToken(d.key, d.id, map[string]any{
			"action": "responseAuth", "appInfo": info, "chainInfo": map[string]string{"host": "none", "id": "none", "type": "arcblock"},
			"challenge": "D3DF2A5D32F27C0C744E2C79B7EC533E", "requestedClaims": []any{claim}, "url": d.url(n, step+1),
		}, time.Now())
	}
	login, err := request(0, map[string]any{
		"type": "authPrincipal", "description": "Please continue with your account", "meta": map[string]any{}, "mfaCode": []any{},
		"supervised": !d.secret, "target": "",
	})
	if err != nil {
		return err
	}
	asks, err := request(1, map[string]any{
		"type": "encryptionKey", "description": "Please provide encryptionKey to continue.", "meta": map[string]any{}, "mfaCode": []any{},
		"salt": salt, "delegation": "",
	})
	if err != nil {
		return err
	}
	last, err := d.last(info)
	if err != nil {
		return err
	}
	pk := did.EncodeBase58(d.key.Public())
	plain := func(token string) string { return fmt.Sprintf(`{"appPk":%q,"authInfo":%q}`, pk, token) }
	tokens, replies := []string{login, last}, []string{plain(login), plain(last)}
	if d.secret {
		sealed := fmt.Sprintf(`{"appPk":%q,"authInfo":%q,"version":"1.0.0","sharedKey":`, pk, d.channel.Seal([]byte(asks)))
		tokens, replies = []string{login, asks, last}, []string{plain(login), sealed, plain(last)}
	}
	d.tokens, d.replies = append(d.tokens, tokens), append(d.replies, replies)
	return nil
}

// last is the last reply, which did-connect-js always sends as version 1.0.0: the text itself is
// signed.
func (d *dapp) last(info map[string]string) (string, error) {
	now := time.Now().Unix()
	body, err := did.MarshalStable(map[string]any{
		"status": "ok", "successMessage": "Welcome", "appInfo": info, "cookies": map[string]any{}, "storages": map[string]any{},
		"response": map[string]any{}, "iss": d.id.String(), "iat": fmt.Sprint(now), "nbf": fmt.Sprint(now), "exp": fmt.Sprint(now + 300),
		"version": "1.0.0",
	})
	if err != nil {
		return "", err
	}
	text := did.EncodeBase64URL([]byte(`{"alg":"Ed25519","type":"JWT"}`)) + "." + did.EncodeBase64URL(body)
	signature, err := d.key.SignBytes([]byte(text))
	return text + "." + did.EncodeBase64URL(signature), err
}

func (d *dapp) accept() {
	for {
		c, err := d.listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			requests := bufio.NewReaderSize(c, 8<<10)
			for d.serve(c, requests) == nil {
			}
		}()
	}
}

// serve answers one request.
func (d *dapp) serve(c net.Conn, requests *bufio.Reader) error {
	first, length, err := head(requests)
	if err != nil {
		return err
	}
	body := make([]byte, max(length, 0))
	if _, err := io.ReadFull(requests, body); err != nil {
		return err
	}
	target := strings.Fields(first)[1]
	var n, step int
	if _, err := fmt.Sscanf(target, "/%d/%d?", &n, &step); err != nil {
		return err
	}
	reply, err := d.reply(n, step, target, body)
	if err == nil {
		_, err = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(reply), reply)
	}
	if err != nil || step == d.steps() {
		d.ends[n] <- err
	}
	return err
}

// steps is how many answers a session gives.
func (d *dapp) steps() int {
	if d.secret {
		return 2
	}
	return 1
}

func (d *dapp) reply(n, step int, target string, body []byte) (string, error) {
	if step > d.steps() {
		return "", errors.New("it goes on after its end")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if step == 0 {
		_, d.offers[n], _ = strings.Cut(target, "_ek_=")
		d.offers[n], _, _ = strings.Cut(d.offers[n], "&")
	} else if d.looked[n] < step {
		d.looked[n] = step
		if err := d.look(step, body); err != nil {
			return "", err
		}
	}
	reply := d.replies[n][step]
	if !d.secret || step != 1 {
		return reply, nil
	}
	shared, ok := d.shared[d.offers[n]]
	if !ok {
		var err error
		if shared, err = did.WrapChannelKey(d.offers[n], d.channel); err != nil {
			return "", err
		}
		d.shared[d.offers[n]] = shared
	}
	return reply + `"` + shared + `"}`, nil
}

// look makes sure that an answer is one, and that a key came sealed.
func (d *dapp) look(step int, body []byte) error {
	var a struct{ UserInfo, Version string }
	if err := json.Unmarshal(body, &a); err != nil {
		return err
	}
	token, want := []byte(a.UserInfo), `"type":"authPrincipal"`
	if step == 2 {
		want = `"key":"z`
		var err error
		if token, err = d.channel.Open(a.UserInfo); err != nil {
			return fmt.Errorf("the key did not come over the channel: %w", err)
		}
	}
	read, err := did.ReadToken(string(token))
	if err != nil {
		return err
	}
	if action, _ := read.Body.Text("action"); action != "responseAuth" || !bytes.Contains(read.Body.Get("requestedClaims"), []byte(want)) {
		return fmt.Errorf("it answered %s %s", action, read.Body.Get("requestedClaims"))
	}
	return nil
}
