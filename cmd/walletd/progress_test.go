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
	u := newUpload(p, "restoring", []byte(strings.Repeat("x", 3_000_000)), []byte(strings.Repeat("y", 1_000_000)))
	if u.size != 4_000_000 {
		t.Errorf("%d bytes", u.size)
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
