package claims

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"walletd/internal/approvals"
	"walletd/internal/consent"
	"walletd/internal/did"
	"walletd/internal/keystore"
	"walletd/internal/show"
	"walletd/internal/store"
	"walletd/internal/wallets"
)

// profile is the claim for items of the wallet's profile (DID Connect reference f.2). The answer leaves out items
// that the owner does not disclose, and items that the profile does not have.
func profile() consent.Type {
	return consent.Type{
		Name:        "profile",
		Description: "Please provide your profile to continue.",
		Parse: func(asked did.Object) (consent.Parsed, error) {
			items, err := parseItems(asked)
			return consent.Parsed{Items: items, Read: func(ctx context.Context, req *consent.Request, c *consent.Claim) error {
				return readProfile(ctx, req, c, items)
			}}, err
		},
	}
}

func readProfile(ctx context.Context, req *consent.Request, c *consent.Claim, wanted []string) error {
	held, _, err := req.Wallets.ProfileOf(ctx, req.Caller)
	if err != nil {
		return err
	}
	c.About = strings.Join(slices.Sorted(slices.Values(wanted)), " ")
	values := map[string]string{wallets.ItemDID: did.Prefixed(req.Account.Address)}
	for item, value := range held {
		values[item] = value
	}
	c.Items = []string{}
	for _, item := range wanted {
		value, found := values[item]
		c.View.Items = append(c.View.Items, approvals.ItemView{Item: item, Held: found, Value: shownItem(item, value)})
		if found {
			c.Items = append(c.Items, item)
		}
	}
	given := map[string]string{}
	for _, item := range c.Items {
		if item != wallets.ItemDID { // the item did is the account, which is shown as such
			given[item] = values[item]
		}
	}
	if c.ContentHash, err = wallets.Contents(given); err != nil {
		return err
	}
	c.Answer = func(store.Receipt, *keystore.Wallet) (map[string]any, error) {
		added := map[string]any{}
		for _, item := range c.Items {
			added[item] = values[item]
		}
		return added, nil
	}
	return nil
}

// shownItem returns an item's value as the owner sees it; of a picture, its type and size.
func shownItem(item, value string) string {
	if item != wallets.ItemAvatar || value == "" {
		return show.Plain(value, show.MaxDescription)
	}
	kind, _, _ := strings.Cut(value, ",")
	return fmt.Sprintf("%s, %d bytes", show.Plain(strings.TrimPrefix(kind, "data:"), show.MaxName), len(value))
}

// parseItems parses the items that a profile claim requests, each of which may appear once.
func parseItems(asked did.Object) ([]string, error) {
	raw := asked.Get("items")
	if raw == nil || string(raw) == "null" {
		return []string{"fullName"}, nil
	}
	var items []string
	known := wallets.ProfileItems()
	if json.Unmarshal(raw, &items) != nil || len(items) > len(known) {
		return nil, did.Malformed("items must be a list of profile items, each once", nil)
	}
	for i, item := range items {
		if !slices.Contains(known, item) || slices.Contains(items[:i], item) {
			return nil, did.Malformed("items holds a profile item twice, or one that is not known", nil)
		}
	}
	return items, nil
}
