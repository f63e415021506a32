package server

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
	"walletd/internal/auth"
)

func TestSharesAreOfTokensAndOfWallets(t *testing.T) {
	bitten := 0
	s := shares{name: "tests", ofToken: 2, ofWallet: 3, bites: func(string) { bitten++ }}
	one := &auth.Caller{Role: auth.App, Token: "one", WalletID: "z1a"}
	two := &auth.Caller{Role: auth.App, Token: "two", WalletID: "z1a"}
	other := &auth.Caller{Role: auth.App, Token: "three", WalletID: "z1b"}
	take := func(c *auth.Caller, want bool) func() {
		t.Helper()
		give, ok := s.take(c)
		if ok != want {
			t.Errorf("%s takes one: %t", c.Token, ok)
		}
		return give
	}
	first := take(one, true)
	take(one, true)
	take(one, false) // its token's share
	take(two, true)
	take(two, false) // its wallet's share
	take(other, true)
	first()
	first() // giving back twice gives one back
	take(two, true)
	take(one, false)
	if bitten != 3 {
		t.Errorf("the limit was heard to bite %d times", bitten)
	}
	signer := &auth.Caller{Role: auth.App, WalletID: "z1c"}
	a, b := take(signer, true), take(signer, true)
	take(signer, false)
	a()
	b()
	if _, left := s.held["wallet z1c"]; left {
		t.Error("what was given back is still counted")
	}
}

func TestHugeBodiesOfOwnersLeaveRoomForOperators(t *testing.T) {
	h := hugeBodies{shares: shares{name: "huge_bodies", ofToken: hugeOfToken, ofWallet: hugeOfWallet, bites: func(string) {}}}
	owner := func(name string) *auth.Caller {
		return &auth.Caller{Role: auth.Owner, Token: "token of " + name, WalletID: name}
	}
	operator := &auth.Caller{Role: auth.Operator, Token: "operator"}
	give, ok := h.take(owner("alice"))
	if !ok {
		t.Fatal("there is no room for the first")
	}
	if _, ok := h.take(owner("alice")); ok {
		t.Error("one wallet has two")
	}
	if _, ok := h.take(owner("bob")); !ok {
		t.Error("there is no room for the second")
	}
	if _, ok := h.take(owner("carol")); ok {
		t.Error("there is room for a third")
	}
	if _, ok := h.take(operator); !ok {
		t.Error("there is no room for an operator")
	}
	if _, ok := h.take(&auth.Caller{Role: auth.Operator, Token: "another"}); ok {
		t.Error("there is room for two operators")
	}
	give()
	if _, ok := h.take(owner("carol")); !ok {
		t.Error("the first has not given its room back")
	}
}

// deadlines are the read deadlines that a body was given.
type deadlines struct {
	http.ResponseWriter
	all []time.Time
}

// SetWriteDeadline notes a deadline.
func (d *deadlines) SetWriteDeadline(t time.Time) error { d.all = append(d.all, t); return nil }

// SetReadDeadline notes a deadline.
func (d *deadlines) SetReadDeadline(t time.Time) error { d.all = append(d.all, t); return nil }

func TestHugeBodiesHaveTimeForEachPiece(t *testing.T) {
	var set deadlines
	began := time.Now()
	body := &steady{ReadCloser: io.NopCloser(strings.NewReader(strings.Repeat("x", 3*hugePiece+1))), w: http.NewResponseController(&set), ends: began.Add(time.Second)}
	if n, err := io.Copy(io.Discard, body); err != nil || n != 3*hugePiece+1 {
		t.Fatalf("read %d: %v", n, err)
	}
	if len(set.all) < 3 || len(set.all) > 5 {
		t.Errorf("it was given time %d times", len(set.all))
	}
	for _, at := range set.all {
		if !at.Equal(began.Add(time.Second)) {
			t.Errorf("a piece may come %s after the whole", at.Sub(began.Add(time.Second)))
		}
	}
	set.all = nil
	body = &steady{ReadCloser: io.NopCloser(strings.NewReader("x")), w: http.NewResponseController(&set), ends: began.Add(hugeTime)}
	if _, err := io.ReadAll(body); err != nil {
		t.Fatal(err)
	}
	if len(set.all) != 1 || set.all[0].Before(began.Add(pieceTime)) || set.all[0].After(began.Add(2*pieceTime)) {
		t.Errorf("a piece is given until %v, and it began %v", set.all, began)
	}
}

func TestWhatIsSentHasTimeForEachPiece(t *testing.T) {
	var set deadlines
	began := time.Now()
	var sent strings.Builder
	w := &steadyWriter{to: &sent, control: http.NewResponseController(&set), ends: began.Add(time.Second)}
	if _, err := io.Copy(w, strings.NewReader(strings.Repeat("x", 3*hugePiece+1))); err != nil || sent.Len() != 3*hugePiece+1 {
		t.Fatalf("sent %d: %v", sent.Len(), err)
	}
	for range 3 {
		if _, err := w.Write(make([]byte, hugePiece)); err != nil {
			t.Fatal(err)
		}
	}
	if len(set.all) != 4 {
		t.Errorf("it was given time %d times", len(set.all))
	}
	for _, at := range set.all {
		if !at.Equal(began.Add(time.Second)) {
			t.Errorf("a piece may go %s after the whole", at.Sub(began.Add(time.Second)))
		}
	}
}
