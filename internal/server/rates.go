package server

import (
	"net/http"
	"time"

	"github.com/go-chi/httprate"
)

// Rates bounds requests, by the second over rateWindow. Zero is no bound.
type Rates struct {
	Token   int // of one bearer token, whether it is good or not
	Address int // of one address; of IPv6, of its /64
}

// rateWindow is over how long requests are counted: as many as may come in it may come at once.
const rateWindow = 10 * time.Second

// rates counts requests before anything else is done for them. The counters hold hashes of tokens
// and addresses and forget them after two windows.
type rates struct {
	token, address *httprate.RateLimiter // nil: no bound
	strangers      *httprate.RateLimiter // by address
	bites          func(limit string)
}

func newRates(r Rates, bites func(string)) rates {
	limiter := func(perSecond int) *httprate.RateLimiter {
		if perSecond == 0 {
			return nil
		}
		return httprate.NewRateLimiter(perSecond*int(rateWindow/time.Second), rateWindow, httprate.WithResponseHeaders(httprate.ResponseHeaders{}))
	}
	return rates{token: limiter(r.Token), address: limiter(r.Address), strangers: limiter(strangersPerSecond), bites: bites}
}

// strangersPerSecond bounds what one address asks who has no token yet: signing in, and accepting an invitation. Each
// costs a signature, or a write.
const strangersPerSecond = 5

// checkStranger counts a request of somebody without a token, and refuses it where there are too many.
func (l rates) checkStranger(w http.ResponseWriter, r *http.Request, from string) error {
	if l.strangers.OnLimit(w, r, httprate.CanonicalizeIP(from)) {
		l.bites("rate_strangers")
		return errRate
	}
	return nil
}

// check counts a request that came from an address, and refuses it where there are too many.
func (l rates) check(w http.ResponseWriter, r *http.Request, from string) error {
	if l.address != nil && l.address.OnLimit(w, r, httprate.CanonicalizeIP(from)) {
		l.bites("rate_address")
		return errRate
	}
	token, ok := bearer(r)
	if !ok {
		token, ok = boundToken(r)
	}
	if ok && l.token != nil && l.token.OnLimit(w, r, token) {
		l.bites("rate_token")
		return errRate
	}
	return nil
}
