package store

import (
	"encoding/json"
	"testing"
)

// Wallet backups hold heads as this JSON.
func TestTheJSONOfAHeadIsThatOfBackups(t *testing.T) {
	h := Head{Chain: "w", Seq: 7, Hash: []byte("hash"), Time: 1_700_000_000_000, PublicKey: []byte("key"), Signature: []byte("signature")}
	const want = `{"Chain":"w","Seq":7,"Hash":"aGFzaA==","Time":1700000000000,"PublicKey":"a2V5","Signature":"c2lnbmF0dXJl"}`
	got, err := json.Marshal(h)
	if err != nil || string(got) != want {
		t.Errorf("%s, %v; want %s", got, err, want)
	}
}
