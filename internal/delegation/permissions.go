package delegation

import (
	"encoding/json"
	"slices"
	"strings"

	"walletd/internal/did"
	"walletd/internal/strictjson"
)

// permissions holds what the member permissions grants. An entry of an unexpected
// type grants nothing.
type permissions struct {
	listed  bool     // the member is there and not an empty array
	connect bool     // some entry has the role DIDConnectAgent
	claims  []string // of all entries with that role
	roles   []string // all roles and bare strings, for showing
	named   bool     // there are entries, and all are bare strings that are no role and no claim
}

// readPermissions parses the member permissions. Entries may be objects with a
// role, or bare strings for other services (g.ii.1), which grant nothing here.
// same reports whether an entry's role is DIDConnectAgent.
func readPermissions(body did.Object, same func(role string) bool) (permissions, error) {
	raw := body.Get("permissions")
	if raw == nil || string(raw) == "null" {
		return permissions{}, nil
	}
	var entries []json.RawMessage
	if json.Unmarshal(raw, &entries) != nil {
		return permissions{listed: true}, nil
	}
	p := permissions{listed: len(entries) > 0, named: len(entries) > 0}
	for _, entry := range entries {
		name, bare := textOf(entry)
		p.named = p.named && bare && isServiceName(name)
		switch entry[0] {
		case '"':
			p.roles = append(p.roles, name)
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
				names, _ := textsOf(member.Get("claims"))
				p.claims = append(p.claims, names...)
			}
		}
	}
	return p, nil
}

// isServiceName reports whether a bare permission names something that only the service of the party that may act
// knows, such as publish_blocklet. The name of a role, or of a claim whose answer is a key, is none, in whatever
// case, and neither is what could be a pattern: a careless reader could take them for what they are elsewhere.
func isServiceName(name string) bool {
	if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.:/") != "" {
		return false
	}
	return !slices.ContainsFunc([]string{roleConnect, "DIDSpaceAgent", "encryptionKey", "keyPair"}, func(other string) bool { return foldEqual(name, other) })
}

// textOf parses a JSON string.
func textOf(raw json.RawMessage) (string, bool) {
	return strictjson.Text(raw)
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
