package server

import (
	"sync"
	"walletd/internal/auth"
)

// shares bounds how much of one thing each token and each wallet holds at one time, so that none
// takes what is there for all.
type shares struct {
	name              string // of the limit
	ofToken, ofWallet int
	bites             func(limit string)

	mu   sync.Mutex
	held map[string]int
}

// Of what a caller may hold.
const (
	waitsOfToken, waitsOfWallet     = 100, 300
	streamsOfToken, streamsOfWallet = 20, 60
	hugeOfToken, hugeOfWallet       = 1, 1
)

// take takes one for a caller, until it is given back; false where the caller has its share. A
// signed request without a token is counted to its app.
func (s *shares) take(c *auth.Caller) (give func(), ok bool) {
	if give, ok = s.add(c); !ok {
		s.bites(s.name)
	}
	return give, ok
}

func (s *shares) add(c *auth.Caller) (give func(), ok bool) {
	token, wallet := "token "+c.Token, "wallet "+c.WalletID
	if c.Token == "" {
		token = "app " + c.WalletID + " " + c.App.Address()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held[token] >= s.ofToken || c.WalletID != "" && s.held[wallet] >= s.ofWallet {
		return nil, false
	}
	if s.held == nil {
		s.held = map[string]int{}
	}
	s.held[token]++
	s.held[wallet]++
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, of := range []string{token, wallet} {
			if s.held[of]--; s.held[of] == 0 {
				delete(s.held, of)
			}
		}
	}), true
}
