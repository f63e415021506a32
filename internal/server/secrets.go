package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-chi/chi/v5"

	"walletd/internal/claims"
	"walletd/internal/did"
	"walletd/internal/strictjson"
)

// secretRoutes are secret storage and secrets (design section 10): of an app its own, of an owner
// those of any app of the wallet. Where apps have a listener of their own, each is answered on the
// listener that is its own.
func (s *Server) secretRoutes(r chi.Router, roles ...claims.Role) {
	r = r.With(s.onTime)
	r.Post("/v1/secret-storage/keys", handle(s, among(roles, s.makeSecretKey)))
	r.Post("/v1/secret-storage/key", handle(s, among(roles, s.findSecretKey)))
	r.Put("/v1/secret-storage/keys/{keyId}", handle(s, among(roles, s.noteSecretKey)))
	r.Get("/v1/secrets", handle(s, among(roles, s.secrets)))
	r.Get("/v1/secrets/{name}", handle(s, among(roles, s.readSecret)))
	r.Put("/v1/secrets/{name}", handle(s, among(roles, s.writeSecret)))
	r.Delete("/v1/secrets/{name}", handle(s, among(roles, s.deleteSecret)))
}

// among holds an operation to some roles.
func among[In, Out any](roles []claims.Role, do func(*call, In) (Out, error)) func(*call, In) (Out, error) {
	return func(c *call, in In) (Out, error) {
		names := make([]string, len(roles))
		for i, role := range roles {
			if c.Role == role {
				return do(c, in)
			}
			names[i] = string(role)
		}
		var nothing Out
		return nothing, fmt.Errorf("%w: it takes a token of the role %s", claims.ErrForbidden, strings.Join(names, " or "))
	}
}

// ofApp is the query by which an owner says whose secrets are meant.
type ofApp struct {
	App *appDID `json:"app"`
}

func (o *ofApp) query() any { return o }

func (o ofApp) did() did.DID {
	if o.App == nil {
		return did.DID{}
	}
	return o.App.DID
}

// named returns a secret's name or a key's id from the path: up to 255 bytes of text.
func (c *call) named(name string) (string, error) {
	text, err := url.PathUnescape(chi.URLParam(c.r, name))
	if err != nil || text == "" || len(text) > 255 || !utf8.ValidString(text) {
		return "", claims.ErrNotFound
	}
	return text, nil
}

// keyMake asks for the key of a new secret storage.
type keyMake struct {
	Salt *string `json:"salt" max:"1024"`
	Name *string `json:"name" max:"255"`
	ofApp
}

// keyName is what a secret storage is called that its app does not name.
const keyName = "walletd"

func (s *Server) makeSecretKey(c *call, in keyMake) (any, error) {
	name := keyName
	if in.Name != nil {
		name = *in.Name
	}
	out, err := s.door.MakeSecretKey(c.ctx, c.Caller, in.did(), in.Salt, name)
	return c.outcome(out, err)
}

// keyFind asks which of some descriptions the app has the key of.
type keyFind struct {
	Keys json.RawMessage `json:"keys"`
	Name *string         `json:"name" max:"255"`
	ofApp
}

func (s *Server) findSecretKey(c *call, in keyFind) (any, error) {
	name := ""
	if in.Name != nil {
		name = *in.Name
	}
	if in.Keys[0] != '{' {
		return nil, &memberError{"keys", "must be an object"}
	}
	out, err := s.door.FindSecretKey(c.ctx, c.Caller, in.did(), in.Keys, name)
	return c.outcome(out, err)
}

// keyNote says which id a client gave a key.
type keyNote struct {
	KeyInfo json.RawMessage `json:"keyInfo"`
	ofApp
}

func (s *Server) noteSecretKey(c *call, in keyNote) (none, error) {
	id, err := c.named("keyId")
	if err != nil {
		return none{}, err
	}
	return none{}, s.door.NoteSecretKey(c.ctx, c.Caller, in.did(), id, in.KeyInfo)
}

// secretsOf is the query of a list of secrets.
type secretsOf struct {
	App    *appDID `json:"app"`
	Limit  number  `json:"limit,omitempty" min:"1" max:"200"`
	Cursor string  `json:"cursor,omitempty" max:"512"`
}

// secretView is a secret without its value.
type secretView struct {
	Name      string    `json:"name"`
	App       string    `json:"app"`
	ETag      string    `json:"etag"`
	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"updatedAt"`
}

func viewSecret(v claims.SecretView) secretView {
	return secretView{v.Name, v.App, v.ETag, v.Created.UTC(), v.Updated.UTC()}
}

func (s *Server) secrets(c *call, in secretsOf) (list[secretView], error) {
	views, next, err := s.door.Secrets(c.ctx, c.Caller, ofApp{in.App}.did(), page{in.Limit, in.Cursor}.of())
	return listOf(views, next, err, viewSecret)
}

// secretRead is the query of a secret: raw, without a value, for its account data.
type secretRead struct {
	App *appDID `json:"app"`
	Raw *string `json:"raw" max:"0"`
}

func (s *Server) readSecret(c *call, in secretRead) (any, error) {
	name, err := c.named("name")
	if err != nil {
		return nil, err
	}
	out, err := s.door.ReadSecret(c.ctx, c.Caller, ofApp{in.App}.did(), name, in.Raw != nil)
	return c.outcome(out, err)
}

// maxSecretBody bounds a body that holds a secret, in bytes: 64 KiB of text in the longest way to
// write it in JSON, and account data with a few copies.
const maxSecretBody = 512 << 10

// secretPut is a secret to be kept: its text, or its account data.
type secretPut struct {
	Value json.RawMessage `json:"value,omitempty"`
	Raw   json.RawMessage `json:"raw,omitempty"`
	ofApp
}

func (p *secretPut) limit() int64 { return maxSecretBody }
func (p *secretPut) wipe()        { clear(p.Value) }

func (s *Server) writeSecret(c *call, in secretPut) (any, error) {
	name, err := c.named("name")
	if err != nil {
		return nil, err
	}
	n := claims.NewSecret{Name: name, Raw: in.Raw}
	if n.Match, err = matched(c.r); err != nil {
		return nil, err
	}
	switch {
	case (in.Value == nil) == (in.Raw == nil):
		return nil, &memberError{"the request", "must have one of value and raw"}
	case in.Value != nil:
		if n.Value, err = textOf("value", in.Value); err != nil {
			return nil, err
		}
		defer clear(n.Value)
	}
	out, err := s.door.WriteSecret(c.ctx, c.Caller, in.did(), n)
	if n.Match == "" && err == nil && out.Answer != nil {
		c.status = http.StatusCreated
	}
	return c.outcome(out, err)
}

// bodiless is a request that has a query but no body, though it is no GET.
type bodiless interface{ bodiless() }

type secretDelete struct{ ofApp }

func (*secretDelete) bodiless() {}

func (s *Server) deleteSecret(c *call, in secretDelete) (any, error) {
	name, err := c.named("name")
	if err != nil {
		return nil, err
	}
	match, err := matched(c.r)
	if err != nil {
		return nil, err
	}
	out, err := s.door.DeleteSecret(c.ctx, c.Caller, in.did(), name, match)
	if err == nil && out.Answer != nil {
		return none{}, nil
	}
	return c.outcome(out, err)
}

// matched reads what the caller has last seen: the ETag of If-Match, or "" for nothing at all,
// which If-None-Match: * says and no header says too. A weak ETag matches nothing here.
func matched(r *http.Request) (string, error) {
	match, none := r.Header.Values("If-Match"), r.Header.Values("If-None-Match")
	switch {
	case len(match) == 0 && (len(none) == 0 || len(none) == 1 && none[0] == "*"):
		return "", nil
	case len(none) > 0:
		return "", &memberError{"the header If-None-Match", "must be * and stand alone"}
	case len(match) > 1:
		return "", &memberError{"the header If-Match", "must be there once"}
	case strings.HasPrefix(match[0], `W/"`):
		return "", claims.ErrPrecondition
	}
	tag, err := strconv.Unquote(match[0])
	if err != nil || match[0][0] != '"' || tag == "" || len(tag) > 64 || !visible(tag) || strings.ContainsAny(tag, `"\`) {
		return "", &memberError{"the header If-Match", "must be one ETag in double quotes"}
	}
	return tag, nil
}

// textOf reads a JSON string that must come back as it went in: half of a surrogate pair, which
// has no UTF-8, is refused and not replaced. The caller wipes the text.
func textOf(name string, raw json.RawMessage) ([]byte, error) {
	if raw[0] != '"' {
		return nil, &memberError{name, "must be a string"}
	}
	text := bytes.Clone(strictjson.Unquote(raw))
	if !utf8.Valid(text) {
		clear(text)
		return nil, did.Refuse("not_utf8", "the value holds half of a character, which no UTF-8 can hold")
	}
	return text, nil
}
