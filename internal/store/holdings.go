package store

import "context"

// Profile is what a wallet's person tells apps about themselves.
type Profile struct {
	Wallet  string
	Version int64 // 1 at first, then one more each time
	Sealed  []byte
	Updated int64
}

// Credential is a credential or an asset that a wallet holds.
type Credential struct {
	Wallet  string
	ID      string
	Sealed  []byte
	Created int64
}

func (p *Profile) fields() []any {
	return []any{&p.Wallet, &p.Version, &p.Sealed, &p.Updated}
}

func (c *Credential) fields() []any {
	return []any{&c.Wallet, &c.ID, &c.Sealed, &c.Created}
}

// Profile reads a wallet's profile, or ErrNotFound.
func (s *Store) Profile(ctx context.Context, wallet string) (Profile, error) {
	return one[Profile](ctx, s, "profile", wallet)
}

// PutProfile replaces the wallet's profile if p.Version is one more than that
// of the profile there (1 if there is none); else ErrChanged.
func PutProfile(p Profile) Write {
	if p.Version == 1 {
		return Write{steps: []step{{"insert profile", values(p.fields()), ErrChanged}}}
	}
	return Write{steps: []step{{"update profile", append(values(p.fields()), p.Version-1), ErrChanged}}}
}

// Credential reads what a wallet holds under that id, or ErrNotFound.
func (s *Store) Credential(ctx context.Context, wallet, id string) (Credential, error) {
	return one[Credential](ctx, s, "credential", wallet, id)
}

// Credentials lists what a wallet holds.
func (s *Store) Credentials(ctx context.Context, wallet string, p Page) (rows []Credential, next string, err error) {
	return paged(p, func(c Credential) position { return position{c.Created, c.ID} },
		func(after position, limit int) ([]Credential, error) {
			return many[Credential](ctx, s, "credentials", wallet, after.at, after.id, limit)
		})
}

// PutCredential adds a credential or replaces the one with its id; ErrTooMany
// if the wallet holds most others already. The Change is on the wallet's chain.
func PutCredential(c Credential, most int64) Write {
	return Write{chain: c.Wallet, steps: []step{
		{"room for credential", []any{c.Wallet, c.ID, most}, ErrTooMany},
		{"put credential", values(c.fields()), ErrChanged},
	}}
}

// DeleteCredential removes a credential. ErrNotFound.
func DeleteCredential(wallet, id string) Write {
	return Write{steps: []step{{"delete credential", []any{wallet, id}, ErrNotFound}}}
}
