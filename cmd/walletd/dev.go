package main

import (
	"context"
	"fmt"

	"github.com/rs/zerolog"

	"walletd/internal/claims"
	"walletd/internal/keystore"
	"walletd/internal/store"
)

// dev runs a service that needs no set-up and leaves nothing behind: serve --dev.
func (cmd *serveCmd) dev(ctx context.Context, con *console, log zerolog.Logger) error {
	plan, err := cmd.devPlan()
	if err != nil {
		return err
	}
	out, err := cmd.outFlags.config()
	if err != nil {
		return err
	}
	place, err := makeDevPlace()
	if err != nil {
		return err
	}
	defer place.remove(log)
	s, err := openService(ctx, "sqlite:"+place.file(storeFile), store.Options{Create: true, Dev: true}, plan, loopbackToo(out), log)
	if err != nil {
		return err
	}
	defer s.close()
	v, err := s.devWallet(ctx)
	if err != nil {
		return fmt.Errorf("making a wallet to try: %w", err)
	}
	listeners, err := plan.listen(ctx)
	if err != nil {
		return err
	}
	v.URL = "http://" + listeners[0].Addr().String()
	v.Curl = fmt.Sprintf(`curl -s %s/v1/claims -H 'Authorization: Bearer %s' -H 'Content-Type: application/json' -d '{"requestedClaims":[{"type":"encryptionKey","salt":"notes"}]}'`, v.URL, v.AppToken)
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
func (cmd *serveCmd) devPlan() (listenPlan, error) {
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
	plan, err := cmd.plan()
	if err == nil && !plan.main.IP.IsLoopback() {
		err = usagef("--dev listens on this machine alone")
	}
	if err == nil {
		err = cmd.sessions(&plan)
	}
	return plan, err
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
}

// Format keeps the tokens out of logs.
func (devService) Format(f fmt.State, _ rune) { fmt.Fprint(f, "devService{…}") }

func (con *console) printDev(v devService) error {
	if con.json {
		return con.printJSON(v)
	}
	con.printf(`walletd listens on %s
Its store is thrown away at the end. In this directory the other commands find it by themselves.

wallet          %s
app             %s
app token       %s
owner token     %s
operator token  %s

Ask for a key, as the app would:

%s

`, v.URL, v.Wallet, v.App, v.AppToken, v.OwnerToken, v.OperatorToken, v.Curl)
	return nil
}

// devWallet makes an unlocked keystore with a wallet, and an app in it that is allowed every claim.
// All of it goes through the door, as it would over HTTP.
func (s *service) devWallet(ctx context.Context) (v devService, err error) {
	// An age identity that nobody keeps: opening it takes no half second as a passphrase does.
	identity, recipient, err := keystore.GenerateRecovery()
	if err != nil {
		return v, err
	}
	defer identity.Wipe()
	text, operator := claims.FirstToken(s.store.Now())
	if err := s.keystore.Init(ctx, []keystore.NewSlot{{Name: "dev", Recipient: recipient}}, operator); err != nil {
		return v, err
	}
	if err := s.keystore.Unlock(ctx, "walletd", identity); err != nil {
		return v, err
	}
	v.OperatorToken = text
	err = s.as(ctx, v.OperatorToken, func(c *claims.Caller) error {
		made, err := s.door.CreateWallet(ctx, c, claims.NewWallet{Name: "dev"})
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
	for _, role := range []claims.Role{claims.App, claims.Owner} {
		err := s.as(ctx, v.OperatorToken, func(c *claims.Caller) error {
			made, err := s.door.CreateToken(ctx, c, claims.NewToken{Role: role, Wallet: v.Wallet, Name: "dev " + string(role)})
			switch {
			case err != nil:
				return err
			case role == claims.App:
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
	err = s.as(ctx, v.OwnerToken, func(c *claims.Caller) error {
		_, err := s.door.SetPolicy(ctx, c, claims.Policy{Rules: []claims.Rule{{App: v.App, Claim: claims.Any, Decision: claims.Allow}}})
		return err
	})
	return v, err
}

// as calls f as the caller that a token names.
func (s *service) as(ctx context.Context, token string, f func(*claims.Caller) error) error {
	c, err := s.door.Authenticate(ctx, token)
	if err != nil {
		return err
	}
	defer c.Close()
	return f(c)
}
