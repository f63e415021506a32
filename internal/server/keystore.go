package server

import (
	"context"
	"errors"
	"net/http"
	"time"

	"walletd/api"
	"walletd/internal/keystore"
)

// secretOf makes the keystore's secret of what opens a slot; the caller wipes it.
func secretOf(in api.SlotSecret) (keystore.Secret, error) {
	switch {
	case in.Passphrase.IsZero() == in.Identity.IsZero():
		return keystore.Secret{}, &memberError{"the secret", "must be either passphrase or identity"}
	case !in.Passphrase.IsZero():
		return keystore.Passphrase(in.Passphrase.Reveal()), nil
	default:
		return keystore.ParseIdentity(in.Identity.Reveal())
	}
}

func slotOf(s keystore.SlotStatus) api.Slot {
	return api.Slot{ID: s.ID, Kind: s.Kind, Name: s.Name, CreatedAt: time.Unix(s.Created, 0).UTC(), Forged: s.Forged}
}

func (s *Server) keystoreState(ctx context.Context, _ *call, _ none) (api.Keystore, error) {
	now, err := s.keystore.Status(ctx)
	if err != nil {
		return api.Keystore{}, err
	}
	k := api.Keystore{State: "locked", Generation: now.Generation, Rotating: now.Rotating, Failures: now.Failures, Slots: each(now.Slots, slotOf)}
	if now.Unlocked {
		k.State = "unlocked"
	}
	return k, nil
}

// unlock opens the keystore for this replica. On an open one it changes nothing.
func (s *Server) unlock(ctx context.Context, c *call, in api.SlotSecret) (api.Keystore, error) {
	key, err := secretOf(in)
	if err != nil {
		return api.Keystore{}, err
	}
	defer key.Wipe()
	err = s.keystore.Unlock(ctx, c.caller.Token, key)
	if unfinished, ok := errors.AsType[*keystore.UnfinishedError](err); ok {
		s.log.Error().Err(unfinished).Msg("unlocked; the rotation goes on at the next unlock")
		err = nil
	}
	if err != nil {
		return api.Keystore{}, err
	}
	return s.keystoreState(ctx, c, none{})
}

func (s *Server) lock(ctx context.Context, c *call, _ api.Empty) (api.Keystore, error) {
	if err := s.wallets.Lock(ctx, c.caller); err != nil {
		return api.Keystore{}, err
	}
	return s.keystoreState(ctx, c, none{})
}

func (s *Server) slots(ctx context.Context, c *call, _ none) (api.List[api.Slot], error) {
	k, err := s.keystoreState(ctx, c, none{})
	return api.List[api.Slot]{Items: k.Slots}, err
}

func (s *Server) addSlot(ctx context.Context, c *call, in api.AddSlot) (api.CreatedSlot, error) {
	if c.caller.Idempotency != nil {
		return api.CreatedSlot{}, &memberError{"the header Idempotency-Key", "is not taken here: list the slots instead"}
	}
	auth, err := secretOf(in.Auth)
	if err != nil {
		return api.CreatedSlot{}, err
	}
	defer auth.Wipe()
	n := keystore.NewSlot{Name: in.Slot.Name, AcceptShort: in.Slot.AcceptShort, Recipient: in.Slot.Recipient}
	if !in.Slot.Passphrase.IsZero() {
		n.Passphrase = keystore.Passphrase(in.Slot.Passphrase.Reveal())
		defer n.Passphrase.Wipe()
	}
	c.status = http.StatusCreated
	id, err := s.keystore.AddSlot(ctx, c.caller.Token, auth, n)
	return api.CreatedSlot{ID: id}, err
}

func (s *Server) removeSlot(ctx context.Context, c *call, in api.RemoveSlot) (none, error) {
	auth, err := secretOf(in.Auth)
	if err != nil {
		return none{}, err
	}
	defer auth.Wipe()
	return none{}, s.keystore.RemoveSlot(ctx, c.caller.Token, auth, c.names["id"])
}

func (s *Server) rotate(ctx context.Context, c *call, in api.Rotation) (api.Keystore, error) {
	var secrets []keystore.Secret
	for _, one := range in.Secrets {
		key, err := secretOf(one)
		if err != nil {
			return api.Keystore{}, err
		}
		defer key.Wipe()
		secrets = append(secrets, key)
	}
	if err := s.keystore.Rotate(ctx, c.caller.Token, secrets, in.DropMissing); err != nil {
		return api.Keystore{}, err
	}
	return s.keystoreState(ctx, c, none{})
}

// acceptClock goes on from what this machine's clock says.
func (s *Server) acceptClock(ctx context.Context, c *call, in api.SlotSecret) (api.Keystore, error) {
	key, err := secretOf(in)
	if err != nil {
		return api.Keystore{}, err
	}
	defer key.Wipe()
	if err := s.keystore.AcceptClock(ctx, c.caller.Token, key); err != nil {
		return api.Keystore{}, err
	}
	return s.keystoreState(ctx, c, none{})
}
