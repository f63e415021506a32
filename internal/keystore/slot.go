package keystore

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"encoding/json"
	"slices"
	"sort"
	"strconv"
	"unicode/utf8"

	"walletd/internal/store"
)

const (
	slotPassphrase = store.SlotPassphrase
	slotAge        = store.SlotAge

	maxSlots    = 16
	maxSlotName = 100 // characters
	saltSize    = 16

	// What the row of a slot may measure before anything is done with it. A
	// hybrid age recipient has 2 KiB, and the file that is sealed to it 2 KiB too.
	maxParams = 8 << 10
	maxSealed = 16 << 10

	tableSlots    = "slots"
	tableKeystore = "keystore"
	tableChains   = "chains"
)

// NewSlot says how another slot is to be opened: with Passphrase, or with the
// identity of Recipient; one of the two.
type NewSlot struct {
	Name        string
	Passphrase  Secret
	AcceptShort bool   // Passphrase may have 8 to 11 characters: somebody was warned
	Recipient   string // "age1…"
}

// slotParams is a slot's Params: JSON, in this order of members and no other
// spelling. A passphrase slot has the first three and Salt, an age slot
// Recipient alone.
type slotParams struct {
	MemoryKiB uint32 `json:"memoryKiB,omitempty"`
	Time      uint32 `json:"time,omitempty"`
	Threads   uint8  `json:"threads,omitempty"`
	Salt      []byte `json:"salt,omitempty"`
	// Recipient is sealed under the root key. Who knew it could seal a root key
	// of their own to it and so have us make wallets for them; and it says who
	// can unlock.
	Recipient []byte `json:"recipient,omitempty"`
}

func (p slotParams) argon2() Argon2Params {
	return Argon2Params{MemoryKiB: p.MemoryKiB, Time: p.Time, Threads: p.Threads}
}

func (p slotParams) encode() []byte {
	b, err := json.Marshal(p)
	if err != nil {
		panic(err) // numbers and bytes
	}
	return b
}

// parseSlot reads the Params of a slot, which may be anybody's. It accepts only
// what encode makes, and what is within bounds.
func parseSlot(s store.Slot) (slotParams, bool) {
	var p slotParams
	if len(s.Params) > maxParams || len(s.Sealed) > maxSealed || json.Unmarshal(s.Params, &p) != nil {
		return slotParams{}, false
	}
	if !bytes.Equal(p.encode(), s.Params) {
		return slotParams{}, false
	}
	switch s.Kind {
	case slotPassphrase:
		return p, p.argon2().within() && len(p.Salt) == saltSize && p.Recipient == nil
	case slotAge:
		return p, p.argon2() == Argon2Params{} && p.Salt == nil && len(p.Recipient) > 0
	}
	return slotParams{}, false
}

// isWeak tells whether a slot of a passphrase costs less to try than new ones do
// at least.
func isWeak(s store.Slot) bool {
	p, ok := parseSlot(s)
	return ok && s.Kind == slotPassphrase && p.argon2().weak()
}

// makeSlot seals the root key into a new slot. Errors are ErrSlot, ErrRecipient
// and those of CheckPassphrase.
func (k *Keystore) makeSlot(ks store.Keystore, root *keyring, n NewSlot) (store.Slot, error) {
	chars := utf8.RuneCountInString(n.Name)
	if chars == 0 || chars > maxSlotName || !utf8.ValidString(n.Name) || n.Passphrase.IsZero() == (n.Recipient == "") {
		return store.Slot{}, ErrSlot
	}
	s := store.Slot{ID: store.NewID(), Kind: slotAge, Name: n.Name, Created: k.now().Unix()}
	if n.Recipient != "" {
		return sealForRecipient(ks, root, s, n.Recipient)
	}
	if !n.Passphrase.usable() || n.Passphrase.kind != slotPassphrase {
		return store.Slot{}, ErrSlot
	}
	if err := CheckPassphrase(n.Passphrase.Reveal(), n.AcceptShort); err != nil {
		return store.Slot{}, err
	}
	s.Kind = slotPassphrase
	return k.sealForPassphrase(ks, root, s, n.Passphrase), nil
}

// sealForPassphrase fills in the parameters, always those of a new slot and
// never those of a row, the sealed root key, generation and MAC.
func (k *Keystore) sealForPassphrase(ks store.Keystore, root *keyring, s store.Slot, passphrase Secret) store.Slot {
	cost := k.argon2()
	p := slotParams{MemoryKiB: cost.MemoryKiB, Time: cost.Time, Threads: cost.Threads, Salt: make([]byte, saltSize)}
	rand.Read(p.Salt) // never fails
	s.Params = p.encode()
	s.Generation = ks.Generation
	key := cost.stretch(passphrase.Reveal(), p.Salt)
	defer clear(key[:])
	s.Sealed = seal(key, slotLabel(ks, s), root.base[:])
	s.MAC = mac(root.mac, slotMessage(ks, s))
	return s
}

// sealForRecipient is the same for an age slot.
func sealForRecipient(ks store.Keystore, root *keyring, s store.Slot, recipient string) (store.Slot, error) {
	var err error
	s.Params = slotParams{Recipient: seal(root.seal, recipientPlace(ks, s), []byte(recipient))}.encode()
	s.Generation = ks.Generation
	if s.Sealed, err = sealToRecipient(recipient, slotLabel(ks, s), root.base[:]); err != nil {
		return store.Slot{}, err
	}
	s.MAC = mac(root.mac, slotMessage(ks, s))
	return s, nil
}

// openSlot tries a secret on a slot and gives the key in it. That it is this
// store's root key is not yet known. asGiven says that the slot is of the bytes
// of a passphrase as they came, and not of its normal form. ok is false for
// whatever reason it does not open; telling reasons apart would help only who
// writes slots.
func openSlot(ks store.Keystore, s store.Slot, secret Secret) (key *[keySize]byte, asGiven, ok bool) {
	p, ok := parseSlot(s)
	if !ok || s.Kind != secret.kind || !secret.usable() {
		return nil, false, false
	}
	if s.Kind == slotAge {
		key, err := openWithIdentity(secret.Reveal(), slotLabel(ks, s), s.Sealed)
		return key, false, err == nil
	}
	if key, ok = openPassphraseSlot(ks, s, p, secret.Reveal()); !ok && !secret.given.IsZero() {
		key, asGiven = openPassphraseSlot(ks, s, p, secret.given.Reveal())
	}
	return key, asGiven, ok || asGiven
}

func openPassphraseSlot(ks store.Keystore, s store.Slot, p slotParams, passphrase []byte) (key *[keySize]byte, ok bool) {
	stretched := p.argon2().stretch(passphrase, p.Salt)
	defer clear(stretched[:])
	plain, err := open(stretched, slotLabel(ks, s), s.Sealed)
	if err != nil || len(plain) != keySize {
		return nil, false
	}
	return (*[keySize]byte)(plain), true
}

// recipientOf opens the recipient of an age slot. The slot must be genuine.
func recipientOf(ks store.Keystore, root *keyring, s store.Slot) (string, error) {
	p, ok := parseSlot(s)
	if ok && s.Kind == slotAge {
		if text, err := open(root.seal, recipientPlace(ks, s), p.Recipient); err == nil {
			return string(text), nil
		}
	}
	return "", &DamagedError{Table: tableSlots, Row: s.ID}
}

// slotLabel is the associated data of the root key in a slot. The parameters of
// a passphrase slot are bound by the key they give.
func slotLabel(ks store.Keystore, s store.Slot) []byte {
	return appendParts(nil, labelSlot, ks.ID, s.ID, s.Kind, strconv.FormatInt(s.Generation, 10))
}

func recipientPlace(ks store.Keystore, s store.Slot) []byte {
	return Place{Table: tableSlots, Row: s.ID, Field: "recipient", Version: 1}.associated("", ks.ID)
}

// slotMessage is what a slot's MAC covers: the keystore and the whole row.
func slotMessage(ks store.Keystore, s store.Slot) []byte {
	return append(appendParts(nil, labelSlot, ks.ID), s.Canonical()...)
}

// genuine tells whether the slot was made under this root key and is of its
// generation.
func genuine(root *keyring, ks store.Keystore, s store.Slot) bool {
	return s.Generation == ks.Generation && root.checkMAC(slotMessage(ks, s), s.MAC)
}

// checkOf gives the Check of the keystore's row: a MAC of what only a holder of
// the root key changes, then one of which slots there are. The second is apart
// so that a slot somebody deleted is noticed and does not keep everybody out.
// Because each change of a slot changes it, two replicas that change slots at
// once can't both succeed (store.UpdateKeystore).
func checkOf(root *keyring, ks store.Keystore, slots []store.Slot) []byte {
	return append(rowCheck(root, ks), slotsCheck(root, ks, slots)...)
}

func rowCheck(root *keyring, ks store.Keystore) []byte {
	return mac(root.mac, ks.Canonical())
}

func slotsCheck(root *keyring, ks store.Keystore, slots []store.Slot) []byte {
	slots = slices.Clone(slots)
	// Not by slices: each instance for a large struct is 10 to 30 kB of the binary.
	sort.Slice(slots, func(i, j int) bool { return slots[i].ID < slots[j].ID })
	set := appendParts(nil, labelSlots, ks.ID)
	for _, s := range slots {
		set = appendParts(set, string(s.MAC))
	}
	return mac(root.mac, set)
}

// checkRow tells whether the keystore's row was made under this root key.
func checkRow(root *keyring, ks store.Keystore) bool {
	return len(ks.Check) == 2*macSize && hmac.Equal(rowCheck(root, ks), ks.Check[:macSize])
}
