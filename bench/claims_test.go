package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"walletd/internal/did"
	"walletd/internal/server"
	"walletd/internal/store"
	"walletd/internal/wallettest"
)

// BenchmarkClaims is claims answered over HTTP on loopback by a service with 64 callers, beside
// the bare cryptography of the same claim.
func BenchmarkClaims(b *testing.B) {
	for _, on := range []struct {
		name    string
		options []wallettest.Option
	}{
		{"SQLite", nil},
		{"PostgreSQL", []wallettest.Option{wallettest.PostgreSQL()}},
	} {
		b.Run(on.name, func(b *testing.B) {
			quiet := wallettest.Config(func(c *server.Config) { c.Log = zerolog.New(io.Discard).Level(zerolog.InfoLevel) })
			h := newHouse(b, append(on.options, quiet)...)
			for _, c := range h.cases() {
				b.Run(c.name, func(b *testing.B) { h.measure(b, c) })
			}
		})
	}
}

// house is a wallet that answers one app: for the app's own account by a rule, for another
// account by a grant for the delegation that the app presents.
type house struct {
	w          *wallettest.Wallet
	app        *wallettest.App
	delegator  *wallettest.App
	delegation string
}

func newHouse(b *testing.B, options ...wallettest.Option) *house {
	w := wallettest.New(b, options...)
	h := &house{w: w, app: w.App("Notes"), delegator: w.Stranger("Photos", did.Ed25519)}
	w.Rules(wallettest.Members{"app": h.app.DID.String(), "claim": "encryptionKey", "decision": "allow"})
	h.delegator.Import()
	h.delegation = h.delegator.Delegate(h.app.DID)
	asked := h.app.Ask(h.delegated()).Must(http.StatusAccepted)
	w.MustApprove(asked.Text("code"), wallettest.Members{"remember": wallettest.Members{"until": "withdrawn"}})
	return h
}

func (h *house) own() wallettest.Members { return wallettest.EncryptionKey("the salt of some notes") }

func (h *house) delegated() wallettest.Members {
	return wallettest.EncryptionKey(h.delegator.DID.Address(), wallettest.Members{"delegation": h.delegation})
}

// claimCase is one kind of claim in one form.
type claimCase struct {
	name    string
	claim   wallettest.Members
	account string // whose key answers
	signed  bool
}

func (h *house) cases() []claimCase {
	var answer struct{ UserDID string }
	h.app.Ask(h.own()).Must(http.StatusOK).Into(&answer)
	own, delegated := answer.UserDID, h.delegator.DID.Address()
	return []claimCase{
		{"own/token", h.own(), own, false},
		{"own/signed", h.own(), own, true},
		{"delegated/token", h.delegated(), delegated, false},
		{"delegated/signed", h.delegated(), delegated, true},
	}
}

// measure sends b.N claims and runs their bare cryptography before and after.
func (h *house) measure(b *testing.B, c claimCase) {
	b.StopTimer()
	l := load{Address: strings.TrimPrefix(h.w.URL, "http://"), Total: b.N, Requests: h.requests(b, c)}
	cryptography := h.bare(b, c)
	long := min(time.Second/4, time.Duration(b.N)*50*time.Microsecond)
	before, eachBefore := cryptography.measure(long)
	runtime.GC() // what was made for the load is not the service's
	var spent time.Duration
	result := l.run(b, func() { spent = cpuTime(); b.StartTimer() }, func() { b.StopTimer(); spent = cpuTime() - spent })
	after, eachAfter := cryptography.measure(long)

	report(b, "claim", result, spent, (before+after)/2, (eachBefore+eachAfter)/2)
}

// report says how b.N claims or sessions went beside their bare cryptography: what the service's
// process spent, how many of the bare ones there are in a second, and what one of them spends.
func report(b *testing.B, what string, result loadResult, spent time.Duration, bound float64, bare time.Duration) {
	rate, each := float64(b.N)/result.Took.Seconds(), microseconds(spent)/float64(b.N)
	b.ReportMetric(rate, what+"s/s")
	b.ReportMetric(bound, "bare/s")
	b.ReportMetric(rate/bound, "ratio")
	b.ReportMetric(each, "cpu-µs/"+what)
	b.ReportMetric(microseconds(bare), "bare-µs/"+what)
	b.ReportMetric(microseconds(bare)/each, "cpu-ratio")
	b.ReportMetric(microseconds(result.CPU)/float64(b.N), "load-µs/"+what)
	b.ReportMetric(0, "ns/op") // says the same as the first
}

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// requests are the bytes to send: one for all claims with a token, one for each signed claim.
func (h *house) requests(b *testing.B, c claimCase) [][]byte {
	if !c.signed {
		return [][]byte{h.request(b, wallettest.Members{"requestedClaims": []wallettest.Members{c.claim}}, h.app.Token)}
	}
	requests := make([][]byte, b.N)
	var work sync.WaitGroup
	for first := range runtime.GOMAXPROCS(0) {
		work.Go(func() {
			for i := first; i < len(requests); i += runtime.GOMAXPROCS(0) {
				requests[i] = h.request(b, h.app.Signed([]wallettest.Members{c.claim}), "")
			}
		})
	}
	work.Wait()
	return requests
}

func (h *house) request(b *testing.B, members wallettest.Members, token string) []byte {
	return postRequest(b, h.w, "/v1/claims", members, token)
}

// postRequest is the bytes of a request with a body, and with a token unless it is "".
func postRequest(b *testing.B, w *wallettest.Wallet, path string, members wallettest.Members, token string) []byte {
	body, err := json.Marshal(members)
	if err != nil {
		b.Error(err)
	}
	authorization := ""
	if token != "" {
		authorization = "Authorization: Bearer " + token + "\r\n"
	}
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n%s",
		path, strings.TrimPrefix(w.URL, "http://"), authorization, len(body), body)
}

// bare asks once and takes the cryptography of that claim apart.
func (h *house) bare(b *testing.B, c claimCase) bare {
	ctx, w := b.Context(), h.w
	account, err := w.Store.Account(ctx, w.Address, c.account)
	if err != nil {
		b.Fatal(err)
	}
	wallet, err := w.Store.Wallet(ctx, w.Address)
	if err != nil {
		b.Fatal(err)
	}
	x := bare{
		walletKey: newSealed(wallet.SealedKey), account: newSealed(account.Sealed),
		salt: did.LooseBytes(c.claim["salt"].(string)),
	}
	if c.signed {
		signed := h.app.Signed([]wallettest.Members{c.claim})
		x.texts = append(x.texts, newVerifiable(b, signed["authInfo"].(string), h.app.Key.Public()))
		info := w.Do("POST", "/v1/claims", "", signed).Must(http.StatusOK).Text("userInfo")
		x.answers = [][]byte{[]byte(info[:strings.LastIndexByte(info, '.')])}
	} else {
		h.app.Ask(c.claim).Must(http.StatusOK)
		token, err := w.Store.Token(ctx, strings.Split(h.app.Token, "_")[2])
		if err != nil {
			b.Fatal(err)
		}
		x.token, x.row = []byte(h.app.Token), token.Canonical()
	}
	if d, ok := c.claim["delegation"].(string); ok {
		x.texts = append(x.texts, newVerifiable(b, d, h.delegator.Key.Public()))
	}
	x.records = []record{newRecord(newest(b, h.w))}
	return x
}

// newest is the newest entry of the wallet's record.
func newest(b *testing.B, w *wallettest.Wallet) store.Record {
	end, err := w.Store.ChainEnd(b.Context(), w.Address)
	if err != nil {
		b.Fatal(err)
	}
	entries, err := w.Store.Records(b.Context(), w.Address, end.Seq-1, 1)
	if err != nil || len(entries) != 1 || entries[0].Kind != "claim.allowed" {
		b.Fatal("the claim is not on record", entries, err)
	}
	return entries[0]
}

// BenchmarkHTTP is the same exchange with a handler that reads the request and does nothing: what
// HTTP on loopback and the load generator cost by themselves.
func BenchmarkHTTP(b *testing.B) {
	const request, answer = 1100, 700 // bytes, about those of a signed claim
	canned := make([]byte, answer)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Length", fmt.Sprint(answer))
		w.Write(canned)
	}))
	s.Listener = l
	s.Start()
	defer s.Close()
	text := fmt.Appendf(nil, "POST /v1/claims HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		l.Addr(), request, make([]byte, request))
	b.StopTimer()
	var spent time.Duration
	result := load{Address: l.Addr().String(), Total: b.N, Requests: [][]byte{text}}.run(b,
		func() { spent = cpuTime(); b.StartTimer() }, func() { b.StopTimer(); spent = cpuTime() - spent })
	b.ReportMetric(float64(b.N)/result.Took.Seconds(), "requests/s")
	b.ReportMetric(microseconds(spent)/float64(b.N), "cpu-µs/request")
	b.ReportMetric(microseconds(result.CPU)/float64(b.N), "load-µs/request")
	b.ReportMetric(0, "ns/op")
}
