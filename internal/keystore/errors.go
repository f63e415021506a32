package keystore

import (
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrInitialised: Init, and there is a keystore already.
	ErrInitialised = errors.New("the keystore is already initialised")
	// ErrNotInitialised: there is no keystore yet.
	ErrNotInitialised = errors.New("the keystore is not initialised")
	// ErrLocked: the operation needs the root key, and this process does not
	// hold it, or another replica has locked since.
	ErrLocked = errors.New("the keystore is locked")
	// ErrBusy: another secret is being tried; one at a time.
	ErrBusy = errors.New("another unlock is under way")
	// ErrWrongSecret: the passphrase or identity opens no slot.
	ErrWrongSecret = errors.New("this passphrase or identity opens no slot of the keystore")
	// ErrForeignRoot: the slot opened, but most wallets were not made with the
	// root key in it. The keystore's rows are of another store, or older than the
	// last rotation.
	ErrForeignRoot = errors.New("the slot holds another root key than this store's")
	// ErrNoSlot: there is no slot with that id.
	ErrNoSlot = errors.New("no such slot")
	// ErrSlots: more slots than maxSlots, or none.
	ErrSlots = fmt.Errorf("a keystore has 1 to %d slots", maxSlots)
	// ErrSlot: a new slot needs a name of 1 to 100 characters and either a
	// passphrase or an age recipient.
	ErrSlot = errors.New("a slot needs a name and either a passphrase or an age recipient")
	// ErrPassphrase: a new passphrase is no line of text.
	ErrPassphrase = errors.New("a passphrase is one line of text")
	// ErrPassphraseTooShort: a new passphrase has fewer than 8 characters.
	ErrPassphraseTooShort = fmt.Errorf("a new passphrase has at least %d characters", fewestCharacters)
	// ErrPassphraseShort: a new passphrase has 8 to 11 characters, and nobody
	// confirmed that it is to be used all the same.
	ErrPassphraseShort = fmt.Errorf("a passphrase of fewer than %d characters can be guessed by who gets a copy of the store", enoughCharacters)
	// ErrRecipient: the text is not an age recipient.
	ErrRecipient = errors.New("not an age recipient")
	// ErrIdentity: the text is not a file of age identities.
	ErrIdentity = errors.New("not an age identity file")
	// ErrKeyType: walletd makes no accounts with keys of this type.
	ErrKeyType = errors.New("no account can have a key of this type")
	// ErrContent: the name or the rounds of a Content are out of bounds.
	ErrContent = errors.New("a wallet's name is UTF-8 of at most 200 bytes, its rounds are 1 to 255")
)

// DamagedError says that a sealed row does not open in its place: it was cut,
// changed, or taken from another row, wallet or keystore. It never holds
// content.
type DamagedError struct {
	Table, Row string
	// Seen is a digest of what was there, to tell one damage of a row from the
	// next; zero where nothing was sealed.
	Seen [32]byte
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("%s row %.80q is damaged or not where it belongs", e.Table, e.Row)
}

// ForgedError says that a row's MAC is not the one this keystore would have
// made: somebody else wrote or changed it.
type ForgedError struct {
	Table, Row string
	// Seen is a digest of the row and its MAC, to tell one forgery from the next.
	Seen [32]byte
}

func (e *ForgedError) Error() string {
	return fmt.Sprintf("%s row %.80q was not written by this keystore", e.Table, e.Row)
}

// MissingSlotsError names the passphrase slots that a rotation would remove,
// because their secret was not given.
type MissingSlotsError struct{ Names []string }

func (e *MissingSlotsError) Error() string {
	quoted := make([]string, len(e.Names))
	for i, name := range e.Names {
		quoted[i] = fmt.Sprintf("%q", name)
	}
	return "no secret was given for the slots " + strings.Join(quoted, ", ")
}

// UnfinishedError says that the keystore is unlocked and serves, but that a
// rotation of the root key which was cut short could not be finished now. The
// next Unlock or Rotate goes on where it stopped.
type UnfinishedError struct{ Err error }

func (e *UnfinishedError) Error() string {
	return fmt.Sprintf("unlocked, but a rotation is unfinished: %v", e.Err)
}

// Unwrap gives what kept the rotation from finishing.
func (e *UnfinishedError) Unwrap() error { return e.Err }
