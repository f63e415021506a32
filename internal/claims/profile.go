package claims

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"walletd/internal/keystore"
	"walletd/internal/show"
	"walletd/internal/store"
)

// profileItems are the items that an app can ask for (DID Connect reference f.2). The first is
// the account that answers; the others are what the wallet's profile says.
func profileItems() []string {
	return []string{itemDID, "fullName", "email", "phone", "signature", itemAvatar, "birthday", "url"}
}

const (
	itemDID    = "did"
	itemAvatar = "avatar"
)

// profile is the claim for what the person says about themselves, item by item (DID Connect
// reference f.2). Items that the person does not give, or has not written down, are left out.
func profile() kind {
	return kind{
		name:        "profile",
		description: "Please provide your profile to continue.",
		read:        readProfile,
	}
}

func readProfile(ctx context.Context, q *question, c *claim) error {
	wanted, err := c.requestedItems()
	if err != nil {
		return err
	}
	held, _, err := q.door.profileOf(ctx, q.caller)
	if err != nil {
		return err
	}
	c.account = q.account
	c.about = strings.Join(slices.Sorted(slices.Values(wanted)), " ")
	values := map[string]string{itemDID: prefixed(q.account.Address)}
	for item, value := range held {
		values[item] = value
	}
	c.items = []string{}
	for _, item := range wanted {
		value, there := values[item]
		c.shown.Items = append(c.shown.Items, ItemView{Item: item, Held: there, Value: shownItem(item, value)})
		if there {
			c.items = append(c.items, item)
		}
	}
	given := map[string]string{}
	for _, item := range c.items {
		if item != itemDID { // it is the account, which is shown as that
			given[item] = values[item]
		}
	}
	if c.gives, err = contents(given); err != nil {
		return err
	}
	c.keepItems(q.choice.Items)
	c.answer = func(store.Receipt, *keystore.Wallet) (map[string]any, error) {
		added := map[string]any{}
		for _, item := range c.items {
			added[item] = values[item]
		}
		return added, nil
	}
	return nil
}

// shownItem is an item's value for the person who wrote it; a picture is told by its size.
func shownItem(item, value string) string {
	if item != itemAvatar || value == "" {
		return show.Plain(value, show.MaxDescription)
	}
	kind, _, _ := strings.Cut(value, ",")
	return fmt.Sprintf("%s, %d bytes", show.Plain(strings.TrimPrefix(kind, "data:"), show.MaxName), len(value))
}

// requestedItems reads the items that a profile claim asks for, each once; nil for another kind
// of claim.
func (c *claim) requestedItems() ([]string, error) {
	if c.kind.name != "profile" {
		return nil, nil
	}
	raw, present := c.asked["items"]
	if !present || string(raw) == "null" {
		return []string{"fullName"}, nil
	}
	var items []string
	known := profileItems()
	if json.Unmarshal(raw, &items) != nil || len(items) > len(known) {
		return nil, malformed("items must be a list of profile items, each once", nil)
	}
	for i, item := range items {
		if !slices.Contains(known, item) || slices.Contains(items[:i], item) {
			return nil, malformed("items holds a profile item twice, or one that is not known", nil)
		}
	}
	return items, nil
}

// keepItems leaves of the items that would be given those that are named; nil leaves all.
func (c *claim) keepItems(named *[]string) {
	if named == nil || c.items == nil {
		return
	}
	c.items = slices.DeleteFunc(slices.Clone(c.items), func(item string) bool { return !slices.Contains(*named, item) })
}

// checkItems holds the person's choice of items to those that were asked for and are held.
func (q *question) checkItems() error {
	if q.choice.Items == nil {
		return nil
	}
	offered, asked := map[string]bool{}, false
	for _, c := range q.claims {
		if c.items == nil {
			continue
		}
		asked = true
		for _, item := range c.shown.Items {
			offered[item.Item] = offered[item.Item] || item.Held
		}
	}
	if !asked {
		return fmt.Errorf("%w: no profile items were asked for", ErrChoice)
	}
	for _, item := range *q.choice.Items {
		held, wanted := offered[item]
		switch {
		case !wanted:
			return fmt.Errorf("%w: items names one that was not asked for", ErrChoice)
		case !held:
			return fmt.Errorf("%w: the profile does not have the item %s", ErrChoice, item)
		}
	}
	return nil
}
