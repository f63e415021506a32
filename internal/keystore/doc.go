// Package keystore keeps wallets sealed at rest. It offers operations, not
// keys: it signs, derives and seals, and the seed does not leave.
//
//	passphrase --Argon2id--> slot ─┐
//	age identity ----------> slot ─┴─> root key ─┬─> wallet key ─┬─> seal: content, seed, accounts, …
//	                                             │               ├─> mac:  what a decision rests on
//	                                             │               └─> head: signs the record's heads
//	                                             ├─> service key ──> head: signs the service's heads
//	                                             ├─> seal: those keys, age recipients, the old root key
//	                                             └─> mac:  the slots and the keystore's row
//
// Root, wallet and service keys are 32 random bytes; the keys after them are derived
// with HKDF-SHA256, one for each use. Everything sealed is XChaCha20-Poly1305
// with its place as associated data, so nothing opens in another row, wallet or
// keystore (design sections 5 and 6).
//
// The package has two faces. Keystore unlocks, locks, rotates and makes the
// rows of wallets. Wallet, one opened row for the length of a request, derives
// and signs. An operation whose result can leave the process takes the
// store.Receipt of the entry that allows it, and a test holds every exported
// method to that (release.go).
//
// What somebody who can write to the database can do: delete rows; put back
// what all of the database once was; undo a lock for the replicas that have not
// noticed it, since locking needs no key; keep everybody out. They can bring a
// removed slot back, which is noticed. Removing a slot does not help against who
// has a copy of its row and knows its secret: they have the root key. Rotating
// does, for what is made afterwards; wallet keys and the service's, which they
// could open before, stay what they were.
//
// What they can't: make a slot, a wallet or a row that passes for the
// keystore's own. A slot that somebody wrote or changed opens nothing, is left
// out by Rotate, and is put on the service's record at the next unlock, as are a
// slot that vanished and, of a large store some minutes later, wallets that do not
// open (look.go). An age recipient is enough to
// seal a root key of one's own to it, so recipients are sealed, and a root key
// that most wallets do not open with is refused.
package keystore
