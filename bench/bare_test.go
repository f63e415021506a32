package bench

import (
	"crypto/aes"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/chacha20poly1305"
	"golang.org/x/crypto/sha3"

	"walletd/internal/did"
	"walletd/internal/store"
)

// bare is the cryptography of one claim, or of one session, and nothing else: no JSON, no base64, no
// database, no HTTP, nothing allocated that can be kept. Its inputs have the lengths of one that the
// service answered just before. A nil member is not part of it.
type bare struct {
	token     []byte        // hashed
	row       []byte        // of the token, authenticated
	walletKey sealed        // opened
	account   sealed        // opened; the secret key is its end
	salt      []byte        // hashed after the secret key
	records   []record      // sealed, and hashed on their chain
	texts     []*verifiable // of the request and its delegation, or of a session's replies: verified
	answers   [][]byte      // signed
	channel   *channel
}

// record is an entry of the record.
type record struct {
	content sealed
	entry   []byte
}

// newRecord makes an entry as long as one that is there.
func newRecord(r store.Record) record { return record{newSealed(r.Sealed), chainEntry(r)} }

// sealed are bytes under XChaCha20-Poly1305.
type sealed struct{ key, place, nonce, plain, cipher []byte }

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

// verifiable is a text with an ed25519 signature over its SHA3-256, or over itself.
type verifiable struct {
	key             ed25519.PublicKey
	text, signature []byte
	plain           bool
}

// newVerifiable takes a token apart.
func newVerifiable(b *testing.B, token string, key []byte) *verifiable {
	b.Helper()
	read, err := did.ReadToken(token)
	if err != nil {
		b.Fatal(err)
	}
	v := &verifiable{key: key, text: []byte(read.Unsigned), signature: read.Signature, plain: read.Version != "1.1.0"}
	if !v.holds() {
		b.Fatal("the signature does not verify")
	}
	return v
}

func (v *verifiable) holds() bool {
	if v.plain {
		return ed25519.Verify(v.key, v.text, v.signature)
	}
	digest := sha3.Sum256(v.text)
	return ed25519.Verify(v.key, digest[:], v.signature)
}

// channel is what a sealed step costs: RSA-1536 with OAEP opens the key, AES-256 in ECB mode the
// request, and seals the answer (DID Connect reference e).
type channel struct {
	private         *rsa.PrivateKey
	wrapped         []byte
	request, answer []byte // as long as they are, padded
}

func newChannel(b *testing.B, request, answer int) *channel {
	b.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 1536)
	if err != nil {
		b.Fatal(err)
	}
	wrapped, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, &private.PublicKey, random(32), nil)
	if err != nil {
		b.Fatal(err)
	}
	blocks := func(n int) []byte { return random(n/aes.BlockSize*aes.BlockSize + aes.BlockSize) }
	return &channel{private, wrapped, blocks(request), blocks(answer)}
}

func (c *channel) use(into []byte) {
	text, err := rsa.DecryptOAEP(sha1.New(), nil, c.private, c.wrapped, nil)
	if err != nil {
		panic(err)
	}
	key := sha3.Sum256(text)
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err)
	}
	for i := 0; i < len(c.request); i += aes.BlockSize {
		block.Decrypt(into[:aes.BlockSize], c.request[i:])
	}
	for i := 0; i < len(c.answer); i += aes.BlockSize {
		block.Encrypt(into[:aes.BlockSize], c.answer[i:])
	}
}

// chainEntry is as many bytes as an entry's hash covers.
func chainEntry(r store.Record) []byte {
	const label, fields, number, hash = 17, 8, 8, 32
	return random(fields*8 + label + len(r.Chain) + number + len(r.ID) + number + len(r.Kind) + len(r.Sealed) + hash)
}

// loop returns a function that does all of it once. It is for one goroutine.
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
		for _, text := range c.texts {
			if !text.holds() {
				panic("a signature does not verify")
			}
		}
		open(c.walletKey)
		for _, r := range c.records {
			aead, err := chacha20poly1305.NewX(r.content.key)
			if err != nil {
				panic(err)
			}
			aead.Seal(resealed, r.content.nonce, r.content.plain, r.content.place)
			sum = sha3.Sum256(r.entry)
		}
		secret := open(c.account)
		if c.salt != nil {
			h := sha3.New256()
			h.Write(secret[len(secret)-ed25519.PrivateKeySize:])
			h.Write(c.salt)
			h.Sum(sum[:0])
		}
		for _, answer := range c.answers {
			digest := sha3.Sum256(answer)
			ed25519.Sign(signer, digest[:])
		}
		if c.channel != nil {
			c.channel.use(opened[:aes.BlockSize])
		}
	}
}

// measure runs the cryptography on all processors for a while; see measure.
func (c bare) measure(long time.Duration) (rate float64, each time.Duration) {
	return measure(c.loop, long)
}

// measure runs what loop makes for each goroutine on all processors for a while. It says how often
// it was done each second, and how much of a processor's time each took.
func measure(loop func() func(), long time.Duration) (rate float64, each time.Duration) {
	began, spent := time.Now(), cpuTime()
	end := began.Add(long)
	var mu sync.Mutex
	var work sync.WaitGroup
	total := 0
	for range runtime.GOMAXPROCS(0) {
		work.Go(func() {
			one := loop()
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
