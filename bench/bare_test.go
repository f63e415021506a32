package bench

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/chacha20poly1305"
	"golang.org/x/crypto/sha3"

	"walletd/internal/did"
	"walletd/internal/store"
)

// bare is the cryptography of one claim and nothing else: no JSON, no base64, no database, no
// HTTP, nothing allocated that can be kept. Its inputs have the lengths of a claim that the service
// answered just before. A nil member is not part of the claim.
type bare struct {
	token      []byte        // hashed
	row        []byte        // of the token, authenticated
	walletKey  sealed        // opened
	account    sealed        // opened; the secret key is its end
	salt       []byte        // hashed after the secret key
	record     sealed        // sealed
	entry      []byte        // of the chain, hashed
	request    *verification // of a signed request
	delegation *verification
	answer     []byte // signed
}

// sealed are bytes under XChaCha20-Poly1305.
type sealed struct{ key, place, nonce, plain, cipher []byte }

// verification is an ed25519 signature over the SHA3-256 of a text.
type verification struct {
	key             ed25519.PublicKey
	text, signature []byte
}

// newSealed makes bytes that are as long, sealed, as those of a row: 1 byte of version, 24 of
// nonce, the ciphertext, 16 of tag.
func newSealed(row []byte) sealed {
	const overhead = 1 + chacha20poly1305.NonceSizeX + chacha20poly1305.Overhead
	s := sealed{key: random(32), place: random(140), nonce: random(chacha20poly1305.NonceSizeX), plain: random(len(row) - overhead)}
	aead, err := chacha20poly1305.NewX(s.key)
	if err != nil {
		panic(err) // 32 bytes
	}
	s.cipher = aead.Seal(nil, s.nonce, s.plain, s.place)
	return s
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// newVerification takes a token apart.
func newVerification(b *testing.B, token string, key []byte) *verification {
	b.Helper()
	dot := strings.LastIndexByte(token, '.')
	signature, err := did.DecodeBase64URL(token[dot+1:])
	if err != nil {
		b.Fatal(err)
	}
	v := &verification{key: key, text: []byte(token[:dot]), signature: signature}
	if !v.holds() {
		b.Fatal("the signature does not verify")
	}
	return v
}

func (v *verification) holds() bool {
	digest := sha3.Sum256(v.text)
	return ed25519.Verify(v.key, digest[:], v.signature)
}

// chainEntry is as many bytes as an entry's hash covers.
func chainEntry(r store.Record) []byte {
	const label, fields, number, hash = 17, 8, 8, 32
	return random(fields*8 + label + len(r.Chain) + number + len(r.ID) + number + len(r.Kind) + len(r.Sealed) + hash)
}

// loop returns a function that does the cryptography of one claim. It is for one goroutine.
func (c bare) loop() func() {
	opened, resealed := make([]byte, 0, 8<<10), make([]byte, 0, 8<<10)
	macKey, signer := random(32), ed25519.NewKeyFromSeed(random(32))
	var sum [32]byte
	open := func(s sealed) []byte {
		aead, err := chacha20poly1305.NewX(s.key)
		if err != nil {
			panic(err)
		}
		plain, err := aead.Open(opened, s.nonce, s.cipher, s.place)
		if err != nil {
			panic(err)
		}
		return plain
	}
	return func() {
		if c.token != nil {
			sum = sha3.Sum256(c.token)
			h := hmac.New(sha256.New, macKey)
			h.Write(c.row)
			h.Sum(sum[:0])
		}
		if c.request != nil && !c.request.holds() {
			panic("a signature does not verify")
		}
		if c.delegation != nil && !c.delegation.holds() {
			panic("a signature does not verify")
		}
		open(c.walletKey)
		aead, err := chacha20poly1305.NewX(c.record.key)
		if err != nil {
			panic(err)
		}
		aead.Seal(resealed, c.record.nonce, c.record.plain, c.record.place)
		sum = sha3.Sum256(c.entry)
		secret := open(c.account)
		h := sha3.New256()
		h.Write(secret[len(secret)-ed25519.PrivateKeySize:])
		h.Write(c.salt)
		h.Sum(sum[:0])
		if c.answer != nil {
			digest := sha3.Sum256(c.answer)
			ed25519.Sign(signer, digest[:])
		}
	}
}

// measure runs the cryptography on all processors for a while. It says how many claims' worth of
// it was done each second, and how much of a processor's time each took.
func (c bare) measure(long time.Duration) (rate float64, each time.Duration) {
	began, spent := time.Now(), cpuTime()
	end := began.Add(long)
	var mu sync.Mutex
	var work sync.WaitGroup
	total := 0
	for range runtime.GOMAXPROCS(0) {
		work.Go(func() {
			one := c.loop()
			done := 0
			for done == 0 || time.Now().Before(end) {
				for range 16 {
					one()
				}
				done += 16
			}
			mu.Lock()
			defer mu.Unlock()
			total += done
		})
	}
	work.Wait()
	return float64(total) / time.Since(began).Seconds(), (cpuTime() - spent) / time.Duration(total)
}
