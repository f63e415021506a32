package secretstorage

import (
	"crypto/pbkdf2"
	"crypto/sha512"
	"fmt"
	"strconv"
	"unicode/utf8"

	"walletd/internal/did"
)

const (
	passphraseAlgorithm = "m.pbkdf2"
	maxIterations       = 10_000_000 // under ten seconds
	maxPassphrase       = 16 << 10   // bytes
)

// PassphraseInfo says how a key comes from a passphrase (reference section 6). walletd only reads
// such members: keys of its own come from no passphrase.
type PassphraseInfo struct {
	Salt       string // text, used as UTF-8 and never decoded
	Iterations int    // 1 to 10,000,000
}

// Passphrase reads the member passphrase. Without one, or with one that is not as it must be (text
// salt, whole iterations of 1 to 10,000,000, bits 256 or none), it is refused with
// bad_passphrase_info; another algorithm than m.pbkdf2 is unknown_algorithm. The key may be given
// in another way all the same.
func (d Description) Passphrase() (PassphraseInfo, error) {
	bad := func(reason string) (PassphraseInfo, error) {
		return PassphraseInfo{}, did.Refuse("bad_passphrase_info", reason)
	}
	if !d.object.Has("passphrase") {
		return bad("the key has no passphrase")
	}
	o, err := d.object.Object("passphrase")
	if err != nil {
		return bad("the passphrase member is not an object that can be read")
	}
	if algorithm, _ := o.Text("algorithm"); algorithm != passphraseAlgorithm {
		return PassphraseInfo{}, did.Refuse("unknown_algorithm", "the passphrase is not of a known algorithm")
	}
	salt, ok := o.WholeText("salt")
	if !ok {
		return bad("the passphrase has no salt, or one that is not text")
	}
	if o.Has("bits") && string(o.Get("bits")) != "256" {
		return bad("a key has 256 bits")
	}
	iterations, err := strconv.Atoi(string(o.Get("iterations")))
	if err != nil {
		return bad("the passphrase has no number of iterations")
	}
	info := PassphraseInfo{Salt: salt, Iterations: iterations}
	if err := info.check(); err != nil {
		return PassphraseInfo{}, err
	}
	return info, nil
}

// check comes before any work: the standard library takes no iterations for one, and as many as
// there are.
func (p PassphraseInfo) check() error {
	if p.Iterations < 1 || p.Iterations > maxIterations {
		return did.Refuse("bad_passphrase_info", "the iterations are not from 1 to 10,000,000")
	}
	return nil
}

// DeriveKey gives PBKDF2-HMAC-SHA-512 of the passphrase, of at most 16 KiB (too_large) of UTF-8
// (not_utf8), neither trimmed nor normalised. It takes about 0.8 seconds for a million iterations
// and cannot be stopped: callers bound how many run at once. The key is not checked.
func (p PassphraseInfo) DeriveKey(passphrase []byte) (Key, error) {
	if err := p.check(); err != nil {
		return Key{}, err
	}
	if len(passphrase) > maxPassphrase {
		return Key{}, did.Refuse("too_large", "the passphrase is larger than 16 KiB")
	}
	if !utf8.Valid(passphrase) {
		return Key{}, did.Refuse("not_utf8", "the passphrase is not UTF-8")
	}
	// The string is a copy that nobody can wipe; the function takes nothing else.
	b, err := pbkdf2.Key(sha512.New, string(passphrase), []byte(p.Salt), p.Iterations, KeySize)
	if err != nil {
		return Key{}, fmt.Errorf("deriving a key from a passphrase: %w", err)
	}
	defer clear(b)
	return NewKey(b)
}
