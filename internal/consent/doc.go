// Package consent decides what is disclosed to apps. Every key, signature and answer that leaves a wallet
// for an app passes its Pipeline. Package keystore discloses nothing without the receipt of an audit entry,
// so the decision that allows an answer is recorded before the answer exists.
//
//	Answer / AnswerParsed / Collect
//	  read      each claim's Type has parsed it; a rule that denies the claim ends the request here; then
//	            the account is found, the delegation verified, and what the claim is about looked up
//	  decide    policy.Decide: rules, grants and the cases that always ask -> allow | ask | deny
//	  record    ledger.Wallet.Commit -> store.Receipt; if the entry cannot be written, nothing is disclosed
//	  act       Claim.Answer, with the receipt -> keystore
//
// The types of claims are values that New takes: those of DID Connect are in package claims, those of
// secret storage in package secrets. An owner's own requests, the test of a policy and the collection of an
// approval pass the same pipeline. Each approval seals the answer that the owner was shown; approving and
// collecting it are refused if the answer has changed since (shown.go).
//
// Rows are found by query and therefore not trusted: package ledger checks their MAC whenever they are
// read. An attacker with write access to the database can delete rows or roll them back, but cannot
// forge an approval (design sections 2, 6 and 7).
package consent
