package consent_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"walletd/internal/approvals"
	"walletd/internal/consent"
	"walletd/internal/did"
	"walletd/internal/keystore"
	"walletd/internal/wallettest/fixture"
)

// watched is a context that calls seen whenever somebody is about to wait for its end.
type watched struct {
	context.Context
	seen func()
}

func (w watched) Done() <-chan struct{} {
	w.seen()
	return w.Context.Done()
}

func TestWaitingForTheOwner(t *testing.T) {
	// waits collects with a long wait, and calls meanwhile once it waits with the wallet closed.
	waits := func(t *testing.T, f *fixture.Fixture, token, id string, meanwhile func()) (consent.Outcome, error) {
		t.Helper()
		c := f.As(token)
		closed := make(chan struct{})
		once := sync.OnceFunc(func() { close(closed) })
		var other sync.WaitGroup
		defer other.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		other.Go(func() {
			select {
			case <-closed:
				meanwhile()
			case <-ctx.Done():
			}
		})
		out, err := f.Pipeline.Collect(watched{ctx, func() {
			if !c.Wallet.IsOpen() {
				once()
			}
		}}, c, id, 30*time.Second)
		select {
		case <-closed:
		default:
			t.Error("the keys were open all the time")
		}
		return out, err
	}
	sk, _ := fixture.Secret(t, fixture.Notes, did.AccountType())
	t.Run("holds no keys, and gives what was approved meanwhile", func(t *testing.T) {
		f := fixture.New(t)
		token := f.AppToken(fixture.Notes)
		asked := f.Pending(token, fixture.KeyClaim("diary"))
		out, err := waits(t, f, token, asked.ID, func() {
			if err := f.Approve(asked.ID, approvals.Choice{}); err != nil {
				t.Error(err)
			}
		})
		if err != nil || out.Answer == nil || fixture.Member(t, out.Answer, 0, "key") != fixture.Key(sk, "diary") {
			t.Errorf("got %+v, %v", out, err)
		}
	})
	t.Run("ends when the keystore is locked", func(t *testing.T) {
		f := fixture.New(t)
		token := f.AppToken(fixture.Notes)
		operator := f.As(f.Operator)
		asked := f.Pending(token, fixture.KeyClaim("diary"))
		_, err := waits(t, f, token, asked.ID, func() {
			if err := f.Wallets.Lock(t.Context(), operator); err != nil {
				t.Error(err)
			}
		})
		fixture.WantErr(t, err, keystore.ErrLocked)
	})
	t.Run("leaves the keys closed, and the same caller can collect later", func(t *testing.T) {
		f := fixture.New(t)
		token := f.AppToken(fixture.Notes)
		asked := f.Pending(token, fixture.KeyClaim("diary"))
		c := f.As(token)
		out, err := f.Pipeline.Collect(t.Context(), c, asked.ID, time.Nanosecond)
		if err != nil || out.Pending == nil {
			t.Fatalf("got %+v, %v, want the pending request", out, err)
		}
		if c.Wallet.Keys() != nil {
			t.Error("the wallet is open")
		}
		if err := f.Approve(asked.ID, approvals.Choice{}); err != nil {
			t.Fatal(err)
		}
		if out, err = f.Pipeline.Collect(t.Context(), c, asked.ID, 0); err != nil || out.Answer == nil {
			t.Errorf("got %+v, %v, want the answer", out, err)
		}
	})
}
