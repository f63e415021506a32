// Command walletd is a wallet that runs as a service, and the command line that speaks to it.
//
//	init, serve, doctor          work on the store itself
//	version                      looks at this binary
//	everything else              is a client of a running service, over HTTP
//
// so there is one way to do each thing. Secrets come from a terminal without echo, a file or a
// descriptor, never from the arguments.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/alecthomas/kong"
)

// commands is the command line: one field a command, in the order of the help.
type commands struct {
	Version                kong.VersionFlag `help:"Print the version and stop."`
	JSON                   bool             `name:"json" help:"Print JSON."`
	AllowSharedSecretFiles bool             `env:"WALLETD_ALLOW_SHARED_SECRET_FILES" help:"Read secret files that others may read too: for container mounts, whose mode cannot be changed."`

	Init        initCmd        `cmd:"" help:"Make a keystore, and the first operator's token."`
	Serve       serveCmd       `cmd:"" help:"Run the service."`
	Wallet      walletCmd      `cmd:"" help:"Wallets: create, import, list, show, set, delete."`
	Account     accountCmd     `cmd:"" help:"Accounts of a wallet: list, create, import."`
	Profile     profileCmd     `cmd:"" help:"What you tell apps about yourself: show, set."`
	Credentials credentialsCmd `cmd:"" help:"Credentials and assets of a wallet: list, show, add, asset, remove."`
	Token       tokenCmd       `cmd:"" help:"Who may call: create, list, revoke tokens."`
	Pair        pairCmd        `cmd:"" help:"Pair a page that shows a code with your wallet (owner)."`
	Connect     connectCmd     `cmd:"" help:"Open the link that an app shows, and be the wallet at its other end."`
	Sessions    sessionsCmd    `cmd:"" help:"DID Connect sessions: list, show, cancel."`
	Approvals   approvalsCmd   `cmd:"" help:"What waits for the owner: list, show, approve, reject."`
	Grants      grantsCmd      `cmd:"" help:"Approvals that are remembered: list, revoke."`
	Apps        appsCmd        `cmd:"" help:"Apps that were approved or named: list, name, remove."`
	Owner       ownerCmd       `cmd:"" help:"The people who own a wallet: invite, list, remove."`
	Device      deviceCmd      `cmd:"" help:"The passkeys of a wallet's owners: list, name, remove."`
	Delegations delegationsCmd `cmd:"" help:"Delegations that were approved: list, revoke."`
	Policy      policyCmd      `cmd:"" help:"What is decided without asking: show, set, test, confirm."`
	Events      eventsCmd      `cmd:"" help:"Follow the record of a wallet as it grows (owner)."`
	Push        pushCmd        `cmd:"" help:"Browsers that are told when an approval begins to wait: key, list, subscribe, remove."`
	Audit       auditCmd       `cmd:"" help:"The record: show, verify, export."`
	Keystore    keystoreCmd    `cmd:"" help:"Status, unlock, lock, slots, rotate, snapshot."`
	Store       storeCmd       `cmd:"" help:"A store at rest: copy it to another kind, put a copy back, make an operator's token."`
	Claim       claimCmd       `cmd:"" help:"Ask for a claim, as an app would."`
	Secret      secretsCmd     `cmd:"" help:"Secrets of apps, in the format of Matrix clients: put, get, list, delete, and their keys."`
	Matrix      matrixCmd      `cmd:"" help:"What a Matrix homeserver keeps: room keys from its backup, with the wallet."`
	Backup      backupCmd      `cmd:"" help:"Backups of a wallet: create, inspect, restore; and values of Blocklet Server's."`
	Derive      deriveCmd      `cmd:"" help:"Show the owner's own key for a salt."`
	Doctor      doctorCmd      `cmd:"" help:"Look for what is wrong on this machine, and say what to do."`
	Health      healthCmd      `cmd:"" help:"Is the service alive? The probe of a container."`
	Metrics     metricsCmd     `cmd:"" help:"Show the metrics of the service."`
	OpenAPI     openapiCmd     `cmd:"" name:"openapi" help:"Show the HTTP contract of the service."`
	Build       versionCmd     `cmd:"" name:"version" help:"Show what this binary is, and how it was built."`
	Completion  completionCmd  `cmd:"" help:"Print a script that completes commands and flags in a shell."`
	Complete    completeCmd    `cmd:"" hidden:"" help:"Answer a completion script."`
	Man         manCmd         `cmd:"" help:"Print a manual page, or write all of them."`
}

// hardening is what could not be done to protect the process's memory.
type hardening []error

func main() {
	os.Exit(run(os.Args[1:]))
}

// run parses and runs one command line and returns the exit code.
func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second interrupt ends it at once
	if len(args) > 0 && args[0] == "help" {
		args = append(slices.Clone(args[1:]), "--help")
	}
	con := newConsole()
	undone := harden()
	var c commands
	parser, err := newParser(&c, con, kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(undone), only(args))
	if err != nil {
		return con.fail(err)
	}
	// The parser would make U+FFFD of what is not UTF-8, and one salt of two.
	if !utf8.ValidString(strings.Join(args, "")) {
		return con.fail(withHint(usagef("an argument is not UTF-8"), "bytes of a salt go as --salt-hex; a file of another name goes to the standard input"))
	}
	parsed, err := parser.Parse(args)
	con.json, con.allowShared = c.JSON, c.AllowSharedSecretFiles
	if err != nil {
		return con.fail(unparsed(err))
	}
	err = parsed.Run()
	if err != nil && ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = errors.New("interrupted")
	}
	code := con.fail(err)
	if c.Connect.Hold {
		_, _ = con.prompt("Press Enter to close this. ") // or nobody is there, and nothing waits
	}
	return code
}

// only leaves out of the grammar all commands but the one that a command line begins with. The grammar of all of them
// takes longer than all else at a start, and the service would keep it for as long as it runs.
func only(args []string) kong.Option {
	first := slices.IndexFunc(args, func(arg string) bool { return arg != "--json" })
	var others []string
	begun := false
	for field := range reflect.TypeFor[commands]().Fields() {
		if _, is := field.Tag.Lookup("cmd"); !is {
			continue
		}
		if first >= 0 && args[first] == cmp.Or(field.Tag.Get("name"), strings.ToLower(field.Name)) {
			begun = field.Name != "Complete" && field.Name != "Man" // which read the grammar of the others
			continue
		}
		others = append(others, field.Name)
	}
	if !begun {
		return kong.IgnoreFields()
	}
	return kong.IgnoreFields(`^commands\.(` + strings.Join(others, "|") + `)$`)
}

// newParser makes the grammar of the command line.
func newParser(c *commands, con *console, options ...kong.Option) (*kong.Kong, error) {
	return kong.New(c, append(options,
		kong.Name("walletd"),
		kong.Description("A wallet that runs as a service. It keeps master keys sealed on disk, and gives a key away only when the owner, or a rule the owner set, said yes."),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
		kong.Writers(os.Stdout, os.Stderr),
		kong.Bind(con),
		kong.Vars{"listen": defaultListen, "version": "walletd " + readBuild().Version},
	)...)
}

// unparsed turns kong's error into a usage error that names the help to read.
func unparsed(err error) error {
	help := "walletd --help"
	if p, ok := errors.AsType[*kong.ParseError](err); ok && p.Context != nil && p.Context.Selected() != nil {
		help = p.Context.Selected().FullPath() + " --help"
	}
	return withHint(usageError{err}, fmt.Sprintf("%s shows what there is", help))
}
