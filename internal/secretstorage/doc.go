// Package secretstorage is the Matrix envelope: secrets sealed as clients keep them in account
// data, the descriptions of the keys they are sealed with, and the backup of room keys (Matrix
// secret storage reference, "reference" below).
//
//	32 bytes ── NewKey ──► Key ── Seal ──► Sealed ── Secret.With ──► account data
//	account data ── ParseSecret ──► Secret ── Open ──► plaintext
//	description ── ParseDescription ──► Description ── Check ──► Match, NoMatch, Unknown
//	32 other bytes ── ParseBackupKey ─► BackupKey ── Public ── Seal ──► SessionData ── Open
//
// It is pure: nothing is read from clock, disk or network, and chance is drawn only for IVs and
// ephemeral keys. What parses is strict, bounds sizes before any work, keeps members it does not
// know, and writes an object back as it was but for white space. (json.Marshal escapes <, > and &
// besides; the MarshalJSON methods alone do not.)
//
// What it refuses is a [did.Refusal] with a code of reference section 12: malformed, bad_base64,
// bad_iv, bad_mac, bad_secret, not_utf8, bad_key, unknown_algorithm, no_match,
// no_usable_copy, not_encrypted, not_found, bad_passphrase_info, bad_base58, bad_length, bad_prefix,
// bad_parity, bad_padding. Three codes are our own, for the limits of section 3: bad_name (a secret
// may not have this name), empty_secret (clients could not read it back), too_large.
//
// Three weaknesses belong to the formats and are the caller's to know. The IV of a secret is not
// authenticated: [Open] of a changed one gives wrong bytes and no error, which is why
// [Secret.Open] looks at the shape of the secrets it knows. The ciphertext of a backed-up session
// is not authenticated at all. And no client checks a key that it is given, so a key goes out only
// after [Description.Check] said [Match].
//
// All functions may be called concurrently. A [Key] and a [BackupKey] may be used concurrently
// until they are wiped. Plaintexts and texts of keys are handed out as bytes; who gets them wipes
// them.
package secretstorage
