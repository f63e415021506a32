package did

import (
	"encoding/json"
	"fmt"
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

// BenchmarkToken is a token signed, read and verified, beside its signature alone.
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
		pk := key.Public()
		digest := SHA3.Sum([]byte(read.Unsigned))
		for _, part := range []struct {
			name string
			do   func() error
		}{
			{"sign/bare", func() error { _, err := key.SignBytes(SHA3.Sum([]byte(read.Unsigned))); return err }},
			{"sign", func() error { _, err := SignToken(key, signer, payload, now); return err }},
			{"verify/bare", func() error {
				if !VerifyBytes(t, pk, digest, read.Signature) {
					return ErrSecretKey
				}
				return nil
			}},
			{"verify", func() error { _, err := VerifyToken(token, Check{PublicKey: pk, Now: now}); return err }},
			{"read", func() error { _, err := ReadToken(token); return err }},
			{"check-key", func() error { return signer.CheckPublicKey(pk) }},
		} {
			b.Run(fmt.Sprintf("%s/%s", t, part.name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := part.do(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
