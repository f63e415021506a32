package store

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAPairingEndsOnce(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := made(t, open())
		p := Pairing{ID: "p1", Code: "ABCDEFGH", Origin: "https://client.example", Name: "Client", Thumbprint: "thumb", Address: "192.0.2.1", Created: 1000, Expires: 1300}
		if err := s.AddPairing(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		same := p
		same.ID = "p2"
		if err := s.AddPairing(t.Context(), same); !errors.Is(err, ErrExists) {
			t.Errorf("the code of another: %v", err)
		}
		for name, read := range map[string]func() (Pairing, error){
			"id":   func() (Pairing, error) { return s.Pairing(t.Context(), "p1") },
			"code": func() (Pairing, error) { return s.PairingByCode(t.Context(), "ABCDEFGH") },
		} {
			got, err := read()
			if d := cmp.Diff(p, got); err != nil || d != "" {
				t.Errorf("by its %s: %v\n%s", name, err, d)
			}
		}
		for now, want := range map[int64]int64{1299: 1, 1300: 0} {
			if n, err := s.PairingsWaiting(t.Context(), now); err != nil || n != want {
				t.Errorf("%d wait at %d, %v; want %d", n, now, err, want)
			}
		}
		end := func(w Write) error {
			c := change("w")
			c.Writes = []Write{w}
			_, err := s.Commit(t.Context(), c)
			return err
		}
		other := p
		other.Origin = "https://other.example"
		if err := end(EndPairing(other)); !errors.Is(err, ErrChanged) {
			t.Errorf("ended with another origin than it has: %v", err)
		}
		rejected := p
		rejected.Rejected = 1100
		if err := end(RejectPairing(p, rejected)); err != nil {
			t.Error(err)
		}
		if err := end(EndPairing(p)); !errors.Is(err, ErrChanged) {
			t.Errorf("approved after it was rejected: %v", err)
		}
		second := Pairing{ID: "p3", Code: "HGFEDCBA", Created: 1000, Expires: 1300}
		if err := s.AddPairing(t.Context(), second); err != nil {
			t.Fatal(err)
		}
		if err := end(EndPairing(second)); err != nil {
			t.Error(err)
		}
		if err := end(EndPairing(second)); !errors.Is(err, ErrChanged) {
			t.Errorf("approved twice: %v", err)
		}
		if err := s.Sweep(t.Context(), 1300+keepPairings); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Pairing(t.Context(), "p1"); err != nil {
			t.Errorf("swept before its time: %v", err)
		}
		if err := s.Sweep(t.Context(), 1301+keepPairings); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Pairing(t.Context(), "p1"); !errors.Is(err, ErrNotFound) {
			t.Errorf("not swept: %v", err)
		}
	})
}
