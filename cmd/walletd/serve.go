package main

import (
	"context"
	"errors"
	stdlog "log"
	"net/netip"
	"os"
	"runtime/debug"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/rs/zerolog"

	"walletd/internal/connect"
	"walletd/internal/keystore"
	"walletd/internal/secret"
	"walletd/internal/store"
)

// gcPercent trades memory for time: what is kept is small, and most of a claim's garbage is gone at
// once. The bench folder says what it brings.
const gcPercent = 400

type serveCmd struct {
	storeFlags
	listenFlags
	outFlags
	Passphrase     secretFlags   `embed:"" prefix:"passphrase-" group:"What unlocks the keystore (without any it starts locked; systemd's credential \"passphrase\" or \"identity\" is found by itself):"`
	Identity       secretFlags   `embed:"" prefix:"identity-" group:"Or an age identity file:"`
	RefuseUnsealed bool          `help:"Decline a keyPair or encryptionKey of a session that could have come over the encrypted channel and did not."`
	AppSessions    int64         `default:"64" placeholder:"N" help:"How many sessions of one app may be open in a wallet: one more, and the app is told that the wallet is busy."`
	AppWait        time.Duration `default:"2m" placeholder:"TIME" help:"How long an app may take to reply to an answer: some do what it is for before they reply. 2m if not given."`
	LogLevel       string        `default:"info" enum:"debug,info,warn,error" help:"debug, info, warn or error."`
	Dev            bool          `help:"Try it: a throw-away store in ./.walletd-dev, one wallet, and tokens, all gone at the end."`
}

func (cmd *serveCmd) Run(ctx context.Context, con *console, undone hardening) error {
	log, err := cmd.log()
	if err != nil {
		return err
	}
	// Libraries that log by themselves do it as JSON too.
	stdlog.SetFlags(0)
	stdlog.SetOutput(log)
	for _, err := range undone {
		log.Warn().Err(err).Msg("keys in memory are less protected than they should be")
	}
	limitMemory(log, memlimit.FromCgroup)
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if cmd.Dev {
		return cmd.dev(ctx, con, log)
	}
	url, err := cmd.url()
	if err != nil {
		return err
	}
	plan, err := cmd.listenFlags.plan(log)
	if err != nil {
		return err
	}
	sessions, err := cmd.sessions()
	if err != nil {
		return err
	}
	unlock, err := cmd.secret(con)
	if err != nil {
		return err
	}
	s, err := openService(ctx, url, store.Options{}, plan, sessions, log)
	if err != nil {
		return err
	}
	defer s.close()
	if _, err := s.keystore.Status(ctx); err != nil {
		return err
	}
	listeners, err := plan.listen(ctx)
	if err != nil {
		return err
	}
	for _, l := range listeners {
		log.Info().Stringer("address", l.Addr()).Bool("tls", l.tls != nil).Str("answers", l.answers).Msg("listening")
	}
	return s.serve(ctx, listeners, func(ctx context.Context) { s.unlockWith(ctx, unlock) })
}

// sessions says how DID Connect sessions are held.
func (cmd *serveCmd) sessions() (connect.Config, error) {
	if cmd.AppSessions < 1 {
		return connect.Config{}, usagef("--app-sessions takes 1 or more")
	}
	if cmd.AppWait < time.Second || cmd.AppWait > 10*time.Minute {
		return connect.Config{}, usagef("--app-wait takes 1s to 10m")
	}
	out, err := cmd.outFlags.config()
	out.AppWait = cmd.AppWait
	if cmd.Dev {
		out = loopbackToo(out)
	}
	return connect.Config{Client: connect.NewClient(out), RefuseUnsealed: cmd.RefuseUnsealed, Limit: cmd.AppSessions}, err
}

// outFlags say where sessions may go beside public addresses by https.
type outFlags struct {
	AllowNetwork []string `sep:"none" placeholder:"CIDR" help:"Let links lead to these addresses too: for development. Metadata services stay closed. May be given again."`
	AllowHTTP    bool     `name:"allow-http" help:"Let links lead to http: for development."`
}

func (f outFlags) config() (connect.ClientConfig, error) {
	c := connect.ClientConfig{AllowHTTP: f.AllowHTTP}
	for _, text := range f.AllowNetwork {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return c, withHint(usagef("--allow-network takes addresses as a CIDR"), "one address is 192.0.2.7/32")
		}
		c.Allow = append(c.Allow, prefix.Masked())
	}
	return c, nil
}

// loopbackToo opens this machine, by http too: what serve --dev and a session without a service
// need.
func loopbackToo(c connect.ClientConfig) connect.ClientConfig {
	c.Allow = append(c.Allow, netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128"))
	c.AllowHTTP = true
	return c
}

func (cmd *serveCmd) log() (zerolog.Logger, error) {
	level, err := zerolog.ParseLevel(cmd.LogLevel)
	return zerolog.New(os.Stderr).Level(level).With().Timestamp().Logger(), err
}

// secret reads what unlocks the keystore; the zero Secret if there is nothing.
func (cmd *serveCmd) secret(con *console) (keystore.Secret, error) {
	var passphrase, identity secret.Bytes
	var err error
	switch {
	case cmd.Passphrase.given() && cmd.Identity.given():
		return keystore.Secret{}, usagef("a passphrase and an identity were given: choose one")
	case cmd.Passphrase.given():
		passphrase, err = cmd.Passphrase.read(con, maxPassphrase, verbatim)
	case cmd.Identity.given():
		identity, err = cmd.Identity.read(con, maxIdentity, verbatim)
	default:
		var found bool
		if passphrase, found, err = credential("passphrase", maxPassphrase); err == nil && !found {
			identity, _, err = credential("identity", maxIdentity)
		}
	}
	defer passphrase.Wipe()
	defer identity.Wipe()
	switch {
	case err != nil:
		return keystore.Secret{}, err
	case !passphrase.IsZero():
		return keystore.Passphrase(passphrase.Reveal()), nil
	case !identity.IsZero():
		return keystore.ParseIdentity(identity.Reveal())
	}
	return keystore.Secret{}, nil
}

// unlockWith tries a secret once the service listens. A failure leaves the service locked rather
// than down: a supervisor would start it again and again, and each try is counted.
func (s *service) unlockWith(ctx context.Context, unlock keystore.Secret) {
	if unlock.IsZero() {
		s.log.Info().Msg("locked: an operator unlocks it with walletd keystore unlock")
		return
	}
	defer unlock.Wipe()
	err := s.keystore.Unlock(ctx, "walletd", unlock)
	if unfinished, ok := errors.AsType[*keystore.UnfinishedError](err); ok {
		s.log.Warn().Err(unfinished.Err).Msg("unlocked, but a rotation of the root key is not finished")
		return
	}
	if err != nil {
		if ctx.Err() == nil {
			s.log.Error().Err(err).Msg("locked: the keystore was not unlocked")
		}
		return
	}
	s.log.Info().Msg("unlocked")
}
