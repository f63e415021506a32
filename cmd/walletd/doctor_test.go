package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"walletd/internal/store"
)

// A time from the future in the store is named, with what to do about it.
func TestDoctorNamesATimeFromTheFuture(t *testing.T) {
	url := "sqlite:" + filepath.Join(t.TempDir(), "data", storeFile)
	now := time.Now()
	examine := func() finding {
		t.Helper()
		st, err := store.Open(t.Context(), url, store.Options{Create: true, Clock: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		defer st.Close()
		e := new(examination)
		e.clock(t.Context(), st)
		_, err = st.Commit(t.Context(), store.Change{Chain: store.ServiceChain, Epoch: -1,
			Entries: []store.Entry{{ID: store.NewID(), Time: st.Now().UnixMilli(), Kind: "test", Sealed: []byte("{}")}}})
		if err != nil {
			t.Fatal(err)
		}
		return e.findings[0]
	}
	if f := examine(); f.State != stateOK {
		t.Errorf("before: %+v", f)
	}
	now = now.Add(13 * time.Hour)
	examine()
	future := now.UTC().Format(time.DateTime)
	now = now.Add(-13 * time.Hour)
	f := examine()
	if f.State != stateBad || !strings.Contains(f.Found, "13h0m0s behind") || !strings.Contains(f.Found, "entry 2 on the record of service is of "+future) || !strings.Contains(f.Do, "keystore clock --accept") {
		t.Errorf("found %+v", f)
	}
}
