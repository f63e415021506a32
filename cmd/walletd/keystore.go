package main

import (
	"context"
	"errors"
	"fmt"
)

type keystoreCmd struct {
	Status keystoreStatusCmd `cmd:"" help:"Show whether it is locked, and its slots (operator)."`
	Unlock keystoreUnlockCmd `cmd:"" help:"Unlock the service (operator)."`
	Lock   keystoreLockCmd   `cmd:"" help:"Lock every replica of the service (operator)."`
	Slots  keystoreSlotsCmd  `cmd:"" help:"List the ways to unlock (operator)."`
	Slot   keystoreSlotCmd   `cmd:"" help:"Add and remove ways to unlock (operator)."`
	Rotate keystoreRotateCmd `cmd:"" help:"Replace the root key (operator)."`

	Snapshot keystoreSnapshotCmd `cmd:"" help:"Copy the whole sealed store while it runs (operator)."`
}

type keystoreState struct {
	State                string
	Generation, Failures int64
	Rotating             bool
	Slots                []slot
}

type slot struct {
	ID, Kind, Name, CreatedAt string
	Forged                    bool
}

func (s slot) row() []string {
	if s.Forged {
		s.Kind = "forged"
	}
	return []string{s.ID, s.Kind, s.Name, day(s.CreatedAt)}
}

const slotHeadings = "ID KIND NAME CREATED"

func (con *console) printKeystore(k keystoreState) {
	con.printf("%s\nroot key %d", shown(k.State), k.Generation)
	if k.Rotating {
		con.printf(", a rotation is not finished: the next unlock goes on with it")
	}
	con.printf("\n")
	if k.Failures > 0 {
		con.printf("%d failed unlocks since the last that worked\n", k.Failures)
	}
	rows := make([][]string, len(k.Slots))
	for i, s := range k.Slots {
		rows[i] = s.row()
	}
	con.table(slotHeadings, rows)
}

type keystoreStatusCmd struct{ remote }

func (cmd *keystoreStatusCmd) Run(ctx context.Context, con *console) error {
	c, err := cmd.open(con, "operator")
	if err != nil {
		return err
	}
	answer, err := c.get(ctx, "/v1/keystore", nil)
	if err != nil {
		return err
	}
	return show(con, answer, con.printKeystore)
}

// slotSecret is the secret of a slot that exists: a passphrase, asked for if nothing is given, or
// an age identity file.
type slotSecret struct {
	Passphrase secretFlags `embed:"" prefix:"passphrase-" group:"The passphrase of a slot (asked for without any of these):"`
	Identity   secretFlags `embed:"" prefix:"identity-" group:"Or the age identity of a slot:"`
}

// json reads the secret and makes the member of a request.
func (s slotSecret) json(ctx context.Context, con *console) (map[string]string, error) {
	if s.Identity.given() {
		if s.Passphrase.given() {
			return nil, usagef("a passphrase and an identity were given: choose one")
		}
		identity, err := s.Identity.read(con, maxIdentity)
		return map[string]string{"identity": identity.reveal()}, err
	}
	passphrase, err := s.Passphrase.orAsk(ctx, con, "passphrase", "Passphrase", maxPassphrase)
	return map[string]string{"passphrase": passphrase.reveal()}, err
}

type keystoreUnlockCmd struct {
	remote
	slotSecret
}

func (cmd *keystoreUnlockCmd) Run(ctx context.Context, con *console) error {
	c, err := cmd.open(con, "operator")
	if err != nil {
		return err
	}
	auth, err := cmd.slotSecret.json(ctx, con)
	if err != nil {
		return err
	}
	answer, err := c.post(ctx, "/v1/keystore/unlock", auth)
	if err != nil {
		return err
	}
	return show(con, answer, con.printKeystore)
}

type keystoreLockCmd struct{ remote }

func (cmd *keystoreLockCmd) Run(ctx context.Context, con *console) error {
	c, err := cmd.open(con, "operator")
	if err != nil {
		return err
	}
	answer, err := c.post(ctx, "/v1/keystore/lock", map[string]any{})
	if err != nil {
		return err
	}
	return show(con, answer, con.printKeystore)
}

type keystoreSlotsCmd struct{ remote }

func (cmd *keystoreSlotsCmd) Run(ctx context.Context, con *console) error {
	c, err := cmd.open(con, "operator")
	if err != nil {
		return err
	}
	return showList(ctx, con, c, "/v1/keystore/slots", page{}, nil, slotHeadings, slot.row)
}

type keystoreSlotCmd struct {
	Add    slotAddCmd    `cmd:"" help:"Add a way to unlock."`
	Remove slotRemoveCmd `cmd:"" help:"Remove a way to unlock."`
}

type slotAddCmd struct {
	remote
	slotSecret
	Name          string      `required:"" help:"A name for people: where the secret is kept."`
	NewPassphrase secretFlags `embed:"" prefix:"new-passphrase-" group:"The new passphrase (asked for twice without any of these):"`
	Recipient     string      `placeholder:"age1…" help:"Add this age recipient instead: its identity unlocks."`
}

func (cmd *slotAddCmd) Run(ctx context.Context, con *console) error {
	c, err := cmd.open(con, "operator")
	if err != nil {
		return err
	}
	auth, err := cmd.slotSecret.json(ctx, con)
	if err != nil {
		return err
	}
	added := map[string]string{"name": cmd.Name}
	switch {
	case cmd.Recipient != "" && cmd.NewPassphrase.given():
		return usagef("a new passphrase and a recipient were given: choose one")
	case cmd.Recipient != "":
		added["recipient"] = cmd.Recipient
	default:
		passphrase, err := newPassphrase(ctx, con, cmd.NewPassphrase, "new-passphrase")
		if err != nil {
			return err
		}
		defer passphrase.wipe()
		added["passphrase"] = passphrase.reveal()
	}
	answer, err := c.post(ctx, "/v1/keystore/slots", map[string]any{"auth": auth, "slot": added})
	if err != nil {
		return err
	}
	return show(con, answer, func(v struct{ ID string }) { con.printf("slot %s\n", shown(v.ID)) })
}

// newPassphrase reads a passphrase that is to be set: typed ones are asked for twice.
func newPassphrase(ctx context.Context, con *console, f secretFlags, flag string) (secret, error) {
	if f.given() {
		return f.read(con, maxPassphrase)
	}
	s, err := con.askNew(ctx, "New passphrase", maxPassphrase)
	if errors.Is(err, errNoTerminal) {
		return secret{}, withHint(err, fmt.Sprintf("give it with --%s-file FILE or --%s-fd N", flag, flag))
	}
	return s, err
}

type slotRemoveCmd struct {
	remote
	slotSecret
	ID string `arg:"" help:"Id of the slot, as keystore slots shows it."`
}

func (cmd *slotRemoveCmd) Run(ctx context.Context, con *console) error {
	c, err := cmd.open(con, "operator")
	if err != nil {
		return err
	}
	auth, err := cmd.slotSecret.json(ctx, con)
	if err != nil {
		return err
	}
	answer, err := c.post(ctx, "/v1/keystore/slots/"+segment(cmd.ID)+"/remove", map[string]any{"auth": auth})
	if err != nil {
		return err
	}
	return show(con, answer, func(struct{}) { con.printf("removed %s\n", shown(cmd.ID)) })
}

type keystoreRotateCmd struct {
	remote
	PassphraseFile []string `sep:"none" placeholder:"FILE" type:"path" help:"File with the passphrase of a slot; once for each. Asked for without any."`
	IdentityFile   []string `sep:"none" placeholder:"FILE" type:"path" help:"File with an age identity, to prove a right to rotate without a passphrase."`
	DropMissing    bool     `help:"Remove the passphrase slots whose passphrase is not given."`
}

func (cmd *keystoreRotateCmd) Run(ctx context.Context, con *console) error {
	c, err := cmd.open(con, "operator")
	if err != nil {
		return err
	}
	secrets, err := cmd.secrets(ctx, con, c)
	if err != nil {
		return err
	}
	answer, err := c.post(ctx, "/v1/keystore/rotate", map[string]any{"secrets": secrets, "dropMissing": cmd.DropMissing})
	if err != nil {
		return err
	}
	return show(con, answer, con.printKeystore)
}

// secrets reads the files, or asks for the passphrase of each slot.
func (cmd *keystoreRotateCmd) secrets(ctx context.Context, con *console, c *client) ([]map[string]string, error) {
	var secrets []map[string]string
	for kind, files := range map[string][]string{"passphrase": cmd.PassphraseFile, "identity": cmd.IdentityFile} {
		most := maxPassphrase
		if kind == "identity" {
			most = maxIdentity
		}
		for _, file := range files {
			s, err := readSecretFile(file, most, con.allowShared)
			if err != nil {
				return nil, err
			}
			secrets = append(secrets, map[string]string{kind: s.reveal()})
		}
	}
	if len(secrets) > 0 {
		return secrets, nil
	}
	status, err := fetch[keystoreState](ctx, c, "/v1/keystore", nil)
	if err != nil {
		return nil, err
	}
	for _, s := range status.Slots {
		if s.Kind != "passphrase" {
			continue
		}
		passphrase, err := con.ask(ctx, fmt.Sprintf("Passphrase of the slot %q", s.Name), maxPassphrase)
		if errors.Is(err, errNoTerminal) {
			return nil, withHint(err, "give it with --passphrase-file FILE")
		} else if err != nil {
			return nil, err
		}
		secrets = append(secrets, map[string]string{"passphrase": passphrase.reveal()})
	}
	return secrets, nil
}
