package server

import (
	"errors"
	"net/http"
	"time"

	"walletd/internal/keystore"
)

// slotSecret is what opens a slot: exactly one of the two.
type slotSecret struct {
	Passphrase secretText `json:"passphrase,omitempty"`
	Identity   secretText `json:"identity,omitempty"`
}

func (s *slotSecret) wipe() { s.Passphrase.Wipe(); s.Identity.Wipe() }

// read makes the keystore's secret; the caller wipes it.
func (s slotSecret) read() (keystore.Secret, error) {
	switch {
	case s.Passphrase.IsZero() == s.Identity.IsZero():
		return keystore.Secret{}, &memberError{"the secret", "must be either passphrase or identity"}
	case !s.Passphrase.IsZero():
		return keystore.Passphrase(s.Passphrase.Reveal()), nil
	default:
		return keystore.ParseIdentity(string(s.Identity.Reveal()))
	}
}

// slotView is a way to unlock, without its secret.
type slotView struct {
	ID        string    `json:"id"`
	Kind      string    `json:"kind"`
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"createdAt"`
	Forged    bool      `json:"forged,omitempty"` // said only while unlocked
}

func viewSlot(s keystore.SlotStatus) slotView {
	return slotView{s.ID, s.Kind, s.Name, time.Unix(s.Created, 0).UTC(), s.Forged}
}

// keystoreView is the state of the keystore, of this replica.
type keystoreView struct {
	State      string     `json:"state"`
	Generation int64      `json:"generation"`
	Rotating   bool       `json:"rotating"`
	Failures   int64      `json:"failures"`
	Slots      []slotView `json:"slots"`
}

func (s *Server) keystoreState(c *call, _ none) (keystoreView, error) {
	now, err := s.keystore.Status(c.ctx)
	if err != nil {
		return keystoreView{}, err
	}
	v := keystoreView{"locked", now.Generation, now.Rotating, now.Failures, []slotView{}}
	if now.Unlocked {
		v.State = "unlocked"
	}
	for _, slot := range now.Slots {
		v.Slots = append(v.Slots, viewSlot(slot))
	}
	return v, nil
}

// unlock opens the keystore for this replica. On an open one it changes nothing.
func (s *Server) unlock(c *call, in slotSecret) (keystoreView, error) {
	key, err := in.read()
	if err != nil {
		return keystoreView{}, err
	}
	defer key.Wipe()
	err = s.keystore.Unlock(c.ctx, c.Token, key)
	if unfinished, ok := errors.AsType[*keystore.UnfinishedError](err); ok {
		s.log.Error().Err(unfinished).Msg("unlocked; the rotation goes on at the next unlock")
		err = nil
	}
	if err != nil {
		return keystoreView{}, err
	}
	return s.keystoreState(c, none{})
}

func (s *Server) lock(c *call, _ empty) (keystoreView, error) {
	if err := s.door.Lock(c.ctx, c.Caller); err != nil {
		return keystoreView{}, err
	}
	return s.keystoreState(c, none{})
}

func (s *Server) slots(c *call, _ none) (list[slotView], error) {
	v, err := s.keystoreState(c, none{})
	return list[slotView]{Items: v.Slots}, err
}

// newSlot asks for another way to unlock: a passphrase or an age recipient.
type newSlot struct {
	Auth slotSecret `json:"auth"`
	Slot struct {
		Name       label      `json:"name"`
		Passphrase secretText `json:"passphrase,omitempty"`
		Recipient  *string    `json:"recipient" min:"1" max:"4096"`
	} `json:"slot"`
}

func (n *newSlot) wipe() { n.Auth.wipe(); n.Slot.Passphrase.Wipe() }

// slotMade names a slot that was made.
type slotMade struct {
	ID string `json:"id"`
}

func (s *Server) addSlot(c *call, in newSlot) (slotMade, error) {
	if c.Once != nil {
		return slotMade{}, &memberError{"the header Idempotency-Key", "is not taken here: list the slots instead"}
	}
	auth, err := in.Auth.read()
	if err != nil {
		return slotMade{}, err
	}
	defer auth.Wipe()
	n := keystore.NewSlot{Name: string(in.Slot.Name)}
	if !in.Slot.Passphrase.IsZero() {
		n.Passphrase = keystore.Passphrase(in.Slot.Passphrase.Reveal())
		defer n.Passphrase.Wipe()
	}
	if in.Slot.Recipient != nil {
		n.Recipient = *in.Slot.Recipient
	}
	c.status = http.StatusCreated
	id, err := s.keystore.AddSlot(c.ctx, c.Token, auth, n)
	return slotMade{id}, err
}

// authorised carries the secret of a slot, for what takes one.
type authorised struct {
	Auth slotSecret `json:"auth"`
}

func (a *authorised) wipe() { a.Auth.wipe() }

func (s *Server) removeSlot(c *call, in authorised) (none, error) {
	id, err := c.param("id")
	if err != nil {
		return none{}, err
	}
	auth, err := in.Auth.read()
	if err != nil {
		return none{}, err
	}
	defer auth.Wipe()
	return none{}, s.keystore.RemoveSlot(c.ctx, c.Token, auth, id)
}

// rotation carries the secrets of the slots to keep.
type rotation struct {
	Secrets     []slotSecret `json:"secrets" min:"1" max:"16"`
	DropMissing *bool        `json:"dropMissing"`
}

func (r *rotation) wipe() {
	for i := range r.Secrets {
		r.Secrets[i].wipe()
	}
}

func (s *Server) rotate(c *call, in rotation) (keystoreView, error) {
	var secrets []keystore.Secret
	for _, one := range in.Secrets {
		key, err := one.read()
		if err != nil {
			return keystoreView{}, err
		}
		defer key.Wipe()
		secrets = append(secrets, key)
	}
	if err := s.keystore.Rotate(c.ctx, c.Token, secrets, in.DropMissing != nil && *in.DropMissing); err != nil {
		return keystoreView{}, err
	}
	return s.keystoreState(c, none{})
}
