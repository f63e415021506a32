package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"walletd/api"
	"walletd/api/client"
	"walletd/internal/ledger"
)

// A record of 30 MB is archived when two clients have read its beginning, and more than that and a little is not on its way.
// Neither takes what it gets for the whole: one sees that the connection was cut, the other, with HTTP/1.0, the last line.
func TestAnExportDuringAnArchiveSaysToAskAgain(t *testing.T) {
	s := newOldStore(t, 40_000)
	r := s.serve()
	defer r.stop()
	c, err := client.New(client.Config{URL: "http://" + s.address, Token: api.NewSecretText([]byte(s.Owner))})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	record, err := c.Wallet(s.Wallet).Audit().Export(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer record.Close()
	plain, err := net.Dial("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if _, err := fmt.Fprintf(plain, "GET /v1/wallets/%s/audit/export HTTP/1.0\r\nHost: %s\r\nAuthorization: Bearer %s\r\n\r\n", s.Wallet, s.address, s.Owner); err != nil {
		t.Fatal(err)
	}
	for _, begun := range []io.Reader{record, plain} {
		if _, err := io.ReadFull(begun, make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
	}
	says(t, s.archiving())

	_, err = io.Copy(io.Discard, record)
	if problem, _ := errors.AsType[*api.Problem](err); problem == nil || problem.Code != api.CodeConflict || !strings.Contains(problem.Detail, "Ask again") {
		t.Errorf("reading it ends with %v", err)
	}
	text, err := io.ReadAll(plain)
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(text), "\r\n\r\n")
	lines := strings.Split(strings.TrimSuffix(body, "\n"), "\n")
	if last := lines[len(lines)-1]; !strings.Contains(last, `{"error":{`) || !strings.Contains(last, "Ask again") {
		t.Errorf("its last line is %.200s", last)
	}
	half := filepath.Join(t.TempDir(), "half")
	if err := os.WriteFile(half, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := command(t, "audit", "verify", half).CombinedOutput(); err == nil || !strings.Contains(string(out), "could not write it whole; ask for it again") {
		t.Errorf("half a record verifies: %s, %v", out, err)
	}

	again, err := c.Wallet(s.Wallet).Audit().Export(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	whole, err := io.ReadAll(again)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := ledger.VerifyExport(strings.NewReader(string(whole)), nil); err != nil || v.Bad != nil || v.Archived == nil {
		t.Errorf("asked again it is %+v, %v", v, err)
	}
}
