// Package api is walletd's HTTP contract: openapi.yaml, written by hand, and the Go types of what
// goes over the wire, one for each schema of it and named after it. The server answers with these
// types, api/client asks with them, and a test compares them with the contract both ways.
//
// The package imports nothing of the module but the type for bytes that do not print and the reader
// of strict JSON.
//
// # Tags
//
// The tag json names a member. In a request a member is required unless its tag says omitempty or
// omitzero, or its field is a pointer; a pointer stands where being left out means something else than the zero
// value. The tags min and max bound a number, the length of a list, or the bytes of a text. The
// tag form says what a text must be: "name" is 1 to 100 characters for people, none of them
// invisible. The server refuses what does not fit, with the code member_invalid, and members that
// are not here, with json_unknown_member.
//
// # Texts
//
// An address is the bare base58btc form of a DID (z1…), an app is named by its DID (did:abt:…; the
// server also reads the bare address). Keys and public keys are base58btc with a leading z, hashes
// and signatures lower-case hex, unless their field says otherwise. Times are RFC 3339 in UTC. A
// secret is a SecretText, which does not print itself.
package api

import _ "embed"

// OpenAPI is the contract, OpenAPI 3.1 in YAML. It must not be changed.
//
//go:embed openapi.yaml
var OpenAPI []byte

// List is one page of a list.
type List[T any] struct {
	Items []T `json:"items"` // never null
	// Next is the cursor of the next page, "" on the last one.
	Next string `json:"next,omitempty"`
}

// Page is the query that says which page of a list is asked for.
type Page struct {
	// Limit bounds the items of the page; 0 leaves it to the server, which answers with 50.
	Limit int `json:"limit,omitempty" min:"1" max:"200"`
	// Cursor is the Next of the page before, "" for the first page.
	Cursor string `json:"cursor,omitempty" max:"512"`
}

// Empty is the body {} of a request that says nothing more.
type Empty struct{}

// Status is the answer of the probes.
type Status struct {
	// Status is "ok" (/healthz), "ready", or why not: "locked", "clock", "store", "stopping" (/readyz).
	Status string `json:"status"`
}
