package backup

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
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
const (
	// Name is the name of the Matrix secret.
	Name = "walletd.backup.v1"
	// MaxPlaintext bounds the plaintext of a backup, which is held in memory, in bytes.
	MaxPlaintext = 128 << 20
	// MaxFile bounds the file of a backup, in bytes.
	MaxFile = MaxPlaintext/3*4 + 64<<10

	// backupSalt is reserved: Wallets.Derive refuses it, so that the key has no other use.
	backupSalt   = "walletd/backup/v1"
	backupFormat = 1
)

var (
	// ErrInvalid: the file is not a backup, or it was truncated or changed; the wrapping error says which.
	ErrInvalid = errors.New("the backup cannot be used")
	// ErrWallet: the file is a backup of another wallet.
	ErrWallet = errors.New("the backup is of another wallet")
	// ErrSize: the wallet is larger than MaxPlaintext.
	ErrSize = errors.New("the wallet is too large for one backup; leave out its audit log, which audit export writes")
	// ErrBusy: another backup is being created, inspected or restored, and only one is held in memory at a time.
	ErrBusy = errors.New("another backup is being created or restored; try again when that is done")
)

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}

// backup is the JSON in a file: all of a wallet that its words do not restore. It holds no grants, tokens, approvals
// and sessions; of apps and delegations it holds what the owner decided.
type backup struct {
	Format   int              `json:"format"`
	Wallet   string           `json:"wallet"`
	Created  time.Time        `json:"createdAt"`
	Settings settings         `json:"settings"`
	Accounts []fileAccount    `json:"accounts"`
	Policy   *policy.Policy   `json:"policy,omitempty"`
	Profile  wallets.Profile  `json:"profile,omitempty"`
	Apps     []fileApp        `json:"apps"`
	Revoked  []fileDelegation `json:"revokedDelegations"`
	Holdings []fileHolding    `json:"credentials"`
	Keys     []fileSecretKey  `json:"secretKeys"`
	Secrets  []fileSecret     `json:"secrets"`
	Record   *fileLog         `json:"record,omitempty"` // the audit log; nil if it was left out
	// LeftOut counts the rows that were forged.
	LeftOut int `json:"leftOut,omitempty"`
}

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

// wipe overwrites the secrets that are in memory in the clear.
func (b *backup) wipe() {
	for _, a := range b.Accounts {
		clear(a.Secret)
	}
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
	Entries     int       `json:"entries"` // entries of the audit log
	Head        string    `json:"head,omitempty"`
	LeftOut     int       `json:"leftOut,omitempty"` // forged rows, which the backup does not hold
	Bytes       int       `json:"bytes"`             // of the file
	Digest      string    `json:"sha256"`            // of the plaintext, in hex: two files with the same digest have the same contents
}

func (b *backup) view(file int, digest string) View {
	v := View{
		Wallet: b.Wallet, Name: b.Settings.Name, Created: b.Created, Profile: len(b.Profile) > 0, Apps: len(b.Apps),
		Credentials: len(b.Holdings), SecretKeys: len(b.Keys), Secrets: len(b.Secrets), LeftOut: b.LeftOut, Bytes: file, Digest: digest,
	}
	if b.Policy != nil {
		v.Rules = len(b.Policy.Rules)
	}
	for _, a := range b.Accounts {
		if a.Secret != nil {
			v.KeyPairs++
		} else {
			v.Accounts++
		}
	}
	if b.Record != nil && len(b.Record.Entries) > 0 {
		v.Entries = len(b.Record.Entries)
		v.Head = hex.EncodeToString(b.Record.Entries[v.Entries-1].Hash)
	}
	return v
}

// digestSize is the length in bytes of the digest at the beginning of a plaintext, without the newline.
const digestSize = 2 * sha256.Size

// encode returns the plaintext of a backup. The caller wipes it.
func (b *backup) encode() ([]byte, error) {
	var out bytes.Buffer
	out.Write(make([]byte, digestSize))
	out.WriteByte('\n')
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(b); err != nil {
		return nil, fmt.Errorf("writing the backup: %w", err)
	}
	plain := out.Bytes()
	sum := sha256.Sum256(plain[digestSize+1:])
	hex.Encode(plain, sum[:])
	if len(plain) > MaxPlaintext {
		clear(plain)
		return nil, ErrSize
	}
	return plain, nil
}

// sealBackup returns the file of a plaintext.
func sealBackup(wallet string, key secretstorage.Key, plain []byte) ([]byte, error) {
	sealed, err := secretstorage.Seal(key, Name, plain, MaxPlaintext)
	if err != nil {
		return nil, fmt.Errorf("sealing the backup: %w", err)
	}
	secret, err := secretstorage.Secret{}.With(wallet, sealed)
	if err != nil {
		return nil, fmt.Errorf("sealing the backup: %w", err)
	}
	return secret.MarshalJSON()
}

// openBackup opens the file of a wallet and returns its plaintext, which is authentic. The caller wipes it. Errors are
// ErrInvalid and ErrWallet.
func openBackup(file []byte, wallet string, key secretstorage.Key) ([]byte, error) {
	secret, err := secretstorage.ParseSecret(file, MaxPlaintext)
	if err != nil {
		return nil, invalid("the file is not a backup of walletd, or it was truncated")
	}
	ids := secret.KeyIDs()
	if !slices.Contains(ids, wallet) {
		for _, id := range ids {
			if other, err := did.Parse(id); err == nil {
				return nil, fmt.Errorf("%w: the file is a backup of %s, not of %s", ErrWallet, other.Address(), wallet)
			}
		}
		return nil, invalid("the file is not a backup of a wallet")
	}
	sealed, err := secret.Copy(wallet)
	if err != nil {
		return nil, invalid("the file was truncated or changed")
	}
	plain, err := secretstorage.Open(key, Name, sealed)
	if err != nil {
		return nil, invalid("the file was changed, or belongs to other words")
	}
	if len(plain) <= digestSize || plain[digestSize] != '\n' {
		clear(plain)
		return nil, invalid("the file was changed")
	}
	sum := sha256.Sum256(plain[digestSize+1:])
	if hex.EncodeToString(sum[:]) != string(plain[:digestSize]) {
		clear(plain)
		return nil, invalid("the file was changed")
	}
	return plain, nil
}

// readBackup parses a plaintext that openBackup returned, and verifies its audit log.
func readBackup(plain []byte, wallet string) (*backup, error) {
	b := new(backup)
	body := plain[digestSize+1:]
	var format struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(body, &format); err == nil && format.Format > backupFormat {
		return nil, invalid("a newer version of walletd created it; restore it with that version")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(b); err != nil || d.More() || b.Format != backupFormat {
		return nil, invalid("its contents are not those of a wallet")
	}
	if b.Wallet != wallet {
		return nil, ErrWallet
	}
	if b.Record != nil {
		if err := b.Record.check(wallet); err != nil {
			return nil, err
		}
	}
	return b, nil
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
func ReadBackup(file, words []byte) (View, error) {
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

func inspect(file []byte, wallet string, key secretstorage.Key) (View, error) {
	plain, err := openBackup(file, wallet, key)
	if err != nil {
		return View{}, err
	}
	defer clear(plain)
	b, err := readBackup(plain, wallet)
	if err != nil {
		return View{}, err
	}
	defer b.wipe()
	return b.view(len(file), string(plain[:digestSize])), nil
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
