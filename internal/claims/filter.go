package claims

import (
	"encoding/json"
	"slices"
	"strings"

	"walletd/internal/approvals"
	"walletd/internal/consent"
	"walletd/internal/did"
	"walletd/internal/show"
	"walletd/internal/wallets"
)

// maxFilters bounds the filters of a claim, and each list in one.
const maxFilters = 32

// readFilters parses the filters of a claim: its member filters or, in the old form, one filter of the claim's own
// members. types is the name of the member of the old form that lists types, "" if it has none.
func readFilters(o did.Object, types string) ([]approvals.FilterView, error) {
	raw := o.Get("filters")
	if raw == nil || string(raw) == "null" || string(raw) == "[]" {
		f, err := readFilter(o, types)
		return []approvals.FilterView{f}, err
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil || len(list) > maxFilters {
		return nil, did.Malformed("filters must be a list of at most 32 objects", nil)
	}
	var filters []approvals.FilterView
	for _, entry := range list {
		members, err := did.ParseObject(entry)
		if err != nil {
			return nil, did.Malformed("filters must hold objects", err)
		}
		f, err := readFilter(members, "type")
		if err != nil {
			return nil, err
		}
		filters = append(filters, f)
	}
	return filters, nil
}

// readFilter parses one filter; types is the name of the member that lists types, or "".
func readFilter(o did.Object, types string) (approvals.FilterView, error) {
	var f approvals.FilterView
	var err error
	for name, into := range map[string]*string{"target": &f.Target, "address": &f.Address, "tag": &f.Tag, "acquireUrl": &f.AcquireURL} {
		if *into, err = o.OptionalText(name, consent.MaxText); err != nil {
			return f, err
		}
	}
	f.Target, f.Address = did.Bare(f.Target), did.Bare(f.Address)
	if types != "" {
		if f.Types, err = wallets.ReadNames(o, types); err != nil {
			return f, err
		}
	}
	for name, into := range map[string]*[]string{"trustedIssuers": &f.TrustedIssuers, "trustedParents": &f.TrustedParents, "ownerDid": &f.Owners} {
		if *into, err = wallets.ReadNames(o, name); err != nil {
			return f, err
		}
		for i, party := range *into {
			(*into)[i] = did.Bare(party)
		}
	}
	return f, nil
}

// fits reports whether a credential or asset matches a filter.
func fits(f approvals.FilterView, h wallets.Holding) bool {
	anyOf := func(wanted []string, has ...string) bool {
		return len(wanted) == 0 || slices.ContainsFunc(has, func(one string) bool { return one != "" && slices.Contains(wanted, one) })
	}
	equal := func(wanted, has string) bool { return wanted == "" || wanted == has }
	if h.Kind == wallets.KindAsset && len(f.Types) > 0 || h.Kind == wallets.KindCredential && (f.Address != "" || len(f.TrustedParents) > 0) {
		return false
	}
	return anyOf(f.Types, h.Types...) && anyOf(f.TrustedIssuers, h.Issuer) && anyOf(f.TrustedParents, h.Parent) &&
		anyOf(f.Owners, h.Owner) && equal(f.Target, h.DID) && equal(f.Address, h.DID) && (equal(f.Tag, h.Tag) || f.Tag == h.Said().Tag)
}

// shownFilter returns a filter with the app's words made plain.
func shownFilter(f approvals.FilterView) approvals.FilterView {
	for _, text := range []*string{&f.Target, &f.Address, &f.Tag} {
		*text = show.Plain(*text, show.MaxName)
	}
	f.AcquireURL = show.Plain(strings.TrimSpace(f.AcquireURL), show.MaxDescription)
	for _, list := range []*[]string{&f.Types, &f.TrustedIssuers, &f.TrustedParents, &f.Owners} {
		clean := make([]string, len(*list))
		for i, text := range *list {
			clean[i] = show.Plain(text, show.MaxName)
		}
		*list = clean
	}
	return f
}
