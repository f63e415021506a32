// Package claims implements the ten claim types of DID Connect (reference f), each a consent.Type in a file of its
// own, and the rules for what may be signed for an app (oracle.go). A new type is one more file and a line in
// Types.
package claims
