package interop_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// paired is a page whose proofs another implementation of DPoP makes.
func paired(t *testing.T, s *service, p peers) {
	const origin = "https://peer.example"
	type outcome struct {
		OK                       bool
		Status                   int
		Code, Detail, Error, App string
		Thumbprint               bool
		Statuses                 map[string]int
	}
	var app string
	got := talk[outcome](t, p, "pair.mjs", input{"url": s.url, "origin": origin}, func(t *testing.T, waits pending) {
		app = said[struct{ App string }](t, s, "owner", "pair", waits.Code, "--origin", origin).App
	})
	want := outcome{OK: true, App: app, Thumbprint: true, Statuses: map[string]int{"listed": 200, "stolen": 401, "bearer": 401, "renewed": 200, "ended": 204}}
	if diff := cmp.Diff(want, got); diff != "" || app == "" {
		t.Errorf("outcome (-want +got):\n%s", diff)
	}
}
