package api

import (
	"encoding/json"
	"time"
)

// NewWallet asks for a wallet: of new words, of those given, or of a seed. At most one of Words
// and SeedHex is there.
type NewWallet struct {
	Name    string     `json:"name" form:"name"`
	Words   SecretText `json:"words,omitzero" min:"1" max:"16384"`   // 12, 15, 18, 21 or 24 BIP-39 words
	SeedHex SecretText `json:"seedHex,omitzero" min:"1" max:"16384"` // 64 bytes in hex
}

// CreatedWallet names a wallet that was made.
type CreatedWallet struct {
	Wallet string     `json:"wallet"`
	Words  SecretText `json:"words,omitzero"` // 24 words, shown once, of a wallet of new words
}

// Wallet is a wallet and its settings.
type Wallet struct {
	Wallet    string    `json:"wallet"` // address of its own account
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"createdAt"`
	Owned     bool      `json:"owned"`  // an owner token was made
	Rounds    int       `json:"rounds"` // of SHA3-256 in an encryptionKey
	// Strangers says that signed requests of apps that were never approved are shown to the owner.
	Strangers bool `json:"strangers"`
	// Approve says what an approval takes: "token", an owner's token by itself, or "passkey".
	Approve ApproveBy `json:"approve"`
	Damaged bool      `json:"damaged,omitempty"` // its row does not open
}

// ApproveBy says what an approval takes.
type ApproveBy string

// What an approval takes. A browser session approves with a passkey in any case.
const (
	ApproveByToken   ApproveBy = "token"
	ApproveByPasskey ApproveBy = "passkey"
)

// WalletSettings changes the settings that it names, at least one.
type WalletSettings struct {
	Name      *string `json:"name,omitempty" form:"name"`
	Rounds    *int    `json:"rounds,omitempty" min:"1" max:"3"` // 1 or 3; another one changes every key
	Strangers *bool   `json:"strangers,omitempty"`
	// Approve is "token" or "passkey", which takes that an owner has one.
	Approve ApproveBy `json:"approve,omitempty"`
}

// DeleteWallet carries the address of the wallet again, so that a slip deletes nothing.
type DeleteWallet struct {
	Confirm string `json:"confirm" max:"64"`
}

// Account is an account of a wallet.
type Account struct {
	Account   string    `json:"account"` // address
	App       string    `json:"app"`     // DID of the app it was derived for; "" for the wallet's own
	Type      string    `json:"type"`    // role/key/hash, as in account/ed25519/sha3
	CreatedAt time.Time `json:"createdAt"`
	Imported  bool      `json:"imported"`
}

// NewAccount asks for the account of an app, or that a key made elsewhere be kept: it has App, or
// Secret and TargetType.
type NewAccount struct {
	App string `json:"app,omitempty" min:"1" max:"80"`
	// Secret is a secret key in base58btc with its z, or in hex with 0x: 64 bytes for ed25519, 32
	// for secp256k1 and ethereum.
	Secret     SecretText  `json:"secret,omitzero" min:"1" max:"200"`
	TargetType *TargetType `json:"targetType,omitempty"`
}

// Derive asks for the owner's own key. It has one member.
type Derive struct {
	Salt    *string `json:"salt,omitempty" max:"4096"`
	SaltHex *string `json:"saltHex,omitempty" max:"2048"`
}

// DerivedKey is SHA3-256(seed ‖ salt).
type DerivedKey struct {
	Key SecretText `json:"key"` // 32 bytes in base58btc with its z
}

// Profile is what the owner tells about themselves; an item that is "" is not there.
type Profile struct {
	FullName  string `json:"fullName,omitempty" max:"1000"`
	Email     string `json:"email,omitempty" max:"1000"`
	Phone     string `json:"phone,omitempty" max:"1000"`
	Signature string `json:"signature,omitempty" max:"1000"`
	Avatar    string `json:"avatar,omitempty" max:"49152"` // a picture in a data: URL
	Birthday  string `json:"birthday,omitempty" max:"1000"`
	URL       string `json:"url,omitempty" max:"1000"`
}

// Credential is a credential or an asset that a wallet holds. Names and types are its issuer's
// words.
type Credential struct {
	ID         string    `json:"id"`
	Kind       string    `json:"kind"`  // "credential" or "asset"
	DID        string    `json:"did"`   // its own address
	Owner      string    `json:"owner"` // address of the account it belongs to
	Types      []string  `json:"types,omitempty"`
	Issuer     string    `json:"issuer,omitempty"`
	IssuerName string    `json:"issuerName,omitempty"`
	Parent     string    `json:"parent,omitempty"` // of an asset
	Title      string    `json:"title,omitempty"`  // of a passport
	Role       string    `json:"role,omitempty"`   // of a passport: its holder's role at the app that issued it
	Tag        string    `json:"tag,omitempty"`    // the owner's or the app's that handed it over, or else the credential's own
	IssuedAt   time.Time `json:"issuedAt,omitzero"`
	ExpiresAt  time.Time `json:"expiresAt,omitzero"`
	From       string    `json:"from,omitempty"` // app that handed it over; "" if the owner put it in
	StoredAt   time.Time `json:"storedAt"`
}

// CredentialWhole is a credential with its content, or an asset.
type CredentialWhole struct {
	Credential
	Data json.RawMessage `json:"data,omitempty"` // of a credential
}

// NewCredential is a credential, or an asset of an account of the wallet. With Credential it has
// Tag at most; with Asset it has Owner.
type NewCredential struct {
	Credential json.RawMessage `json:"credential,omitempty"` // with its proof
	Asset      string          `json:"asset,omitempty" min:"1" max:"80"`
	Owner      string          `json:"owner,omitempty" min:"1" max:"80"`
	Issuer     string          `json:"issuer,omitempty" min:"1" max:"80"`
	Parent     string          `json:"parent,omitempty" min:"1" max:"80"`
	Tag        string          `json:"tag,omitempty" max:"1000"`
}
