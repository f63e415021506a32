package did

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"
)

// benchToken is an answer such as a wallet signs for a claim: its key, its signer and its payload.
func benchToken(b *testing.B, t KeyType) (SecretKey, DID, map[string]any) {
	b.Helper()
	key := keyOf(b, t, 7)
	signer, err := FromPublicKey(key.Public(), Type{Role: RoleAccount, Key: t, Hash: SHA3})
	if err != nil {
		b.Fatal(err)
	}
	claim := json.RawMessage(`{"type":"encryptionKey","description":"Please provide encryptionKey to continue.",` +
		`"salt":"the salt of some notes","meta":{"purpose":"backup"},"key":"z6M8VhUnWoqeSCQSmvSCeqQrjLKLd3Rm5Ghvv8sVf8vWA"}`)
	return key, signer, map[string]any{
		"action": "responseAuth", "challenge": "", "aud": signer.String(), "jti": "GQ6ZYB2JWXVBJ6C2LSRWIPMQ5E",
		"requestedClaims": []json.RawMessage{claim},
	}
}

// BenchmarkToken is a token signed, and read and verified, beside its signature alone.
func BenchmarkToken(b *testing.B) {
	for _, t := range []KeyType{Ed25519, Secp256k1} {
		key, signer, payload := benchToken(b, t)
		now := time.Unix(1767225600, 0)
		token, err := SignToken(key, signer, payload, now)
		if err != nil {
			b.Fatal(err)
		}
		read, err := ReadToken(token)
		if err != nil {
			b.Fatal(err)
		}
		pk, signed := key.Public(), []byte(read.Unsigned)
		sign := func() error { _, err := key.SignBytes(SHA3.Sum(signed)); return err }
		verify := func() error {
			if !VerifyBytes(t, pk, SHA3.Sum(signed), read.Signature) {
				return ErrSecretKey
			}
			return nil
		}
		for _, part := range []struct {
			name     string
			do, bare func() error
		}{
			{"sign", func() error { _, err := SignToken(key, signer, payload, now); return err }, sign},
			{"verify", func() error { _, err := VerifyToken(token, Check{PublicKey: pk, Now: now}); return err }, verify},
			{"read", func() error { _, err := ReadToken(token); return err }, nil},
			{"check-key", func() error { return signer.CheckPublicKey(pk) }, nil},
		} {
			b.Run(fmt.Sprintf("%s/%s", t, part.name), func(b *testing.B) { beside(b, part.do, part.bare) })
		}
	}
}

// beside measures do, in turn with the bare signature that is part of it, and reports what it takes beside that: by
// the tenth of each that are the fastest, since others use the machine too.
func beside(b *testing.B, do, bare func() error) {
	b.ReportAllocs()
	var took, alone []time.Duration
	timed := func(f func() error, into *[]time.Duration) {
		start := time.Now()
		if err := f(); err != nil {
			b.Fatal(err)
		}
		*into = append(*into, time.Since(start))
	}
	for b.Loop() {
		timed(do, &took)
		if bare != nil {
			b.StopTimer()
			timed(bare, &alone)
			b.StartTimer()
		}
	}
	fast := func(all []time.Duration) float64 {
		slices.Sort(all)
		return float64(all[len(all)/10].Nanoseconds())
	}
	if bare != nil {
		b.ReportMetric(fast(alone), "bare-ns/op")
		b.ReportMetric(fast(took)-fast(alone), "beside-ns/op")
	}
	b.ReportMetric(fast(took), "ns/op")
}
