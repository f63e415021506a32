package keystore

import (
	"context"
	"encoding/json"
	"fmt"

	"walletd/internal/store"
)

// entryKind is the kind of this package's entries on the service's chain.
const entryKind = "keystore"

// event is the content of an entry. Names are quoted by JSON and were bounded
// when they came in; forged rows are named by a part of their id alone.
type event struct {
	Event      string   `json:"event"`
	By         string   `json:"by,omitempty"`
	Slot       string   `json:"slot,omitempty"` // id
	Slots      []string `json:"slots,omitempty"`
	Dropped    []string `json:"dropped,omitempty"`
	Token      string   `json:"token,omitempty"` // id
	Wallet     string   `json:"wallet,omitempty"`
	Row        string   `json:"row,omitempty"`
	Table      string   `json:"table,omitempty"`
	Generation int64    `json:"generation,omitempty"`
	Epoch      int64    `json:"epoch,omitempty"`
}

func (k *Keystore) entry(e event) store.Entry {
	content, err := json.Marshal(e)
	if err != nil {
		panic(err) // texts and numbers
	}
	return store.Entry{ID: store.NewID(), Time: k.now().UnixMilli(), Kind: entryKind, Sealed: content}
}

// change is a Change of the service's chain.
func (k *Keystore) change(epoch int64, writes []store.Write, events ...event) store.Change {
	c := store.Change{Chain: store.ServiceChain, Epoch: epoch, Writes: writes}
	for _, e := range events {
		c.Entries = append(c.Entries, k.entry(e))
	}
	return c
}

// record puts events on the service's record.
func (k *Keystore) record(ctx context.Context, events ...event) error {
	if len(events) == 0 {
		return nil
	}
	if _, err := k.store.Commit(ctx, k.change(-1, nil, events...)); err != nil {
		return fmt.Errorf("writing the record: %w", err)
	}
	return nil
}

// names gives the names of slots.
func names(slots []store.Slot) []string {
	var out []string
	for _, s := range slots {
		out = append(out, short(s.Name))
	}
	return out
}

// short cuts a text of the database, which may be anybody's, for the record.
func short(text string) string {
	return fmt.Sprintf("%.100s", text)
}
