package backup

import (
	"bufio"
	"bytes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"

	"walletd/internal/did"
	"walletd/internal/secretstorage"
	"walletd/internal/store"
	"walletd/internal/strictjson"
)

// File is the file of a backup, which is read more than once.
type File interface {
	io.ReaderAt
	Size() int64 // in bytes
}

// sealing seals the JSON of a backup that is written to it.
type sealing interface {
	io.Writer
	// finish ends the file.
	finish() error
	wipe()
}

// digestSize is the length in bytes of the digest at the beginning of the plaintext of a Matrix secret, without the
// newline.
const digestSize = 2 * sha256.Size

// errOverSecret is returned by a secretSealer for more than a Matrix secret holds here.
var errOverSecret = errors.New("the plaintext is too long for a Matrix secret")

// secretSealer seals a plaintext as a Matrix secret. The digest at its beginning and the MAC are known at the end: the
// digest's place in the file is zeros until then, and the MAC is computed of what is in the file.
type secretSealer struct {
	spool  *store.Spool
	stream *secretstorage.Stream
	open   func() (*secretstorage.Stream, error)
	from   int64 // where the ciphertext begins in the file
	text   io.WriteCloser
	to     *bufio.Writer
	digest hash.Hash
	first  byte // of the JSON
	size   int64
	limit  int64
	part   []byte
}

// patched is how much of the ciphertext is written again: the digest, the newline and one byte more, so that it is a
// whole number of groups of base64.
const patched = digestSize + 2

// sealSecret begins a file in an empty spool. limit bounds the plaintext. The caller finishes it.
func sealSecret(spool *store.Spool, wallet string, key secretstorage.Key, limit int64) (*secretSealer, error) {
	iv := secretstorage.NewIV()
	s := &secretSealer{spool: spool, digest: sha256.New(), limit: limit, part: make([]byte, chunkSize)}
	s.open = func() (*secretstorage.Stream, error) { return secretstorage.NewStream(key, Name, iv) }
	var err error
	if s.stream, err = s.open(); err != nil {
		return nil, fmt.Errorf("sealing the backup: %w", err)
	}
	s.to = bufio.NewWriterSize(spool, chunkSize)
	n, _ := fmt.Fprintf(s.to, `{"encrypted":{%q:{"iv":%q,"ciphertext":"`, wallet, base64.StdEncoding.EncodeToString(iv[:]))
	s.from = int64(n)
	s.text = base64.NewEncoder(base64.StdEncoding, s.to)
	var beginning [digestSize + 1]byte
	beginning[digestSize] = '\n'
	s.stream.Crypt(beginning[:], beginning[:])
	clear(beginning[:digestSize]) // no byte of the key stream is used twice
	_, err = s.text.Write(beginning[:])
	s.size = int64(len(beginning))
	return s, err
}

// Write seals a part. The error is errOverSecret, or the spool's.
func (s *secretSealer) Write(b []byte) (int, error) {
	if s.size == digestSize+1 && len(b) > 0 {
		s.first = b[0]
	}
	if s.size += int64(len(b)); s.size > s.limit {
		return 0, errOverSecret
	}
	s.digest.Write(b)
	for rest := b; len(rest) > 0; {
		n := min(len(rest), len(s.part))
		s.stream.Crypt(s.part[:n], rest[:n])
		if _, err := s.text.Write(s.part[:n]); err != nil {
			return 0, err
		}
		rest = rest[n:]
	}
	return len(b), nil
}

func (s *secretSealer) finish() error {
	if err := s.text.Close(); err != nil {
		return err
	}
	if err := s.to.Flush(); err != nil {
		return err
	}
	stream, err := s.open()
	if err != nil {
		return fmt.Errorf("sealing the backup: %w", err)
	}
	defer stream.Wipe()
	beginning := append(hex.AppendEncode(nil, s.digest.Sum(nil)), '\n', s.first)
	stream.Crypt(beginning, beginning)
	if _, err := s.spool.WriteAt(base64.StdEncoding.AppendEncode(nil, beginning[:patched]), s.from); err != nil {
		return err
	}
	ciphertext := base64.NewDecoder(base64.StdEncoding, io.NewSectionReader(s.spool, s.from, s.spool.Size()-s.from))
	if _, err := io.Copy(stream, ciphertext); err != nil {
		return fmt.Errorf("reading the new backup: %w", err)
	}
	mac := stream.MAC()
	_, err = fmt.Fprintf(s.spool, `","mac":%q}}}`, base64.StdEncoding.EncodeToString(mac[:]))
	return err
}

func (s *secretSealer) wipe() { s.stream.Wipe() }

// sealedFile is a file whose plaintext can be read, as often as need be. That of a Matrix secret was authenticated whole;
// that of chunks is as it is read.
type sealedFile struct {
	file   File
	wallet string
	key    secretstorage.Key
	copied sealedCopy
}

// sealedCopy is what a file holds for a wallet: the members iv, ciphertext and mac, or algorithm, nonce and chunks. Of
// the long ones it has the place in the file.
type sealedCopy struct {
	texts  map[string][]byte // the short ones, decoded
	places map[string]int64
}

// isChunked says whether the copy is one of chunks.
func (c sealedCopy) isChunked() bool { return string(c.texts["algorithm"]) == chunksAlgorithm }

// openFile opens the file of a wallet. It does not keep the key, which the caller wipes after the last use of what it
// returns. Errors are ErrInvalid, ErrWallet, and those of reading.
func openFile(file File, wallet string, key secretstorage.Key) (*sealedFile, error) {
	if file == nil {
		return nil, invalid("the file is not a backup of walletd, or it was truncated")
	}
	copied, err := findCopy(file, wallet)
	if err != nil {
		return nil, err
	}
	f := &sealedFile{file, wallet, key, copied}
	if copied.isChunked() {
		if len(copied.texts["nonce"]) != chunksNonceSize || copied.places["chunks"] == 0 {
			return nil, errChunks
		}
		return f, nil
	}
	if len(copied.texts["iv"]) != secretstorage.IVSize || len(copied.texts["mac"]) != sha256.Size || copied.places["ciphertext"] == 0 {
		return nil, invalid("the file was truncated or changed")
	}
	if err := f.authenticate(); err != nil {
		return nil, err
	}
	return f, nil
}

// findCopy finds a wallet's copy in a file.
func findCopy(file File, wallet string) (sealedCopy, error) {
	s := strictjson.NewScanner(io.NewSectionReader(file, 0, file.Size()))
	var found *sealedCopy
	twice, encrypted := false, false
	other := ""
	err := s.Object(func(name []byte) error {
		if string(strictjson.Unquote(name)) != "encrypted" {
			return s.Skip()
		}
		twice, encrypted = twice || encrypted, true
		return s.Object(func(id []byte) error {
			if text := string(strictjson.Unquote(id)); text != wallet {
				if of, err := did.Parse(text); err == nil {
					other = of.Address()
				}
				return s.Skip()
			}
			twice = twice || found != nil
			found = &sealedCopy{texts: map[string][]byte{}, places: map[string]int64{}}
			repeated, err := found.scan(s)
			twice = twice || repeated
			return err
		})
	})
	if err == nil {
		err = s.End()
	}
	switch {
	case isNotJSON(err) || err == nil && (twice || !encrypted):
		return sealedCopy{}, invalid("the file is not a backup of walletd, or it was truncated")
	case err != nil:
		return sealedCopy{}, fmt.Errorf("reading the backup: %w", err)
	case found == nil && other != "":
		return sealedCopy{}, fmt.Errorf("%w: the file is a backup of %s, not of %s", ErrWallet, other, wallet)
	case found == nil:
		return sealedCopy{}, invalid("the file is not a backup of a wallet")
	}
	return *found, nil
}

// isNotJSON says whether a Scanner refused a file, and not a reader.
func isNotJSON(err error) bool {
	return errors.Is(err, strictjson.ErrNotJSON) || errors.Is(err, strictjson.ErrNotObject) || errors.Is(err, strictjson.ErrTooDeep)
}

// maxShortText bounds the short members of a copy, as they are spelled, in bytes.
const maxShortText = 256

// scan reads a copy. It says whether a member that is known was repeated.
func (c *sealedCopy) scan(s *strictjson.Scanner) (repeated bool, err error) {
	err = s.Object(func(spelled []byte) error {
		name := string(strictjson.Unquote(spelled))
		if c.texts[name] != nil || c.places[name] != 0 {
			repeated = true
		}
		switch name {
		case "iv", "mac", "nonce", "algorithm":
			text, err := s.Text(maxShortText)
			if err != nil {
				return err
			}
			c.texts[name] = strictjson.Unquote(text)
			if name != "algorithm" {
				c.texts[name] = decodeShort(text)
			}
			return nil
		case "ciphertext", "chunks":
			if _, err := s.Peek(); err != nil {
				return err
			}
			c.places[name] = s.Offset()
		}
		return s.Skip()
	})
	return repeated, err
}

// decodeShort decodes a string of base64; what is none has no bytes.
func decodeShort(spelled []byte) []byte {
	b, err := io.ReadAll(base64.NewDecoder(base64.RawStdEncoding, strictjson.NewScanner(bytes.NewReader(spelled)).Base64()))
	if err != nil {
		return []byte{}
	}
	return b
}

// from returns the file from a place to its end.
func (f *sealedFile) from(member string) io.Reader {
	at := f.copied.places[member]
	return io.NewSectionReader(f.file, at, math.MaxInt64-at)
}

func (f *sealedFile) stream() (*secretstorage.Stream, error) {
	s, err := secretstorage.NewStream(f.key, Name, [secretstorage.IVSize]byte(f.copied.texts["iv"]))
	if err != nil {
		return nil, fmt.Errorf("opening the backup: %w", err)
	}
	return s, nil
}

func (f *sealedFile) ciphertext() io.Reader {
	return base64.NewDecoder(base64.RawStdEncoding, strictjson.NewScanner(f.from("ciphertext")).Base64())
}

// authenticate reads a Matrix secret whole: its MAC, and the digest of its plaintext, must be right.
func (f *sealedFile) authenticate() error {
	s, err := f.stream()
	if err != nil {
		return err
	}
	defer s.Wipe()
	n, err := io.Copy(s, io.LimitReader(f.ciphertext(), MaxPlaintext+1))
	switch {
	case isNotJSON(err) || isBadBase64(err):
		return invalid("the file was truncated or changed")
	case err != nil:
		return fmt.Errorf("reading the backup: %w", err)
	case n > MaxPlaintext:
		return invalid("the file is larger than any backup of its form")
	case !s.Fits(f.copied.texts["mac"]):
		return invalid("the file was changed, or belongs to other words")
	}
	plain, err := f.plaintext()
	if err == nil {
		defer plain.wipe()
		_, err = io.Copy(io.Discard, plain)
	}
	return err
}

func isBadBase64(err error) bool {
	_, bad := errors.AsType[base64.CorruptInputError](err)
	return bad || errors.Is(err, io.ErrUnexpectedEOF)
}

// plaintext returns the JSON of a backup. Whoever acts on it reads it to the end first or, in a transaction, before the
// end of that. Errors are ErrInvalid, and those of reading. The caller wipes it.
func (f *sealedFile) plaintext() (*plaintext, error) {
	if f.copied.isChunked() {
		aead, err := newChunkCipher(f.key, f.wallet, f.copied.texts["nonce"])
		if err != nil {
			return nil, err
		}
		r := newChunkReader(f.from("chunks"), aead)
		return &plaintext{from: r, chunks: r, digest: sha256.New()}, nil
	}
	s, err := f.stream()
	if err != nil {
		return nil, err
	}
	p := &plaintext{from: cipher.StreamReader{S: keyStream{s}, R: f.ciphertext()}, stream: s, digest: sha256.New()}
	beginning := make([]byte, digestSize+1)
	if _, err := io.ReadFull(p.from, beginning); err != nil || beginning[digestSize] != '\n' {
		p.wipe()
		return nil, invalid("the file was changed")
	}
	p.expected = string(beginning[:digestSize])
	return p, nil
}

// keyStream is a Stream that opens.
type keyStream struct{ *secretstorage.Stream }

// XORKeyStream implements cipher.Stream.
func (k keyStream) XORKeyStream(out, in []byte) { k.Crypt(out, in) }

// plaintext is the JSON of a backup, and says io.EOF only if it is whole.
type plaintext struct {
	from     io.Reader
	chunks   *chunkReader          // or nil
	stream   *secretstorage.Stream // or nil
	digest   hash.Hash
	expected string // the digest; "" for chunks
	size     int64
	ended    error
}

// Read implements io.Reader.
func (p *plaintext) Read(b []byte) (int, error) {
	if p.ended != nil {
		return 0, p.ended
	}
	n, err := p.from.Read(b)
	p.digest.Write(b[:n])
	p.size += int64(n)
	switch {
	case err == io.EOF && p.expected != "" && p.sum() != p.expected:
		err = invalid("the file was changed")
	case p.size > MaxContents:
		err = invalid("the file is larger than any backup")
	}
	p.ended = err
	return n, err
}

// sum is the digest of what was read, in hex.
func (p *plaintext) sum() string { return hex.EncodeToString(p.digest.Sum(nil)) }

func (p *plaintext) wipe() {
	if p.chunks != nil {
		clear(p.chunks.plain[:cap(p.chunks.plain)])
	}
	if p.stream != nil {
		p.stream.Wipe()
	}
}
