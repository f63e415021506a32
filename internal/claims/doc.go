// Package claims holds the ten claim types of DID Connect (reference f), each a consent.Type in a file
// of its own, and what may be signed for an app (oracle.go). A new type is an added file and a line in
// Types.
package claims
