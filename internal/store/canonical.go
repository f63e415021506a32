package store

import (
	"encoding/binary"
	"fmt"
)

// Canonical gives the exact bytes that a row's MAC covers: the table's name and
// the format's version, then every column but the MAC itself and what changes
// without a key, each preceded by its length (8 bytes, big endian). Integers
// are 8 bytes big endian, booleans one byte. No two rows give the same bytes.

// Canonical of the keystore covers what only a holder of the root key changes:
// not Epoch, Failures or LastFailure.
func (k Keystore) Canonical() []byte {
	return canonical("keystore", 1, k.ID, k.Generation, k.SealedOldRoot, k.SealedService, k.Dev)
}

// Canonical of a slot: see the top of this file.
func (s Slot) Canonical() []byte {
	return canonical("slots", 1, s.ID, s.Kind, s.Name, s.Params, s.Sealed, s.Generation, s.Created)
}

// Canonical of a token leaves out LastUsed.
func (t Token) Canonical() []byte {
	return canonical("tokens", 1, t.ID, t.Role, t.Wallet, t.App, t.Name, t.Origins, t.Hash, t.Created, t.Expires, t.Revoked)
}

// Canonical of an app: see the top of this file.
func (a App) Canonical() []byte {
	return canonical("apps", 1, a.Wallet, a.App, a.State, a.Sealed, a.Created)
}

// Canonical of an approval: see the top of this file.
func (a Approval) Canonical() []byte {
	return canonical("approvals", 1, a.ID, a.Wallet, a.App, a.Agent, a.Asker, a.State, a.Code, a.Digest,
		a.Created, a.Expires, a.Decided, a.DecidedBy, a.Sealed, a.Answer)
}

// Canonical of a grant: see the top of this file.
func (g Grant) Canonical() []byte {
	return canonical("grants", 1, g.ID, g.Wallet, g.App, g.Agent, g.Approval, g.Created, g.Ends, g.Uses, g.Revoked, g.Sealed)
}

// Canonical of a delegation: see the top of this file.
func (d Delegation) Canonical() []byte {
	return canonical("delegations", 1, d.Wallet, d.Hash, d.FromAddr, d.ToAddr, d.Expires, d.Approved, d.Revoked, d.Sealed)
}

func canonical(label string, version int64, fields ...any) []byte {
	b := make([]byte, 0, 512)
	b = appendField(b, label)
	b = appendField(b, version)
	for _, f := range fields {
		b = appendField(b, f)
	}
	return b
}

func appendField(b []byte, field any) []byte {
	length := func(n int) { b = binary.BigEndian.AppendUint64(b, uint64(n)) }
	switch v := field.(type) {
	case string:
		length(len(v))
		return append(b, v...)
	case []byte:
		length(len(v))
		return append(b, v...)
	case int64:
		length(8)
		return binary.BigEndian.AppendUint64(b, uint64(v))
	case bool:
		length(1)
		if v {
			return append(b, 1)
		}
		return append(b, 0)
	default:
		panic(fmt.Sprintf("store: a column can't be a %T", field)) // the lists above are the only callers
	}
}
