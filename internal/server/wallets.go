package server

import (
	"encoding/hex"
	"net/http"
	"time"

	"walletd/internal/claims"
)

// newWallet asks for a wallet of new words, of those given, or of a seed.
type newWallet struct {
	Name    label      `json:"name"`
	Words   secretText `json:"words,omitempty"`
	SeedHex secretText `json:"seedHex,omitempty"`
}

func (n *newWallet) wipe() { n.Words.Wipe(); n.SeedHex.Wipe() }

// walletMade names a wallet that was made; its words are shown this once.
type walletMade struct {
	Wallet string `json:"wallet"`
	Words  string `json:"words,omitempty"`
}

func (s *Server) createWallet(c *call, in newWallet) (walletMade, error) {
	n := claims.NewWallet{Name: string(in.Name), Words: in.Words.Reveal(), Seed: in.SeedHex.seed()}
	created, err := s.door.CreateWallet(c.ctx, c.Caller, n)
	if err != nil {
		return walletMade{}, err
	}
	defer created.Words.Wipe()
	c.status = http.StatusCreated
	return walletMade{created.Wallet, created.Words.Text()}, nil
}

// seed reads a seed in hex, nil if none was given. What is no hex becomes a seed of no bytes, which
// is refused as one of a wrong length.
func (s secretText) seed() []byte {
	if s.IsZero() {
		return nil
	}
	seed := make([]byte, hex.DecodedLen(len(s.Reveal())))
	if _, err := hex.Decode(seed, s.Reveal()); err != nil {
		clear(seed)
		return []byte{}
	}
	return seed
}

// walletView is a wallet and its settings.
type walletView struct {
	Wallet    string    `json:"wallet"`
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"createdAt"`
	Owned     bool      `json:"owned"`
	Rounds    int       `json:"rounds"`
	Strangers bool      `json:"strangers"`
	Damaged   bool      `json:"damaged,omitempty"` // its row does not open
}

func viewWallet(v claims.WalletView) walletView {
	return walletView{v.Wallet, v.Name, v.Created.UTC(), v.Owned, v.Rounds, v.Strangers, v.Damaged}
}

func (s *Server) wallets(c *call, in page) (list[walletView], error) {
	views, next, err := s.door.Wallets(c.ctx, c.Caller, in.of())
	return listOf(views, next, err, viewWallet)
}

func (s *Server) wallet(c *call, _ none) (walletView, error) {
	id, err := c.param("wallet")
	if err != nil {
		return walletView{}, err
	}
	v, err := s.door.Wallet(c.ctx, c.Caller, id)
	return viewWallet(v), err
}

// walletChange changes the settings that it names.
type walletChange struct {
	Name      *label `json:"name"`
	Rounds    *int   `json:"rounds" min:"1" max:"3"`
	Strangers *bool  `json:"strangers"`
}

func (s *Server) changeWallet(c *call, in walletChange) (walletView, error) {
	change := claims.WalletChange{Name: (*string)(in.Name), Rounds: in.Rounds, Strangers: in.Strangers}
	if change == (claims.WalletChange{}) {
		return walletView{}, &memberError{"the body", "must name a setting: name, rounds or strangers"}
	}
	if in.Rounds != nil && *in.Rounds == 2 {
		return walletView{}, &memberError{"rounds", "must be 1 or 3"}
	}
	v, err := s.door.UpdateWallet(c.ctx, c.Caller, change)
	return viewWallet(v), err
}

// confirmation is the wallet's address again, so that a slip deletes nothing.
type confirmation struct {
	Confirm string `json:"confirm" max:"64"`
}

func (s *Server) deleteWallet(c *call, in confirmation) (none, error) {
	id, err := c.param("wallet")
	if err != nil {
		return none{}, err
	}
	if in.Confirm != id {
		return none{}, &memberError{"confirm", "must be the address of the wallet"}
	}
	return none{}, s.door.DeleteWallet(c.ctx, c.Caller, id)
}

// salted names a salt: its text, or its bytes in hex.
type salted struct {
	Salt    *string `json:"salt" max:"4096"`
	SaltHex *string `json:"saltHex" max:"8192"`
}

// derived is an owner's own key.
type derived struct {
	Key string `json:"key"`
}

func (s *Server) derive(c *call, in salted) (derived, error) {
	salt, err := in.bytes()
	if err != nil {
		return derived{}, err
	}
	key, err := s.door.Derive(c.ctx, c.Caller, salt)
	return derived{key}, err
}
