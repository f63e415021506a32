package delegation

import (
	"slices"
	"strings"
)

// Match tells whether a scope such as fg:x:connect:profile is covered by a
// pattern: itself, anything below it, or, for one that ends in :*, anything that
// begins with what stands before the star. A bare star matches only itself
// (DID Connect reference g.iii).
//
// Because a pattern's own text is below what covers it, Match also tells whether
// everything that one pattern covers is covered by another.
func Match(scope, pattern string) bool {
	if scope == pattern {
		return true
	}
	if strings.HasSuffix(pattern, ":*") {
		return strings.HasPrefix(scope, strings.TrimSuffix(pattern, "*"))
	}
	return strings.HasPrefix(scope, pattern+":")
}

// Allowed tells whether some pattern of ops covers the scope and none of deny
// does. Without ops nothing is allowed.
func Allowed(scope string, ops, deny []string) bool {
	covers := func(pattern string) bool { return Match(scope, pattern) }
	return slices.ContainsFunc(ops, covers) && !slices.ContainsFunc(deny, covers)
}
