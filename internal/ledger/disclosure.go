package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"walletd/internal/passkey"
	"walletd/internal/store"
)

// Entries of a wallet's audit log are sealed. What a person decides with a passkey must be verifiable by somebody
// without the wallet's key, so such an entry discloses its touch: the id of the entry is the hash of what it
// discloses, and so the hash of the chain covers it. An exported audit log shows it in clear.

// Disclosure is what an entry discloses. Exactly one member is set.
type Disclosure struct {
	Passkey *PasskeyAdding `json:"passkey,omitempty"` // a passkey that was added
	Removed []string       `json:"removed,omitempty"` // ids of passkeys that were removed
	Touch   *Touch         `json:"touch,omitempty"`
	Archive *Archive       `json:"archive,omitempty"` // of older entries of the same audit log
}

// PasskeyAdding is a passkey as it was registered.
type PasskeyAdding struct {
	ID         string   `json:"id"`
	Owner      string   `json:"owner"` // id of the owner whose it is
	Name       string   `json:"name"`
	Credential hexBytes `json:"credential"` // the id that the authenticator gave it
	PublicKey  hexBytes `json:"publicKey"`  // COSE_Key, in CBOR
	Counter    uint32   `json:"counter"`
}

// Touch is the use of a passkey: the assertion as it came, and what it signs. Exactly one of Decision and Action is
// set.
type Touch struct {
	Passkey           string            `json:"passkey"` // its id
	PublicKey         hexBytes          `json:"publicKey"`
	Credential        hexBytes          `json:"credential"`
	Origin            string            `json:"origin"` // of the service
	ClientData        hexBytes          `json:"clientData"`
	AuthenticatorData hexBytes          `json:"authenticatorData"`
	Signature         hexBytes          `json:"signature"`
	Decision          *passkey.Decision `json:"decision,omitempty"`
	Fresh             hexBytes          `json:"fresh,omitempty"` // the service's challenge, of an action
	Action            []string          `json:"action,omitempty"`
}

// disclosing begins the id of an entry that discloses something.
const disclosing = "disclosed-"

// entryID returns the id of an entry that discloses d: its hash, or a random one for nil.
func (d *Disclosure) entryID() string {
	if d == nil {
		return store.NewID()
	}
	text, err := json.Marshal(d)
	if err != nil {
		panic(err) // texts and bytes
	}
	sum := sha256.Sum256(text)
	return disclosing + hex.EncodeToString(sum[:])
}

// discloses reports whether an entry discloses something.
func discloses(r store.Record) bool { return strings.HasPrefix(r.ID, disclosing) }

// challenge returns the challenge that the touch must have answered.
func (t *Touch) challenge() []byte {
	if t.Decision != nil {
		return t.Decision.Challenge()
	}
	return passkey.ActionChallenge(t.Fresh, t.Action...)
}

// assertion returns the assertion as it came.
func (t *Touch) assertion() passkey.Assertion {
	return passkey.Assertion{ID: t.Credential, ClientData: t.ClientData, AuthenticatorData: t.AuthenticatorData, Signature: t.Signature}
}

// PasskeyUses says what a passkey signed in an audit log.
type PasskeyUses struct {
	Passkey, Owner, Name string // as it was added
	Decisions, Actions   int64
	Removed              bool // or replaced, or the wallet was restored since
	// Archived says that the passkey was added in an entry that is archived, and not shown: that it was added, and under
	// which name, stands there. What it signed verifies with the key that its uses show.
	Archived bool
}

// touches verifies what the entries of an audit log disclose, in their order. It holds the passkeys, which are few, and
// none of their uses.
type touches struct {
	added map[string]*addedPasskey // by id; without those that were removed
	all   []*addedPasskey
	bad   *BadEntry // the first entry whose disclosure does not hold
	// blind says that entries came before that do not show what they disclose, because they are in an archive; gone are
	// the passkeys that were removed since, and hidden counts those entries.
	blind  bool
	gone   map[string]bool
	hidden int64
}

type addedPasskey struct {
	PasskeyAdding
	uses PasskeyUses
}

// maxPasskeys bounds the passkeys that a verification holds. A wallet has at most 50 at a time.
const maxPasskeys = 10000

func (t *touches) uses() []PasskeyUses {
	var all []PasskeyUses
	for _, k := range t.all {
		k.uses.Removed = t.added[k.ID] != k
		all = append(all, k.uses)
	}
	return all
}

// add verifies what an entry discloses: that it is what the entry's id commits to, and of a touch, that a passkey signed
// it that had been added before and not been removed.
// What an entry of an archive discloses may be sealed.
func (t *touches) add(r store.Record, d *Disclosure, archived bool) {
	if why := t.check(r, d, archived); why != "" && t.bad == nil {
		t.bad = &BadEntry{Seq: r.Seq, Why: why}
	}
}

func (t *touches) check(r store.Record, d *Disclosure, archived bool) (why string) {
	if r.Kind == WalletRestored.name {
		t.added, t.gone, t.blind = nil, nil, false // passkeys are not restored
	}
	switch {
	case !discloses(r) && d == nil:
		return ""
	case d == nil && archived:
		t.hidden++
		t.blind = true
		return ""
	case d == nil:
		return "what the entry discloses is missing"
	case d.entryID() != r.ID:
		return "what is shown of the entry is not what it discloses"
	}
	for _, id := range d.Removed {
		delete(t.added, id)
		if t.blind {
			if len(t.gone) == maxPasskeys {
				return "more passkeys were removed than a wallet has"
			}
			if t.gone == nil {
				t.gone = map[string]bool{}
			}
			t.gone[id] = true
		}
	}
	if d.Touch != nil {
		return t.verify(d.Touch)
	}
	if d.Passkey == nil {
		return ""
	}
	return t.hold(&addedPasskey{*d.Passkey, PasskeyUses{Passkey: d.Passkey.ID, Owner: d.Passkey.Owner, Name: d.Passkey.Name}})
}

// hold adds a passkey to those that may sign.
func (t *touches) hold(k *addedPasskey) (why string) {
	if len(t.all) == maxPasskeys {
		return "more passkeys were added than a wallet has"
	}
	if t.added == nil {
		t.added = map[string]*addedPasskey{}
	}
	t.all, t.added[k.ID] = append(t.all, k), k
	return ""
}

// verify verifies a touch and returns "", or why it does not hold.
func (t *touches) verify(touch *Touch) string {
	key := t.added[touch.Passkey]
	if key == nil && t.blind && !t.gone[touch.Passkey] {
		shown := PasskeyAdding{ID: touch.Passkey, PublicKey: touch.PublicKey, Credential: touch.Credential}
		key = &addedPasskey{shown, PasskeyUses{Passkey: touch.Passkey, Archived: true}}
		if why := t.hold(key); why != "" {
			return why
		}
	}
	if key == nil {
		return "the passkey that decided had not been added before, or was removed"
	}
	if !bytes.Equal(key.PublicKey, touch.PublicKey) || !bytes.Equal(key.Credential, touch.Credential) {
		return "the passkey that decided is not the one that was added"
	}
	party, err := passkey.ParseParty(touch.Origin)
	if err != nil {
		return "the touch of the passkey names no origin"
	}
	counter, err := party.Verify(touch.challenge(), passkey.Key{ID: key.Credential, PublicKey: key.PublicKey, Counter: key.Counter}, touch.assertion())
	if err != nil {
		return fmt.Sprintf("the touch of the passkey does not verify: %v", err)
	}
	key.Counter = counter
	if touch.Decision != nil {
		key.uses.Decisions++
	} else {
		key.uses.Actions++
	}
	return ""
}
