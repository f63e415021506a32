package server

import (
	"context"
	"net/http"
	"regexp"
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
	out, err := s.secrets.MakeKey(ctx, c.caller, app, secrets.NewKey{Salt: in.Salt, Name: name, User: in.User})
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
	out, err := s.secrets.FindKey(ctx, c.caller, app, secrets.Question{Keys: in.Keys, Name: in.Name, DefaultKeyID: in.DefaultKeyID, Salt: in.Salt, User: in.User})
	return c.outcome(out, err)
}

func (s *Server) noteStorageKey(ctx context.Context, c *call, of api.OfApp, in api.NoteStorageKey) (none, error) {
	app, err := didOf("app", of.App)
	if err != nil {
		return none{}, err
	}
	if in.RecoveryKey.IsZero() && in.Passphrase.IsZero() {
		return none{}, s.secrets.NoteKey(ctx, c.caller, app, c.names["keyId"], in.KeyInfo)
	}
	given := secrets.ImportedKey{RecoveryKey: in.RecoveryKey.Bytes, Passphrase: in.Passphrase.Bytes, User: in.User}
	return none{}, s.secrets.ImportKey(ctx, c.caller, app, c.names["keyId"], in.KeyInfo, given)
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
	if !n.Match.Replaces() && err == nil && out.Answer != nil {
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

// matched reads what the caller has last seen (RFC 9110, sections 13.1.1 and 13.1.2): one of the ETags
// of If-Match, with "*" whatever there is, and none of those of If-None-Match; with "*" there, or with
// no header at all, nothing.
func matched(r *http.Request) (m secrets.Match, err error) {
	tags, anything, ok := entityTags(r.Header.Values("If-Match"))
	if !ok {
		return m, &memberError{"the header If-Match", "must be ETags in double quotes, or *"}
	}
	other, none, ok := entityTags(r.Header.Values("If-None-Match"))
	if !ok {
		return m, &memberError{"the header If-None-Match", "must be ETags in double quotes, or *"}
	}
	if m.Any = anything; !anything && len(tags) == 0 && len(r.Header["If-Match"]) > 0 {
		tags = []string{`""`} // nothing is named, which is what no secret has
	}
	for _, tag := range tags {
		if revision := strings.Trim(tag, `"`); revision != "" {
			tag = revision
		}
		m.OneOf = append(m.OneOf, tag) // a weak one, or an empty one, no secret has either
	}
	for _, tag := range other {
		m.NoneOf = append(m.NoneOf, strings.Trim(strings.TrimPrefix(tag, "W/"), `"`))
	}
	if none && m.Replaces() {
		return m, secrets.ErrPrecondition // there must be one, and none
	}
	return m, nil
}

// entityTags reads a list of ETags as they are written, weak ones with their W/ (RFC 9110, sections
// 5.6.1 and 8.8.3), or that it is "*". There may be none.
func entityTags(fields []string) (tags []string, anything, ok bool) {
	list := strings.Trim(strings.Join(fields, ","), " \t,")
	if list == "*" {
		return nil, true, true
	}
	for list != "" {
		tag := entityTag.FindString(list)
		if tag == "" {
			return nil, false, false
		}
		rest := strings.TrimLeft(list[len(tag):], " \t")
		if rest != "" && rest[0] != ',' {
			return nil, false, false
		}
		tags, list = append(tags, tag), strings.TrimLeft(rest, " \t,")
	}
	return tags, false, true
}

// entityTag is an ETag at the beginning of a list; it can hold commas and backslashes.
var entityTag = regexp.MustCompile(`^(W/)?"[^\x00-\x20"\x7f]*"`)
