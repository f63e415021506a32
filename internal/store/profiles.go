package store

import "context"

// Profile is what a wallet's person tells apps about themselves.
type Profile struct {
	Wallet  string
	Version int64 // 1 at first, then one more each time
	Sealed  []byte
	Updated int64
}

func (p *Profile) columns() []column {
	return []column{
		plain("wallet", &p.Wallet),
		plain("version", &p.Version),
		plain("sealed", &p.Sealed),
		plain("updated", &p.Updated),
	}
}

func (Profile) Table() string { return "profiles" }
func (p Profile) Key() string { return p.Wallet }

// Content is the sealed field of the row, and its name in the associated data.
func (p Profile) Content() (field string, sealed []byte) { return "items", p.Sealed }

var (
	getProfile    = reads[Profile]("profile")
	insertProfile = writes[Profile]("insert profile")
	updateProfile = writes[Profile]("update profile")
)

// Profile reads a wallet's profile, or ErrNotFound.
func (s *Store) Profile(ctx context.Context, wallet string) (Profile, error) {
	return one(ctx, s, getProfile, wallet)
}

// PutProfile replaces the wallet's profile if p.Version is one more than that
// of the profile there (1 if there is none); else ErrChanged.
func PutProfile(p Profile) Write {
	if p.Version == 1 {
		return Write{steps: []step{insertProfile.row(p, ErrChanged)}}
	}
	return Write{steps: []step{updateProfile.row(p, ErrChanged)}}
}
