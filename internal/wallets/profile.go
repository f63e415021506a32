package wallets

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"walletd/internal/auth"
	"walletd/internal/did"
	"walletd/internal/ledger"
	"walletd/internal/show"
	"walletd/internal/store"
)

// maxItem bounds a profile item in bytes. An avatar may have more, but an answer must stay below the 100 kB that
// dApps read (reference d.5), also that which presents a passport with the avatar in it (MaxCredential).
const (
	maxItem   = 1000
	maxAvatar = 48 << 10
)

// Profile is what the owner has entered about themselves, by item. The item "did" is not among them.
type Profile map[string]string

// Check refuses items that no app can request, and values that are too long or not showable. It removes empty
// items.
func (p Profile) Check() (Profile, error) {
	clean := Profile{}
	for item, value := range p {
		if item == ItemDID || !slices.Contains(ProfileItems(), item) {
			return nil, auth.Invalid("a profile has the items %s", strings.Join(ProfileItems()[1:], ", "))
		}
		limit := maxItem
		if item == ItemAvatar {
			limit = maxAvatar
			if value != "" && !isPicture(value) {
				return nil, auth.Invalid("avatar must be a picture in a data url: data:image/png;base64,…")
			}
		}
		if len(value) > limit || !show.IsShowable(value) {
			return nil, auth.Invalid("%s must be text of at most %d bytes, without control characters", item, limit)
		}
		if value != "" {
			clean[item] = value
		}
	}
	return clean, nil
}

// isPicture reports whether a text is the data url of an image.
func isPicture(text string) bool {
	kind, data, _ := strings.Cut(text, ";base64,")
	format, picture := strings.CutPrefix(kind, "data:image/")
	if !picture || format == "" || data == "" || strings.Trim(format, "abcdefghijklmnopqrstuvwxyz0123456789.+-") != "" {
		return false
	}
	_, err := did.DecodeBase64URL(strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(data, "=")))
	return err == nil
}

// ProfileOf returns the profile of the caller's wallet and its version; both are zero if there is none.
func (w *Wallets) ProfileOf(ctx context.Context, c *auth.Caller) (Profile, int64, error) {
	row, err := w.store.Profile(ctx, c.WalletID)
	if errors.Is(err, store.ErrNotFound) {
		return Profile{}, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("reading the profile: %w", err)
	}
	p, err := ledger.Open[Profile](ctx, c.Wallet, row)
	return p.Content(), row.Version, err
}

// Profile returns the wallet's profile, for its owner.
func (w *Wallets) Profile(ctx context.Context, c *auth.Caller) (Profile, error) {
	if err := c.RequireReader(); err != nil {
		return nil, err
	}
	p, _, err := w.ProfileOf(ctx, c)
	return p, err
}

// SetProfile replaces the wallet's profile, for its owner. The audit entry names the items, and not their values.
func (w *Wallets) SetProfile(ctx context.Context, c *auth.Caller, p Profile) (Profile, error) {
	if err := c.RequireOwner(); err != nil {
		return nil, err
	}
	p, err := p.Check()
	if err != nil {
		return nil, err
	}
	_, version, err := w.ProfileOf(ctx, c)
	if err != nil && !errors.Is(err, ledger.ErrForged) { // a forged profile is replaced
		return nil, err
	}
	row := store.Profile{Wallet: c.WalletID, Version: version + 1, Updated: w.store.Now().Unix()}
	if row.Sealed, err = c.Wallet.Seal(row, p); err != nil {
		return nil, err
	}
	e := c.Event(ledger.ProfileSet)
	for _, item := range ProfileItems() {
		if _, found := p[item]; found {
			e.Items = append(e.Items, item)
		}
	}
	return p, c.Record(ctx, e, store.PutProfile(row))
}

// ProfileItems returns the items that an app can request (DID Connect reference f.2). The first is the account that
// answers; the others are those of the wallet's profile.
func ProfileItems() []string {
	return []string{ItemDID, "fullName", "email", "phone", "signature", ItemAvatar, "birthday", "url"}
}

const (
	ItemDID    = "did"
	ItemAvatar = "avatar"
)
