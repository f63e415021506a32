package keystore

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"strconv"

	"walletd/internal/derive"
	"walletd/internal/secret"
	"walletd/internal/store"
)

// An archive of a wallet's audit log outlives the store, and so the wallet's key. So beside the sealed bytes of an entry,
// which its hash covers, it has the content once more, sealed with SHA3-256(seed ‖ archiveSalt): the wallet's words alone
// open it, as they open a backup. Operators, who make archives, do not have that key.

// archiveSalt begins with walletd/, as no salt of an app or an owner does (Wallets.Derive).
const archiveSalt = "walletd/archive/v1"

// ErrArchived: an archived entry does not open with these words. They are another wallet's, or it was changed.
var ErrArchived = errors.New("the entry does not open with these words")

// SealArchived seals the content of an entry for an archive. The only error is *DamagedError.
func (w *Wallet) SealArchived(r store.Record, content []byte) (sealed Sealed, err error) {
	err = w.withArchiveKey(func(key *[keySize]byte) { sealed = seal(key, archivedPlace(r), content) })
	return sealed, err
}

// FitsArchived reports whether what an archive holds of an entry opens to a content. The only error is *DamagedError.
func (w *Wallet) FitsArchived(r store.Record, sealed, content []byte) (fits bool, err error) {
	err = w.withArchiveKey(func(key *[keySize]byte) {
		plain, err := open(key, archivedPlace(r), sealed)
		defer clear(plain)
		fits = err == nil && bytes.Equal(plain, content)
	})
	return fits, err
}

func (w *Wallet) withArchiveKey(f func(key *[keySize]byte)) (err error) {
	secret.Do(func() {
		var seed derive.Seed
		if seed, err = w.seed(); err != nil {
			return
		}
		defer seed.Wipe()
		withArchiveKey(seed, f)
	})
	return err
}

func withArchiveKey(seed derive.Seed, f func(key *[keySize]byte)) {
	key := derive.EncryptionKey(seed.Reveal(), []byte(archiveSalt), 1)
	defer clear(key[:])
	f(&key)
}

// OpenArchived opens what an archive holds of an entry, with the seed of the words. The only error is ErrArchived.
func OpenArchived(seed derive.Seed, r store.Record, sealed []byte) (content []byte, err error) {
	secret.Do(func() {
		withArchiveKey(seed, func(key *[keySize]byte) {
			if content, err = open(key, archivedPlace(r), sealed); err != nil {
				err = ErrArchived
			}
		})
	})
	return content, err
}

// archivedPlace binds the content to its entry, whose hash covers all else.
func archivedPlace(r store.Record) []byte {
	return appendParts(nil, labelContent, r.Chain, strconv.FormatInt(r.Seq, 10), hex.EncodeToString(r.Hash))
}

// ArchiveSignature is of a statement about an archive, by the key that heads are signed with.
type ArchiveSignature struct {
	PublicKey []byte // 32 bytes
	Signature []byte // 64 bytes
}

// SignArchive signs a statement about an archive (package ledger). The only error is ErrLocked.
func (k *Keystore) SignArchive(statement []byte) (ArchiveSignature, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	var s ArchiveSignature
	if k.open == nil {
		return s, ErrLocked
	}
	k.open.service.withHeadKey(func(sk ed25519.PrivateKey) {
		s.PublicKey = append(s.PublicKey, sk[ed25519.SeedSize:]...)
		s.Signature = ed25519.Sign(sk, archiveMessage(statement))
	})
	return s, nil
}

// VerifyArchive tells whether a statement was signed by the key that is named. Whose key that is, it does not tell.
func VerifyArchive(statement []byte, s ArchiveSignature) bool {
	return len(s.PublicKey) == ed25519.PublicKeySize && ed25519.Verify(s.PublicKey, archiveMessage(statement), s.Signature)
}

// archiveMessage is what the signature covers. Its label is that of no head and no tree.
func archiveMessage(statement []byte) []byte {
	return appendParts(nil, labelArchive, string(statement))
}
