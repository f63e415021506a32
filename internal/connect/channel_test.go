package connect

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"sync"
	"testing"
	"time"

	"walletd/internal/did"
)

type channelVectors struct {
	RSA []struct {
		Label         string
		PrivateKeyPem string
		EK            string `json:"_ek_"`
		SharedKey     string
		SealedBase58  string
	}
}

// vectorKeys reads the RSA keys of the recorded sessions.
func vectorKeys(t testing.TB) ([]*rsa.PrivateKey, channelVectors) {
	t.Helper()
	var v channelVectors
	readVectors(t, "channel.json", &v)
	if len(v.RSA) == 0 {
		t.Fatal("no keys in the vectors")
	}
	var list []*rsa.PrivateKey
	for _, r := range v.RSA {
		block, _ := pem.Decode([]byte(r.PrivateKeyPem))
		key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, key.(*rsa.PrivateKey))
	}
	return list, v
}

func TestChannelVectors(t *testing.T) {
	list, v := vectorKeys(t)
	for i, r := range v.RSA {
		t.Run(r.Label, func(t *testing.T) {
			if got := offer(list[i]); got != r.EK {
				t.Errorf("_ek_ is %s", got)
			}
			again, err := decodeKey(encodeKey(list[i]))
			if err != nil || !again.Equal(list[i]) {
				t.Errorf("a key in its row: %v", err)
			}
			_, key, err := wire{AuthInfo: "a.b.c", SharedKey: r.SealedBase58}.decrypt(list[i])
			if err != nil {
				t.Fatal(err)
			}
			token := "e.e.e"
			w, _, err := wire{AuthInfo: key.Seal([]byte(token)), SharedKey: r.SealedBase58, Version: "1.0.0"}.decrypt(list[i])
			if err != nil || w.AuthInfo != token {
				t.Errorf("opened %q, %v", w.AuthInfo, err)
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	list, v := vectorKeys(t)
	shared := v.RSA[0].SealedBase58
	tests := []struct {
		name string
		w    wire
		key  *rsa.PrivateKey
		want string
	}{
		{"refuses a sealed reply without its key", wire{AuthInfo: "zAbc", Version: "1.0.0"}, list[0], "reply_sealed_without_key"},
		{"refuses a sealed reply where no channel was offered", wire{AuthInfo: "zAbc", Version: "1.0.0", SharedKey: shared}, nil, "reply_sealed_without_key"},
		{"refuses a key wrapped for another", wire{AuthInfo: "zAbc", Version: "1.0.0", SharedKey: shared}, list[1], "shared_key_unreadable"},
		{"refuses a broken key though nothing is sealed", wire{AuthInfo: "a.b.c", SharedKey: "zAbc"}, list[0], "shared_key_unreadable"},
		{"refuses what does not open", wire{AuthInfo: "zAbc", Version: "1.0.0", SharedKey: shared}, list[0], "sealed_reply_unreadable"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, _, err := tt.w.decrypt(tt.key); did.CodeOf(err) != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestKeys(t *testing.T) {
	now := time.Unix(1767225600, 0)
	k := newKeys(func() time.Time { return now }, false)
	get := func(app string) *rsa.PrivateKey {
		t.Helper()
		key, err := k.key(t.Context(), app)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	a := get("a")
	if a.N.BitLen() != keyBits {
		t.Errorf("%d bits", a.N.BitLen())
	}
	if get("b") == a {
		t.Error("one key serves two apps")
	}
	now = now.Add(keyLife - time.Second)
	if get("a") != a {
		t.Error("a new key within ten minutes")
	}
	now = now.Add(time.Second)
	if get("a") == a {
		t.Error("the key serves longer than ten minutes")
	}
	if len(k.serving) != 1 {
		t.Errorf("%d keys are kept, of which one serves", len(k.serving))
	}
}

func TestKeysWait(t *testing.T) {
	k := newKeys(time.Now, false)
	ctx, cancel := context.WithCancel(t.Context())
	go k.fill(ctx)
	var all sync.WaitGroup
	got := make([]*rsa.PrivateKey, 6)
	for i := range got {
		all.Go(func() { got[i], _ = k.key(t.Context(), []string{"a", "b"}[i%2]) })
	}
	all.Wait()
	cancel()
	for i, key := range got {
		if key == nil || key != got[i%2] || got[0] == got[1] {
			t.Errorf("session %d has the wrong key", i)
		}
	}
	gone, stop := context.WithCancel(t.Context())
	stop()
	empty := newKeys(time.Now, false)
	empty.turn <- struct{}{} // somebody makes one
	if _, err := empty.key(gone, "a"); err == nil {
		t.Error("who gave up got a key")
	}
}

func TestSingleKey(t *testing.T) {
	k := newKeys(time.Now, true)
	k.fill(t.Context()) // returns: there is nothing to make ahead
	a, err := k.key(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if b, err := k.key(t.Context(), "b"); err != nil || a != b {
		t.Errorf("a second key in one process: %v", err)
	}
}
