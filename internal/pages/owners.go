package pages

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"rsc.io/qr"

	"walletd/internal/auth"
	"walletd/internal/owner"
	"walletd/internal/store"
)

// ownersPage is what the page of a wallet's owners shows.
type ownersPage struct {
	Owners      []owner.View
	Invitations []owner.Invitation
	MayInvite   bool          // the service has passkeys
	Invited     *invitedShown // an invitation that was just made, or nil
}

// invitedShown is an invitation with its link, which is shown once.
type invitedShown struct {
	Name, Link string
	Expires    time.Time
	QR         qrShown
}

// qrShown is a QR code as a drawing: a square whose side has so many modules, and the path of the dark ones.
type qrShown struct {
	Side int
	Path string
}

// drawQR draws a text as a QR code, with the quiet zone of four modules around it.
func drawQR(text string) (qrShown, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return qrShown{}, fmt.Errorf("drawing the QR code: %w", err)
	}
	const quiet = 4
	var path strings.Builder
	for y := range code.Size {
		for x := range code.Size {
			if code.Black(x, y) {
				fmt.Fprintf(&path, "M%d %dh1v1h-1z", x+quiet, y+quiet)
			}
		}
	}
	return qrShown{code.Size + 2*quiet, path.String()}, nil
}

// owners shows who owns the wallet, and who is invited.
func (p *Pages) owners(v *visit) error { return p.showOwners(v, nil) }

func (p *Pages) showOwners(v *visit, invited *invitedShown) error {
	shown := ownersPage{MayInvite: !p.Auth.Party().IsZero(), Invited: invited}
	var err error
	shown.Owners, err = every(v.ctx(), v.caller, func(ctx context.Context, c *auth.Caller, page store.Page) ([]owner.View, string, error) {
		return p.Owners.List(ctx, c, c.WalletID, page)
	})
	if err != nil {
		return err
	}
	shown.Invitations, err = every(v.ctx(), v.caller, func(ctx context.Context, c *auth.Caller, page store.Page) ([]owner.Invitation, string, error) {
		return p.Owners.Invitations(ctx, c, c.WalletID, page)
	})
	if err != nil {
		return err
	}
	return v.show(http.StatusOK, "owners", shown)
}

// inviteOwner makes an invitation and shows its link, once: it is in this answer and nowhere else.
func (p *Pages) inviteOwner(v *visit) error {
	i, err := p.Owners.Invite(v.ctx(), v.caller, owner.NewInvitation{
		Wallet: v.caller.WalletID, Name: v.form.text("name"), Owner: v.form.text("owner"), Recovery: v.form.text("recovery") != "",
	})
	if err != nil {
		return err
	}
	shown := invitedShown{Name: i.Name, Link: i.Link, Expires: i.Expires}
	if shown.QR, err = drawQR(i.Link); err != nil {
		return err
	}
	return p.showOwners(v, &shown)
}

func (p *Pages) withdrawInvitation(v *visit) error {
	if err := p.Owners.Withdraw(v.ctx(), v.caller, v.name("id")); err != nil {
		return err
	}
	return v.redirectDone("/owners", "revoked")
}

func (p *Pages) removeOwner(v *visit) error {
	id := v.name("id")
	if err := p.Owners.Remove(v.ctx(), v.caller, id); err != nil {
		return err
	}
	if id == v.caller.Owner {
		return v.forgetSession()
	}
	return v.redirectDone("/owners", "revoked")
}
