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

// A backup is the content of a Matrix secret (Matrix secret storage reference, section 2.3) with
// one copy, whose key id is the wallet's address:
//
//	{"encrypted":{"z1…":{"iv":…,"ciphertext":…,"mac":…}}}
//
// Its name is BackupName, its key the owner's key for the salt backupSalt, SHA3-256(seed ‖ salt):
// the words alone open it, and so does any client of Matrix that is given the key. The envelope
// does not authenticate its IV, so the plaintext begins with its own SHA-256: 64 digits in hex, a
// line's end, and the JSON of a backup, which the digest is of.
const (
	// Name is the name that the secret is sealed under.
	Name = "walletd.backup.v1"
	// MaxPlaintext bounds the plaintext of a backup, in bytes. It is held in memory.
	MaxPlaintext = 128 << 20
	// MaxFile bounds a backup as it is written, in bytes.
	MaxFile = MaxPlaintext/3*4 + 64<<10

	// backupSalt is reserved: derive refuses it, so no other use has this key.
	backupSalt   = "walletd/backup/v1"
	backupFormat = 1
)

var (
	// ErrInvalid: it is not a backup, or it was cut or changed; the wrapping error says which.
	ErrInvalid = errors.New("the backup cannot be used")
	// ErrWallet: it is a backup of another wallet.
	ErrWallet = errors.New("the backup is of another wallet")
	// ErrSize: there is more than one backup may hold.
	ErrSize = errors.New("the wallet is too large for one backup; leave its record out, which audit export writes")
	// ErrBusy: backups are made and restored one at a time, because they are held in memory.
	ErrBusy = errors.New("another backup is being made or restored; try again when it is done")
)

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}

// backup is all of a wallet that its words do not bring back, as it stands in the file. Grants,
// tokens, questions and sessions are not in it; of apps and delegations what the person decided.
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
	Record   *fileLog         `json:"record,omitempty"` // nil if it was left out
	// LeftOut counts the rows that were not the wallet's own or did not open.
	LeftOut int `json:"leftOut,omitempty"`
}

type settings struct {
	Name      string `json:"name"`
	Rounds    int    `json:"rounds"`
	Strangers bool   `json:"strangers"`
}

// fileAccount is an account. Secret, in the packages' form, is of one that no path leads to; the
// others are derived again.
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

// fileDelegation is a delegation that the person withdrew: it stays refused. Approved ones are yeses
// and are not kept.
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

// fileKeyContent has the fields of keyContent, of which it is converted.
type fileKeyContent struct {
	Salt   string           `json:"salt"`
	Name   string           `json:"name,omitempty"`
	Makers map[string]int64 `json:"makers,omitempty"`
	IDs    []string         `json:"ids,omitempty"`
}

type fileSecret struct {
	App      string            `json:"app"`
	Revision string            `json:"revision"`
	Created  int64             `json:"created"`
	Updated  int64             `json:"updated"`
	Content  fileSecretContent `json:"content"`
}

// fileSecretContent has the fields of secretContent, of which it is converted.
type fileSecretContent struct {
	Name  string          `json:"name"`
	Salt  string          `json:"salt"`
	KeyID string          `json:"keyId"`
	Data  json.RawMessage `json:"data"`
}

// fileHolding has the fields of holding, of which it is converted.
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

// wipe overwrites the secrets that stand in the clear.
func (b *backup) wipe() {
	for _, a := range b.Accounts {
		clear(a.Secret)
	}
}

// View says what a backup holds.
type View struct {
	Wallet      string    `json:"wallet"`
	Name        string    `json:"name"`
	Created     time.Time `json:"createdAt"`
	Accounts    int       `json:"accounts"` // that the words bring back
	KeyPairs    int       `json:"keyPairs"` // that they do not
	Rules       int       `json:"rules"`
	Profile     bool      `json:"profile"`
	Apps        int       `json:"apps"`
	Credentials int       `json:"credentials"`
	SecretKeys  int       `json:"secretKeys"`
	Secrets     int       `json:"secrets"`
	Entries     int       `json:"entries"` // of the record
	Head        string    `json:"head,omitempty"`
	LeftOut     int       `json:"leftOut,omitempty"` // rows that were not genuine when it was made
	Bytes       int       `json:"bytes"`             // of the file
	Digest      string    `json:"sha256"`            // of the plaintext, hex: two files with one digest hold the same
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

// digestSize is how many bytes of a plaintext are its digest, without the line's end.
const digestSize = 2 * sha256.Size

// encode writes the plaintext of a backup. The caller wipes it.
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

// sealBackup gives the file of a plaintext.
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

// openBackup opens the file of a wallet and returns its plaintext, which is genuine: the caller
// wipes it. Errors are ErrBackup and ErrBackupWallet.
func openBackup(file []byte, wallet string, key secretstorage.Key) ([]byte, error) {
	secret, err := secretstorage.ParseSecret(file, MaxPlaintext)
	if err != nil {
		return nil, invalid("it is no backup of walletd, or it was cut off")
	}
	ids := secret.KeyIDs()
	if !slices.Contains(ids, wallet) {
		for _, id := range ids {
			if other, err := did.Parse(id); err == nil {
				return nil, fmt.Errorf("%w: it is of %s, not of %s", ErrWallet, other.Address(), wallet)
			}
		}
		return nil, invalid("it is no backup of a wallet")
	}
	sealed, err := secret.Copy(wallet)
	if err != nil {
		return nil, invalid("it was cut or changed")
	}
	plain, err := secretstorage.Open(key, Name, sealed)
	if err != nil {
		return nil, invalid("it was changed, or sealed with other words")
	}
	if len(plain) <= digestSize || plain[digestSize] != '\n' {
		clear(plain)
		return nil, invalid("it was changed")
	}
	sum := sha256.Sum256(plain[digestSize+1:])
	if hex.EncodeToString(sum[:]) != string(plain[:digestSize]) {
		clear(plain)
		return nil, invalid("it was changed")
	}
	return plain, nil
}

// readBackup reads a plaintext that openBackup gave and checks that it fits together.
func readBackup(plain []byte, wallet string) (*backup, error) {
	b := new(backup)
	body := plain[digestSize+1:]
	var format struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(body, &format); err == nil && format.Format > backupFormat {
		return nil, invalid("a newer walletd made it; restore it with that one")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(b); err != nil || d.More() || b.Format != backupFormat {
		return nil, invalid("what is in it is no wallet")
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

// backupKey gives the key that a wallet's backups are sealed with, for the entry that says what for. The
// caller wipes it.
func backupKey(r store.Receipt, w *keystore.Wallet) (secretstorage.Key, error) {
	key, err := w.OwnerKey(r, []byte(backupSalt))
	if err != nil {
		return secretstorage.Key{}, fmt.Errorf("deriving the backup's key: %w", err)
	}
	defer key.Wipe()
	return secretstorage.NewKey(key.Reveal())
}

// ReadBackup opens a file with the words of its wallet, needing no service, and says what it
// holds. Errors are ErrBackup, ErrBackupWallet, and derive's about the words.
func ReadBackup(file []byte, words string) (View, error) {
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

// seedBackupKey is backupKey for whoever has the seed. The caller wipes it.
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

// settingsOf are the settings of a wallet that a backup carries.
func settingsOf(c keystore.Content) settings {
	return settings{c.Name, c.Rounds, c.Strangers}
}

// content is the content of a wallet that is restored. Its owner's tokens are left out, so it has
// no owner yet: an operator makes the first token, as for a new one.
func (s settings) content() keystore.Content {
	return keystore.Content{Name: s.Name, Rounds: s.Rounds, Strangers: s.Strangers}
}
