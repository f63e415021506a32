package store

import "context"

// Credential is a credential or an asset that a wallet holds.
type Credential struct {
	Wallet  string
	ID      string
	Sealed  []byte
	Created int64
}

func (c *Credential) columns() []column {
	return []column{
		plain("wallet", &c.Wallet),
		plain("id", &c.ID),
		plain("sealed", &c.Sealed),
		plain("created", &c.Created),
	}
}

func (Credential) Table() string { return "credentials" }
func (c Credential) Key() string { return c.ID }

// Content is the sealed field of the row, and its name in the associated data.
func (c Credential) Content() (field string, sealed []byte) { return "content", c.Sealed }

var (
	getCredential     = reads[Credential]("credential")
	listCredentials   = reads[Credential]("credentials")
	putCredential     = writes[Credential]("put credential")
	roomForCredential = statement("room for credential")
	deleteCredential  = statement("delete credential")
)

// Credential reads what a wallet holds under that id, or ErrNotFound.
func (s *Store) Credential(ctx context.Context, wallet, id string) (Credential, error) {
	return one(ctx, s, getCredential, wallet, id)
}

// Credentials lists what a wallet holds.
func (s *Store) Credentials(ctx context.Context, wallet string, p Page) (rows []Credential, next string, err error) {
	return paged(p, func(c Credential) position { return position{c.Created, c.ID} },
		func(after position, limit int) ([]Credential, error) {
			return many(ctx, s, listCredentials, wallet, after.at, after.id, limit)
		})
}

// PutCredential adds a credential or replaces the one with its id; ErrTooMany
// if the wallet holds most others already. The Change is on the wallet's chain.
func PutCredential(c Credential, most int64) Write {
	return Write{chain: c.Wallet, steps: []step{
		roomForCredential.step(ErrTooMany, c.Wallet, c.ID, most),
		putCredential.row(c, ErrChanged),
	}}
}

// DeleteCredential removes a credential. ErrNotFound.
func DeleteCredential(wallet, id string) Write {
	return Write{steps: []step{deleteCredential.step(ErrNotFound, wallet, id)}}
}
