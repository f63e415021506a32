package store

import "context"

// Passkey is a passkey of an owner, in one wallet. One who owns several has a row in each.
type Passkey struct {
	Wallet     string
	ID         string // a hash of Credential
	Owner      string
	Credential []byte // the id that the authenticator gave it
	PublicKey  []byte
	Counter    int64
	Sealed     []byte
	Created    int64
	LastUsed   int64
	MAC        []byte
}

func (k *Passkey) columns() []column {
	return []column{
		authentic("wallet", &k.Wallet),
		authentic("id", &k.ID),
		authentic("owner", &k.Owner),
		authentic("credential", &k.Credential),
		authentic("public_key", &k.PublicKey),
		authentic("counter", &k.Counter),
		authentic("sealed", &k.Sealed),
		authentic("created", &k.Created),
		authentic("last_used", &k.LastUsed),
		plain("mac", &k.MAC),
	}
}

func (Passkey) Table() string       { return "passkeys" }
func (k Passkey) Key() string       { return k.ID }
func (k Passkey) Canonical() []byte { return canonical(&k) }
func (k Passkey) Sum() []byte       { return k.MAC }

// Content is the sealed field of the row, and its name in the associated data.
func (k Passkey) Content() (field string, sealed []byte) { return "content", k.Sealed }

var (
	getPasskey     = reads[Passkey]("passkey")
	passkeysByID   = reads[Passkey]("passkeys by id")
	listPasskeys   = reads[Passkey]("passkeys")
	insertPasskey  = writes[Passkey]("insert passkey")
	updatePasskey  = updates[Passkey]("update passkey")
	deletePasskey  = writes[Passkey]("delete passkey")
	passkeyTokens  = reads[Token]("passkey tokens")
	countPasskeys  = statement("fewer passkeys")
	countInvitings = statement("fewer invitations")
)

// maxWalletsOfPasskey bounds what PasskeysByID reads.
const maxWalletsOfPasskey = 100

// Passkey reads a passkey of a wallet, or ErrNotFound.
func (s *Store) Passkey(ctx context.Context, wallet, id string) (Passkey, error) {
	return one(ctx, s, getPasskey, wallet, id)
}

// PasskeysByID reads the rows of a passkey in all wallets, the oldest 100.
func (s *Store) PasskeysByID(ctx context.Context, id string) ([]Passkey, error) {
	return many(ctx, s, passkeysByID, id, maxWalletsOfPasskey)
}

// Passkeys lists the passkeys of a wallet's owners.
func (s *Store) Passkeys(ctx context.Context, wallet string, p Page) (rows []Passkey, next string, err error) {
	return paged(p, func(k Passkey) position { return position{k.Created, k.ID} },
		func(after position, limit int) ([]Passkey, error) {
			return many(ctx, s, listPasskeys, wallet, after.at, after.id, limit)
		})
}

// PasskeyTokens reads the tokens that a passkey signed in with and that hold at the time now (unix seconds), the
// newest first. One passkey has few (package owner).
func (s *Store) PasskeyTokens(ctx context.Context, wallet, id string, now int64) ([]Token, error) {
	return many(ctx, s, passkeyTokens, wallet, id, now)
}

// InsertPasskey adds a passkey to a wallet that has fewer than most. ErrTooMany, ErrExists. The Change is on the
// wallet's chain. Raises.
func InsertPasskey(k Passkey, most int64) Write {
	w := raising(k.Wallet, countPasskeys.step(ErrTooMany, k.Wallet, most), insertPasskey.row(k, ErrExists))
	w.chain = k.Wallet
	return w
}

// UpdatePasskey replaces a passkey, if it is as old was; else ErrChanged. It does not raise: no decision rests on a
// counter or a name.
func UpdatePasskey(old, updated Passkey) Write {
	return Write{steps: []step{updatePasskey.change(old, updated, ErrChanged)}}
}

// DeletePasskey removes a passkey, if it is as k is. ErrChanged. Raises.
func DeletePasskey(k Passkey) Write { return raising(k.Wallet, deletePasskey.row(k, ErrChanged)) }
