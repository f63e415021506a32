// Package claims is the door: every key, signature and answer that leaves a wallet leaves through
// it, and nothing leaves unless the decision that allows it is already on record.
//
//	Answer / Collect / Derive
//	  read      each claim is validated, its delegation verified, its account found   (the vocabulary)
//	  decide    policy, grants and what no rule may decide -> allow | ask | deny      (pure)
//	  release   record durably, then act; if the record cannot be written, nothing is given
//
// One file holds one kind of claim; a new kind is an added file and a line in vocabulary. The
// package decides who may ask (tokens, signed requests, apps the person has approved), what the
// person set (policy, grants, approvals), and keeps the record of it all. Rows are found by query
// and therefore not trusted: each carries a MAC under the wallet's key that is checked on every
// read, so that who can write to the database can delete and roll back but not forge a yes
// (design sections 2, 6 and 7).
//
// A Door is safe for concurrent use. It keeps no state of its own that a replica could miss.
package claims
