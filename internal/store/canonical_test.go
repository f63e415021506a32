package store

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var writeCanonical = flag.Bool("write-canonical", false, "write testdata/canonical.txt anew; only for a row type or version that no store holds yet")

// canonicalGolden are three rows of each type that a MAC covers: one with a value of its own in
// every column, one of zeros, and one at the edges.
var canonicalGolden = []struct {
	name string
	row  interface{ Canonical() []byte }
}{
	{"keystore full", Keystore{ID: "k1", Generation: 2, Epoch: 3, SealedOldRoot: []byte("old root"), SealedService: []byte("service"),
		Failures: 4, LastFailure: 5, Dev: true, Check: []byte("check")}},
	{"keystore zero", Keystore{}},
	{"keystore edge", Keystore{ID: "ключ\n", Generation: -1, SealedOldRoot: []byte{0, 0xff}, SealedService: []byte{}}},
	{"slots full", Slot{ID: "s1", Kind: SlotPassphrase, Name: "laptop", Params: []byte(`{"t":1}`), Sealed: []byte("root"), Generation: 2,
		Created: 1_700_000_000, MAC: []byte("mac")}},
	{"slots zero", Slot{}},
	{"slots edge", Slot{ID: "\x00", Kind: SlotAge, Params: []byte{}, Generation: -1 << 63, Created: 1<<63 - 1}},
	{"tokens full", Token{ID: "t1", Role: RoleApp, Wallet: "z1wallet", App: "z1app", Name: "shop", Origins: "https://a.example https://b.example",
		Hash: []byte("hash"), Created: 1, Expires: 2, Revoked: 3, LastUsed: 4, MAC: []byte("mac")}},
	{"tokens zero", Token{}},
	{"tokens edge", Token{ID: "a", Role: "bc", Hash: bytes.Repeat([]byte{0xff}, 32), Expires: -1}},
	{"tokens bound", Token{ID: "t1", Role: RoleApp, Wallet: "z1wallet", App: "z1app", Origins: "https://a.example", Created: 1, Expires: 2, Thumbprint: "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}},
	{"apps full", App{Wallet: "z1wallet", App: "z1app", State: Approved, Sealed: []byte("content"), Created: 1, MAC: []byte("mac")}},
	{"apps zero", App{}},
	{"apps edge", App{App: "z1app", State: Revoked, Sealed: []byte{}, Created: -1}},
	{"approvals full", Approval{ID: "a1", Wallet: "z1wallet", App: "z1app", Agent: "z1agent", Asker: "t1", State: Pending, Code: "ABCDEF",
		Digest: []byte("digest"), Created: 1, Expires: 2, Decided: 3, DecidedBy: "owner", Sealed: []byte("asked"), Answer: []byte("choice"), MAC: []byte("mac")}},
	{"approvals zero", Approval{}},
	{"approvals edge", Approval{ID: "a1", State: Cancelled, Digest: []byte{}, Answer: []byte{}, Decided: 1 << 62}},
	{"grants full", Grant{ID: "g1", Wallet: "z1wallet", App: "z1app", Agent: "z1agent", Approval: "a1", Created: 1, Ends: 2, Uses: 3, Revoked: 4,
		Sealed: []byte("content"), MAC: []byte("mac")}},
	{"grants zero", Grant{}},
	{"grants edge", Grant{ID: "g1", Uses: -1, Sealed: []byte{}}},
	{"delegations full", Delegation{Wallet: "z1wallet", Hash: []byte("hash"), FromAddr: "z1from", ToAddr: "z1to", Expires: 1, Approved: 2, Revoked: 3,
		Sealed: []byte("token"), MAC: []byte("mac")}},
	{"delegations zero", Delegation{}},
	{"delegations edge", Delegation{Hash: []byte{0}, Expires: 253_402_300_799, Sealed: []byte{}}},
	{"sessions full", Session{ID: "s1", Wallet: "z1wallet", App: "z1app", State: Waiting, Approval: "a1", Posting: true, Created: 1, Expires: 2, Ended: 3,
		Sealed: []byte("content"), MAC: []byte("mac"), Holder: "h1", HeldUntil: 4}},
	{"sessions zero", Session{}},
	{"push subscriptions full", PushSubscription{Wallet: "z1wallet", ID: "b1", Token: "t1", Passkey: "k1", Sealed: []byte("content"), Created: 1, MAC: []byte("mac")}},
	{"push subscriptions zero", PushSubscription{}},
	{"tokens of an owner", Token{ID: "t1", Role: RoleOwner, Wallet: "z1wallet", Hash: []byte("hash"), Owner: "o1", Passkey: "k1"}},
	{"tokens of a passkey alone", Token{ID: "t1", Role: RoleOwner, Wallet: "z1wallet", Hash: []byte("hash"), Passkey: "k1"}},
	{"owners full", Owner{Wallet: "z1wallet", ID: "o1", Sealed: []byte("name"), Created: 1, MAC: []byte("mac")}},
	{"owners zero", Owner{}},
	{"passkeys full", Passkey{Wallet: "z1wallet", ID: "k1", Owner: "o1", Credential: []byte("id"), PublicKey: []byte("key"), Counter: 1 << 32, Sealed: []byte("name"),
		Created: 1, LastUsed: 2, MAC: []byte("mac")}},
	{"passkeys zero", Passkey{}},
	{"invitations full", Invitation{ID: "i1", Wallet: "z1wallet", Owner: "o1", Inviter: RoleOperator, Recovery: true, Hash: []byte("hash"), Sealed: []byte("name"),
		Created: 1, Expires: 2, Used: 3, MAC: []byte("mac")}},
	{"invitations zero", Invitation{}},
	{"archives full", Archive{Chain: "z1wallet", First: 1, Seq: 2, Hash: []byte("hash"), Statement: []byte("statement"), MAC: []byte("mac")}},
	{"archives zero", Archive{}},
	{"sessions edge", Session{ID: "s1", State: "ended", Sealed: []byte{}, HeldUntil: -1}},
}

// testdata/canonical.txt was made by the code that wrote the first stores: a byte that differs makes
// every MAC at rest fail.
func TestCanonicalBytesAreThoseAtRest(t *testing.T) {
	var got strings.Builder
	for _, tt := range canonicalGolden {
		fmt.Fprintf(&got, "%s\t%s\n", tt.name, hex.EncodeToString(tt.row.Canonical()))
	}
	const file = "testdata/canonical.txt"
	if *writeCanonical {
		if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	gotLines, wantLines := strings.Split(got.String(), "\n"), strings.Split(string(want), "\n")
	if len(gotLines) != len(wantLines) {
		t.Fatalf("%d lines, want %d", len(gotLines), len(wantLines))
	}
	for i := range wantLines {
		if gotLines[i] != wantLines[i] {
			t.Errorf("every stored MAC would fail:\n got %s\nwant %s", gotLines[i], wantLines[i])
		}
	}
}
