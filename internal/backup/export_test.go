package backup

import (
	"context"
	"encoding/json"
	"io"

	"walletd/internal/auth"
	"walletd/internal/policy"
	"walletd/internal/secretstorage"
	"walletd/internal/store"
	"walletd/internal/wallets"
)

// What only tests of this package see.

const BackupSalt = backupSalt
const DigestSize = digestSize

var BackupKey = backupKey
var OpenFile = openFile

func (b *Backups) Gather(ctx context.Context, c *auth.Caller, r store.Receipt, last int64, to io.Writer) error {
	return b.gather(ctx, c, r, last, to)
}

func (b *Backups) UnchangedSince(ctx context.Context, c *auth.Caller, seq int64) (bool, error) {
	return b.unchangedSince(ctx, c, seq)
}

// LimitSecrets has backups sealed in chunks if their plaintext is longer than that.
func (b *Backups) LimitSecrets(limit int64) { b.secretLimit = limit }

// Hold makes the Backups busy until the function it returns is called.
func (b *Backups) Hold() (release func()) {
	b.busy.Lock()
	return b.busy.Unlock
}

// Contents is the JSON of a backup as a whole.
type Contents struct {
	Format   int              `json:"format"`
	Wallet   string           `json:"wallet"`
	Created  string           `json:"createdAt"`
	Settings settings         `json:"settings"`
	Accounts []fileAccount    `json:"accounts"`
	Policy   *policy.Policy   `json:"policy,omitempty"`
	Profile  wallets.Profile  `json:"profile,omitempty"`
	Apps     []fileApp        `json:"apps"`
	Revoked  []fileDelegation `json:"revokedDelegations"`
	Holdings []fileHolding    `json:"credentials"`
	Keys     []fileSecretKey  `json:"secretKeys"`
	Secrets  []fileSecret     `json:"secrets"`
	Record   *struct {
		Heads   []store.Head `json:"heads"`
		Entries []fileEntry  `json:"entries"`
	} `json:"record,omitempty"`
	LeftOut int `json:"leftOut,omitempty"`
}

// ReadContents parses the JSON of a backup.
func ReadContents(text []byte) (c Contents, err error) { return c, json.Unmarshal(text, &c) }

type FileSecret = fileSecret

// Read returns the whole plaintext.
func (f *sealedFile) Read() ([]byte, error) {
	p, err := f.plaintext()
	if err != nil {
		return nil, err
	}
	return io.ReadAll(p)
}

// SealText returns the file of a backup whose JSON is a text.
func (b *Backups) SealText(wallet string, key secretstorage.Key, text string) ([]byte, error) {
	spool := b.store.NewSpool()
	defer spool.Close()
	to, err := sealSecret(spool, wallet, key, MaxPlaintext)
	if err != nil {
		return nil, err
	}
	defer to.wipe()
	if _, err := io.WriteString(to, text); err != nil {
		return nil, err
	}
	if err := to.finish(); err != nil {
		return nil, err
	}
	file := make([]byte, spool.Size())
	_, err = spool.ReadAt(file, 0)
	return file, err
}
