package claims

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"walletd/internal/did"
	"walletd/internal/keystore"
	"walletd/internal/store"
)

// Event is the content of an entry of the record: who did what, and why it was allowed. On a
// wallet's chain it is sealed; on the service's, which is kept while locked too, it is plain and
// holds nothing secret.
type Event struct {
	Kind       string       `json:"-"`
	By         string       `json:"by"`              // "app", "owner", "operator" or "walletd"
	Token      string       `json:"token,omitempty"` // id of the caller's token
	App        string       `json:"app,omitempty"`
	Agent      string       `json:"agent,omitempty"`
	JTI        string       `json:"jti,omitempty"`
	Session    string       `json:"session,omitempty"`
	Origin     string       `json:"origin,omitempty"`
	Claims     []ClaimEvent `json:"claims,omitempty"`
	Decision   Decision     `json:"decision,omitempty"`
	Reason     string       `json:"reason,omitempty"`
	Rule       int          `json:"rule,omitempty"`
	Code       string       `json:"code,omitempty"` // of a refusal
	Approval   string       `json:"approval,omitempty"`
	Digest     string       `json:"digest,omitempty"` // of the approval: what was asked and shown
	Grant      string       `json:"grant,omitempty"`
	Delegation string       `json:"delegation,omitempty"`
	Account    string       `json:"account,omitempty"`
	Salt       *string      `json:"salt,omitempty"` // hex, of an owner's own key
	Wallet     string       `json:"wallet,omitempty"`
	Made       string       `json:"made,omitempty"` // id of a token made or revoked
	Role       Role         `json:"role,omitempty"`
	Name       string       `json:"name,omitempty"`
	Policy     *Policy      `json:"policy,omitempty"`
	Row        string       `json:"row,omitempty"`   // table and row of a forgery
	Items      []string     `json:"items,omitempty"` // that a profile has
}

// ClaimEvent is one claim of an Event.
type ClaimEvent struct {
	Type       string  `json:"type"`
	Account    string  `json:"account"`
	Salt       *string `json:"salt,omitempty"` // hex of the bytes
	Delegation string  `json:"delegation,omitempty"`

	Items []string `json:"items,omitempty"` // of a profile, those given
	About string   `json:"about,omitempty"` // id of the credential or asset
	Made  string   `json:"made,omitempty"`  // address of the key pair
}

// event begins an event of the caller's.
func (c *Caller) event(kind string) Event {
	e := Event{Kind: kind, By: string(c.Role), Token: c.Token, App: c.App.String(), Agent: c.Agent.String()}
	if c.session != nil {
		e.Session, e.Origin = c.session.ID, c.session.Origin
	}
	if c.signed != nil {
		e.JTI = c.signed.nonce.JTI
	}
	return e
}

func recordPlace(id string) keystore.Place {
	return keystore.Place{Table: "records", Row: id, Field: "content", Version: 1}
}

// entry seals an event for a wallet's chain.
func (d *Door) entry(w *keystore.Wallet, e Event) (store.Entry, error) {
	plain, err := json.Marshal(e)
	if err != nil {
		return store.Entry{}, fmt.Errorf("writing the record: %w", err)
	}
	id := store.NewID()
	return store.Entry{Kind: e.Kind, ID: id, Time: d.store.Now().UnixMilli(), Sealed: w.Seal(recordPlace(id), plain)}, nil
}

// plainEntry writes an event for the service's chain.
func (d *Door) plainEntry(e Event) (store.Entry, error) {
	plain, err := json.Marshal(e)
	if err != nil {
		return store.Entry{}, fmt.Errorf("writing the record: %w", err)
	}
	return store.Entry{Kind: e.Kind, ID: store.NewID(), Time: d.store.Now().UnixMilli(), Sealed: plain}, nil
}

// record writes an event to the caller's wallet's chain together with the writes it stands for:
// all of it durably, or nothing. A lock since the caller was read fails it with
// store.ErrChanged, and so does, for a release, a question, a yes and what ends any of them, a change
// that the decision could depend on. The
// jti of a signed request and the caller's Idempotency-Key are used up in the same write.
func (d *Door) record(ctx context.Context, c *Caller, e Event, writes ...store.Write) error {
	return d.recordMade(ctx, c, e, made{}, writes...)
}

// made names what a request with an Idempotency-Key made.
type made struct {
	id     string
	secret bool // its answer held a secret and cannot be given twice
}

func (d *Door) recordMade(ctx context.Context, c *Caller, e Event, m made, writes ...store.Write) error {
	return d.recordAll(ctx, c, []Event{e}, m, writes...)
}

// recordAll records several events at once. The last is what was asked; those before were on the
// way to it.
func (d *Door) recordAll(ctx context.Context, c *Caller, events []Event, m made, writes ...store.Write) error {
	change := store.Change{Chain: c.Wallet, Epoch: c.epoch, Writes: writes}
	for _, e := range events {
		entry, err := d.entry(c.wallet, e)
		if err != nil {
			return err
		}
		change.Entries = append(change.Entries, entry)
	}
	e := events[len(events)-1]
	switch e.Kind {
	case "policy.set", "token.revoked", "app.revoked", "delegation.revoked", "grant.revoked", "approval.approved":
		change.Version = c.row.Version
	case "claim.allowed", "claim.collected", "claim.asked":
		change.Version = c.row.Version
		fallthrough
	case "claim.denied", "claim.refused":
		if c.signed != nil {
			change.Nonce = &c.signed.nonce
		}
	case "account.created", "row.forged":
		return d.commit(ctx, e, change) // on the way to what was asked, not what was asked
	}
	err := d.commitOnce(ctx, c, e, change, m)
	if err == nil && change.Nonce != nil {
		c.signed.spent = true
	}
	return err
}

// commitOnce commits a change under the caller's Idempotency-Key, if there is one. A claim that is
// repeated is decided anew, so only creations are held to one time.
func (d *Door) commitOnce(ctx context.Context, c *Caller, e Event, change store.Change, m made) error {
	if c.Once != nil && c.Token != "" {
		change.Request = &store.Request{
			Token: c.Token, Route: c.Once.Route, Key: c.Once.Key, Digest: c.Once.Digest[:],
			Made: m.id, Secret: m.secret, Created: d.store.Now().Unix(),
		}
	}
	err := d.commit(ctx, e, change)
	repeated, ok := errors.AsType[*store.RepeatedError](err)
	if !ok {
		return err
	}
	if string(repeated.Earlier.Digest) != string(c.Once.Digest[:]) {
		return ErrMismatch
	}
	if m.id == "" {
		change.Request = nil
		return d.commit(ctx, e, change)
	}
	return &DoneError{ID: repeated.Earlier.Made}
}

func (d *Door) commit(ctx context.Context, e Event, change store.Change) error {
	seq, err := d.store.Commit(ctx, change)
	if err != nil {
		return d.replayed(fmt.Errorf("recording the decision: %w", err))
	}
	d.count(e.Kind)
	if seq/headEvery != (seq+int64(len(change.Entries)))/headEvery {
		select {
		case d.due <- change.Chain:
		default: // the minute will do it
		}
	}
	return nil
}

// replayed makes the refusal of a jti that was used before; other errors stay as they are.
func (d *Door) replayed(err error) error {
	if !errors.Is(err, store.ErrReplayed) {
		return err
	}
	d.count("refused_jti_replayed")
	return did.Refuse("jti_replayed", "this signed request was used before; sign a new one")
}

// recordService writes an event of an operator to the service's chain.
func (d *Door) recordService(ctx context.Context, c *Caller, e Event, m made, also []store.ChainEntries, writes ...store.Write) error {
	entry, err := d.plainEntry(e)
	if err != nil {
		return err
	}
	return d.commitOnce(ctx, c, e, store.Change{
		Chain: store.ServiceChain, Entries: []store.Entry{entry}, Also: also, Epoch: c.epoch, Writes: writes,
	}, m)
}
