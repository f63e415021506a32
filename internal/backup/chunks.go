package backup

import (
	"bufio"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/chacha20poly1305"

	"walletd/internal/secretstorage"
	"walletd/internal/strictjson"
)

// A backup that is too large for a Matrix secret is sealed in chunks, as age's STREAM does it (Rogaway and others,
// "Online authenticated-encryption and its nonce-reuse misuse-resistance"). The file is one JSON object still:
//
//	{"encrypted":{"z1…":{"algorithm":"walletd.backup.chunks.v1","nonce":…,"chunks":[…,…]}}}
//
// The key of the chunks is HKDF-SHA-256 of the backup's key, with the nonce (32 random bytes) as salt, and with the
// algorithm and the wallet's address as info. Each chunk is the base64 of ChaCha20-Poly1305 over 64 KiB of plaintext;
// the last one is shorter, or as long, but never empty. The nonce of a chunk is its number, from 0, in 11 bytes, and
// one byte that is 1 for the last chunk and else 0. So a chunk that is changed, missing, repeated or in another place
// does not open, and a file that was cut off has no last one.
const (
	chunksAlgorithm = "walletd.backup.chunks.v1"
	chunkSize       = 64 << 10
	chunksNonceSize = 32
	// chunkData is the associated data of every chunk.
	chunkData = "walletd backup chunk v1"
)

// sealedChunkSize is the longest chunk as it is spelled in a file, without its quotes.
var sealedChunkSize = base64.StdEncoding.EncodedLen(chunkSize + chacha20poly1305.Overhead)

// errChunks is returned for chunks that do not open.
var errChunks = invalid("the file was truncated or changed, or belongs to other words")

// newChunkCipher returns the cipher of a file's chunks.
func newChunkCipher(key secretstorage.Key, wallet string, nonce []byte) (cipher.AEAD, error) {
	if key.IsZero() {
		return nil, errors.New("there is no key")
	}
	own, err := hkdf.Key(sha256.New, key.Reveal(), nonce, chunksAlgorithm+" "+wallet, chacha20poly1305.KeySize)
	if err != nil {
		return nil, fmt.Errorf("deriving the key of the chunks: %w", err)
	}
	defer clear(own)
	return chacha20poly1305.New(own)
}

// chunkNonce returns the nonce of a chunk. It never repeats under the key of one file.
func chunkNonce(number uint64, last bool) []byte {
	nonce := make([]byte, chacha20poly1305.NonceSize)
	binary.BigEndian.PutUint64(nonce[3:11], number)
	if last {
		nonce[11] = 1
	}
	return nonce
}

// chunkSealer seals a plaintext that is written to it.
type chunkSealer struct {
	to     *bufio.Writer
	cipher cipher.AEAD
	number uint64
	plain  []byte // of the chunk that is next
	sealed []byte
	size   int64
}

// sealChunks begins a file. The caller finishes it.
func sealChunks(to io.Writer, wallet string, key secretstorage.Key) (*chunkSealer, error) {
	nonce := make([]byte, chunksNonceSize)
	rand.Read(nonce) // never fails
	aead, err := newChunkCipher(key, wallet, nonce)
	if err != nil {
		return nil, err
	}
	s := &chunkSealer{to: bufio.NewWriterSize(to, chunkSize), cipher: aead, plain: make([]byte, 0, chunkSize)}
	fmt.Fprintf(s.to, `{"encrypted":{%q:{"algorithm":%q,"nonce":%q,"chunks":[`, wallet, chunksAlgorithm, base64.StdEncoding.EncodeToString(nonce))
	return s, nil
}

// Write seals each chunk once it is known not to be the last. The error is ErrSize, or the writer's.
func (s *chunkSealer) Write(b []byte) (int, error) {
	if s.size += int64(len(b)); s.size > MaxContents {
		return 0, ErrSize
	}
	for rest := b; len(rest) > 0; {
		if len(s.plain) == chunkSize {
			if err := s.seal(false); err != nil {
				return 0, err
			}
		}
		n := min(len(rest), chunkSize-len(s.plain))
		s.plain, rest = append(s.plain, rest[:n]...), rest[n:]
	}
	return len(b), nil
}

func (s *chunkSealer) seal(last bool) error {
	s.sealed = s.cipher.Seal(s.sealed[:0], chunkNonce(s.number, last), s.plain, []byte(chunkData))
	clear(s.plain)
	s.plain = s.plain[:0]
	before := ",\n\""
	if s.number == 0 {
		before = "\n\""
	}
	s.number++
	s.to.WriteString(before)
	s.to.Write(base64.StdEncoding.AppendEncode(nil, s.sealed))
	_, err := s.to.WriteString(`"`)
	return err
}

// finish seals the last chunk and ends the file.
func (s *chunkSealer) finish() error {
	if err := s.seal(true); err != nil {
		return err
	}
	s.to.WriteString("\n]}}}\n")
	return s.to.Flush()
}

func (s *chunkSealer) wipe() { clear(s.plain[:cap(s.plain)]) }

// chunkReader reads the plaintext of the chunks of an array. All that it gives is authentic and in its place; it says
// io.EOF only after the last chunk.
type chunkReader struct {
	json   *strictjson.Scanner
	cipher cipher.AEAD
	number uint64
	text   []byte // of a chunk, as it is spelled
	sealed []byte
	plain  []byte
	left   []byte // of plain
	done   bool
}

func newChunkReader(array io.Reader, aead cipher.AEAD) *chunkReader {
	return &chunkReader{json: strictjson.NewScanner(array), cipher: aead}
}

func (r *chunkReader) Read(to []byte) (int, error) {
	for len(r.left) == 0 {
		if r.done {
			return 0, io.EOF
		}
		if err := r.next(); err != nil {
			return 0, err
		}
	}
	n := copy(to, r.left)
	r.left = r.left[n:]
	return n, nil
}

// next opens the next chunk.
func (r *chunkReader) next() error {
	spelled, last, err := r.json.Element(r.text, r.number == 0, sealedChunkSize+2)
	if errors.Is(err, strictjson.ErrNotJSON) {
		return errChunks
	}
	if err != nil {
		return fmt.Errorf("reading the backup: %w", err)
	}
	r.text = spelled
	if r.sealed, err = base64.StdEncoding.Strict().AppendDecode(r.sealed[:0], spelled[1:len(spelled)-1]); err != nil {
		return errChunks
	}
	plain, err := r.cipher.Open(r.plain[:0], chunkNonce(r.number, last), r.sealed, []byte(chunkData))
	if err != nil || len(plain) == 0 || !last && len(plain) != chunkSize {
		return errChunks
	}
	r.number++
	r.plain, r.left, r.done = plain, plain, last
	return nil
}
