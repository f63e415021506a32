// Package consent decides what apps are given. Every key, signature and answer that leaves a wallet for
// an app leaves through its Pipeline, and the types of package keystore see to it that the decision
// which allows it is on record first.
//
//	Answer / Request / Collect
//	  read      each claim's Type has parsed it; a rule that denies it ends it here; then its account is
//	            found, its delegation verified, and what it is about looked up
//	  decide    policy.Decide: rules, grants and what no rule may decide -> allow | ask | deny
//	  record    ledger.Wallet.Commit -> store.Receipt; if it cannot be written, nothing is given
//	  act       Claim.Answer, with the receipt -> keystore
//
// The types of claims are values that are handed to New: those of DID Connect are in package claims,
// those of secret storage in package secrets. What an owner asks for, the test of a policy and the
// collection of an approval go the same way. What an approval was shown to give is sealed into it, and
// the approval and its collection are refused where it is another by then (shown.go).
//
// Rows are found by query and therefore not trusted: package ledger checks their MAC whenever they are
// read. An attacker with write access to the database can delete rows or roll them back, but cannot
// forge an approval (design sections 2, 6 and 7).
package consent
