package store

import "context"

// Invitation lets whoever has its secret become an owner of a wallet, once.
type Invitation struct {
	ID       string
	Wallet   string
	Owner    string // who accepts it becomes the owner with this id
	Inviter  string // RoleOperator or RoleOwner
	Recovery bool   // it ends the owner's other ways when it is accepted
	Hash     []byte // of the secret
	Sealed   []byte
	Created  int64
	Expires  int64
	Used     int64 // when it was accepted or withdrawn; 0: it was not
	MAC      []byte
}

func (i *Invitation) columns() []column {
	return []column{
		authentic("id", &i.ID),
		authentic("wallet", &i.Wallet),
		authentic("owner", &i.Owner),
		authentic("inviter", &i.Inviter),
		authentic("recovery", &i.Recovery),
		authentic("hash", &i.Hash),
		authentic("sealed", &i.Sealed),
		authentic("created", &i.Created),
		authentic("expires", &i.Expires),
		authentic("used", &i.Used),
		plain("mac", &i.MAC),
	}
}

func (Invitation) Table() string       { return "invitations" }
func (i Invitation) Key() string       { return i.ID }
func (i Invitation) Canonical() []byte { return canonical(&i) }
func (i Invitation) Sum() []byte       { return i.MAC }

// Content is the sealed field of the row, and its name in the associated data.
func (i Invitation) Content() (field string, sealed []byte) { return "content", i.Sealed }

var (
	getInvitation    = reads[Invitation]("invitation")
	listInvitations  = reads[Invitation]("invitations")
	insertInvitation = writes[Invitation]("insert invitation")
	useInvitation    = updates[Invitation]("use invitation")
)

// Invitation reads an invitation, or ErrNotFound.
func (s *Store) Invitation(ctx context.Context, id string) (Invitation, error) {
	return one(ctx, s, getInvitation, id)
}

// Invitations lists the invitations to a wallet, those that were used or have expired too.
func (s *Store) Invitations(ctx context.Context, wallet string, p Page) (rows []Invitation, next string, err error) {
	return paged(p, func(i Invitation) position { return position{i.Created, i.ID} },
		func(after position, limit int) ([]Invitation, error) {
			return many(ctx, s, listInvitations, wallet, after.at, after.id, limit)
		})
}

// InsertInvitation adds an invitation to a wallet for which fewer than most wait at the time i.Created. ErrTooMany,
// ErrExists. The Change is on the wallet's chain. Raises.
func InsertInvitation(i Invitation, most int64) Write {
	w := raising(i.Wallet, countInvitings.step(ErrTooMany, i.Wallet, i.Created, most), insertInvitation.row(i, ErrExists))
	w.chain = i.Wallet
	return w
}

// UseInvitation sets Used and the MAC, if the invitation is as old was and not used; else ErrChanged.
func UseInvitation(old, updated Invitation) Write {
	return Write{steps: []step{useInvitation.change(old, updated, ErrChanged)}}
}
