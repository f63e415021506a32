package owner

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/sha3"

	"walletd/internal/auth"
	"walletd/internal/keystore"
	"walletd/internal/ledger"
	"walletd/internal/passkey"
	"walletd/internal/show"
	"walletd/internal/store"
)

// InvitationLife is how long an invitation may be accepted.
const InvitationLife = 24 * time.Hour

// NewInvitation describes an invitation. Who accepts it becomes an owner of the wallet.
type NewInvitation struct {
	Wallet string
	Name   string // of the person, who may change it; may be ""
	// Owner is the id of an owner of the wallet who is to get another passkey; "" is a new owner. An owner invites
	// themselves so, and with Recovery anybody who lost theirs.
	Owner string
	// Recovery ends all other ways of that owner when the invitation is accepted, and cancels what waits in the wallet, all
	// other invitations too.
	// If the wallet has one owner, Owner may be "". An operator also needs the secret of a slot.
	Recovery bool
	Secret   keystore.Secret
}

// Invitation is an invitation as it is listed.
type Invitation struct {
	ID, Wallet, Owner, Name string
	Recovery                bool
	ByOperator              bool
	Created, Expires, Used  time.Time // Used: accepted or withdrawn; zero if not
}

// CreatedInvitation is an invitation with its secret, which is shown once.
type CreatedInvitation struct {
	Invitation
	// Text is what the link holds behind its #: the invitation's id and its secret.
	Text string
	// Link is the page that accepts it. What stands behind # is not sent to a server by a browser, so that no log has it.
	Link string
}

// Format keeps the secret out of logs.
func (i CreatedInvitation) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "invitation %s", i.ID) }

// invitePath is the page that accepts an invitation.
const invitePath = "/invite#"

// invitationContent is the sealed content of an invitation's row.
type invitationContent struct {
	Name string `json:"name,omitempty"`
}

type openedInvitation = ledger.Opened[store.Invitation, invitationContent]

var secretEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

func hashInvitation(text string) []byte {
	h := sha3.New256()
	defer h.Reset() // the sponge holds the text
	h.Write([]byte("walletd invitation v1\x00"))
	h.Write([]byte(text))
	return h.Sum(nil)
}

// Invite makes an invitation to a wallet. An owner invites; an operator does while the wallet has no owner, and for a
// recovery with the secret of a slot. Errors: auth.ErrForbidden, auth.ErrPasskeyRequired, auth.ErrNoPublicURL,
// auth.ErrNotFound, keystore.ErrWrongSecret and others of an unlock, store.ErrTooMany.
func (o *Owners) Invite(ctx context.Context, c *auth.Caller, n NewInvitation) (CreatedInvitation, error) {
	if err := o.auth.RequireParty(); err != nil {
		return CreatedInvitation{}, err
	}
	name, err := checkName("a person's name", n.Name)
	if err != nil {
		return CreatedInvitation{}, err
	}
	byOperator := c.Role == auth.Operator && n.Recovery
	if byOperator {
		if err := o.checkSecret(ctx, c, n); err != nil {
			return CreatedInvitation{}, err
		}
	}
	var created CreatedInvitation
	err = o.auth.Retry(ctx, c, auth.Tries, func() (err error) {
		if byOperator {
			err = o.auth.OpenForRecovery(ctx, c, n.Wallet)
		} else {
			err = o.auth.AuthorizeWallet(ctx, c, n.Wallet)
		}
		if err == nil {
			created, err = o.inviteOnce(ctx, c, n, name)
		}
		return err
	})
	return created, err
}

// inviteOnce makes an invitation to the caller's wallet, which the caller may make.
func (o *Owners) inviteOnce(ctx context.Context, c *auth.Caller, n NewInvitation, name string) (CreatedInvitation, error) {
	var err error
	if n.Owner, err = o.invited(ctx, c, n); err != nil {
		return CreatedInvitation{}, err
	}
	now := o.store.Now()
	row := store.Invitation{
		ID: store.NewID(), Wallet: c.WalletID, Owner: n.Owner, Inviter: string(c.Role), Recovery: n.Recovery, Created: now.Unix(), Expires: now.Add(InvitationLife).Unix(),
	}
	var secret [16]byte
	rand.Read(secret[:]) // never fails
	text := row.ID + "." + secretEncoding.EncodeToString(secret[:])
	clear(secret[:])
	row.Hash = hashInvitation(text)
	if row.Sealed, err = c.Wallet.Seal(row, invitationContent{Name: name}); err != nil {
		return CreatedInvitation{}, err
	}
	row.MAC = c.Wallet.MAC(row)
	e := c.Event(ledger.OwnerInvited)
	e.Created, e.Owner, e.Name = row.ID, row.Owner, name
	if n.Recovery {
		e.Reason = "recovery"
	}
	_, err = c.Commit(ctx, ledger.Change{Event: e, Created: row.ID, Secret: true, Writes: []store.Write{store.InsertInvitation(row, maxInvitations)}})
	if err != nil {
		return CreatedInvitation{}, err
	}
	return CreatedInvitation{Invitation: viewInvitation(row, name), Text: text, Link: o.auth.Party().Origin() + invitePath + text}, nil
}

// checkSecret checks that an operator who invites for a recovery has the secret of a slot.
func (o *Owners) checkSecret(ctx context.Context, c *auth.Caller, n NewInvitation) error {
	if n.Secret.IsZero() {
		return auth.Invalid("a recovery by an operator takes the secret of a slot too")
	}
	return o.keystore.CheckSecret(ctx, c.Token, "owner recovery of "+show.Plain(n.Wallet, show.MaxName), n.Secret)
}

// invited returns the id of the owner whom an invitation is for.
func (o *Owners) invited(ctx context.Context, c *auth.Caller, n NewInvitation) (string, error) {
	if n.Owner != "" {
		owner, err := o.owner(ctx, c, n.Owner)
		if err != nil {
			return "", err
		}
		if owner.Row().ID == "" {
			return "", fmt.Errorf("%w: the wallet has no such owner", auth.ErrNotFound)
		}
		if !n.Recovery && c.Owner != n.Owner {
			return "", fmt.Errorf("%w: an owner alone adds their own passkeys; who lost theirs is invited for a recovery", auth.ErrForbidden)
		}
		return n.Owner, nil
	}
	if n.Recovery {
		rows, _, err := o.store.WalletOwners(ctx, c.WalletID, store.Page{Limit: 2})
		if err != nil {
			return "", fmt.Errorf("reading the owners: %w", err)
		}
		switch len(rows) {
		case 1:
			return rows[0].ID, nil
		case 2:
			return "", auth.Invalid("the wallet has several owners: owner must name the one who lost their passkeys")
		}
	}
	return store.NewID(), nil
}

func viewInvitation(row store.Invitation, name string) Invitation {
	return Invitation{
		ID: row.ID, Wallet: row.Wallet, Owner: row.Owner, Name: name, Recovery: row.Recovery, ByOperator: row.Inviter == store.RoleOperator,
		Created: time.Unix(row.Created, 0), Expires: time.Unix(row.Expires, 0), Used: store.Time(row.Used),
	}
}

// Invitations lists the invitations to a wallet that may still be accepted, for its owner, or for an operator while it
// has none.
func (o *Owners) Invitations(ctx context.Context, c *auth.Caller, wallet string, p store.Page) ([]Invitation, string, error) {
	if err := o.auth.AuthorizeReader(ctx, c, wallet); err != nil {
		return nil, "", err
	}
	rows, next, err := o.store.Invitations(ctx, wallet, p)
	if err != nil {
		return nil, "", fmt.Errorf("reading the invitations: %w", err)
	}
	now := o.store.Now().Unix()
	views := make([]Invitation, 0, len(rows))
	for i, err := range ledger.Each[invitationContent](ctx, c.Wallet, rows) {
		if err != nil {
			return nil, "", err
		}
		if row := i.Row(); row.Used == 0 && now < row.Expires {
			views = append(views, viewInvitation(row, i.Content().Name))
		}
	}
	return views, next, nil
}

// Withdraw ends an invitation that was not accepted. A browser session may, without a touch.
func (o *Owners) Withdraw(ctx context.Context, c *auth.Caller, id string) error {
	row, err := o.store.Invitation(ctx, id)
	if err != nil {
		return auth.NotFound(err)
	}
	if err := o.auth.AuthorizeReader(ctx, c, row.Wallet); err != nil {
		return auth.ErrNotFound
	}
	i, err := ledger.Open[invitationContent](ctx, c.Wallet, row)
	if err != nil {
		return err
	}
	if row.Used != 0 {
		return auth.ErrNotFound
	}
	e := c.Event(ledger.OwnerUninvited)
	e.Created, e.Owner = id, row.Owner
	return c.Record(ctx, e, o.use(c, i.Row()))
}

// use returns the write that uses an invitation up.
func (o *Owners) use(c *auth.Caller, row store.Invitation) store.Write {
	used := row
	used.Used = o.store.Now().Unix()
	used.MAC = c.Wallet.MAC(used)
	return store.UseInvitation(row, used)
}

// endInvitations returns the writes that use up every invitation to the caller's wallet that may still be accepted, but the
// one with the id accepted. Whoever no longer owns the wallet may have made one, and have its link.
func (o *Owners) endInvitations(ctx context.Context, c *auth.Caller, accepted string) (writes []store.Write, err error) {
	list := func(page store.Page) ([]store.Invitation, string, error) {
		return o.store.Invitations(ctx, c.WalletID, page)
	}
	for i, err := range ledger.All[invitationContent](ctx, c.Wallet, list) {
		if err != nil {
			return nil, err
		}
		if row := i.Row(); row.ID != accepted && row.Used == 0 && o.store.Now().Unix() < row.Expires {
			writes = append(writes, o.use(c, row))
		}
	}
	return writes, nil
}

// open returns the invitation that a text names, and the invited owner as a caller, whom the caller closes. Errors:
// auth.ErrNotFound, ErrInvitation, keystore.ErrLocked.
func (o *Owners) open(ctx context.Context, text string) (*auth.Caller, openedInvitation, error) {
	id, _, _ := strings.Cut(text, ".")
	if len(text) > 128 || id == "" {
		return nil, openedInvitation{}, auth.ErrNotFound
	}
	row, err := o.store.Invitation(ctx, id)
	if err != nil {
		return nil, openedInvitation{}, auth.NotFound(err)
	}
	if subtle.ConstantTimeCompare(hashInvitation(text), row.Hash) != 1 {
		return nil, openedInvitation{}, auth.ErrNotFound
	}
	c, err := o.auth.ForOwner(ctx, row.Wallet, row.Owner)
	if err != nil {
		return nil, openedInvitation{}, err
	}
	i, err := ledger.Open[invitationContent](ctx, c.Wallet, row)
	if errors.Is(err, ledger.ErrForged) {
		err = auth.ErrNotFound // who wrote the row is told nothing
	}
	if err == nil && (row.Used != 0 || o.store.Now().Unix() >= row.Expires) {
		err = ErrInvitation
	}
	if err != nil {
		c.Close()
		return nil, openedInvitation{}, err
	}
	return c, i, nil
}

// BeginAccept returns what an authenticator is asked for to accept an invitation. It changes nothing.
func (o *Owners) BeginAccept(ctx context.Context, text string) (Creation, error) {
	c, i, err := o.open(ctx, text)
	if err != nil {
		return Creation{}, err
	}
	defer c.Close()
	creation, err := o.creation(ctx, c, auth.ForInvited, i.Row().ID)
	if creation.Name == "" {
		creation.Name = i.Content().Name
	}
	return creation, err
}

// Acceptance accepts an invitation.
type Acceptance struct {
	Text         string // what the link holds behind its #
	State        []byte // of BeginAccept
	Registration passkey.Registration
	Name         string // of the person; "" leaves the name that they have or were invited by
	Device       string // the name of the passkey
}

// FinishAccept accepts an invitation: who made the passkey is an owner of the wallet, and signed in. Of two who accept
// at once one wins. Errors: auth.ErrNotFound, ErrInvitation, auth.ErrChallenge, auth.ErrPasskeyRefused,
// auth.ErrForbidden for an operator's invitation to a wallet that has an owner since.
func (o *Owners) FinishAccept(ctx context.Context, a Acceptance) (in SignedIn, err error) {
	name, err := checkName("a person's name", a.Name)
	if err != nil {
		return SignedIn{}, err
	}
	c, _, err := o.open(ctx, a.Text)
	if err != nil {
		return SignedIn{}, err
	}
	defer c.Close()
	err = o.auth.Retry(ctx, c, 2*maxInvitations, func() (err error) { in, err = o.accept(ctx, c, a, name); return err })
	return in, auth.UsedChallenge(err)
}

func (o *Owners) accept(ctx context.Context, c *auth.Caller, a Acceptance, name string) (SignedIn, error) {
	again, i, err := o.open(ctx, a.Text) // another may have accepted it meanwhile
	if err != nil {
		return SignedIn{}, err
	}
	again.Close()
	row := i.Row()
	added, err := o.register(c, a.State, a.Registration, a.Device, auth.ForInvited, row.ID)
	if err != nil {
		return SignedIn{}, err
	}
	owner, err := o.owner(ctx, c, row.Owner)
	if err != nil {
		return SignedIn{}, err
	}
	if name == "" {
		name = owner.Content().Name
	}
	if name == "" {
		name = i.Content().Name
	}
	e := c.Event(ledger.OwnerAdded)
	e.By, e.Owner, e.Created, e.Name = "invitation", row.Owner, row.ID, name
	var writes []store.Write
	settings := c.Wallet.Settings()
	switch {
	case settings.Owned && row.Inviter == store.RoleOperator && !row.Recovery:
		return SignedIn{}, fmt.Errorf("%w: the wallet has an owner since, who alone invites others", auth.ErrForbidden)
	case !settings.Owned:
		settings.Owned = true
		sealed, err := o.keystore.WithContent(c.Wallet.Row(), settings)
		if err != nil {
			return SignedIn{}, fmt.Errorf("marking the wallet as owned: %w", err)
		}
		// The database is asked too, as for an owner's token, so that of two first owners at once one is refused. The
		// wallet's row comes first: what follows raises its version.
		writes = append(writes, store.CheckNoOwner(row.Wallet), store.UpdateWallet(sealed))
	}
	writes = append(writes, o.use(c, row))
	var before []ledger.Event
	if row.Recovery {
		ended, removed, err := o.endWays(ctx, c, func(of string) bool { return of == row.Owner || of == "" })
		if err != nil {
			return SignedIn{}, err
		}
		cancelled, err := o.pipeline.CancelWaiting(ctx, c)
		if err != nil {
			return SignedIn{}, err
		}
		withdrawn, err := o.endInvitations(ctx, c, row.ID)
		if err != nil {
			return SignedIn{}, err
		}
		writes = append(append(append(writes, ended...), cancelled...), withdrawn...)
		e.Kind = ledger.OwnerRecovered
		if len(removed) > 0 {
			e.Disclosed = &ledger.Disclosure{Removed: removed}
		}
	}
	before = append(before, e)
	updated := store.Owner{Wallet: row.Wallet, ID: row.Owner, Created: owner.Row().Created}
	if owner.Row().ID == "" {
		updated.Created = o.store.Now().Unix()
	}
	if updated.Sealed, err = c.Wallet.Seal(updated, auth.OwnerContent{Name: name}); err != nil {
		return SignedIn{}, err
	}
	updated.MAC = c.Wallet.MAC(updated)
	token, session := o.auth.NewSession(c, row.Owner, added.row.ID, added.content.Name)
	writes = append(writes, store.PutOwner(owner.Row(), updated), store.InsertPasskey(added.row, maxPasskeys), store.InsertToken(session))
	added.event.By, added.event.Created = "invitation", token.ID
	_, err = c.Wallet.Commit(ctx, ledger.Change{Before: before, Event: added.event, Nonce: added.nonce, Writes: writes})
	if err != nil {
		return SignedIn{}, err
	}
	return SignedIn{Token: token, Owner: row.Owner, Name: name, Passkey: added.row.ID, Wallets: []string{row.Wallet}}, nil
}
