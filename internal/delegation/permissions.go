package delegation

import (
	"encoding/json"

	"walletd/internal/did"
)

// permissions holds what the member permissions grants. An entry of an unexpected
// type grants nothing.
type permissions struct {
	listed  bool     // the member is there and not an empty array
	connect bool     // some entry has the role DIDConnectAgent
	claims  []string // of all entries with that role
	roles   []string // all roles and bare strings, for showing
}

// readPermissions parses the member permissions. Entries may be objects with a
// role, or bare strings for other services (g.ii.1), which grant nothing here.
// same reports whether an entry's role is DIDConnectAgent.
func readPermissions(body did.Object, same func(role string) bool) (permissions, error) {
	raw, present := body["permissions"]
	if !present || string(raw) == "null" {
		return permissions{}, nil
	}
	var entries []json.RawMessage
	if json.Unmarshal(raw, &entries) != nil {
		return permissions{listed: true}, nil
	}
	p := permissions{listed: len(entries) > 0}
	for _, entry := range entries {
		switch entry[0] {
		case '"':
			if name, ok := textOf(entry); ok {
				p.roles = append(p.roles, name)
			}
		case '{':
			// ParseObject refuses names that differ only in case: a case variant of
			// role or claims would mean one thing here and another to a parser that
			// ignores case.
			member, err := did.ParseObject(entry)
			if err != nil {
				return permissions{}, malformed("a permission is ambiguous")
			}
			role, ok := member.Text("role")
			if !ok {
				continue
			}
			p.roles = append(p.roles, role)
			if same(role) {
				p.connect = true
				names, _ := textsOf(member["claims"])
				p.claims = append(p.claims, names...)
			}
		}
	}
	return p, nil
}

// textOf parses a JSON string.
func textOf(raw json.RawMessage) (string, bool) {
	return did.Object{"": raw}.Text("")
}

// textsOf parses a JSON array of strings.
func textsOf(raw json.RawMessage) ([]string, bool) {
	var entries []json.RawMessage
	if len(raw) == 0 || raw[0] != '[' || json.Unmarshal(raw, &entries) != nil {
		return nil, false
	}
	texts := make([]string, 0, len(entries))
	for _, entry := range entries {
		text, ok := textOf(entry)
		if !ok {
			return nil, false
		}
		texts = append(texts, text)
	}
	return texts, true
}

// foldEqual compares ASCII text without case. strings.EqualFold would also accept
// the Kelvin sign as a k.
func foldEqual(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}
