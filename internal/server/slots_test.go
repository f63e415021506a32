package server_test

import (
	"encoding/json"
	"testing"

	"walletd/internal/wallettest"
)

func TestSlotsAndWhoUnlocked(t *testing.T) {
	w := wallettest.New(t)
	slots := func() map[string]bool {
		t.Helper()
		var v struct {
			Items []struct {
				Name   string
				Forged bool
			}
		}
		if err := json.Unmarshal(w.Do("GET", "/v1/keystore/slots", w.Operator, nil).Must(200).Body, &v); err != nil {
			t.Fatal(err)
		}
		forged := map[string]bool{}
		for _, s := range v.Items {
			forged[s.Name] = s.Forged
		}
		return forged
	}
	if before := slots(); len(before) != 1 {
		t.Fatalf("slots %v, want one", before)
	}
	thief(t, w, `insert into slots select 'made-up', kind, 'mallory', params, sealed, generation, created, mac from slots`)
	if after := slots(); len(after) != 2 || !after["mallory"] {
		t.Errorf("slots %v, want mallory's to be shown as forged", after)
	}
	t.Run("an unlock is on record with the token that asked", func(t *testing.T) {
		var list struct {
			Items []struct {
				Entry struct{ Event, By string }
			}
		}
		var me struct{ Items []struct{ ID string } }
		if err := json.Unmarshal(w.Do("GET", "/v1/audit?limit=200", w.Operator, nil).Must(200).Body, &list); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(w.Do("GET", "/v1/tokens", w.Operator, nil).Must(200).Body, &me); err != nil || len(me.Items) != 1 {
			t.Fatal(me, err)
		}
		found := false
		for _, e := range list.Items {
			found = found || e.Entry.Event == "unlock" && e.Entry.By == me.Items[0].ID
		}
		if !found {
			t.Errorf("no unlock of the token %s in %+v", me.Items[0].ID, list.Items)
		}
	})
}
