// Package claims decides what apps are given. Every key, signature and answer that leaves a wallet
// leaves through it, and the types of package keystore see to it that the decision which allows it is
// on record first.
//
//	Answer / Collect / Derive
//	  read      each claim is validated, its delegation verified, its account found
//	  decide    policy.Decide: rules, grants and what no rule may decide -> allow | ask | deny
//	  release   ledger.Wallet.Commit -> store.Receipt -> keystore; if the record cannot be written,
//	            nothing is given
//
// One file holds one type of claim; a new type is an added file and a line in kindOf. The package
// authenticates requesters (tokens, signed requests, registered apps), and holds what the owner set
// (policy, grants, approvals). What an approval was shown to give is sealed into it, and the approval
// and its collection are refused where it is another by then (shown.go).
//
// Rows are found by query and therefore not trusted: package ledger checks their MAC whenever they are
// read. An attacker with write access to the database can delete rows or roll them back, but cannot
// forge an approval (design sections 2, 6 and 7).
//
// A Door is safe for concurrent use. It keeps no state of its own that a replica could miss.
package claims
