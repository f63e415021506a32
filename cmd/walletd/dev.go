package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"walletd/api"
	"walletd/api/client"
	"walletd/internal/auth"
	"walletd/internal/connect"
	"walletd/internal/keystore"
	"walletd/internal/policy"
	"walletd/internal/secret"
	"walletd/internal/store"
	"walletd/internal/wallets"
)

// devFlags say how serve --dev differs from what it is without them.
type devFlags struct {
	DevListen  string      `placeholder:"HOST:PORT" help:"With --dev: answer other machines, other containers, on this address too, in the clear. For tests alone: whoever is on the network reads tokens and keys. --host says what the service is called there."`
	DevAsk     bool        `help:"With --dev: leave out the rule that allows the app everything, so that the owner is asked."`
	DevWords   secretFlags `embed:"" prefix:"dev-words-" group:"With --dev, the wallet's BIP-39 words, so that its keys are always the same:"`
	DevSeedHex secretFlags `embed:"" prefix:"dev-seed-hex-" group:"Or its 64-byte seed, as 128 hex digits:"`
	DevToken   secretFlags `embed:"" prefix:"dev-token-" group:"With --dev, its tokens, one a line, at most one of each role, as wd_<role>_<id>_<secret>. The app's DID follows from the id:"`
}

func (f devFlags) given() bool {
	return f.DevListen != "" || f.DevAsk || f.DevWords.given() || f.DevSeedHex.given() || f.DevToken.given()
}

// devSetup is what the service of serve --dev begins with.
type devSetup struct {
	words, seed secret.Bytes // of the wallet: one of them, or none for new words
	tokens      map[auth.Role]auth.GivenToken
	ask         bool // no rule allows the app everything
}

func (d *devSetup) wipe() {
	d.words.Wipe()
	d.seed.Wipe()
}

// Most of what a file of tokens holds: a few lines, and room for their ends.
const maxTokens = 1024

// read reads the files that the flags name.
func (f devFlags) read(ctx context.Context, con *console) (d devSetup, err error) {
	d.ask = f.DevAsk
	if d.tokens, err = f.readTokens(con); err != nil {
		return d, err
	}
	if wallet := (seedFlags{Words: f.DevWords, SeedHex: f.DevSeedHex}); f.DevWords.given() || f.DevSeedHex.given() {
		if err = wallet.Validate(); err == nil {
			d.words, d.seed, err = wallet.read(ctx, con)
		}
	}
	return d, err
}

func (f devFlags) readTokens(con *console) (map[auth.Role]auth.GivenToken, error) {
	tokens := map[auth.Role]auth.GivenToken{}
	if !f.DevToken.given() {
		return tokens, nil
	}
	text, err := f.DevToken.read(con, maxTokens, phrase)
	defer text.Wipe()
	if err != nil {
		return nil, err
	}
	for line := range bytes.Lines(text.Reveal()) {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		t, err := auth.ParseGivenToken(string(line))
		if err != nil {
			return nil, fmt.Errorf("the tokens that were given: %w", err)
		}
		if _, twice := tokens[t.Role]; twice {
			return nil, fmt.Errorf("the tokens that were given: there are two of the role %s", t.Role)
		}
		tokens[t.Role] = t
	}
	return tokens, nil
}

// dev runs a service that needs no set-up and leaves nothing behind: serve --dev.
func (cmd *serveCmd) dev(ctx context.Context, con *console, log zerolog.Logger) error {
	plan, err := cmd.devPlan(log)
	if err != nil {
		return err
	}
	plan.archives = cmd.Archive
	sessions, err := cmd.sessions()
	if err != nil {
		return err
	}
	setup, err := cmd.devFlags.read(ctx, con)
	defer setup.wipe()
	if err != nil {
		return err
	}
	place, err := makeDevPlace()
	if err != nil {
		return err
	}
	defer place.remove(log)
	s, err := openService(ctx, "sqlite:"+place.file(storeFile), store.Options{Create: true, Dev: true, Patience: cmd.StoreTimeout}, plan, sessions, log)
	if err != nil {
		return err
	}
	defer s.close()
	v, err := s.devWallet(ctx, &setup)
	if err != nil {
		return fmt.Errorf("making a wallet to try: %w", err)
	}
	listeners, err := plan.listen(ctx)
	if err != nil {
		return err
	}
	v.URL = "http://" + listeners[0].Addr().String()
	if plan.others != nil {
		log.Warn().Stringer("address", listeners[len(listeners)-1].Addr()).Msg("IN THE CLEAR: whoever reaches this address reads the tokens and keys that pass; for tests alone, with a wallet that guards nothing")
	}
	v.Curl = fmt.Sprintf(`curl -s %s/v1/claims -H 'Authorization: Bearer %s' -H 'Content-Type: application/json' -d '{"requestedClaims":[{"type":"encryptionKey","salt":"notes"}]}'`, v.URL, v.AppToken)
	v.Pages = fmt.Sprintf("http://localhost:%d%s", listeners[0].Addr().(*net.TCPAddr).Port, s.pages.Link(v.OwnerToken))
	if err := place.write(v); err != nil {
		for _, l := range listeners {
			l.Close()
		}
		return err
	}
	if err := con.printDev(v); err != nil {
		return err
	}
	return s.serve(ctx, listeners, func(context.Context) {})
}

// devPlan refuses what does not go with --dev, and takes a free port if none is asked for.
func (cmd *serveCmd) devPlan(log zerolog.Logger) (listenPlan, error) {
	switch {
	case cmd.Data != "" || cmd.Store != "":
		return listenPlan{}, withHint(usagef("--dev makes a store of its own: leave --data and --store out"), "WALLETD_DATA and WALLETD_STORE count too")
	case cmd.AppsListen != "" || cmd.TLSCert != "" || cmd.TLSKey != "" || len(cmd.BehindTLSProxy) > 0:
		return listenPlan{}, usagef("--dev listens on one address of this machine, without TLS")
	case cmd.Passphrase.given() || cmd.Identity.given():
		return listenPlan{}, usagef("--dev needs no passphrase and no identity: it is unlocked")
	}
	if cmd.Listen == "" {
		cmd.Listen = "127.0.0.1:0"
	}
	plan, err := cmd.plan(log)
	plan.drain = 0 // nobody else is there to go elsewhere
	if err == nil && !plan.main.IP.IsLoopback() {
		err = withHint(usagef("--dev listens on this machine alone"), "for a test, --dev-listen answers other machines too, in the clear")
	}
	if err != nil || cmd.DevListen == "" {
		return plan, err
	}
	if plan.others, err = net.ResolveTCPAddr("tcp", cmd.DevListen); err != nil {
		return plan, usagef("--dev-listen takes HOST:PORT, as in 0.0.0.0:8080")
	}
	if ip := plan.others.IP; ip != nil && !ip.IsUnspecified() {
		plan.hosts = append(plan.hosts, ip.String())
	}
	return plan, nil
}

// devService is what serve --dev shows: a wallet, and a token of each role.
type devService struct {
	URL           string `json:"url"`
	Wallet        string `json:"wallet"`
	App           string `json:"app"`
	AppToken      string `json:"appToken"`
	OwnerToken    string `json:"ownerToken"`
	OperatorToken string `json:"operatorToken"`
	Curl          string `json:"curl"`
	Pages         string `json:"pages"` // a link that signs a browser in, once
}

// Format keeps the tokens out of logs.
func (devService) Format(f fmt.State, _ rune) { fmt.Fprint(f, "devService{…}") }

func (con *console) printDev(v devService) error {
	if con.json {
		return con.JSON(v)
	}
	con.printf(`walletd listens on %s
Its store is thrown away at the end. In this directory the other commands find it by themselves.

wallet          %s
app             %s
app token       %s
owner token     %s
operator token  %s

See what apps ask for, and answer: this link signs a browser in, once

%s

Ask for a key, as the app would:

%s

`, v.URL, v.Wallet, v.App, v.AppToken, v.OwnerToken, v.OperatorToken, v.Pages, v.Curl)
	return nil
}

// devWallet makes an unlocked keystore with a wallet, and an app in it that is allowed every claim
// unless the setup says that the owner is asked.
// All of it goes through the pipeline, as it would over HTTP.
func (s *service) devWallet(ctx context.Context, setup *devSetup) (v devService, err error) {
	// An age identity that nobody keeps: opening it takes no half second as a passphrase does.
	identity, recipient, err := keystore.GenerateRecovery()
	if err != nil {
		return v, err
	}
	defer identity.Wipe()
	text, operator := auth.FirstToken(s.Store.Now())
	if given, ok := setup.tokens[auth.Operator]; ok {
		text, operator = given.First(s.Store.Now())
	}
	if err := s.Keystore.Init(ctx, []keystore.NewSlot{{Name: "dev", Recipient: recipient}}, operator); err != nil {
		return v, err
	}
	if err := s.Keystore.Unlock(ctx, "walletd", identity); err != nil {
		return v, err
	}
	v.OperatorToken = text
	wallet, err := setup.wallet()
	if err != nil {
		return v, err
	}
	err = s.as(ctx, v.OperatorToken, func(c *auth.Caller) error {
		made, err := s.Wallets.Create(ctx, c, wallet)
		if err == nil {
			v.Wallet = made.Wallet
			made.Words.Wipe()
		}
		return err
	})
	if err != nil {
		return v, err
	}
	// The owner's token last: from then on the operator makes none for the wallet.
	for _, role := range []auth.Role{auth.App, auth.Owner} {
		err := s.as(ctx, v.OperatorToken, func(c *auth.Caller) error {
			n := auth.NewToken{Role: role, Wallet: v.Wallet, Name: "dev " + string(role), Given: setup.tokens[role]}
			if role == auth.App && n.Given.ID != "" {
				app, err := n.Given.Application()
				if err != nil {
					return err
				}
				n.App = app.String()
			}
			made, err := s.Auth.CreateToken(ctx, c, n)
			switch {
			case err != nil:
				return err
			case role == auth.App:
				v.App, v.AppToken = made.App, made.Text
			default:
				v.OwnerToken = made.Text
			}
			return nil
		})
		if err != nil {
			return v, err
		}
	}
	if setup.ask {
		return v, nil
	}
	err = s.as(ctx, v.OwnerToken, func(c *auth.Caller) error {
		_, err := s.Pipeline.SetPolicy(ctx, c, policy.Policy{Rules: []policy.Rule{{App: v.App, Claim: policy.Any, Decision: policy.Allow, Tokens: policy.AnyToken}}})
		return err
	})
	return v, err
}

// wallet is the wallet to create, with copies of the words or of the seed.
func (d *devSetup) wallet() (wallets.NewWallet, error) {
	n := wallets.NewWallet{Name: "dev", Words: bytes.Clone(d.words.Reveal())}
	if d.seed.IsZero() {
		return n, nil
	}
	n.Seed = make([]byte, hex.DecodedLen(len(d.seed.Reveal())))
	if _, err := hex.Decode(n.Seed, d.seed.Reveal()); err != nil {
		clear(n.Seed)
		return n, errors.New("the seed that was given is not 128 hex digits") // the error would hold a digit of it
	}
	return n, nil
}

// as calls f as the caller that a token names.
func (s *service) as(ctx context.Context, token string, f func(*auth.Caller) error) error {
	c, err := s.Auth.Authenticate(ctx, token)
	if err != nil {
		return err
	}
	defer c.Close()
	return f(c)
}

// devDir is where serve --dev keeps its throw-away store and what other commands need to find it,
// under the current directory.
const devDir = ".walletd-dev"

// The mark tells a directory that serve --dev made from any other; whoever runs there holds its lock.
const (
	devMark     = "made-by-walletd-serve-dev"
	devMarkText = "walletd serve --dev made this directory, and removes it.\n"
)

// devPlace is the directory while serve --dev runs.
type devPlace struct {
	dir  string
	mark *os.File
}

// makeDevPlace makes the directory anew. One that an earlier serve --dev left is removed; any
// other is refused.
func makeDevPlace() (*devPlace, error) {
	dir, err := filepath.Abs(devDir)
	if err != nil {
		return nil, err
	}
	if err := removeStale(dir); err != nil {
		return nil, err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	p := &devPlace{dir: dir}
	if p.mark, err = os.OpenFile(p.file(devMark), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600); err == nil {
		if err = lockFile(p.mark); err == nil {
			_, err = p.mark.WriteString(devMarkText)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("marking %s: %w", devDir, err)
	}
	return p, nil
}

// removeStale removes what an earlier serve --dev left.
func removeStale(dir string) error {
	switch info, err := os.Lstat(dir); {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.IsDir() && os.Remove(dir) == nil:
		return nil // empty: nothing is lost, and a start cut short leaves it so
	}
	foreign := withHint(fmt.Errorf("%s is there, and serve --dev did not make it", devDir), "move it away, or work in another directory")
	mark, err := os.OpenFile(filepath.Join(dir, devMark), os.O_RDWR|unix.O_NOFOLLOW, 0)
	if err != nil {
		return foreign
	}
	defer mark.Close()
	text, err := io.ReadAll(io.LimitReader(mark, int64(len(devMarkText))+1))
	if info, statErr := os.Lstat(dir); err != nil || statErr != nil || !info.IsDir() || !ownedByMe(info) || string(text) != devMarkText {
		return foreign
	}
	if err := lockFile(mark); err != nil {
		return withHint(errors.New("serve --dev runs in this directory already"), "stop it first, or work in another directory")
	}
	return os.RemoveAll(dir)
}

// lockFile takes a file for this process, until it is closed.
func lockFile(f *os.File) error {
	return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
}

func (p *devPlace) file(name string) string { return filepath.Join(p.dir, name) }

// write leaves the files by which other commands find the service; the address last, so that
// who waits for it finds all.
func (p *devPlace) write(v devService) error {
	for _, f := range [][2]string{
		{"owner.token", v.OwnerToken}, {"app.token", v.AppToken}, {"operator.token", v.OperatorToken}, {"url.new", v.URL},
	} {
		if err := os.WriteFile(p.file(f[0]), []byte(f[1]+"\n"), 0o600); err != nil {
			return err
		}
	}
	return os.Rename(p.file("url.new"), p.file("url"))
}

// remove throws everything away; the store must be closed.
func (p *devPlace) remove(log zerolog.Logger) {
	if err := os.RemoveAll(p.dir); err != nil {
		log.Error().Err(err).Msg("removing the throw-away store")
	}
	p.mark.Close()
}

// ephemeral runs a service with a new wallet for as long as do takes, and keeps nothing of it. do
// speaks to it as to any other, as the wallet's owner. unanswered is told why an app could not be reached.
func ephemeral(ctx context.Context, out connect.ClientConfig, unanswered func(error), do func(*client.Client) error) error {
	dir, err := os.MkdirTemp("", "walletd-")
	if err != nil {
		return fmt.Errorf("making a place for the wallet: %w", err)
	}
	defer os.RemoveAll(dir)
	plan, err := listenFlags{Listen: "127.0.0.1:0"}.plan(zerolog.Nop())
	if err != nil {
		return err
	}
	url := "sqlite:" + filepath.Join(dir, "data", storeFile)
	s, err := openService(ctx, url, store.Options{Create: true, Dev: true}, plan, connect.Config{Client: connect.NewClient(loopbackToo(out)), Unanswered: unanswered}, zerolog.Nop())
	if err != nil {
		return err
	}
	defer s.close()
	v, err := s.devWallet(ctx, &devSetup{})
	if err != nil {
		return fmt.Errorf("making the wallet: %w", err)
	}
	listeners, err := plan.listen(ctx)
	if err != nil {
		return err
	}
	c, err := client.New(client.Config{URL: "http://" + listeners[0].Addr().String(), Token: api.NewSecretText([]byte(v.OwnerToken))})
	if err != nil {
		return err
	}
	serving, stop := context.WithCancel(context.WithoutCancel(ctx)) // until do has ended, which may have an app to tell
	var service sync.WaitGroup
	service.Go(func() { err = s.serve(serving, listeners, func(context.Context) {}) })
	failed := do(c)
	c.Close()
	stop()
	service.Wait()
	if failed != nil {
		return failed
	}
	return err
}
