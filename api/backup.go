package api

import (
	"encoding/json"
	"time"
)

// NewBackup asks for a wallet's backup. The answer is the file itself: {"encrypted":{…}}.
type NewBackup struct {
	WithoutRecord bool `json:"withoutRecord,omitempty"` // leave the audit log out
}

// Inspection carries a backup to look into.
type Inspection struct {
	Backup json.RawMessage `json:"backup"` // the file
}

// Restoration carries a backup and what opens it, Words or SeedHex.
type Restoration struct {
	Words         SecretText      `json:"words,omitzero" min:"1" max:"16384"`   // BIP-39 words
	SeedHex       SecretText      `json:"seedHex,omitzero" min:"1" max:"16384"` // 64 bytes in hex
	Backup        json.RawMessage `json:"backup"`
	WithoutRecord bool            `json:"withoutRecord,omitempty"` // leave the backup's audit log out
}

// BackupView says what a backup holds.
type BackupView struct {
	Wallet      string    `json:"wallet"`
	Name        string    `json:"name"`
	CreatedAt   time.Time `json:"createdAt"`
	Accounts    int       `json:"accounts"` // that the words bring back
	KeyPairs    int       `json:"keyPairs"` // that they do not
	Rules       int       `json:"rules"`
	Profile     bool      `json:"profile"`
	Apps        int       `json:"apps"`
	Credentials int       `json:"credentials"`
	SecretKeys  int       `json:"secretKeys"`
	Secrets     int       `json:"secrets"`
	Entries     int       `json:"entries"`            // of the audit log
	Archived    int       `json:"archived,omitempty"` // entries before those, which are in archives and not in the backup
	Head        string    `json:"head,omitempty"`     // hash of the last entry, hex
	LeftOut     int       `json:"leftOut,omitempty"`  // rows that were not genuine when it was made
	Bytes       int       `json:"bytes"`              // of the file
	// SHA256 is of the plaintext, hex: two backups with the same digest hold the same.
	SHA256 string `json:"sha256"`
}

// RestoredWallet is a wallet that was restored.
type RestoredWallet struct {
	BackupView
	RulesOff int `json:"rulesOff"` // rules that wait for the owner to confirm them
}
