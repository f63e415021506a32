package claims

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"walletd/internal/did"
	"walletd/internal/policy"
	"walletd/internal/store"
)

// openToStrangers lets apps ask that nobody here knows.
func (h *house) openToStrangers() {
	h.t.Helper()
	open := true
	if _, err := h.door.UpdateWallet(h.t.Context(), h.as(h.owner), WalletChange{Strangers: &open}); err != nil {
		h.t.Fatal(err)
	}
}

// left is what an app can leave behind in a wallet.
type left struct {
	accounts, entries int
	version           int64
}

func (h *house) left() left {
	h.t.Helper()
	var l left
	for page := (store.Page{}); ; {
		rows, next, err := h.store.Accounts(h.t.Context(), h.wallet, page)
		if err != nil {
			h.t.Fatal(err)
		}
		l.accounts += len(rows)
		if page.Cursor = next; next == "" {
			break
		}
	}
	end, err := h.store.ChainEnd(h.t.Context(), h.wallet)
	if err != nil {
		h.t.Fatal(err)
	}
	l.entries = int(end.Seq)
	w, err := h.store.Wallet(h.t.Context(), h.wallet)
	if err != nil {
		h.t.Fatal(err)
	}
	l.version = w.Version
	return l
}

func stranger32(t *testing.T, i int) peer {
	t.Helper()
	key, err := did.SecretKeyFromSeed(did.Ed25519, fmt.Appendf(nil, "%032d", i))
	if err != nil {
		t.Fatal(err)
	}
	d, err := did.FromPublicKey(key.Public(), did.Type{Role: did.RoleApplication, Key: did.Ed25519, Hash: did.SHA3})
	if err != nil {
		t.Fatal(err)
	}
	return peer{key, d}
}

func TestARefusedStrangerLeavesNothingBehind(t *testing.T) {
	h := newHouse(t)
	h.policy(allowAll)
	h.openToStrangers()
	for name, claim := range map[string]string{
		"for a claim that is not answered":           `{"type":"prepareTx"}`,
		"for a delegation that is none":              `{"type":"encryptionKey","salt":"a","delegation":"x.y.z"}`,
		"for an account that is not held":            `{"type":"authPrincipal","target":"` + another + `"}`,
		"for a claim that is refused once it is met": `{"type":"encryptionKey"}`,
	} {
		t.Run(name, func(t *testing.T) {
			before := h.left()
			_, err := h.askSigned(h.request(stranger32(t, 1), name, map[string]any{"requestedClaims": raw(claim)}))
			if did.CodeOf(err) == "" {
				t.Errorf("got %v, want a refusal", err)
			}
			if after := h.left(); after != before {
				t.Errorf("left %+v, then %+v", before, after)
			}
		})
	}
	t.Run("over the budget", func(t *testing.T) {
		before := h.left()
		for i := range waitingPerWallet {
			if out, err := h.askSigned(h.request(stranger32(t, i), "1", nil)); err != nil || out.Pending == nil {
				t.Fatal(out, err)
			}
		}
		full := h.left()
		if full.accounts != before.accounts+waitingPerWallet {
			t.Errorf("%d questions made %d accounts", waitingPerWallet, full.accounts-before.accounts)
		}
		for i := range 10 {
			_, err := h.askSigned(h.request(stranger32(t, waitingPerWallet+i), "1", nil))
			wantErr(t, err, ErrTooMany)
		}
		if after := h.left(); after != full {
			t.Errorf("left %+v, then %+v", full, after)
		}
	})
}

func TestAnAccountIsKeptWithTheQuestionThatNeedsIt(t *testing.T) {
	h := newHouse(t)
	h.openToStrangers()
	p := newPeer(t, 7)
	before := h.left()
	out, err := h.askSigned(h.request(p, "ask", nil))
	if err != nil || out.Pending == nil {
		t.Fatal(out, err)
	}
	if after := h.left(); after != (left{before.accounts + 1, before.entries + 2, before.version + 1}) {
		t.Errorf("left %+v, then %+v", before, after)
	}
	if err := h.approve(out.Pending.ID, Choice{}); err != nil {
		t.Fatal(err)
	}
	got, err := h.collectSigned(h.request(p, "collect", map[string]any{"approval": out.Pending.ID}), out.Pending.ID)
	if err != nil || got.Answer == nil {
		t.Fatal(got, err)
	}
	if _, account := secret(t, p.did.Address(), did.AccountType()); got.Answer.UserDID != account.Address() {
		t.Errorf("answered as %s, want %s", got.Answer.UserDID, account.Address())
	}
	t.Run("and with the answer, whoever asks first at once", func(t *testing.T) {
		token := h.appToken(notes)
		h.policy(allowAll)
		callers := make([]*Caller, 6)
		for i := range callers {
			callers[i] = h.as(token)
		}
		before := h.left()
		var all sync.WaitGroup
		for _, c := range callers {
			all.Go(func() {
				out, err := h.door.Answer(t.Context(), c, raw(`{"type":"authPrincipal","targetType":{"key":"ethereum"}}`))
				if err != nil && !errors.Is(err, store.ErrChanged) || err == nil && out.Answer == nil {
					t.Errorf("got %v, %v", out, err)
				}
			})
		}
		all.Wait()
		if after := h.left(); after.accounts != before.accounts+1 {
			t.Errorf("%d accounts were made", after.accounts-before.accounts)
		}
	})
	t.Run("but not with a no", func(t *testing.T) {
		token := h.appToken(notes)
		h.policy(policy.Rule{App: policy.Any, Claim: policy.Any, Decision: policy.Deny})
		before := h.left()
		_, err := h.ask(token, `{"type":"authPrincipal","targetType":{"key":"secp256k1"}}`)
		wantErr(t, err, ErrDenied)
		if after := h.left(); after != (left{before.accounts, before.entries + 1, before.version}) {
			t.Errorf("left %+v, then %+v", before, after)
		}
	})
}
