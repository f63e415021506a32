package store

import (
	"crypto/rand"
	"encoding/base32"
)

// The rows are plain data. Times are unix seconds unless the comment says
// milliseconds; 0 means "never" or "not yet". Sealed, Params, Check and MAC
// are bytes that the keystore makes and checks; the store never looks inside.
// A row's ID is text of the caller's choice, NewID's as a rule. A text is at most
// 800 bytes of UTF-8 without NUL, bytes at most 4 MiB (ErrInvalid).

// ServiceChain is the chain that holds what operators do. Every other chain is
// named by its wallet.
const ServiceChain = "service"

// Kinds of Slot.
const (
	SlotPassphrase = "passphrase"
	SlotAge        = "age"
)

// Roles of a Token.
const (
	RoleOperator = "operator"
	RoleOwner    = "owner"
	RoleApp      = "app"
)

// States of an Approval. That one has expired is told by its time alone.
const (
	Pending   = "pending"
	Approved  = "approved" // of an App too
	Rejected  = "rejected"
	Cancelled = "cancelled"
	Revoked   = "revoked" // of an App
)

// Keystore is the one row about the root key.
type Keystore struct {
	ID            string // random; names this keystore for good
	Generation    int64  // of the root key; raised by each rotation
	Epoch         int64  // raised by every lock, on whichever replica
	SealedOldRoot []byte // the root key before this one; only while rotating
	SealedService []byte // the service's own key, under the root key
	Failures      int64  // failed unlocks since the last good one
	LastFailure   int64
	Dev           bool   // made by serve --dev
	Check         []byte // MAC of Canonical under the root key
}

// Slot is one way to unlock the keystore.
type Slot struct {
	ID         string
	Kind       string // SlotPassphrase or SlotAge
	Name       string
	Params     []byte // JSON
	Sealed     []byte // the root key
	Generation int64  // of the root key in Sealed
	Created    int64
	MAC        []byte
}

// Wallet is one person's wallet.
type Wallet struct {
	ID         string // address of its own account
	Generation int64  // of the root key that SealedKey is under
	SealedKey  []byte // the wallet's key, under the root key
	Sealed     []byte // the content, under the wallet's key
	// Version is 1 at first. The store raises it with every write that a cached
	// decision could depend on (writes.go says which), so it can't be part of
	// what Sealed is bound to.
	Version int64
	Created int64
}

// Account is a key pair of a wallet.
type Account struct {
	Wallet  string
	Address string
	App     string // the app whose account it is
	Path    string // BIP-32 path; "" when not derived
	Type    string // "account/ed25519/sha3"
	Sealed  []byte
	Created int64
}

// Policy is a wallet's rules.
type Policy struct {
	Wallet  string
	Version int64 // 1 at first, then one more each time
	Sealed  []byte
	Updated int64
}

// Token is a bearer credential.
type Token struct {
	ID       string
	Role     string // RoleOperator, RoleOwner or RoleApp
	Wallet   string // "" for an operator
	App      string // "" unless RoleApp
	Name     string
	Origins  string // of the pages that may use it in a browser, with blanks between
	Hash     []byte // 32 bytes
	Created  int64
	Expires  int64  // 0: never
	Revoked  int64  // 0: not revoked
	LastUsed int64  // written lazily, and no part of Canonical
	MAC      []byte // empty for an operator
}

// App is an app that the person has approved in the wallet.
type App struct {
	Wallet  string
	App     string
	State   string // Approved or Revoked
	Sealed  []byte
	Created int64
	MAC     []byte
}

// Approval is a question to the person.
type Approval struct {
	ID        string
	Wallet    string
	App       string
	Agent     string // "" when the app asks itself
	Asker     string // id of the token that asked; "" for a signed request
	State     string
	Code      string // 6 letters, unique among the pending ones of the wallet
	Digest    []byte // 32 bytes; what FindApproval looks for
	Created   int64
	Expires   int64
	Decided   int64
	DecidedBy string
	Sealed    []byte // what was asked
	Answer    []byte // sealed; the person's choices
	MAC       []byte
}

// Grant is an approval remembered.
type Grant struct {
	ID       string
	Wallet   string
	App      string
	Agent    string
	Approval string // id of the approval it comes from
	Created  int64
	Ends     int64 // 0: never by time
	Uses     int64 // left; -1: any number
	Revoked  int64
	Sealed   []byte
	MAC      []byte
}

// Delegation is a delegation the wallet has seen and the person may have
// approved.
type Delegation struct {
	Wallet   string
	Hash     []byte // 32 bytes
	FromAddr string
	ToAddr   string
	Expires  int64
	Approved int64
	Revoked  int64
	Sealed   []byte
	MAC      []byte
}

// Record is an entry of a chain.
type Record struct {
	Chain  string // wallet, or ServiceChain
	Seq    int64  // 1, 2, 3 …
	ID     string
	Time   int64 // milliseconds
	Kind   string
	Sealed []byte // plain JSON on the service's chain
	Prev   []byte // 32 bytes: Hash of the entry before; zeros for the first
	Hash   []byte // 32 bytes: Sum(Prev)
}

// End is where a chain ends: its newest entry. Seq is 0 when it has none.
type End struct {
	Chain string
	Seq   int64
	Hash  []byte
	Time  int64 // milliseconds; the newest of the chain
}

// Head is a signed statement of where a chain stood.
type Head struct {
	Chain     string
	Seq       int64
	Hash      []byte // of the entry Seq
	Time      int64  // milliseconds
	PublicKey []byte
	Signature []byte
}

// Nonce is a jti that has been used.
type Nonce struct {
	Wallet string
	Issuer string
	JTI    string
	Until  int64 // Sweep forgets it after this
}

// Request is an idempotency key that has been used.
type Request struct {
	Token   string // id of the token
	Route   string
	Key     string
	Digest  []byte // 32 bytes, of the body
	Made    string // id of what it made
	Secret  bool   // the answer held a secret and can't be given twice
	Created int64
}

// CallerRow is what one request needs to know of who sends it. Wallet is empty
// for an operator's token. CallerWallet reads Epoch, Wallet and Newest alone.
type CallerRow struct {
	Token   Token
	Epoch   int64 // of the keystore
	Wallet  Wallet
	Newest  int64   // milliseconds: newest time on the wallet's chain
	Account Account // of the app that asks; empty if it has none of the type asked for
	App     App     // SignedCaller's alone; empty if the person has not decided about it
}

// NewID returns 128 random bits as 26 letters and digits of lower case base32.
func NewID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding).EncodeToString(b[:])
}
