package auth

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"walletd/internal/did"
	"walletd/internal/ledger"
	"walletd/internal/show"
	"walletd/internal/store"
)

// NewToken describes a token to create. An ExpiresIn of zero means never.
type NewToken struct {
	Role      Role
	Wallet    string
	App       string // of an app's token; "" generates a new application DID
	Name      string
	ExpiresIn time.Duration
	Origins   []string // of pages that may call with the token from a browser; of an app's token
	// Given is the token's text where serve --dev is given it; zero generates the id and the secret.
	Given GivenToken
}

// CreatedToken is a token that was created. Text is shown this once. It does not print.
type CreatedToken struct {
	ID      string
	Text    string
	Role    Role
	Wallet  string
	App     string // did:abt:…
	Name    string
	Origins []string
	Expires time.Time // zero: never
}

// Format keeps the token's text out of logs.
func (t CreatedToken) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "token %s", t.ID) }

// CreateToken creates a token. Operators create operators' tokens, and any token of a wallet that has no owner
// yet; from then on only the wallet's owner creates and revokes its tokens.
func (a *Auth) CreateToken(ctx context.Context, c *Caller, n NewToken) (CreatedToken, error) {
	if len(n.Name) > 200 || !utf8.ValidString(n.Name) || strings.ContainsRune(n.Name, 0) {
		return CreatedToken{}, Invalid("a token's name has at most 200 bytes of text")
	}
	if n.ExpiresIn < 0 {
		return CreatedToken{}, Invalid("expiresIn must not be negative")
	}
	if n.Role != App && len(n.Origins) > 0 {
		return CreatedToken{}, Invalid("origins are for the tokens of apps")
	}
	origins, err := joinOrigins(n.Origins)
	if err != nil {
		return CreatedToken{}, err
	}
	now := a.store.Now()
	row := store.Token{ID: store.NewID(), Role: string(n.Role), Name: n.Name, Origins: origins, Created: now.Unix()}
	if n.ExpiresIn > 0 {
		row.Expires = now.Add(n.ExpiresIn).Unix()
	}
	created := CreatedToken{Role: n.Role, Name: n.Name, Origins: n.Origins}
	if n.Given.text == "" {
		created.Text, row.Hash = newToken(n.Role, row.ID)
	} else if n.Given.Role != n.Role {
		return CreatedToken{}, Invalid("the given token is of another role")
	} else {
		created.Text, row.ID, row.Hash = n.Given.text, n.Given.ID, hashToken(n.Given.text)
	}
	created.ID = row.ID
	if row.Expires != 0 {
		created.Expires = time.Unix(row.Expires, 0)
	}
	switch n.Role {
	case Operator:
		err = a.createOperator(ctx, c, n, row)
	case Owner, App:
		err = a.Retry(ctx, c, Tries, func() error { return a.createWalletToken(ctx, c, n, row, &created) })
		if c.Role == Operator && errors.Is(err, store.ErrChanged) {
			err = fmt.Errorf("%w: the wallet has an owner, who alone creates its tokens", ErrForbidden)
		}
	default:
		err = Invalid(`role must be "operator", "owner" or "app"`)
	}
	if err != nil {
		return CreatedToken{}, err
	}
	return created, nil
}

func (a *Auth) createOperator(ctx context.Context, c *Caller, n NewToken, row store.Token) error {
	if err := c.RequireOperator(); err != nil {
		return err
	}
	if n.Wallet != "" || n.App != "" {
		return Invalid("an operator's token has no wallet and no app")
	}
	e := c.Event(ledger.TokenCreated)
	e.Created, e.Role, e.Name = row.ID, string(Operator), show.Plain(n.Name, show.MaxName)
	_, err := a.ledger.CommitService(ctx, c.Epoch, ledger.Change{
		Event: e, IdempotencyKey: c.IdempotencyKey(), Created: row.ID, Secret: true, Writes: []store.Write{store.InsertToken(row)},
	}, nil)
	return err
}

func (a *Auth) createWalletToken(ctx context.Context, c *Caller, n NewToken, row store.Token, created *CreatedToken) error {
	if n.Wallet == "" {
		return Invalid("the request must name the wallet that the token is for")
	}
	if err := a.AuthorizeWallet(ctx, c, n.Wallet); err != nil {
		return err
	}
	var writes []store.Write
	if c.Role == Operator {
		// The sealed settings say that the wallet has no owner. The same transaction checks the database too, so
		// that of two first owners' tokens created at once one is refused.
		writes = append(writes, store.CheckNoOwner(c.WalletID))
	}
	row.Wallet, created.Wallet = c.WalletID, c.WalletID
	switch n.Role {
	case App:
		app, err := appOf(cmp.Or(n.App, created.App)) // that of an earlier try
		if err != nil {
			return err
		}
		row.App, created.App = app.Address(), app.String()
		// The account is created now, so that an app whose derivation path another app has is refused here.
		requester := *c
		requester.App = app
		if _, err := a.EnsureAccount(ctx, &requester, did.AccountType()); err != nil {
			return err
		}
		w, err := a.reregisterApp(ctx, c, app)
		if err != nil {
			return err
		}
		writes = append(writes, w...)
	case Owner:
		if n.App != "" {
			return Invalid("an owner's token has no app")
		}
		row.Owner = c.Owner // the same person's, who is "" where an operator or a token of nobody creates it
		if content := c.Wallet.Settings(); !content.Owned {
			content.Owned = true
			sealed, err := a.keystore.WithContent(c.Wallet.Row(), content)
			if err != nil {
				return fmt.Errorf("marking the wallet as owned: %w", err)
			}
			writes = append(writes, store.UpdateWallet(sealed))
		}
	}
	row.MAC = c.Wallet.MAC(row)
	e := c.Event(ledger.TokenCreated)
	e.App, e.Created, e.Role, e.Name = created.App, row.ID, string(n.Role), show.Plain(n.Name, show.MaxName)
	_, err := c.Commit(ctx, ledger.Change{Event: e, Created: row.ID, Secret: true, Writes: append(writes, store.InsertToken(row))})
	return err
}

// appOf parses an app's DID, or generates one for "": an application identity whose key nobody has.
func appOf(text string) (did.DID, error) {
	if text != "" {
		app, err := did.Parse(text)
		if err != nil {
			return did.DID{}, Invalid("app must be a DID")
		}
		return app, nil
	}
	pk, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		return did.DID{}, fmt.Errorf("generating an application DID: %w", err)
	}
	return did.FromPublicKey(pk, did.Type{Role: did.RoleApplication, Key: did.Ed25519, Hash: did.SHA3})
}

// AuthorizeWallet opens a wallet for a caller who may administer it: its owner (RequireDecider), or an operator while
// the wallet has no owner. For others the error is ErrForbidden.
func (a *Auth) AuthorizeWallet(ctx context.Context, c *Caller, wallet string) error {
	if c.Role == Owner && c.WalletID == wallet {
		return c.RequireDecider()
	}
	return a.AuthorizeReader(ctx, c, wallet)
}

// AuthorizeReader is AuthorizeWallet for what a browser session may do without a touch.
func (a *Auth) AuthorizeReader(ctx context.Context, c *Caller, wallet string) error {
	if c.Role == Owner && c.WalletID == wallet {
		return nil
	}
	if c.Role != Operator {
		return fmt.Errorf("%w: the wallet belongs to another owner", ErrForbidden)
	}
	row, err := a.store.CallerWallet(ctx, wallet)
	if err != nil {
		return NotFound(err)
	}
	c.Wallet.Close() // opened by an earlier try
	if err := a.open(c, row); err != nil {
		return err
	}
	if c.Wallet.Settings().Owned {
		return fmt.Errorf("%w: the wallet has an owner, who alone administers it", ErrForbidden)
	}
	return nil
}

// TokenView is a token as it is listed. Times that do not apply are zero.
type TokenView struct {
	ID, Wallet, App, Name               string
	Origins                             []string
	Role                                Role
	Thumbprint                          string // of the key that it is bound to; "" for a bearer's
	Owner, Passkey                      string // of whom it is, and which passkey signed in; or ""
	Created, Expires, LastUsed, Revoked time.Time
}

// Tokens lists a wallet's tokens for its owner, or for an operator while it has none; if wallet is "", it lists the
// operators' tokens for an operator. It leaves out a forged token of a wallet, which nobody can use, and records
// it.
func (a *Auth) Tokens(ctx context.Context, c *Caller, wallet string, p store.Page) ([]TokenView, string, error) {
	var err error
	if wallet == "" {
		err = c.RequireOperator()
	} else {
		err = a.AuthorizeReader(ctx, c, wallet)
	}
	if err != nil {
		return nil, "", err
	}
	rows, next, err := a.store.Tokens(ctx, wallet, p)
	if err != nil {
		return nil, "", fmt.Errorf("reading the tokens: %w", err)
	}
	views := make([]TokenView, 0, len(rows))
	if wallet == "" { // operators' tokens have no MAC, because they are needed while the keystore is locked
		for _, t := range rows {
			views = append(views, viewToken(t))
		}
		return views, next, nil
	}
	for t, err := range ledger.EachChecked(ctx, c.Wallet, rows) {
		if err != nil {
			return nil, "", err
		}
		views = append(views, viewToken(t.Row()))
	}
	return views, next, nil
}

func viewToken(t store.Token) TokenView {
	return TokenView{
		Owner: t.Owner, Passkey: t.Passkey,
		ID: t.ID, Wallet: t.Wallet, App: did.Prefixed(t.App), Name: t.Name, Origins: strings.Fields(t.Origins), Role: Role(t.Role), Thumbprint: t.Thumbprint, Created: time.Unix(t.Created, 0),
		Expires: store.Time(t.Expires), LastUsed: store.Time(t.LastUsed), Revoked: store.Time(t.Revoked),
	}
}

// FirstToken returns the operator's token of a new keystore: its text, which is shown once, and its row, for
// keystore.Init; or of one whose operators lost theirs, for keystore.AddOperator.
func FirstToken(now time.Time) (text string, row store.Token) {
	row = store.Token{ID: store.NewID(), Role: store.RoleOperator, Name: "first operator", Created: now.Unix(), MAC: []byte{}}
	text, row.Hash = newToken(Operator, row.ID)
	return text, row
}

// GivenToken is a token whose text somebody else chose, so that a set-up for tests has constants. It does not print.
type GivenToken struct {
	Role Role
	ID   string
	text string
}

// Format keeps the token's text out of logs.
func (t GivenToken) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "token %s", t.ID) }

// ErrGivenToken: the text is not that of a token.
var ErrGivenToken = errors.New("a token is wd_<role>_<id>_<secret>: a role operator, owner or app, an id of at most 64, and a secret of 16 to 80 letters (a to z) and digits")

// ParseGivenToken reads the text of a token, wd_<role>_<id>_<secret>. The error is ErrGivenToken.
func ParseGivenToken(text string) (GivenToken, error) {
	parts := strings.Split(text, "_")
	if len(text) > maxToken || len(parts) != 4 || parts[0] != tokenPrefix {
		return GivenToken{}, ErrGivenToken
	}
	t := GivenToken{Role: Role(parts[1]), ID: parts[2], text: text}
	switch t.Role {
	case Operator, Owner, App:
	default:
		return GivenToken{}, ErrGivenToken
	}
	other := func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') }
	if secret := parts[3]; t.ID == "" || len(t.ID) > 64 || len(secret) < 16 || len(secret) > 80 || strings.ContainsFunc(t.ID+secret, other) {
		return GivenToken{}, ErrGivenToken
	}
	return t, nil
}

// Application returns an application DID that follows from the id of the token, so that its app has the same keys
// whenever the token and the wallet are the same. Nobody has the key of that DID.
func (t GivenToken) Application() (did.DID, error) {
	return keylessApp("walletd given app v1\x00" + t.ID)
}

// First is FirstToken with the given text, which must be an operator's.
func (t GivenToken) First(now time.Time) (text string, row store.Token) {
	_, row = FirstToken(now)
	row.ID, row.Hash = t.ID, hashToken(t.text)
	return t.text, row
}
