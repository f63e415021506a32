package secrets

import (
	"strings"
	"unicode/utf8"

	"walletd/internal/auth"
	"walletd/internal/policy"
)

// maxUser bounds a Matrix user id, in bytes (Matrix specification, appendices, "User identifiers").
const maxUser = 255

// SaltOf returns the salt of the secret storage key of a Matrix user, so that two users of one client have two keys;
// "" is DefaultSalt, of clients that name no user.
func SaltOf(user string) string {
	if user == "" {
		return DefaultSalt
	}
	return DefaultSalt + ":" + user
}

// userOf returns the Matrix user that a salt names, as SaltOf and walletd-matrix write it, or "".
func userOf(salt string) string {
	if i := strings.Index(salt, ":@"); i >= 0 {
		return salt[i+1:]
	}
	return ""
}

// isAnothers reports whether a salt is that of another Matrix user than the one that a client names: the key must not
// open in one account what the homeserver moved there from another. A client that names none is not held to any, and
// a salt without a user is that of a client from before.
func isAnothers(salt, user string) bool {
	of := userOf(salt)
	return user != "" && of != "" && of != user
}

func checkUser(user string) error {
	if user != "" && (len(user) > maxUser || user[0] != '@' || !strings.Contains(user, ":") || !utf8.ValidString(user)) {
		return auth.Invalid("user must be a Matrix user id, as in @alice:example.org")
	}
	return nil
}

func checkSalt(salt string) error {
	if len(salt) > policy.MaxSalt {
		return auth.Invalid("the salt is longer than %d bytes", policy.MaxSalt)
	}
	return nil
}
