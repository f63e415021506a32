package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestTheKeystoresOwnWrites(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := open()
		ctx := t.Context()
		if _, err := s.Keystore(ctx); !errors.Is(err, ErrNotFound) {
			t.Errorf("Keystore before init: %v", err)
		}
		if _, err := s.CountUnlockFailure(ctx, 7); !errors.Is(err, ErrNotFound) {
			t.Errorf("CountUnlockFailure before init: %v", err)
		}
		made(t, s)
		err := s.InitKeystore(ctx, Keystore{ID: "k2"}, []Slot{{ID: "s2"}}, Token{ID: "op2"}, entry("init")[0])
		if !errors.Is(err, ErrExists) {
			t.Errorf("a second init: %v", err)
		}
		if slots, err := s.Slots(ctx); err != nil || len(slots) != 1 {
			t.Errorf("the second init left %v, %v", slots, err)
		}

		want := Keystore{ID: "k", Generation: 1, SealedService: []byte("service"), Check: []byte("check"), Failures: 2, LastFailure: 9}
		s.CountUnlockFailure(ctx, 8)
		k, err := s.CountUnlockFailure(ctx, 9)
		if d := cmp.Diff(want, k, cmpopts.EquateEmpty()); err != nil || d != "" {
			t.Errorf("CountUnlockFailure: %v\n%s", err, d)
		}
		s.Close()
		s = open()
		if k, err := s.Keystore(ctx); err != nil || k.Failures != 2 {
			t.Errorf("failures after opening again: %v, %v", k.Failures, err)
		}
		if err := s.ClearUnlockFailures(ctx); err != nil {
			t.Error(err)
		}
		if e, err := s.RaiseEpoch(ctx); err != nil || e != 1 {
			t.Errorf("RaiseEpoch = %d, %v", e, err)
		}
		c := change("w")
		c.Epoch = 0
		if _, err := s.Commit(ctx, c); !errors.Is(err, ErrChanged) {
			t.Errorf("a change that saw the epoch before the lock: %v", err)
		}
		old, err := s.Keystore(ctx)
		if err != nil || old.Failures != 0 || old.Epoch != 1 {
			t.Errorf("Keystore = %+v, %v", old, err)
		}
		next := old
		next.Generation, next.Epoch, next.SealedOldRoot, next.SealedService, next.Check = 2, 2, []byte("old"), []byte("service 2"), []byte("check 2")
		must(t, s, ServiceChain, UpdateKeystore(old, next), PutSlot(Slot{ID: "s2", Generation: 2}), DeleteSlot("s1"),
			RotateWallet("w", 1, 2, []byte("new key")))
		got, err := s.Keystore(ctx)
		if d := cmp.Diff(next, got, cmpopts.EquateEmpty()); err != nil || d != "" {
			t.Errorf("UpdateKeystore: %v\n%s", err, d)
		}
		if e, err := s.Epoch(ctx); err != nil || e != 2 {
			t.Errorf("Epoch = %d, %v", e, err)
		}
	})
}

func TestSweepForgetsOnlyWhatHasEnded(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := made(t, open())
		use := func(jti string, until, made int64) error {
			c := change("w")
			c.Nonce = &Nonce{Wallet: "w", Issuer: "i", JTI: jti, Until: until}
			c.Request = &Request{Token: "t", Route: "r", Key: jti, Created: made}
			_, err := s.Commit(t.Context(), c)
			return err
		}
		const now = 1_000_000
		for jti, until := range map[string]int64{"ended": now - 1, "ends": now} {
			if err := use(jti, until, until-keepRequests); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Sweep(t.Context(), now); err != nil {
			t.Fatal(err)
		}
		if err := use("ended", now+9, now); err != nil {
			t.Errorf("what ended is not forgotten: %v", err)
		}
		if err := use("ends", now+9, now); !errors.Is(err, ErrReplayed) && !errors.Is(err, ErrRepeated) {
			t.Errorf("what has not ended is forgotten: %v", err)
		}
	})
}

func TestTheUsesOfManyTokensAreWrittenInParts(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := made(t, open())
		const many = 2*touchAtOnce + 7
		var writes []Write
		for n := range many {
			writes = append(writes, InsertToken(Token{ID: fmt.Sprint("t", n), Role: RoleApp, Wallet: "w"}))
		}
		must(t, s, "w", writes...)
		watched := watch(t, s)
		for n := range many {
			s.TouchToken(fmt.Sprint("t", n), 50)
		}
		largest := 0
		watched.breaks = func(batch []stmt) (bool, bool) {
			largest = max(largest, len(batch))
			return false, false
		}
		err := s.committer.do(t.Context(), func(context.Context, conn) error {
			s.committer.collectTouched()
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for {
			used, _, err := s.Tokens(t.Context(), "w", Page{Limit: many})
			if err != nil {
				t.Fatal(err)
			}
			if len(used) > 0 && !slices.ContainsFunc(used, func(t Token) bool { return t.LastUsed != 50 }) {
				break
			}
			time.Sleep(time.Millisecond)
		}
		must(t, s, "w") // behind the last part
		if largest > touchAtOnce+2 {
			t.Errorf("%d statements were one transaction", largest)
		}
	})
}

func TestTouchTokenIsWrittenAtTheLatestAtClose(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := made(t, open())
		s.TouchToken("op", 50)
		s.TouchToken("op", 40)
		s.TouchToken("no such", 40)
		s.Close()
		tok, err := open().Token(t.Context(), "op")
		if err != nil || tok.LastUsed != 50 {
			t.Errorf("LastUsed = %d, %v", tok.LastUsed, err)
		}
	})
}
