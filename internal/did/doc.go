// Package did holds what DID Connect says about identity: identifiers, text
// encodings, keys, signed tokens and the encrypted channel.
//
// It is pure. Time is a parameter, nothing is read from disk or network, and
// chance is drawn for the channel alone. Everything that parses is
// strict: one text for one value, sizes bounded before any work, and each
// refusal a [Refusal] with the stable code of DID Connect reference section l.
//
//	text ── Parse ──► DID ── CheckPublicKey ──► a key that may speak for it
//	token ─ VerifyToken ──► Token      payload ─ SignToken ──► token
//
// All functions may be called concurrently. A [SecretKey] and a [ChannelKey]
// may be used concurrently until they are wiped.
package did
