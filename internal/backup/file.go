package backup

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"walletd/internal/derive"
	"walletd/internal/did"
	"walletd/internal/keystore"
	"walletd/internal/policy"
	"walletd/internal/secretstorage"
	"walletd/internal/store"
	"walletd/internal/wallets"
)

// The file of a backup is a Matrix secret (Matrix secret storage reference, section 2.3) with one copy, whose key id is
// the wallet's address:
//
//	{"encrypted":{"z1…":{"iv":…,"ciphertext":…,"mac":…}}}
//
// The secret's name is Name, and its key is the owner's key for backupSalt, SHA3-256(seed ‖ salt): the wallet's words
// alone open it, and so does any Matrix client that has the key. The envelope does not authenticate its IV, so the
// plaintext begins with a SHA-256 digest: 64 hexadecimal digits, a newline, and then the JSON of a backup, which the
// digest covers.
//
// A backup of more than MaxPlaintext is sealed in chunks, with a key made of the same one (chunks.go). Its plaintext is
// the JSON alone. Either is written and read as a stream.
const (
	// Name is the name of the Matrix secret.
	Name = "walletd.backup.v1"
	// MaxPlaintext bounds the plaintext of a backup that is a Matrix secret, in bytes: clients hold it in memory.
	MaxPlaintext = 128 << 20
	// MaxContents bounds the JSON of any backup, in bytes.
	MaxContents = 3 << 30
	// MaxFile bounds the file of a backup, in bytes: that of MaxContents in chunks, each with its tag, quotes, comma and
	// line.
	MaxFile = (MaxContents/chunkSize+1)*((chunkSize+16+2)/3*4+4) + 64<<10

	// backupSalt is reserved: Wallets.Derive refuses it, so that the key has no other use.
	backupSalt   = "walletd/backup/v1"
	backupFormat = 1
	// backupFormatArchives is of a backup whose audit log begins after an archive, which builds of before do not read.
	backupFormatArchives = 2
)

var (
	// ErrInvalid: the file is not a backup, or it was truncated or changed; the wrapping error says which.
	ErrInvalid = errors.New("the backup cannot be used")
	// ErrWallet: the file is a backup of another wallet.
	ErrWallet = errors.New("the backup is of another wallet")
	// ErrSize: the wallet is larger than MaxContents.
	ErrSize = errors.New("the wallet is too large for one backup; leave out its audit log, which audit export writes")
	// ErrBusy: another backup is being created, inspected or restored, or sent. One at a time bounds what that takes.
	ErrBusy = errors.New("another backup is being created, sent or restored; try again when that is done")
)

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}

// The JSON in a file holds all of a wallet that its words do not restore. It holds no grants, tokens, approvals and
// sessions; of apps and delegations it holds what the owner decided. Its members are these, in this order, and those
// that are lists are read and written an element at a time:
//
//	format, wallet, createdAt, settings
//	accounts [fileAccount], policy, profile, apps [fileApp], revokedDelegations [fileDelegation],
//	credentials [fileHolding], secretKeys [fileSecretKey], secrets [fileSecret]
//	record {archives [ledger.Archive], heads [store.Head], entries [fileEntry]}, not there if the audit log was left out;
//	    archives is not there if none was made
//	leftOut, the number of rows that were forged
//
// In files of the first builds the heads are behind the entries.

type settings struct {
	Name      string `json:"name"`
	Rounds    int    `json:"rounds"`
	Strangers bool   `json:"strangers"`
}

// fileAccount is an account. Secret, in the packages' form, is the key of an account without a derivation path; the
// keys of the others are derived again.
type fileAccount struct {
	Address string `json:"address"`
	App     string `json:"app"`
	Type    string `json:"type"`
	Secret  []byte `json:"secret,omitempty"`
	Created int64  `json:"created"`
}

type fileApp struct {
	App     string `json:"app"`
	State   string `json:"state"`
	Name    string `json:"name,omitempty"`
	Created int64  `json:"created"`
}

// fileDelegation is a delegation that the owner revoked, which stays refused after a restore. A backup holds no approved
// delegations, as it holds no approvals.
type fileDelegation struct {
	Hash     []byte `json:"hash"`
	From     string `json:"from"`
	To       string `json:"to"`
	Expires  int64  `json:"expires"`
	Approved int64  `json:"approved"`
	Revoked  int64  `json:"revoked"`
	Token    string `json:"token"`
}

type fileSecretKey struct {
	App     string         `json:"app"`
	Created int64          `json:"created"`
	Content fileKeyContent `json:"content"`
}

// fileKeyContent has the fields of secrets.KeyContent, from which it is converted.
type fileKeyContent struct {
	Salt   string           `json:"salt"`
	Name   string           `json:"name,omitempty"`
	Makers map[string]int64 `json:"makers,omitempty"`
	IDs    []string         `json:"ids,omitempty"`
	// Imported is a key that was made elsewhere, sealed with one that the wallet's words restore.
	Imported json.RawMessage `json:"imported,omitempty"`
}

type fileSecret struct {
	App      string            `json:"app"`
	Revision string            `json:"revision"`
	Created  int64             `json:"created"`
	Updated  int64             `json:"updated"`
	Content  fileSecretContent `json:"content"`
}

// fileSecretContent has the fields of secrets.Content, from which it is converted.
type fileSecretContent struct {
	Name  string          `json:"name"`
	Salt  string          `json:"salt"`
	KeyID string          `json:"keyId"`
	Data  json.RawMessage `json:"data"`
}

// fileHolding has the fields of wallets.Holding, from which it is converted.
type fileHolding struct {
	Kind       string          `json:"kind"`
	DID        string          `json:"did"`
	Owner      string          `json:"owner"`
	Types      []string        `json:"types,omitempty"`
	Issuer     string          `json:"issuer,omitempty"`
	IssuerName string          `json:"issuerName,omitempty"`
	Parent     string          `json:"parent,omitempty"`
	Tag        string          `json:"tag,omitempty"`
	Issued     time.Time       `json:"issued,omitzero"`
	Expires    time.Time       `json:"expires,omitzero"`
	From       string          `json:"from,omitempty"`
	Stored     time.Time       `json:"stored"`
	Data       json.RawMessage `json:"data,omitempty"`
}

// View is a summary of a backup.
type View struct {
	Wallet      string    `json:"wallet"`
	Name        string    `json:"name"`
	Created     time.Time `json:"createdAt"`
	Accounts    int       `json:"accounts"` // accounts that the words restore
	KeyPairs    int       `json:"keyPairs"` // accounts that the words do not restore
	Rules       int       `json:"rules"`
	Profile     bool      `json:"profile"`
	Apps        int       `json:"apps"`
	Credentials int       `json:"credentials"`
	SecretKeys  int       `json:"secretKeys"`
	Secrets     int       `json:"secrets"`
	Entries     int       `json:"entries"`            // entries of the audit log
	Archived    int       `json:"archived,omitempty"` // entries before those, which are in archives and not in the backup
	Head        string    `json:"head,omitempty"`
	LeftOut     int       `json:"leftOut,omitempty"` // forged rows, which the backup does not hold
	Bytes       int       `json:"bytes"`             // of the file
	Digest      string    `json:"sha256"`            // of the plaintext, in hex: two files with the same digest have the same contents
}

// counts returns a visitor that counts what a backup holds.
func (v *View) counts() visitor {
	return visitor{
		account: func(a fileAccount) error {
			defer clear(a.Secret)
			if a.Secret != nil {
				v.KeyPairs++
			} else {
				v.Accounts++
			}
			return nil
		},
		policy:  func(p policy.Policy) error { v.Rules = len(p.Rules); return nil },
		profile: func(p wallets.Profile) error { v.Profile = len(p) > 0; return nil },
		app:     func(fileApp) error { v.Apps++; return nil },
		revoked: func(fileDelegation) error { return nil },
		holding: func(fileHolding) error { v.Credentials++; return nil },
		key:     func(fileSecretKey) error { v.SecretKeys++; return nil },
		secret:  func(fileSecret) error { v.Secrets++; return nil },
	}
}

// finish adds what is known once all was counted.
func (v *View) finish(wallet string, h header, last store.Record, digest string, size int64) {
	v.Wallet, v.Name, v.Created, v.LeftOut, v.Digest, v.Bytes = wallet, h.Settings.Name, h.Created, h.LeftOut, digest, int(size)
	v.Head = hex.EncodeToString(last.Hash)
}

// backupKey returns the key that encrypts a wallet's backups, for the receipt of the audit entry that says what it is
// used for. The caller wipes it.
func backupKey(r store.Receipt, w *keystore.Wallet) (secretstorage.Key, error) {
	key, err := w.OwnerKey(r, []byte(backupSalt))
	if err != nil {
		return secretstorage.Key{}, fmt.Errorf("deriving the backup's key: %w", err)
	}
	defer key.Wipe()
	return secretstorage.NewKey(key.Reveal())
}

// ReadBackup opens a file with the words of its wallet, without a service, and returns a summary. Errors are ErrInvalid,
// ErrWallet, and those of package derive about the words.
func ReadBackup(file File, words []byte) (View, error) {
	w, err := derive.ParseWords(words)
	if err != nil {
		return View{}, err
	}
	defer w.Wipe()
	seed := w.Seed()
	defer seed.Wipe()
	sk, own, err := derive.Account(seed, derive.DefaultPath(), did.AccountType())
	if err != nil {
		return View{}, fmt.Errorf("naming the wallet of these words: %w", err)
	}
	sk.Wipe()
	key, err := seedBackupKey(seed)
	if err != nil {
		return View{}, err
	}
	defer key.Wipe()
	return inspect(file, own.Address(), key)
}

// seedBackupKey returns the key that encrypts a wallet's backups, from the wallet's seed. The caller wipes it.
func seedBackupKey(seed derive.Seed) (secretstorage.Key, error) {
	raw := derive.EncryptionKey(seed.Reveal(), []byte(backupSalt), 1)
	defer clear(raw[:])
	return secretstorage.NewKey(raw[:])
}

func inspect(file File, wallet string, key secretstorage.Key) (View, error) {
	opened, err := openFile(file, wallet, key)
	if err != nil {
		return View{}, err
	}
	found, err := opened.check()
	return found.View, err
}

// settingsOf returns the settings of a wallet that a backup holds.
func settingsOf(c keystore.Content) settings {
	return settings{c.Name, c.Rounds, c.Strangers}
}

// content returns the settings of a wallet that is restored. A backup holds no tokens, so the wallet has no owner yet:
// an operator creates the first owner's token, as for a new wallet.
func (s settings) content() keystore.Content {
	return keystore.Content{Name: s.Name, Rounds: s.Rounds, Strangers: s.Strangers}
}
