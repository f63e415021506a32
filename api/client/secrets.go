package client

import (
	"context"
	"encoding/json"
	"net/http"

	"walletd/api"
)

// Secrets is the secret storage of one app in one wallet. Each method may answer with a
// *PendingError: the same call, made again within 2 minutes of the approval, goes through. It may be
// used concurrently.
type Secrets struct {
	c   *Client
	app string
}

// Secrets names whose secret storage is meant. An owner's token must say which app's; an app's has
// its own alone, and may leave app empty.
func (c *Client) Secrets(app string) *Secrets { return &Secrets{c, app} }

// List lists secrets without their values, the newest first; for an owner who named no app, those of
// all apps.
func (s *Secrets) List(ctx context.Context, page api.Page) (api.List[api.SecretSummary], error) {
	query := api.SecretsQuery{App: s.app, Limit: page.Limit, Cursor: page.Cursor}
	return call[api.List[api.SecretSummary]](ctx, s.c, request{method: "GET", path: "/v1/secrets", query: query})
}

// Get returns a secret.
func (s *Secrets) Get(ctx context.Context, name string) (api.Secret, error) {
	return call[api.Secret](ctx, s.c, request{method: "GET", path: secretPath(name), query: api.SecretQuery{App: s.app}})
}

// Raw returns a secret as the account data that a homeserver would hold, an api.SecretData with what
// else stands in it.
func (s *Secrets) Raw(ctx context.Context, name string) (json.RawMessage, error) {
	query := api.SecretQuery{App: s.app, Raw: new(string)}
	return call[json.RawMessage](ctx, s.c, request{method: "GET", path: secretPath(name), query: query})
}

// Put stores a secret. With an ETag it replaces the one that has it, without it there must be none;
// else the problem is precondition_failed.
func (s *Secrets) Put(ctx context.Context, name, etag string, n api.NewSecret) (api.StoredSecret, error) {
	return call[api.StoredSecret](ctx, s.c, request{
		method: "PUT", path: secretPath(name), query: api.OfApp{App: s.app}, header: ifMatch(etag), body: n,
	})
}

// Delete deletes the secret that has this ETag.
func (s *Secrets) Delete(ctx context.Context, name, etag string) error {
	return s.c.do(ctx, request{method: "DELETE", path: secretPath(name), query: api.OfApp{App: s.app}, header: ifMatch(etag)})
}

// MakeKey returns the key of a new secret storage, which is the app's encryptionKey for the salt.
func (s *Secrets) MakeKey(ctx context.Context, k api.MakeStorageKey) (api.MadeStorageKey, error) {
	return call[api.MadeStorageKey](ctx, s.c, request{method: "POST", path: "/v1/secret-storage/keys", query: api.OfApp{App: s.app}, body: k})
}

// FindKey returns the key of one of the descriptions that are offered.
func (s *Secrets) FindKey(ctx context.Context, k api.FindStorageKey) (api.FoundStorageKey, error) {
	return call[api.FoundStorageKey](ctx, s.c, request{method: "POST", path: "/v1/secret-storage/key", query: api.OfApp{App: s.app}, body: k})
}

// NoteKey says under which id a client stores the key that a description is of, and brings in one that was
// made elsewhere if k has it.
func (s *Secrets) NoteKey(ctx context.Context, keyID string, k api.NoteStorageKey) error {
	return s.c.do(ctx, request{method: "PUT", path: "/v1/secret-storage/keys/" + segment(keyID), query: api.OfApp{App: s.app}, body: k})
}

func secretPath(name string) string { return "/v1/secrets/" + segment(name) }

func ifMatch(etag string) http.Header {
	if etag == "" {
		return nil
	}
	return http.Header{"If-Match": {`"` + etag + `"`}}
}
