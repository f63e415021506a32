package store

import (
	"context"
	"errors"
	"strings"
)

// Roles of a Token.
const (
	RoleOperator = "operator"
	RoleOwner    = "owner"
	RoleApp      = "app"
)

// Token is a credential: of its bearer, or of who can sign with the key that it is bound to.
type Token struct {
	ID       string
	Role     string // RoleOperator, RoleOwner or RoleApp
	Wallet   string // "" for an operator
	App      string // "" unless RoleApp
	Name     string
	Origins  string // of the pages that may use it in a browser, with blanks between
	Hash     []byte // 32 bytes; none of a token that is bound to a key
	Created  int64
	Expires  int64  // 0: never
	Revoked  int64  // 0: not revoked
	LastUsed int64  // written lazily
	MAC      []byte // empty for an operator

	Thumbprint string // of the key that it is bound to (RFC 7638); "" for a bearer's
	Owner      string // id of the owner whom the token is of; "" if nobody is named
	Passkey    string // id of the passkey that signed in; "" for a token that was created
}

func (t *Token) columns() []column {
	return []column{
		authentic("id", &t.ID),
		authentic("role", &t.Role),
		authentic("wallet", &t.Wallet),
		authentic("app", &t.App),
		authentic("name", &t.Name),
		authentic("origins", &t.Origins),
		authentic("hash", &t.Hash),
		authentic("created", &t.Created),
		authentic("expires", &t.Expires),
		authentic("revoked", &t.Revoked),
		plain("last_used", &t.LastUsed),
		plain("mac", &t.MAC),
		added("thumbprint", &t.Thumbprint),
		added("owner", &t.Owner),
		added("passkey", &t.Passkey),
	}
}

func (Token) Table() string       { return "tokens" }
func (t Token) Key() string       { return t.ID }
func (t Token) Canonical() []byte { return canonical(&t) }
func (t Token) Sum() []byte       { return t.MAC }

var (
	getToken     = reads[Token]("token")
	listTokens   = reads[Token]("tokens")
	appTokens    = reads[Token]("app tokens")
	insertToken  = writes[Token]("insert token")
	revokeToken  = updates[Token]("revoke token")
	touchToken   = statement("touch token")
	countOwners  = statement("owners")
	noOwner      = statement("no owner")
	originListed = statement("origin listed")
)

// Token reads a token, or ErrNotFound.
func (s *Store) Token(ctx context.Context, id string) (Token, error) {
	return one(ctx, s, getToken, id)
}

// Tokens lists a wallet's tokens, the revoked ones too; the operators' if
// wallet is "".
func (s *Store) Tokens(ctx context.Context, wallet string, p Page) (rows []Token, next string, err error) {
	return paged(p, func(t Token) position { return position{t.Created, t.ID} },
		func(after position, limit int) ([]Token, error) {
			return many(ctx, s, listTokens, wallet, after.at, after.id, limit)
		})
}

// AppTokens reads an app's tokens in a wallet that hold at the time now (unix
// seconds), the newest 100.
func (s *Store) AppTokens(ctx context.Context, wallet, app string, now int64) ([]Token, error) {
	return many(ctx, s, appTokens, wallet, app, now)
}

// Owners counts the owner tokens the wallet has ever had.
func (s *Store) Owners(ctx context.Context, wallet string) (int64, error) {
	var n int64
	err := s.scalars(ctx, countOwners, []any{wallet}, &n)
	return n, err
}

// OriginListed reports whether a token that lives at the time now (unix
// seconds) lists the origin of a page. No key is needed, so a MAC is not checked:
// this says which pages get an answer to a browser's question in advance, and
// nothing more.
func (s *Store) OriginListed(ctx context.Context, origin string, now int64) (bool, error) {
	if origin != strings.ToLower(origin) {
		return false, nil // SQLite's like knows no case
	}
	pattern := strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(origin)
	var one int64
	err := s.scalars(ctx, originListed, []any{"% " + pattern + " %", now}, &one)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// InsertToken adds a token. ErrExists. Of a wallet's token, raises: whoever ends all tokens of somebody finds ErrChanged
// if another was added meanwhile.
func InsertToken(t Token) Write {
	insert := insertToken.row(t, ErrExists)
	if t.Wallet == "" {
		return Write{steps: []step{insert}}
	}
	return Write{raises: t.Wallet, steps: []step{raiseVersion.step(nil, t.Wallet), insert}}
}

// RevokeToken revokes old at updated.Revoked, with updated.MAC. ErrChanged.
// Callers see it at once, since each request reads its token.
func RevokeToken(old, updated Token) Write {
	revoke := revokeToken.change(old, updated, ErrChanged)
	if old.Wallet == "" {
		return Write{steps: []step{revoke}}
	}
	return raising(old.Wallet, revoke)
}

// CheckNoOwner fails with ErrChanged if the wallet has, or ever had, an owner's token, or has a passkey. The Change is
// on the wallet's chain.
func CheckNoOwner(wallet string) Write {
	return Write{chain: wallet, steps: []step{noOwner.step(ErrChanged, wallet)}}
}

// TouchToken notes that a token was used. It returns at once: the note is
// written within about a minute, and lost if the process is killed.
func (s *Store) TouchToken(id string, at int64) { s.committer.touch(id, at) }
