package store

import "context"

// Kinds of Slot.
const (
	SlotPassphrase = "passphrase"
	SlotAge        = "age"
)

// Slot is one way to unlock the keystore.
type Slot struct {
	ID         string
	Kind       string // SlotPassphrase or SlotAge
	Name       string
	Params     []byte // JSON
	Sealed     []byte // the root key
	Generation int64  // of the root key in Sealed
	Created    int64
	MAC        []byte
}

func (s *Slot) columns() []column {
	return []column{
		authentic("id", &s.ID),
		authentic("kind", &s.Kind),
		authentic("name", &s.Name),
		authentic("params", &s.Params),
		authentic("sealed", &s.Sealed),
		authentic("generation", &s.Generation),
		authentic("created", &s.Created),
		plain("mac", &s.MAC),
	}
}

func (Slot) Table() string       { return "slots" }
func (s Slot) Key() string       { return s.ID }
func (s Slot) Canonical() []byte { return canonical(&s) }
func (s Slot) Sum() []byte       { return s.MAC }

var (
	getSlots   = reads[Slot]("slots")
	putSlot    = writes[Slot]("put slot")
	slotExists = statement("slot")
	deleteSlot = statement("delete slot")
)

// Slots reads all slots, the oldest first.
func (s *Store) Slots(ctx context.Context) ([]Slot, error) {
	return many(ctx, s, getSlots)
}

// PutSlot adds the slot or replaces the one with its id. The Change is on the
// service's chain.
func PutSlot(s Slot) Write {
	return Write{chain: ServiceChain, steps: []step{putSlot.row(s, ErrChanged)}}
}

// DeleteSlot removes a slot. ErrNotFound; ErrLastSlot if it is the last. The
// Change is on the service's chain.
func DeleteSlot(id string) Write {
	return Write{chain: ServiceChain, steps: []step{slotExists.step(ErrNotFound, id), deleteSlot.step(ErrLastSlot, id)}}
}
