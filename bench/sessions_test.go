package bench

import (
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"walletd/internal/server"
	"walletd/internal/wallettest"
)

// atATime is how many sessions are open at a time.
const atATime = 16

// BenchmarkSessions is complete DID Connect sessions with a dApp that costs nothing, 16 at a time,
// beside the bare cryptography of the same session.
func BenchmarkSessions(b *testing.B) {
	for _, on := range []struct {
		name    string
		options []wallettest.Option
	}{
		{"SQLite", nil},
		{"PostgreSQL", []wallettest.Option{wallettest.PostgreSQL()}},
	} {
		b.Run(on.name, func(b *testing.B) {
			quiet := wallettest.Config(func(c *server.Config) { c.Log = zerolog.New(io.Discard).Level(zerolog.InfoLevel) })
			w := wallettest.New(b, append(on.options, quiet)...)
			_, app, err := benchApp()
			if err != nil {
				b.Fatal(err)
			}
			// No rule allows anything to an app that is not known: this one is, for it has a token.
			w.Do("POST", "/v1/tokens", w.Owner, wallettest.Members{"role": "app", "wallet": w.Address, "app": app.String(), "name": "Notes"}).Must(http.StatusCreated)
			w.Rules(
				wallettest.Members{"app": app.String(), "claim": "authPrincipal", "decision": "allow"},
				wallettest.Members{"app": app.String(), "claim": "encryptionKey", "decision": "allow"},
			)
			b.Run("login", func(b *testing.B) { measureSessions(b, w, false) })
			b.Run("login+encryptionKey", func(b *testing.B) { measureSessions(b, w, true) })
		})
	}
}

func measureSessions(b *testing.B, w *wallettest.Wallet, secret bool) {
	b.StopTimer()
	job := sessions{Address: strings.TrimPrefix(w.URL, "http://"), Token: w.Owner, Callers: atATime, Total: b.N, Secret: secret}
	cryptography := bareSession(b, w, job)
	long := min(time.Second/4, time.Duration(b.N)*200*time.Microsecond)
	before, eachBefore := cryptography.measure(long)
	runtime.GC()
	var spent time.Duration
	_, written := w.Store.Written()
	result := generator(b, "sessions", job, func() { spent = cpuTime(); b.StartTimer() }, func() { b.StopTimer(); spent = cpuTime() - spent })
	_, now := w.Store.Written()
	after, eachAfter := cryptography.measure(long)
	report(b, "session", result, spent, (before+after)/2, (eachBefore+eachAfter)/2)
	b.ReportMetric(float64(len(cryptography.records)), "entries/session")
	b.ReportMetric(float64(now-written)/float64(b.N), "writes/session")
}

// bareSession plays one session, after one that makes the account, and takes its cryptography
// apart. An answer echoes what it was asked, so it is about as long.
func bareSession(b *testing.B, w *wallettest.Wallet, one sessions) bare {
	ctx := b.Context()
	one.Callers, one.Total = 1, 1
	generator(b, "sessions", one, func() {}, func() {})
	was, err := w.Store.ChainEnd(ctx, w.Address)
	if err != nil {
		b.Fatal(err)
	}
	generator(b, "sessions", one, func() {}, func() {})
	entries, err := w.Store.Records(ctx, w.Address, was.Seq, 100)
	if err != nil || len(entries) == 0 || entries[len(entries)-1].Kind != "session.ended" {
		b.Fatal("the session is not on record", entries, err)
	}
	var listed struct{ Items []struct{ Account string } }
	w.Do("GET", "/v1/sessions?limit=1", w.Owner, nil).Must(http.StatusOK).Into(&listed)
	account, err := w.Store.Account(ctx, w.Address, listed.Items[0].Account)
	if err != nil {
		b.Fatal(err)
	}
	wallet, err := w.Store.Wallet(ctx, w.Address)
	if err != nil {
		b.Fatal(err)
	}
	token, err := w.Store.Token(ctx, strings.Split(w.Owner, "_")[2])
	if err != nil {
		b.Fatal(err)
	}
	x := bare{token: []byte(w.Owner), row: token.Canonical(), walletKey: newSealed(wallet.SealedKey), account: newSealed(account.Sealed)}
	for _, e := range entries {
		x.records = append(x.records, newRecord(e))
	}
	d, err := newDapp(1, one.Secret)
	if err != nil {
		b.Fatal(err)
	}
	d.listener.Close()
	for step, reply := range d.tokens[0] {
		text := newVerifiable(b, reply, d.key.Public())
		x.texts = append(x.texts, text)
		if step < d.steps() {
			x.answers = append(x.answers, text.text)
		}
	}
	if one.Secret {
		x.salt = []byte(salt)
		x.channel = newChannel(b, len(d.tokens[0][1]), len(d.tokens[0][1]))
	}
	return x
}
