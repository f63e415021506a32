package main

import (
	"strings"
	"testing"
)

func TestParseHead(t *testing.T) {
	hash, signature := strings.Repeat("ab", 32), strings.Repeat("cd", 64)
	served := `{"seq":3,"hash":"` + hash + `","time":"2026-01-02T03:04:05.678Z","publicKey":"` + hash + `","signature":"` + signature + `"}`
	for name, c := range map[string]struct {
		text, chain string
		ok          bool
	}{
		"reads one as the service shows it":   {served, "", true},
		"reads a whole answer":                {`{"ok":true,"entries":3,"heads":1,"head":` + served + `,"unknown":""}`, "", true},
		"reads a line of the log":             {`{"level":"info","chain":"service","seq":3,"hash":"` + hash + `","key":"` + hash + `","signature":"` + signature + `","at":1767323045678,"time":"2026-01-02T03:04:06Z","message":"head of the audit log"}`, "service", true},
		"refuses one without a signature":     {strings.Replace(served, signature, "", 1), "", false},
		"refuses a hash that is no hex":       {strings.Replace(served, "ab", "xy", 1), "", false},
		"refuses a whole answer without head": {`{"ok":true,"entries":3}`, "", false},
		"refuses what is not JSON":            {"head", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			h, ok := parseHead([]byte(c.text))
			if ok != c.ok {
				t.Fatalf("got %t, want %t", ok, c.ok)
			}
			if ok && (h.Chain != c.chain || h.Seq != 3 || h.Time != 1767323045678) {
				t.Errorf("got %q %d %d", h.Chain, h.Seq, h.Time)
			}
		})
	}
}

// FuzzParseHead holds that a head is whole or none.
func FuzzParseHead(f *testing.F) {
	f.Add([]byte(`{"chain":"service","seq":3,"hash":"ab","key":"cd","signature":"ef","at":1}`))
	f.Add([]byte(`{"head":{"seq":3,"hash":"ab","time":"2026-01-02T03:04:05.678Z"}}`))
	f.Add([]byte(`{"head":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, ok := parseHead(b); ok && (len(h.Hash) != 32 || len(h.PublicKey) != 32 || len(h.Signature) < 64) {
			t.Errorf("it took %q for a head", b)
		}
	})
}
