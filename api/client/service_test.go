package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"walletd/api"
	"walletd/api/client"
	"walletd/internal/wallettest"
)

// TestAClaimFromItsRequestToItsGrant asks as an app and decides as its owner, of the real service.
func TestAClaimFromItsRequestToItsGrant(t *testing.T) {
	w := wallettest.New(t)
	owner := w.As(w.Owner)
	made, err := owner.CreateToken(t.Context(), api.NewToken{Role: api.RoleApp, Wallet: w.Address, Name: "Notes"})
	if err != nil {
		t.Fatal(err)
	}
	app := w.As(string(made.Token.Reveal()))
	ask := api.EncryptionKeyClaim{Type: api.ClaimEncryptionKey, Salt: "notes", Description: "Open your notes"}

	_, err = app.Ask(t.Context(), ask)
	pending, ok := errors.AsType[*client.PendingError](err)
	if !ok {
		t.Fatalf("asking: %v", err)
	}
	for wait := 1500 * time.Millisecond; ; wait *= 2 { // until the first answer comes in that time
		brief, cancel := context.WithTimeout(t.Context(), wait)
		_, err := app.Await(brief, pending.ID)
		cancel()
		if errors.As(err, new(*client.PendingError)) {
			break
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("waiting for nobody: %v", err)
		}
	}

	shown, err := owner.Approval(t.Context(), strings.ToLower(pending.Code))
	if err != nil || shown.ID != pending.ID || shown.Claims[0].Salt.Text != "notes" {
		t.Fatalf("by its code: %+v, %v", shown, err)
	}
	if _, err := owner.Approval(t.Context(), "AAAAAA"); !errors.Is(err, client.ErrNoSuchCode) {
		t.Errorf("a code of nothing: %v", err)
	}
	if _, err := owner.Approve(t.Context(), pending.Code, api.Choice{Remember: &api.Remember{Times: 5}}); err != nil {
		t.Fatal(err)
	}
	answer, err := app.Await(t.Context(), pending.ID)
	if err != nil {
		t.Fatal(err)
	}
	var claim struct{ Key string }
	if err := json.Unmarshal(answer.RequestedClaims[0], &claim); err != nil || !strings.HasPrefix(claim.Key, "z") {
		t.Errorf("the answer is %s, %v", answer.RequestedClaims[0], err)
	}
	if again, err := owner.Reject(t.Context(), pending.Code); err == nil {
		t.Errorf("it was rejected once more: %+v", again)
	} else if p, ok := errors.AsType[*api.Problem](err); !ok || p.Code != api.CodeAlreadyDecided {
		t.Errorf("deciding twice: %v", err)
	}

	// The owner's token is for one wallet, which need not be named.
	for grant, err := range client.All(t.Context(), owner.Wallet("").Grants) {
		if err != nil {
			t.Fatal(err)
		}
		if err := owner.Wallet("").RevokeGrant(t.Context(), grant.ID); err != nil {
			t.Error(err)
		}
	}
	if _, err := app.Ask(t.Context(), ask); !errors.As(err, new(*client.PendingError)) {
		t.Errorf("after its grant was revoked: %v", err)
	}
}

func TestWhichWallet(t *testing.T) {
	w := wallettest.New(t)
	operator := w.As(w.Operator)
	if got, err := operator.Wallet("").Get(t.Context()); err != nil || got.Wallet != w.Address {
		t.Errorf("the only one: %+v, %v", got, err)
	}
	if _, err := operator.CreateWallet(t.Context(), api.NewWallet{Name: "bob"}); err != nil {
		t.Fatal(err)
	}
	if _, err := operator.Wallet("").Get(t.Context()); !errors.Is(err, client.ErrWhichWallet) {
		t.Errorf("one of two: %v", err)
	}
	if got, err := operator.Wallet(w.Address).Get(t.Context()); err != nil || got.Name != "alice" {
		t.Errorf("by its address: %+v, %v", got, err)
	}
}

// TestEventsGoOn holds that who comes back with the number of the last event misses none.
func TestEventsGoOn(t *testing.T) {
	w := wallettest.New(t)
	owner := w.As(w.Owner)
	change := func(name string) {
		t.Helper()
		if _, err := owner.Wallet("").Change(t.Context(), api.WalletSettings{Name: &name}); err != nil {
			t.Fatal(err)
		}
	}
	l, err := owner.Wallet("").Audit().Records(t.Context(), api.RecordsQuery{})
	if err != nil {
		t.Fatal(err)
	}
	last := l.Items[len(l.Items)-1].Seq
	change("one")
	change("two")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range 2 {
		want := last + 1
		for e, err := range owner.Events(ctx, last) {
			if err != nil || e.Seq != want {
				t.Fatalf("event %d, %v, want %d", e.Seq, err, want)
			}
			last = e.Seq
			break
		}
	}
	cancel()
	for _, err := range owner.Events(ctx, last) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("after the context ended: %v", err)
		}
	}
}

// TestABackupGoesRound makes a backup, has it opened by the service, and restores it.
func TestABackupGoesRound(t *testing.T) {
	w := wallettest.New(t)
	owner, operator := w.As(w.Owner), w.As(w.Operator)
	b, err := owner.Wallet("").Backup(t.Context(), api.NewBackup{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	file, err := io.ReadAll(b)
	if err != nil || int64(len(file)) != b.Size || b.Contents.Bytes != len(file) || b.Contents.Wallet != w.Address || !strings.HasPrefix(b.Digest, "sha-256=:") {
		t.Fatalf("%d bytes of %d, %+v, %v", len(file), b.Size, b.Contents, err)
	}
	send := func() client.File { return client.File{Reader: bytes.NewReader(file), Size: int64(len(file))} }
	if v, err := owner.Wallet("").InspectBackup(t.Context(), send()); err != nil || v != b.Contents {
		t.Errorf("it opens as %+v, %v, want %+v", v, err, b.Contents)
	}
	words := api.NewSecretText([]byte(w.Words))
	_, err = operator.Restore(t.Context(), api.Restoration{Words: words}, send())
	if p, ok := errors.AsType[*api.Problem](err); !ok || p.Code != api.CodeConflict {
		t.Errorf("over the wallet: %v", err)
	}
	if err := owner.Wallet("").Delete(t.Context(), w.Address); err != nil {
		t.Fatal(err)
	}
	if v, err := operator.Restore(t.Context(), api.Restoration{Words: words, WithoutRecord: true}, send()); err != nil || v.Wallet != w.Address {
		t.Errorf("restored: %+v, %v", v, err)
	}
}
