package api

import "time"

// SlotSecret is what opens a slot of the keystore: exactly one of its members.
type SlotSecret struct {
	Passphrase SecretText `json:"passphrase,omitzero" min:"1" max:"16384"`
	Identity   SecretText `json:"identity,omitzero" min:"1" max:"16384"` // the text of an age identity file
}

// Slot is a way to unlock the keystore, without its secret.
type Slot struct {
	ID        string    `json:"id"`
	Kind      string    `json:"kind"` // "passphrase" or "age"
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"createdAt"`
	// Forged says that somebody else wrote or changed the slot, which then opens nothing. It is
	// known only while the keystore is unlocked.
	Forged bool `json:"forged,omitempty"`
}

// Keystore is the state of the keystore of the replica that answers.
type Keystore struct {
	State      string `json:"state"`      // "locked" or "unlocked"
	Generation int64  `json:"generation"` // how many root keys there have been
	Rotating   bool   `json:"rotating"`
	Failures   int64  `json:"failures"` // failed unlocks since the last that worked
	Slots      []Slot `json:"slots"`
}

// NewSlot is another way to unlock: a passphrase, or an age recipient.
type NewSlot struct {
	Name        string     `json:"name" form:"name"`
	Passphrase  SecretText `json:"passphrase,omitzero" min:"1" max:"16384"` // 12 characters or more
	AcceptShort bool       `json:"acceptShort,omitempty"`                   // the passphrase may have 8 to 11: somebody was warned
	Recipient   string     `json:"recipient,omitempty" min:"1" max:"4096"`
}

// AddSlot adds a way to unlock. Auth is the secret of a slot that exists.
type AddSlot struct {
	Auth SlotSecret `json:"auth"`
	Slot NewSlot    `json:"slot"`
}

// CreatedSlot names a slot that was made.
type CreatedSlot struct {
	ID string `json:"id"`
}

// RemoveSlot carries the secret of a slot, which removing one takes.
type RemoveSlot struct {
	Auth SlotSecret `json:"auth"`
}

// Rotation replaces the root key. Secrets opens every passphrase slot that is to stay.
type Rotation struct {
	Secrets     []SlotSecret `json:"secrets" min:"1" max:"16"`
	DropMissing bool         `json:"dropMissing,omitempty"` // remove the passphrase slots whose secret is not given
}
