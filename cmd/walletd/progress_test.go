package main

import (
	"io"
	"strings"
	"testing"
	"time"
)

func TestTheProgressLineSaysHowFarItIs(t *testing.T) {
	p := &progress{what: "gathering", began: time.Now().Add(-3 * time.Second)}
	if got := p.line(); got != "gathering … 3 s" {
		t.Errorf("%q", got)
	}
	u := p.sending(strings.NewReader(strings.Repeat("x", 4_000_000)), 4_000_000, "restoring")
	if u.Size != 4_000_000 {
		t.Errorf("%d bytes", u.Size)
	}
	if _, err := io.CopyN(io.Discard, u, 3_500_000); err != nil {
		t.Fatal(err)
	}
	if got := p.line(); got != "sending … 87% of 4.0 MB, 3 s" {
		t.Errorf("%q", got)
	}
	if rest, err := io.ReadAll(u); err != nil || len(rest) != 500_000 {
		t.Errorf("%d bytes more, %v", len(rest), err)
	}
	if got := p.line(); got != "restoring … 3 s" {
		t.Errorf("%q", got)
	}
}
