package pages

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"walletd/internal/auth"
	"walletd/internal/did"
	"walletd/internal/owner"
	"walletd/internal/secrets"
	"walletd/internal/show"
	"walletd/internal/store"
	"walletd/internal/wallets"
)

// largeTime bounds how long a backup takes on its way.
const largeTime = 30 * time.Minute

func (p *Pages) settings(v *visit) error {
	w, err := p.Wallets.Get(v.ctx(), v.caller, v.caller.WalletID)
	if err != nil {
		return err
	}
	return v.show(http.StatusOK, "settings", w)
}

// nameWallet sets the name of the wallet.
func (p *Pages) nameWallet(v *visit) error {
	name := v.form.text("name")
	if _, err := p.Wallets.Update(v.ctx(), v.caller, wallets.WalletChange{Name: &name}); err != nil {
		return err
	}
	return v.redirectDone("/settings", "saved")
}

// tokenShown is a token with what the page adds.
type tokenShown struct {
	auth.TokenView
	This bool // it is the session of this very browser
}

// devicesPage is what the page of devices and tokens shows.
type devicesPage struct {
	Passkeys     []owner.PasskeyView // the caller's own, or all where the session names nobody
	Others       int                 // passkeys of other owners of the wallet
	MayAdd       bool
	Owners, Apps []tokenShown
}

func (p *Pages) devices(v *visit) error {
	tokens, err := p.tokensOf(v)
	if err != nil {
		return err
	}
	shown := devicesPage{MayAdd: v.caller.Owner != "" && !p.Auth.Party().IsZero()}
	keys, err := every(v.ctx(), v.caller, p.Owners.Passkeys)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if v.caller.Owner != "" && k.Owner != v.caller.Owner {
			shown.Others++
			continue
		}
		shown.Passkeys = append(shown.Passkeys, k)
	}
	now := p.Store.Now()
	for _, t := range tokens {
		if !t.Revoked.IsZero() || !t.Expires.IsZero() && !now.Before(t.Expires) {
			continue
		}
		t.Name = show.Plain(t.Name, show.MaxName)
		if one := (tokenShown{t, t.ID == v.caller.Token}); t.Role == auth.App {
			shown.Apps = append(shown.Apps, one)
		} else {
			shown.Owners = append(shown.Owners, one)
		}
	}
	return v.show(http.StatusOK, "devices", shown)
}

func (p *Pages) revokeToken(v *visit) error {
	id := v.name("id")
	if id == v.caller.Token {
		return p.signOut(v)
	}
	if err := p.Pipeline.RevokeToken(v.ctx(), v.caller, id); err != nil && !errors.Is(err, auth.ErrNotFound) {
		return err
	}
	return v.redirectDone("/devices", "revoked")
}

// The items of a profile that the page edits; a picture stays as it is.
var profileItems = []string{"fullName", "email", "phone", "birthday", "url", "signature"}

// itemShown is an item of the profile with the type of its field.
type itemShown struct{ Item, Value, Type, Autocomplete string }

func (p *Pages) profile(v *visit) error {
	held, err := p.Wallets.Profile(v.ctx(), v.caller)
	if err != nil {
		return err
	}
	kinds := map[string][2]string{"fullName": {"text", "name"}, "email": {"email", "email"}, "phone": {"tel", "tel"}, "birthday": {"text", "bday"}, "url": {"url", "url"}, "signature": {"text", "off"}}
	var items []itemShown
	for _, item := range profileItems {
		items = append(items, itemShown{item, held[item], kinds[item][0], kinds[item][1]})
	}
	return v.show(http.StatusOK, "profile", items)
}

func (p *Pages) setProfile(v *visit) error {
	held, err := p.Wallets.Profile(v.ctx(), v.caller)
	if err != nil {
		return err
	}
	next := wallets.Profile{}
	for item, value := range held {
		next[item] = value
	}
	for _, item := range profileItems {
		next[item] = v.form.text(item)
	}
	if _, err := p.Wallets.SetProfile(v.ctx(), v.caller, next); err != nil {
		return err
	}
	return v.redirectDone("/profile", "saved")
}

// secrets shows the names of the secrets that are kept, and none of the secrets.
func (p *Pages) secrets(v *visit) error {
	kept, err := every(v.ctx(), v.caller, func(ctx context.Context, c *auth.Caller, page store.Page) ([]secrets.View, string, error) {
		return p.Secrets.List(ctx, c, did.DID{}, page)
	})
	if err != nil {
		return err
	}
	for i := range kept {
		kept[i].Name = show.Escape(kept[i].Name)
	}
	return v.show(http.StatusOK, "secrets", kept)
}

func (p *Pages) backupForm(v *visit) error { return v.show(http.StatusOK, "backup", nil) }

// makeBackup answers with a backup as a file.
func (p *Pages) makeBackup(v *visit) error {
	b, err := p.Backups.Create(v.ctx(), v.caller, v.form.text("record") == "")
	if err != nil {
		return err
	}
	defer b.Close()
	h := v.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.FormatInt(b.File.Size(), 10))
	h.Set("Content-Disposition", `attachment; filename="walletd-backup-`+did.Bare(v.caller.WalletID)+"-"+p.Store.Now().UTC().Format("2006-01-02")+`.json"`)
	h.Set("Repr-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(b.Sum[:])+":") // RFC 9530
	http.NewResponseController(v.w).SetWriteDeadline(time.Now().Add(largeTime))
	last := b.File.Size() - 1
	_, err = io.Copy(v.w, io.NewSectionReader(b.File, 0, last))
	b.Release() // who has the last byte may ask for the next
	if err == nil {
		_, err = io.Copy(v.w, io.NewSectionReader(b.File, last, 1))
	}
	if err != nil {
		panic(http.ErrAbortHandler) // it is too short, and an answer cannot be taken back
	}
	return nil
}
