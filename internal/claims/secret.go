package claims

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"walletd/internal/did"
	"walletd/internal/keystore"
	"walletd/internal/ledger"
	"walletd/internal/secretstorage"
	"walletd/internal/show"
	"walletd/internal/store"
)

// secretRead is the request for a secret that walletd keeps for the app.
func secretRead() kind {
	return kind{name: "secret.read", description: "Please give a secret.", read: readSecretRead}
}

type readRequest struct {
	Type string `json:"type"`
	Name string `json:"name"`
	Raw  bool   `json:"raw,omitempty"` // as account data
}

func readSecretRead(ctx context.Context, q *question, c *claim) error {
	var r readRequest
	if err := c.request(&r); err != nil {
		return err
	}
	c.account, c.about = q.account, r.Name
	c.description = "Please give the secret " + show.Escape(r.Name) + "."
	kept, there, err := q.door.secret(ctx, q.caller, r.Name)
	if err != nil {
		return err
	}
	c.apart = &apart{same: map[string]string{"type": r.Type, "name": r.Name}}
	if !there {
		c.apart.refused = ErrNotFound
	} else if c.gives, err = contents(map[string]any{"revision": kept.row.Revision, "content": kept.content}); err != nil {
		return err
	}
	c.prepare = func(context.Context, string) ([]store.Write, error) { return nil, c.apart.refused }
	c.apart.answer = func(receipt store.Receipt, w *keystore.Wallet) (any, string, error) {
		if r.Raw {
			return kept.content.Data, kept.row.Revision, nil
		}
		plain, err := kept.content.open(receipt, w, c.account)
		if err != nil {
			return nil, "", err
		}
		defer clear(plain)
		return map[string]string{"name": r.Name, "value": string(plain), "etag": kept.row.Revision}, kept.row.Revision, nil
	}
	return nil
}

// ReadSecret gives a secret of the caller's app, {"name","value","etag"}, or raw: its account data
// as a homeserver would hold it. An owner says which app. ErrNotFound, and those of Answer.
func (d *Door) ReadSecret(ctx context.Context, c *Caller, app did.DID, name string, raw bool) (Outcome, error) {
	c, err := c.asApp(app)
	if err != nil {
		return Outcome{}, err
	}
	if err := secretstorage.CheckName(name); err != nil {
		return Outcome{}, d.refuseApart(ctx, c, err)
	}
	return d.again(ctx, c, func() (Outcome, error) { return d.askApart(ctx, c, readRequest{secretRead().name, name, raw}) })
}

// secretWrite is the request to keep a secret, or to delete one. What is written is in it as it
// will be kept: sealed with the app's key.
func secretWrite() kind {
	return kind{name: "secret.write", description: "Please keep a secret.", read: readSecretWrite}
}

type writeRequest struct {
	Type   string          `json:"type"`
	Name   string          `json:"name"`
	Match  string          `json:"match,omitempty"` // revision that is replaced; "": there is none
	Delete bool            `json:"delete,omitempty"`
	Salt   string          `json:"salt,omitempty"` // of the key that opens it
	KeyID  string          `json:"keyId,omitempty"`
	Data   json.RawMessage `json:"data,omitempty"`
	// Value names the plaintext without saying it: a MAC under the wallet's key, hex.
	Value string `json:"value,omitempty"`
}

func (r writeRequest) content() secretContent {
	return secretContent{Name: r.Name, Salt: r.Salt, KeyID: r.KeyID, Data: r.Data}
}

func readSecretWrite(ctx context.Context, q *question, c *claim) error {
	var r writeRequest
	if err := c.request(&r); err != nil {
		return err
	}
	c.account, c.about = q.account, r.Name
	kept, there, err := q.door.secret(ctx, q.caller, r.Name)
	if err != nil {
		return err
	}
	done := there && !r.Delete && bytes.Equal(kept.content.Data, r.Data) // collected twice
	c.apart = &apart{same: map[string]any{"type": r.Type, "name": r.Name, "match": r.Match, "delete": r.Delete, "value": r.Value}}
	if !done && (there != (r.Match != "") || there && kept.row.Revision != r.Match) {
		c.apart.refused = ErrPrecondition
	}
	switch {
	case r.Delete:
		c.description = "Please delete the secret " + show.Escape(r.Name) + "."
		c.unusual = append(c.unusual, "It deletes a secret that is kept here.")
	case r.Match != "":
		c.description = "Please replace the secret " + show.Escape(r.Name) + "."
		c.unusual = append(c.unusual, "It replaces a secret that is kept here.")
	default:
		c.description = "Please keep the secret " + show.Escape(r.Name) + "."
	}
	row := kept.row
	c.prepare = func(ctx context.Context, _ string) ([]store.Write, error) {
		switch {
		case c.apart.refused != nil:
			return nil, c.apart.refused
		case done:
			return nil, nil
		case r.Delete:
			return []store.Write{store.DeleteSecret(kept.row)}, nil
		}
		if err := q.caller.opensAgain(r, c.account); err != nil {
			return nil, err
		}
		var writes []store.Write
		if row, writes, err = q.door.putSecret(ctx, q.caller, kept.row, r.content()); err != nil {
			return nil, err
		}
		return writes, nil
	}
	c.apart.answer = func(store.Receipt, *keystore.Wallet) (any, string, error) {
		if r.Delete {
			return map[string]string{"name": r.Name}, "", nil
		}
		return map[string]string{"name": r.Name, "etag": row.Revision}, row.Revision, nil
	}
	return nil
}

// WriteSecret keeps a secret for the caller's app, sealed with the app's default key or as it came,
// and answers {"name","etag"}. It is opened and compared before it replaces anything. An owner
// says which app. ErrPrecondition, the refusals of secretstorage, and those of Answer.
func (d *Door) WriteSecret(ctx context.Context, c *Caller, app did.DID, s NewSecret) (Outcome, error) {
	c, err := c.asApp(app)
	if err != nil {
		return Outcome{}, err
	}
	if err := secretstorage.CheckName(s.Name); err != nil {
		return Outcome{}, d.refuseApart(ctx, c, err)
	}
	return d.again(ctx, c, func() (Outcome, error) {
		if err := d.denied(ctx, c, secretWrite()); err != nil {
			return Outcome{}, err
		}
		r := writeRequest{Type: secretWrite().name, Name: s.Name, Match: s.Match}
		if err := d.sealSecret(ctx, c, s, &r); err != nil {
			return Outcome{}, d.refuseApart(ctx, c, err)
		}
		return d.askApart(ctx, c, r)
	})
}

// DeleteSecret deletes a secret of the caller's app, if match is its revision, and answers
// {"name"}. An owner says which app. ErrPrecondition, and those of Answer.
func (d *Door) DeleteSecret(ctx context.Context, c *Caller, app did.DID, name, match string) (Outcome, error) {
	c, err := c.asApp(app)
	if err != nil {
		return Outcome{}, err
	}
	if err := secretstorage.CheckName(name); err != nil {
		return Outcome{}, d.refuseApart(ctx, c, err)
	}
	return d.again(ctx, c, func() (Outcome, error) {
		_, there, err := d.secret(ctx, c, name)
		if err != nil {
			return Outcome{}, err
		}
		if !there {
			if err := d.denied(ctx, c, secretWrite()); err != nil {
				return Outcome{}, err
			}
			return Outcome{}, ErrNotFound
		}
		return d.askApart(ctx, c, writeRequest{Type: secretWrite().name, Name: name, Match: match, Delete: true})
	})
}

// SecretView is a secret as it is listed, without its value.
type SecretView struct {
	App, Name, ETag  string
	Created, Updated time.Time
}

// Secrets lists what is kept for the caller's app; for an owner, what is kept for an app, or for
// all of them if it names none. Names are not asked about, but a deny of secret.read holds.
func (d *Door) Secrets(ctx context.Context, c *Caller, app did.DID, p store.Page) ([]SecretView, string, error) {
	if c.Role != Owner || !app.IsZero() {
		var err error
		if c, err = c.asApp(app); err != nil {
			return nil, "", err
		}
	}
	if err := d.denied(ctx, c, secretRead()); err != nil {
		return nil, "", err
	}
	rows, next, err := d.store.Secrets(ctx, c.WalletID, c.App.Address(), p)
	if err != nil {
		return nil, "", fmt.Errorf("reading the secrets: %w", err)
	}
	views := make([]SecretView, 0, len(rows))
	for _, row := range rows {
		s, err := d.openSecret(ctx, c, row)
		if errors.Is(err, ledger.ErrForged) {
			continue
		}
		if err != nil {
			return nil, "", err
		}
		views = append(views, SecretView{
			App: prefixed(row.App), Name: s.content.Name, ETag: row.Revision,
			Created: time.Unix(row.Created, 0), Updated: time.Unix(row.Updated, 0),
		})
	}
	return views, next, nil
}
