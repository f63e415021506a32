package ledger

import (
	"encoding/json"
	"slices"
)

// Kind is a kind of audit entry, with what it means for safety. The kinds below are all there are: no other
// package can make one.
type Kind struct {
	name  string
	means meaning
}

// meaning is a set of properties of the entries of a kind.
type meaning uint

const (
	// fresh: the decision depends on the wallet as it was read. If a concurrent writer has raised the wallet's
	// version since, the commit fails with store.ErrChanged, and the decision is made again.
	fresh meaning = 1 << iota
	// consumes: the nonce of a signed request is consumed in the same write.
	consumes
	// releases: the entry allows a key, a signature or a plaintext to leave the wallet.
	releases
	// incidental: the entry is a by-product of a request, and does not consume its Idempotency-Key.
	incidental
	// wakes: the commit wakes those who wait for a decision or for events (Ledger.Changed).
	wakes
	// begins: a part of a wallet's audit log begins here, whose heads are signed with another key.
	begins
)

// The kinds. An entry of a kind that releases is durable before anything leaves.
var (
	ClaimAllowed   = Kind{"claim.allowed", fresh | consumes | releases}
	ClaimCollected = Kind{"claim.collected", fresh | consumes | releases}
	ClaimOwn       = Kind{"claim.own", releases}
	ClaimAsked     = Kind{"claim.asked", fresh | consumes | wakes}
	ClaimDenied    = Kind{"claim.denied", consumes}
	ClaimRefused   = Kind{"claim.refused", consumes}

	ApprovalApproved  = Kind{"approval.approved", fresh | wakes}
	ApprovalRejected  = Kind{"approval.rejected", wakes}
	ApprovalCancelled = Kind{"approval.cancelled", 0}

	PolicySet         = Kind{"policy.set", fresh | wakes}
	GrantRevoked      = Kind{"grant.revoked", fresh}
	TokenRevoked      = Kind{"token.revoked", fresh | wakes}
	AppRevoked        = Kind{"app.revoked", fresh | wakes}
	DelegationRevoked = Kind{"delegation.revoked", fresh | wakes}
	TokenCreated      = Kind{"token.created", fresh}
	PairingApproved   = Kind{"pairing.approved", fresh}
	PairingRejected   = Kind{"pairing.rejected", 0}
	AppNamed          = Kind{"app.named", 0}

	OwnerInvited    = Kind{"owner.invited", fresh}
	OwnerUninvited  = Kind{"owner.uninvited", 0}
	OwnerAdded      = Kind{"owner.added", fresh | wakes}
	OwnerRecovered  = Kind{"owner.recovered", fresh | wakes}
	OwnerRemoved    = Kind{"owner.removed", fresh | wakes}
	OwnerSignedOut  = Kind{"owner.signed_out", fresh | wakes}
	PasskeyAdded    = Kind{"passkey.added", fresh | consumes | wakes}
	PasskeyNamed    = Kind{"passkey.named", 0}
	PasskeyRemoved  = Kind{"passkey.removed", fresh | wakes}
	PasskeySignedIn = Kind{"passkey.signed_in", fresh | consumes}
	PasskeyTouched  = Kind{"passkey.touched", consumes | incidental}
	PasskeyRefused  = Kind{"passkey.refused", incidental}

	WalletCreated  = Kind{"wallet.created", 0}
	WalletImported = Kind{"wallet.imported", begins}
	WalletRestored = Kind{"wallet.restored", begins | wakes}
	WalletChanged  = Kind{"wallet.changed", 0}
	WalletDeleted  = Kind{"wallet.deleted", wakes}

	AccountCreated    = Kind{"account.created", incidental}
	AccountImported   = Kind{"account.imported", 0}
	ProfileSet        = Kind{"profile.set", 0}
	CredentialStored  = Kind{"credential.stored", 0}
	CredentialDeleted = Kind{"credential.deleted", 0}
	SecretKeyNoted    = Kind{"secretkey.noted", 0}
	PushSubscribed    = Kind{"push.subscribed", 0}
	PushUnsubscribed  = Kind{"push.unsubscribed", 0}
	SecretKeyImported = Kind{"secretkey.imported", 0}

	KeyDerived      = Kind{"key.derived", releases}
	BackupCreated   = Kind{"backup.created", releases}
	BackupInspected = Kind{"backup.inspected", releases}
	StoreCopied     = Kind{"keystore.snapshot", 0}

	SessionOpened    = Kind{"session.opened", wakes}
	SessionAsked     = Kind{"session.asked", wakes}
	SessionWaiting   = Kind{"session.waiting", wakes}
	SessionAnswering = Kind{"session.answering", wakes}
	SessionEnded     = Kind{"session.ended", wakes}
	SessionDeclined  = Kind{"session.declined", releases}

	RecordArchived = Kind{"record.archived", fresh}

	RowForged = Kind{"row.forged", incidental}
)

// kinds returns all kinds, in no particular order.
func kinds() []Kind {
	return []Kind{
		ClaimAllowed, ClaimCollected, ClaimOwn, ClaimAsked, ClaimDenied, ClaimRefused,
		ApprovalApproved, ApprovalRejected, ApprovalCancelled,
		PolicySet, GrantRevoked, TokenRevoked, AppRevoked, DelegationRevoked, TokenCreated, PairingApproved, PairingRejected, AppNamed,
		OwnerInvited, OwnerUninvited, OwnerAdded, OwnerRecovered, OwnerRemoved, OwnerSignedOut, PasskeyAdded, PasskeyNamed, PasskeyRemoved, PasskeySignedIn, PasskeyTouched, PasskeyRefused,
		WalletCreated, WalletImported, WalletRestored, WalletChanged, WalletDeleted,
		AccountCreated, AccountImported, ProfileSet, CredentialStored, CredentialDeleted, SecretKeyNoted, PushSubscribed, PushUnsubscribed, SecretKeyImported,
		KeyDerived, BackupCreated, BackupInspected, StoreCopied,
		SessionOpened, SessionAsked, SessionWaiting, SessionAnswering, SessionEnded, SessionDeclined,
		RecordArchived, RowForged,
	}
}

// String returns the kind's name in the audit log.
func (k Kind) String() string { return k.name }

// Releases reports whether an entry of the kind allows something secret to leave the wallet.
func (k Kind) Releases() bool { return k.is(releases) }

// ConsumesNonce reports whether an entry of the kind consumes the nonce of a signed request.
func (k Kind) ConsumesNonce() bool { return k.is(consumes) }

func (k Kind) is(m meaning) bool { return k.means&m != 0 }

// kindOf returns the kind with a name, and whether this package has it: entries of other packages and of other
// versions have other kinds.
func kindOf(name string) (Kind, bool) {
	i := slices.IndexFunc(kinds(), func(k Kind) bool { return k.name == name })
	if i < 0 {
		return Kind{}, false
	}
	return kinds()[i], true
}

// MarshalJSON writes the kind's name alone.
func (k Kind) MarshalJSON() ([]byte, error) { return json.Marshal(k.name) }
