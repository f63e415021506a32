package pages

import (
	"io"
	"net/http"
	"sync"
	"time"

	"walletd/internal/ledger"
)

// Times of a stream.
const (
	aliveEvery = 15 * time.Second
	writeTime  = 20 * time.Second
	liveTime   = 10 * time.Minute // then the browser comes back, and its session is looked at anew
)

// live tells a page that something new is on the record of its wallet, and nothing of what it is: the page asks again
// for itself. The stream ends with the session, or when the keystore is locked.
func (p *Pages) live(v *visit) error {
	chain := ledger.ChainOf(v.caller.Wallet)
	give, ok := p.streams.take(v.caller.Token)
	if !ok {
		v.w.WriteHeader(http.StatusNoContent) // which tells the browser not to come back
		return nil
	}
	defer give()
	session := v.r.CookiesNamed(cookie(v.r).Name)[0].Value
	h := v.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // nginx would hold the events back
	grown, end := p.Feed.Subscribe(chain)
	defer end()
	v.caller.Close() // no keys are held between events
	v.caller = nil
	alive := time.NewTicker(aliveEvery)
	defer alive.Stop()
	over := time.NewTimer(liveTime)
	defer over.Stop()
	for text := "retry: 2000\n\n"; ; {
		if !v.write(text) {
			return nil
		}
		select {
		case <-v.ctx().Done():
			return nil
		case <-over.C:
			return nil
		case <-grown:
			text = "event: news\ndata:\n\n"
		case <-alive.C:
			text = ":\n\n"
		}
		caller, err := p.Auth.Authenticate(v.ctx(), session)
		caller.Close()
		if err != nil {
			v.write("event: over\ndata:\n\n") // signed out, or locked
			return nil
		}
	}
}

// write sends a piece of a stream now, and reports whether the client took it in time.
func (v *visit) write(text string) bool {
	control := http.NewResponseController(v.w)
	if control.SetWriteDeadline(time.Now().Add(writeTime)) != nil {
		return false
	}
	if _, err := io.WriteString(v.w, text); err != nil {
		return false
	}
	return control.Flush() == nil
}

// streamsOfSession is how many streams one session may have: as many as a browser opens to one host in HTTP/1.
const streamsOfSession = 6

// streams counts the streams of each session. The zero value has none.
type streams struct {
	mu   sync.Mutex
	held map[string]int // by the id of the session's token
}

// take takes one for a session, until it is given back; false where it has as many as it may.
func (s *streams) take(session string) (give func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held[session] >= streamsOfSession {
		return nil, false
	}
	if s.held == nil {
		s.held = map[string]int{}
	}
	s.held[session]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.held[session]--; s.held[session] == 0 {
			delete(s.held, session)
		}
	}, true
}
