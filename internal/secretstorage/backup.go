package secretstorage

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"

	"walletd/internal/did"
	"walletd/internal/pkcs7"
	"walletd/internal/secret"
)

// BackupAlgorithm is the algorithm of room-key backups (reference section 9).
const BackupAlgorithm = "m.megolm_backup.v1.curve25519-aes-sha2"

const (
	backupMACSize = 8
	backupOKMSize = 2*KeySize + aes.BlockSize
)

// BackupKey is the private key of a room-key backup: 32 bytes of any value, as they are. It must
// never be the bytes of a [Key] too, so walletd derives it with a salt of its own. It never prints
// itself; copies share the bytes and Wipe empties all of them.
type BackupKey struct {
	secret.Redacted
	key Key
}

// ParseBackupKey reads the value of the secret [NameBackup], as [ParseValue] does.
func ParseBackupKey(text []byte) (BackupKey, error) {
	key, err := ParseValue(text)
	return BackupKey{key: key}, err
}

// Value gives the key as the value of the secret [NameBackup]. The caller wipes it.
func (k BackupKey) Value() []byte { return k.key.Value() }

// RecoveryKey gives the key as text for people, as [Key.RecoveryKey].
func (k BackupKey) RecoveryKey() []byte { return k.key.RecoveryKey() }

// Wipe overwrites the key with zeros, in all its copies.
func (k BackupKey) Wipe() { k.key.Wipe() }

// Public gives the public key; bad_key for a zero or wiped BackupKey.
func (k BackupKey) Public() (BackupPublicKey, error) {
	private, err := k.private()
	if err != nil {
		return BackupPublicKey{}, err
	}
	return BackupPublicKey(private.PublicKey().Bytes()), nil
}

// private is the key for X25519, which clamps it only while it multiplies.
func (k BackupKey) private() (*ecdh.PrivateKey, error) {
	private, err := ecdh.X25519().NewPrivateKey(k.key.Reveal())
	if err != nil {
		return nil, did.Refuse("bad_key", "there is no backup key")
	}
	return private, nil
}

// BackupPublicKey seals sessions that the [BackupKey] opens. Anybody may have it.
type BackupPublicKey [KeySize]byte

// String gives unpadded base64, as in auth_data.
func (p BackupPublicKey) String() string { return string(unpaddedBase64(p[:])) }

// SessionData is one sealed room key, the member session_data of a backed-up session. The MAC is
// over nothing: it shows that the key is right, and a changed ciphertext goes through unless its
// padding breaks. Anybody with the public key can make one. What keeps such data must authenticate
// it by other means, and what opens it must not trust what it finds.
type SessionData struct {
	Ephemeral  [KeySize]byte
	Ciphertext []byte
	MAC        [backupMACSize]byte
}

// Seal seals one session with a fresh ephemeral key, and at most [MaxPlaintext] bytes (too_large).
// It is refused with bad_key for a public key of low order.
func (p BackupPublicKey) Seal(plaintext []byte) (SessionData, error) {
	if len(plaintext) > MaxPlaintext {
		return SessionData{}, did.Refuse("too_large", "the session is larger than 64 KiB")
	}
	ephemeral, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return SessionData{}, fmt.Errorf("making an ephemeral key: %w", err)
	}
	return p.seal(ephemeral, plaintext)
}

func (p BackupPublicKey) seal(ephemeral *ecdh.PrivateKey, plaintext []byte) (SessionData, error) {
	keys, err := agree(ephemeral, p[:])
	if err != nil {
		return SessionData{}, err
	}
	defer clear(keys.okm)
	block, err := aes.NewCipher(keys.okm[:KeySize])
	if err != nil {
		return SessionData{}, fmt.Errorf("starting AES: %w", err)
	}
	ciphertext := pkcs7.Append(nil, plaintext)
	cipher.NewCBCEncrypter(block, keys.okm[2*KeySize:]).CryptBlocks(ciphertext, ciphertext)
	return SessionData{
		Ephemeral:  [KeySize]byte(ephemeral.PublicKey().Bytes()),
		Ciphertext: ciphertext,
		MAC:        keys.mac(),
	}, nil
}

// Open gives the plaintext, which the caller treats as coming from anybody and wipes. It fails with
// bad_key for an ephemeral key of low order, bad_mac for another backup's key, and bad_padding. To
// somebody remote all of these, and a plaintext that turns out to be no session, must look alike:
// who can tell wrong padding from right reads the session byte by byte.
func (k BackupKey) Open(s SessionData) ([]byte, error) {
	private, err := k.private()
	if err != nil {
		return nil, err
	}
	keys, err := agree(private, s.Ephemeral[:])
	if err != nil {
		return nil, err
	}
	defer clear(keys.okm)
	if mac := keys.mac(); !hmac.Equal(mac[:], s.MAC[:]) {
		return nil, did.Refuse("bad_mac", "the session was sealed for another backup key")
	}
	badPadding := did.Refuse("bad_padding", "the session's ciphertext was changed")
	if len(s.Ciphertext) == 0 || len(s.Ciphertext)%aes.BlockSize != 0 {
		return nil, badPadding
	}
	block, err := aes.NewCipher(keys.okm[:KeySize])
	if err != nil {
		return nil, fmt.Errorf("starting AES: %w", err)
	}
	padded := make([]byte, len(s.Ciphertext))
	cipher.NewCBCDecrypter(block, keys.okm[2*KeySize:]).CryptBlocks(padded, s.Ciphertext)
	plaintext, ok := pkcs7.Cut(padded)
	if !ok {
		clear(padded)
		return nil, badPadding
	}
	return plaintext, nil
}

// sessionKeys are 32 bytes for AES, 32 for HMAC and the IV.
type sessionKeys struct{ okm []byte }

// agree derives the keys of one session from both sides' keys.
func agree(private *ecdh.PrivateKey, public []byte) (sessionKeys, error) {
	bad := did.Refuse("bad_key", "the session's public key is none")
	remote, err := ecdh.X25519().NewPublicKey(public)
	if err != nil {
		return sessionKeys{}, bad
	}
	shared, err := private.ECDH(remote)
	if err != nil { // all zero
		return sessionKeys{}, bad
	}
	defer clear(shared)
	okm, err := expand(shared, "", backupOKMSize)
	return sessionKeys{okm}, err
}

// mac is over the empty string, not over the ciphertext: a slip of libolm that every client keeps
// and the specification now has (reference section 9.3).
func (k sessionKeys) mac() [backupMACSize]byte {
	sum := hmac.New(sha256.New, k.okm[KeySize:2*KeySize]).Sum(nil)
	return [backupMACSize]byte(sum)
}
