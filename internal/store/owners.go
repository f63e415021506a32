package store

import "context"

// Owner is a person who owns a wallet. One who owns several has a row in each, of the same ID.
type Owner struct {
	Wallet  string
	ID      string
	Sealed  []byte
	Created int64
	MAC     []byte
}

func (o *Owner) columns() []column {
	return []column{
		authentic("wallet", &o.Wallet),
		authentic("id", &o.ID),
		authentic("sealed", &o.Sealed),
		authentic("created", &o.Created),
		plain("mac", &o.MAC),
	}
}

func (Owner) Table() string       { return "owners" }
func (o Owner) Key() string       { return o.ID }
func (o Owner) Canonical() []byte { return canonical(&o) }
func (o Owner) Sum() []byte       { return o.MAC }

// Content is the sealed field of the row, and its name in the associated data.
func (o Owner) Content() (field string, sealed []byte) { return "content", o.Sealed }

var (
	getOwner    = reads[Owner]("owner")
	listOwners  = reads[Owner]("owners of wallet")
	insertOwner = writes[Owner]("insert owner")
	updateOwner = updates[Owner]("update owner")
	deleteOwner = writes[Owner]("delete owner")
)

// Owner reads an owner of a wallet, or ErrNotFound.
func (s *Store) Owner(ctx context.Context, wallet, id string) (Owner, error) {
	return one(ctx, s, getOwner, wallet, id)
}

// WalletOwners lists the owners of a wallet.
func (s *Store) WalletOwners(ctx context.Context, wallet string, p Page) (rows []Owner, next string, err error) {
	return paged(p, func(o Owner) position { return position{o.Created, o.ID} },
		func(after position, limit int) ([]Owner, error) {
			return many(ctx, s, listOwners, wallet, after.at, after.id, limit)
		})
}

// PutOwner adds an owner (old is the zero Owner; ErrExists), or replaces old (ErrChanged). Raises.
func PutOwner(old, updated Owner) Write {
	if old.ID == "" {
		return raising(updated.Wallet, insertOwner.row(updated, ErrExists))
	}
	return raising(updated.Wallet, updateOwner.change(old, updated, ErrChanged))
}

// DeleteOwner removes an owner of a wallet, if the row is as o was. ErrChanged. Raises.
func DeleteOwner(o Owner) Write { return raising(o.Wallet, deleteOwner.row(o, ErrChanged)) }
