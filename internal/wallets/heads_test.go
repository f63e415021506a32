package wallets_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"walletd/internal/keystore"
	"walletd/internal/ledger"
	"walletd/internal/store"
	"walletd/internal/wallettest/fixture"
)

// The audit logs of wallets that were deleted go on without a wallet, and keep no other from being signed.
func TestDeletedWalletsKeepNoHeadFromBeingSigned(t *testing.T) {
	f := fixture.New(t)
	const deleted = 250
	c := store.Change{Chain: store.ServiceChain, Epoch: -1, Entries: []store.Entry{{ID: store.NewID(), Time: 1, Kind: "test", Sealed: []byte("{}")}}}
	for i := range deleted {
		c.Also = append(c.Also, store.ChainEntries{Chain: fmt.Sprintf("deleted %d", i), Entries: []store.Entry{{ID: store.NewID(), Time: 1, Kind: "test", Sealed: []byte("{}")}}})
	}
	if _, err := f.Store.Commit(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if err := f.Ledger.SignHeads(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, chain := range []string{f.Wallet, store.ServiceChain} {
		heads, err := f.Store.Heads(t.Context(), chain, 0, 10)
		if err != nil || len(heads) == 0 {
			t.Errorf("%s has %d heads, %v", chain, len(heads), err)
		}
	}
}

// The heads of one minute are signed in one tree, whose root is one line of the log. An exported audit log shows that
// its head is in the tree.
func TestHeadsAreSignedTogether(t *testing.T) {
	f := fixture.New(t)
	f.Grow(3)
	var log bytes.Buffer
	signing := ledger.New(f.Store, f.Keystore, ledger.Options{Log: zerolog.New(&log)})
	// sign signs what has grown, and returns the line of the log.
	sign := func() (root keystore.SignedRoot, chains []string) {
		t.Helper()
		log.Reset()
		if err := signing.SignHeads(t.Context()); err != nil {
			t.Fatal(err)
		}
		var line struct {
			Heads, At            int64
			Root, Key, Signature string
			Chains               []string
		}
		if err := json.Unmarshal(log.Bytes(), &line); err != nil || bytes.Count(log.Bytes(), []byte("\n")) != 1 {
			t.Fatalf("the log has %q, %v", log.String(), err)
		}
		bytesOf := func(text string) []byte {
			b, err := hex.DecodeString(text)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		return keystore.SignedRoot{Size: line.Heads, Time: line.At, Hash: bytesOf(line.Root), PublicKey: bytesOf(line.Key), Signature: bytesOf(line.Signature)}, line.Chains
	}
	first, named := sign()
	if !keystore.VerifyRoot(first) || first.Size != 2 || len(named) != 2 { // of the wallet and the service
		t.Errorf("the log has %+v of %q", first, named)
	}
	f.Grow(2)
	for i := range 40 { // other wallets
		other := store.Change{Chain: fmt.Sprint("other ", i), Epoch: -1, Entries: []store.Entry{{ID: store.NewID(), Time: 1, Kind: "test", Sealed: []byte("{}")}}}
		if _, err := f.Store.Commit(t.Context(), other); err != nil {
			t.Fatal(err)
		}
	}
	second, named := sign()
	if !keystore.VerifyRoot(second) || second.Size < 41 || len(named) != 0 {
		t.Errorf("the log has %+v of %q", second, named)
	}
	if log.Reset(); signing.SignHeads(t.Context()) != nil || log.Len() > 0 {
		t.Errorf("without news the log has %q", log.String())
	}

	live, err := f.Wallets.VerifyAuditLog(t.Context(), f.As(f.Owner))
	if err != nil || live.Bad != nil || live.Heads != 2 {
		t.Errorf("the service says %+v, %v", live, err)
	}
	lines := f.Export()
	file := func(lines []string) *strings.Reader { return strings.NewReader(strings.Join(lines, "\n") + "\n") }
	entries := len(lines) - 2
	for name, c := range map[string]struct {
		lines []string
		root  keystore.SignedRoot
		seq   int64
		bad   int64
		not   bool // it says that no head is in the tree
	}{
		"both heads, the first root":                     {lines, first, 0, 0, false},
		"both heads, the second root":                    {lines, second, 0, 0, false},
		"cut off before the second head":                 {lines[:len(lines)-1], second, 0, 0, true},
		"cut off, and the log says what the head was of": {slices.Concat(lines[:entries-2], lines[entries:entries+1]), second, int64(entries), int64(entries), true},
		"cut off entries, with the head":                 {slices.Concat(lines[:entries-1], lines[entries:]), second, 0, int64(entries), true},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := ledger.VerifyFiles([]io.ReaderAt{file(c.lines)}, ledger.Given{Root: &c.root, Seq: c.seq})
			if err != nil {
				t.Fatal(err)
			}
			var bad int64
			if v.Bad != nil {
				bad = v.Bad.Seq
			}
			if bad != c.bad || strings.Contains(v.Unknown, "no head of this audit log is in the tree") != c.not {
				t.Errorf("found %+v, %+v", v, v.Bad)
			}
		})
	}
}
