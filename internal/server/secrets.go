package server

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"walletd/api"
	"walletd/internal/secrets"
)

// storageName is what a secret storage is called that its app does not name.
const storageName = "walletd"

func (s *Server) makeStorageKey(ctx context.Context, c *call, of api.OfApp, in api.MakeStorageKey) (any, error) {
	app, err := didOf("app", of.App)
	if err != nil {
		return nil, err
	}
	name := storageName
	if in.Name != nil {
		name = *in.Name
	}
	out, err := s.secrets.MakeKey(ctx, c.caller, app, in.Salt, name)
	return c.outcome(out, err)
}

func (s *Server) findStorageKey(ctx context.Context, c *call, of api.OfApp, in api.FindStorageKey) (any, error) {
	app, err := didOf("app", of.App)
	if err != nil {
		return nil, err
	}
	if in.Keys[0] != '{' {
		return nil, &memberError{"keys", "must be an object"}
	}
	out, err := s.secrets.FindKey(ctx, c.caller, app, in.Keys, in.Name)
	return c.outcome(out, err)
}

func (s *Server) noteStorageKey(ctx context.Context, c *call, of api.OfApp, in api.NoteStorageKey) (none, error) {
	app, err := didOf("app", of.App)
	if err != nil {
		return none{}, err
	}
	return none{}, s.secrets.NoteKey(ctx, c.caller, app, c.names["keyId"], in.KeyInfo)
}

func secretSummary(v secrets.View) api.SecretSummary {
	return api.SecretSummary{Name: v.Name, App: v.App, ETag: v.ETag, CreatedAt: utc(v.Created), UpdatedAt: utc(v.Updated)}
}

func (s *Server) listSecrets(ctx context.Context, c *call, in api.SecretsQuery) (api.List[api.SecretSummary], error) {
	app, err := didOf("app", in.App)
	if err != nil {
		return api.List[api.SecretSummary]{}, err
	}
	views, next, err := s.secrets.List(ctx, c.caller, app, pageOf(in.Limit, in.Cursor))
	return listOf(views, next, err, secretSummary)
}

func (s *Server) readSecret(ctx context.Context, c *call, in api.SecretQuery) (any, error) {
	app, err := didOf("app", in.App)
	if err != nil {
		return nil, err
	}
	out, err := s.secrets.Read(ctx, c.caller, app, c.names["name"], in.Raw != nil)
	return c.outcome(out, err)
}

func (s *Server) writeSecret(ctx context.Context, c *call, of api.OfApp, in api.NewSecret) (any, error) {
	app, err := didOf("app", of.App)
	if err != nil {
		return nil, err
	}
	n := secrets.NewSecret{Name: c.names["name"], Value: in.Value.Reveal(), Raw: in.Raw}
	if n.Match, err = matched(c.request); err != nil {
		return nil, err
	}
	if in.Value.IsZero() == (in.Raw == nil) {
		return nil, &memberError{"the request", "must have one of value and raw"}
	}
	out, err := s.secrets.Write(ctx, c.caller, app, n)
	if n.Match == "" && err == nil && out.Answer != nil {
		c.status = http.StatusCreated
	}
	return c.outcome(out, err)
}

func (s *Server) deleteSecret(ctx context.Context, c *call, of api.OfApp) (any, error) {
	app, err := didOf("app", of.App)
	if err != nil {
		return nil, err
	}
	match, err := matched(c.request)
	if err != nil {
		return nil, err
	}
	out, err := s.secrets.Delete(ctx, c.caller, app, c.names["name"], match)
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
		return "", secrets.ErrPrecondition
	}
	tag, err := strconv.Unquote(match[0])
	if err != nil || match[0][0] != '"' || tag == "" || len(tag) > 64 || !visible(tag) || strings.ContainsAny(tag, `"\`) {
		return "", &memberError{"the header If-Match", "must be one ETag in double quotes"}
	}
	return tag, nil
}
