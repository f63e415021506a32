package main

import (
	"context"
	"errors"
	stdlog "log"
	"net/netip"
	"os"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/rs/zerolog"

	"walletd/internal/connect"
	"walletd/internal/keystore"
	"walletd/internal/secret"
	"walletd/internal/store"
)

type serveCmd struct {
	storeFlags
	listenFlags
	outFlags
	Passphrase     secretFlags   `embed:"" prefix:"passphrase-" group:"What unlocks the keystore (without any it starts locked; systemd's credential \"passphrase\" or \"identity\" is found by itself):"`
	Identity       secretFlags   `embed:"" prefix:"identity-" group:"Or an age identity file:"`
	RefuseUnsealed bool          `help:"Decline a keyPair or encryptionKey of a session that could have come over the encrypted channel and did not."`
	AppSessions    int64         `default:"64" placeholder:"N" help:"How many sessions of one app may be open in a wallet: one more, and the app is told that the wallet is busy."`
	AppWait        time.Duration `default:"2m" placeholder:"TIME" help:"How long an app may take to reply to an answer: some do what it is for before they reply. 2m if not given."`
	StoreTimeout   time.Duration `env:"WALLETD_STORE_TIMEOUT" default:"5s" placeholder:"TIME" help:"How long a request waits for a disk or database that does not answer, before the answer is 503: 1s to 10s."`
	KeepDecided    retention     `default:"90d" placeholder:"TIME" help:"How long approvals and invitations are kept after they were decided or ended, and grants, tokens and delegations after their end: 15d or more, in days or as 2160h; 0 for ever. Sessions are kept 7 days. The record always stays."`
	Archive        string        `env:"WALLETD_ARCHIVE" type:"path" placeholder:"DIR" help:"Directory that walletd audit archive moves old entries of records to, closed to others; of each replica its own. Without it nothing is archived."`
	NoCopy         bool          `help:"Do not copy a SQLite store before its schema is brought up to date, to before-schema-N within --data."`
	LogLevel       string        `default:"info" enum:"debug,info,warn,error" help:"debug, info, warn or error."`
	Dev            bool          `help:"Try it: a throw-away store in ./.walletd-dev, one wallet, and tokens, all gone at the end."`
	devFlags
}

// migrating says that a store is brought up to date, which may take a while, and where it is as it was.
func migrating(log zerolog.Logger, url string) func(store.Migration) {
	return func(m store.Migration) {
		e := log.Info().Int64("from", m.From).Int64("to", m.To)
		switch {
		case m.Copy != "":
			e.Str("copy", m.Copy).Msg("the store's schema is brought up to date; to go back, stop, and give the copy to the older walletd: walletd store restore COPY --data DIR")
		case isSQLite(url):
			e.Msg("the store's schema is brought up to date, without a copy, as --no-copy says")
		default:
			e.Msg("the store's schema is brought up to date; to go back, it takes a dump that pg_dump made before")
		}
	}
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
	useProcessors()
	limitMemory(log, memlimit.FromCgroup)
	if os.Getenv("GOGC") == "" {
		keepHeapFloor(heapFloor, gcPercent)
	}
	if cmd.StoreTimeout < time.Second || cmd.StoreTimeout > 10*time.Second { // a statement has 10 s on PostgreSQL
		return usagef("--store-timeout takes 1s to 10s")
	}
	if err := makeArchiveDir(cmd.Archive); err != nil {
		return err
	}
	if cmd.Dev {
		return cmd.dev(ctx, con, log)
	}
	if cmd.devFlags.given() {
		return usagef("the flags that begin with --dev- belong to --dev")
	}
	url, err := cmd.url()
	if err != nil {
		return err
	}
	plan, err := cmd.listenFlags.plan(log)
	if err != nil {
		return err
	}
	plan.archives = cmd.Archive
	sessions, err := cmd.sessions()
	if err != nil {
		return err
	}
	unlock, err := cmd.secret(con)
	if err != nil {
		return err
	}
	s, err := openService(ctx, url, store.Options{Patience: cmd.StoreTimeout, KeepDecided: time.Duration(cmd.KeepDecided), NoCopy: cmd.NoCopy, Migrating: migrating(log, url)}, plan, sessions, log)
	if err != nil {
		return err
	}
	defer s.close()
	if _, err := s.Keystore.Status(ctx); err != nil {
		return err
	}
	listeners, err := plan.listen(ctx)
	if err != nil {
		return err
	}
	for _, l := range listeners {
		log.Info().Stringer("address", l.Addr()).Bool("tls", l.tls != nil).Str("answers", l.answers).Msg("listening")
	}
	var again func() (keystore.Secret, error)
	if !unlock.IsZero() && cmd.Passphrase.FD < 0 && cmd.Identity.FD < 0 { // a descriptor is read once
		again = func() (keystore.Secret, error) { return cmd.secret(con) }
	}
	return s.serve(ctx, listeners, func(ctx context.Context) { s.keepUnlocked(ctx, unlock, again) })
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

// How often a service asks whether another replica has locked it, how long it leaves a rotation of
// another to that one, and the pauses between two tries to unlock where the store does not answer.
const (
	watchPause    = time.Second
	rotationTime  = 10 * time.Second
	firstTryPause = time.Second
	mostTryPause  = 30 * time.Second
)

// keepUnlocked unlocks the service once it listens, and again whenever another replica replaces the
// root key or accepts its clock, which locks this one. A lock it leaves alone: somebody has decided
// that. The secret is not kept; again reads it once more, and is nil where that cannot be done.
func (s *service) keepUnlocked(ctx context.Context, unlock keystore.Secret, again func() (keystore.Secret, error)) {
	if unlock.IsZero() {
		s.log.Info().Msg("locked: an operator unlocks it with walletd keystore unlock")
	} else {
		s.unlockWith(ctx, unlock, s.Keystore.Unlock)
	}
	var noticed keystore.Loss
	var since time.Time
	tried := false
	for pause(ctx, watchPause) {
		loss, err := s.Keystore.Loss(ctx)
		if err != nil {
			continue // what reads for requests tells of the store
		}
		if loss.Lost && (!noticed.Lost || loss.MayUnlock() != noticed.MayUnlock() || loss.Generation != noticed.Generation) {
			since, tried = time.Now(), false
			s.tellLoss(loss, again != nil)
		}
		noticed = loss
		// Unlocking goes on with a rotation, so one that is long, or was cut short, keeps nobody waiting.
		if !loss.MayUnlock() || tried || again == nil || loss.Rotating && time.Since(since) < rotationTime {
			continue
		}
		tried = true
		unlock, err := again()
		if err != nil {
			s.log.Error().Err(err).Msg("locked: what unlocks the keystore cannot be read")
			continue
		}
		if s.unlockWith(ctx, unlock, s.Keystore.UnlockAgain) {
			noticed = keystore.Loss{} // what locks it next is another loss, although it looks the same
		}
	}
}

// tellLoss says in the log why the service is not unlocked any more.
func (s *service) tellLoss(loss keystore.Loss, unlocks bool) {
	switch {
	case !loss.MayUnlock():
		s.log.Warn().Msg("locked by another replica")
	case loss.ClockAccepted && unlocks:
		s.log.Info().Msg("locked: another replica has accepted its clock, and this one unlocks again by itself")
	case loss.ClockAccepted:
		s.log.Warn().Msg("locked: another replica has accepted its clock, and this one has no file to unlock with; an operator unlocks it with walletd keystore unlock")
	case unlocks:
		s.log.Info().Int64("root key", loss.Generation).Msg("locked: another replica replaces the root key, and this one unlocks again by itself")
	default:
		s.log.Warn().Int64("root key", loss.Generation).Msg("locked: another replica replaces the root key, and this one has no file to unlock with; an operator unlocks it with walletd keystore unlock")
	}
}

// pause waits, and reports whether ctx goes on.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// unlockWith tries a secret, which it wipes, and reports whether it unlocked the service. A failure
// leaves the service locked rather than down: a supervisor would start it again and again, and each
// try is counted. Where the store is the reason, it is tried again.
func (s *service) unlockWith(ctx context.Context, secret keystore.Secret, unlock func(context.Context, string, keystore.Secret) error) bool {
	defer secret.Wipe()
	for wait := firstTryPause; ; wait = min(2*wait, mostTryPause) {
		err := unlock(ctx, "walletd", secret)
		unfinished, isUnfinished := errors.AsType[*keystore.UnfinishedError](err)
		switch {
		case err == nil:
			s.log.Info().Msg("unlocked")
			return true
		case isUnfinished:
			s.log.Warn().Err(unfinished.Err).Msg("unlocked, but a rotation of the root key is not finished")
			return true
		case ctx.Err() != nil:
			return false
		case errors.Is(err, store.ErrUnavailable), errors.Is(err, store.ErrFull), errors.Is(err, keystore.ErrBusy):
			s.log.Warn().Err(err).Stringer("again in", wait).Msg("locked: the keystore could not be unlocked yet")
		default:
			s.log.Error().Err(err).Msg("locked: what serve was given does not unlock the keystore; an operator unlocks it with walletd keystore unlock")
			return false
		}
		if !pause(ctx, wait) {
			return false
		}
	}
}
