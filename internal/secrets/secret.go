package secrets

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"walletd/internal/auth"
	"walletd/internal/consent"
	"walletd/internal/did"
	"walletd/internal/keystore"
	"walletd/internal/ledger"
	"walletd/internal/secretstorage"
	"walletd/internal/show"
	"walletd/internal/store"
	"walletd/internal/wallets"
)

// Secrets answers the routes of secret storage. It is safe for concurrent use.
type Secrets struct {
	auth     *auth.Auth
	pipeline *consent.Pipeline
	store    *store.Store
	deriving chan struct{} // holds one while a key is derived from a passphrase
}

// New returns the Secrets of a keystore, whose requests pass the pipeline p. Types must be among the types of p.
func New(st *store.Store, a *auth.Auth, p *consent.Pipeline) *Secrets {
	return &Secrets{auth: a, pipeline: p, store: st, deriving: make(chan struct{}, 1)}
}

// ErrPrecondition: the secret's revision is not the one of the caller's If-Match or If-None-Match.
var ErrPrecondition = errors.New("the secret is not as you last saw it; read its ETag and try again")

// asApp returns the caller in the name of the app whose secrets the request is for: an app in its own name, an owner
// in that of app.
func asApp(c *auth.Caller, app did.DID) (*auth.Caller, error) {
	switch {
	case c.Role == auth.App && (app.IsZero() || app.Address() == c.App.Address()):
		return c, nil
	case c.Role == auth.App:
		return nil, fmt.Errorf("%w: an app may use its own secrets only", auth.ErrForbidden)
	case c.Role != auth.Owner:
		return nil, fmt.Errorf("%w: secrets are for their app and for the wallet's owner", auth.ErrForbidden)
	case app.IsZero():
		return nil, auth.Invalid("the request must name the app whose secrets it is for")
	}
	if err := c.RequireOwner(); err != nil {
		return nil, err
	}
	requester := *c
	requester.App = app
	return &requester, nil
}

// answer passes a request of a route of secret storage through the pipeline.
func (s *Secrets) answer(ctx context.Context, c *auth.Caller, t consent.Type, r consent.Parsed) (consent.Outcome, error) {
	out, err := s.pipeline.AnswerParsed(ctx, c, t, r)
	return out, refuseFull(err)
}

// refuseFull returns the refusal secrets_full if an app has as many secrets or keys as it may have, and any other
// error as it is.
func refuseFull(err error) error {
	if errors.Is(err, store.ErrTooMany) && !errors.Is(err, consent.ErrTooMany) {
		return did.Refuse("secrets_full", "the app has the maximum number of secrets or keys in this wallet; delete some first")
	}
	return err
}

// secretRead is the claim for a secret that walletd stores for the app.
func secretRead() consent.Type {
	return consent.Type{
		Name: "secret.read", Description: "Please disclose a secret.", OwnRoute: true, Reuse: true,
		Parse: func(asked did.Object) (consent.Parsed, error) {
			r, err := parseStored[readRequest](asked)
			return r.parsed(), err
		},
	}
}

type readRequest struct {
	Type string `json:"type"`
	Name string `json:"name"`
	Raw  bool   `json:"raw,omitempty"` // as account data
}

func (r readRequest) parsed() consent.Parsed { return consent.Parsed{Stored: r, Read: r.read} }

func (r readRequest) read(ctx context.Context, req *consent.Request, c *consent.Claim) error {
	c.About = r.Name
	c.Description = "Please disclose the secret " + show.Exact(r.Name) + "."
	c.Identity = map[string]string{"type": r.Type, "name": r.Name}
	stored, found, err := rowsOf(req).secret(ctx, r.Name)
	if err != nil {
		return err
	}
	if !found {
		c.Refused = auth.ErrNotFound
	} else if c.ContentHash, err = wallets.Contents(map[string]any{"revision": stored.row.Revision, "content": stored.content}); err != nil {
		return err
	}
	c.Body = func(receipt store.Receipt, w *keystore.Wallet) (any, string, error) {
		if r.Raw {
			return stored.content.Data, stored.row.Revision, nil
		}
		plain, err := stored.content.open(receipt, w, c.Account)
		if err != nil {
			return nil, "", err
		}
		defer clear(plain)
		return map[string]string{"name": r.Name, "value": string(plain), "etag": stored.row.Revision}, stored.row.Revision, nil
	}
	return nil
}

// Read requests a secret of the caller's app. The answer is {"name","value","etag"} or, if raw is set, its account
// data as a homeserver would store it. An owner names the app. Errors: auth.ErrNotFound, and those of
// consent.Pipeline.Answer.
func (s *Secrets) Read(ctx context.Context, c *auth.Caller, app did.DID, name string, raw bool) (consent.Outcome, error) {
	c, err := asApp(c, app)
	if err != nil {
		return consent.Outcome{}, err
	}
	if err := secretstorage.CheckName(name); err != nil {
		return consent.Outcome{}, s.pipeline.Refuse(ctx, c, err)
	}
	return s.answer(ctx, c, secretRead(), readRequest{secretRead().Name, name, raw}.parsed())
}

// secretWrite is the claim that a secret is stored or deleted. The claim holds the secret as it is stored: encrypted
// with the app's key.
func secretWrite() consent.Type {
	return consent.Type{
		Name: "secret.write", Description: "Please store a secret.", OwnRoute: true, Reuse: true,
		Parse: func(asked did.Object) (consent.Parsed, error) {
			r, err := parseStored[writeRequest](asked)
			return r.parsed(), err
		},
	}
}

type writeRequest struct {
	Type   string          `json:"type"`
	Name   string          `json:"name"`
	Match  string          `json:"match,omitempty"` // revision that is replaced; "" if there is none
	Delete bool            `json:"delete,omitempty"`
	Salt   string          `json:"salt,omitempty"` // of the key that opens it
	KeyID  string          `json:"keyId,omitempty"`
	Data   json.RawMessage `json:"data,omitempty"`
	// Value identifies the plaintext without disclosing it: a MAC under the wallet's key, in hex.
	Value string `json:"value,omitempty"`
}

func (r writeRequest) content() Content {
	return Content{Name: r.Name, Salt: r.Salt, KeyID: r.KeyID, Data: r.Data}
}

func (r writeRequest) parsed() consent.Parsed { return consent.Parsed{Stored: r, Read: r.read} }

func (r writeRequest) read(ctx context.Context, req *consent.Request, c *consent.Claim) error {
	c.About = r.Name
	c.Identity = map[string]any{"type": r.Type, "name": r.Name, "match": r.Match, "delete": r.Delete, "value": r.Value}
	stored, found, err := rowsOf(req).secret(ctx, r.Name)
	if err != nil {
		return err
	}
	done := found && !r.Delete && bytes.Equal(stored.content.Data, r.Data) // collected before
	switch {
	case done:
	case r.Delete && !found:
		c.Refused = auth.ErrNotFound
	case found != (r.Match != "") || found && stored.row.Revision != r.Match:
		c.Refused = ErrPrecondition
	}
	switch {
	case r.Delete:
		c.Description = "Please delete the secret " + show.Exact(r.Name) + "."
		c.Unusual = append(c.Unusual, "It deletes a secret that is stored here.")
	case r.Match != "":
		c.Description = "Please replace the secret " + show.Exact(r.Name) + "."
		c.Unusual = append(c.Unusual, "It replaces a secret that is stored here.")
	default:
		c.Description = "Please store the secret " + show.Exact(r.Name) + "."
	}
	row := stored.row
	c.Prepare = func(ctx context.Context, _ string) ([]store.Write, error) {
		switch {
		case done:
			return nil, nil
		case r.Delete:
			return []store.Write{store.DeleteSecret(stored.row)}, nil
		}
		if err := checkOpens(req.Caller, r, c.Account); err != nil {
			return nil, err
		}
		var writes []store.Write
		if row, writes, err = rowsOf(req).putSecret(ctx, stored.row, r.content()); err != nil {
			return nil, err
		}
		return writes, nil
	}
	c.Body = func(store.Receipt, *keystore.Wallet) (any, string, error) {
		if r.Delete {
			return map[string]string{"name": r.Name}, "", nil
		}
		return map[string]string{"name": r.Name, "etag": row.Revision}, row.Revision, nil
	}
	return nil
}

// Write requests to store a secret for the caller's app, encrypted with the app's default key or as it was sent. The
// answer is {"name","etag"}. What is stored is opened and compared before it replaces anything. An owner names the
// app. Errors: ErrPrecondition, the refusals of package secretstorage, and those of consent.Pipeline.Answer.
func (s *Secrets) Write(ctx context.Context, c *auth.Caller, app did.DID, n NewSecret) (consent.Outcome, error) {
	c, err := asApp(c, app)
	if err != nil {
		return consent.Outcome{}, err
	}
	if err := secretstorage.CheckName(n.Name); err != nil {
		return consent.Outcome{}, s.pipeline.Refuse(ctx, c, err)
	}
	return s.answer(ctx, c, secretWrite(), n.parsed())
}

// parsed returns a claim that seals the secret only when it is read, so that no key is derived for an app that a
// rule denies.
func (s NewSecret) parsed() consent.Parsed {
	return consent.Parsed{Read: func(ctx context.Context, req *consent.Request, c *consent.Claim) error {
		r := writeRequest{Type: secretWrite().Name, Name: s.Name}
		if err := rowsOf(req).sealSecret(ctx, req.Account, s, &r); err != nil {
			return err
		}
		var err error
		if r.Match, err = s.Match.revision(ctx, rowsOf(req), s.Name); err != nil {
			return err
		}
		c.Stored = r
		return r.read(ctx, req, c)
	}}
}

// Delete requests to delete a secret of the caller's app, if it is the one that match names. The answer is {"name"}. An
// owner names the app. Errors: auth.ErrNotFound, ErrPrecondition, and those of consent.Pipeline.Answer.
func (s *Secrets) Delete(ctx context.Context, c *auth.Caller, app did.DID, name string, match Match) (consent.Outcome, error) {
	c, err := asApp(c, app)
	if err != nil {
		return consent.Outcome{}, err
	}
	if err := secretstorage.CheckName(name); err != nil {
		return consent.Outcome{}, s.pipeline.Refuse(ctx, c, err)
	}
	return s.answer(ctx, c, secretWrite(), consent.Parsed{Read: func(ctx context.Context, req *consent.Request, c *consent.Claim) error {
		r := writeRequest{Type: secretWrite().Name, Name: name, Delete: true}
		var err error
		if r.Match, err = match.revision(ctx, rowsOf(req), name); err != nil {
			return err
		}
		c.Stored = r
		return r.read(ctx, req, c)
	}})
}

// View is a secret as it is listed, without its value.
type View struct {
	App, Name, ETag  string
	Created, Updated time.Time
}

// List lists the secrets of the caller's app; for an owner, those of an app, or of all apps if app is zero. Listing
// needs no approval, but a rule that denies secret.read denies it.
func (s *Secrets) List(ctx context.Context, c *auth.Caller, app did.DID, p store.Page) ([]View, string, error) {
	if c.Role == auth.Owner {
		requester := *c
		requester.App = app
		c = &requester
	} else if _, err := asApp(c, app); err != nil {
		return nil, "", err
	}
	if c.Role == auth.App {
		if _, err := s.pipeline.Candidates(ctx, c, secretRead(), consent.Parsed{}); err != nil {
			return nil, "", err
		}
	}
	list, next, err := s.store.Secrets(ctx, c.WalletID, c.App.Address(), p)
	if err != nil {
		return nil, "", fmt.Errorf("reading the secrets: %w", err)
	}
	views := make([]View, 0, len(list))
	for _, row := range list {
		stored, err := rows{s.store, c}.openSecret(ctx, row)
		if errors.Is(err, ledger.ErrForged) {
			continue
		}
		if err != nil {
			return nil, "", err
		}
		views = append(views, View{
			App: did.Prefixed(row.App), Name: stored.content.Name, ETag: row.Revision,
			Created: time.Unix(row.Created, 0), Updated: time.Unix(row.Updated, 0),
		})
	}
	return views, next, nil
}
