package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"walletd/api"
	"walletd/api/client"
	"walletd/internal/keystore"
	"walletd/internal/secret"
)

type keystoreCmd struct {
	Status   keystoreStatusCmd   `cmd:"" help:"Show whether it is locked, and its slots (operator)."`
	Unlock   keystoreUnlockCmd   `cmd:"" help:"Unlock the service (operator)."`
	Lock     keystoreLockCmd     `cmd:"" help:"Lock every replica of the service (operator)."`
	Slots    keystoreSlotsCmd    `cmd:"" help:"List the ways to unlock (operator)."`
	Slot     keystoreSlotCmd     `cmd:"" help:"Add and remove ways to unlock (operator)."`
	Rotate   keystoreRotateCmd   `cmd:"" help:"Replace the root key (operator)."`
	Clock    keystoreClockCmd    `cmd:"" help:"Go on from what the clock says, where the store is ahead of it, or it has jumped (operator)."`
	Snapshot keystoreSnapshotCmd `cmd:"" help:"Copy the whole sealed store while it runs (operator)."`
}

const slotHeadings = "ID KIND NAME CREATED"

func slotRow(s api.Slot) []string {
	if s.Forged {
		s.Kind = "forged"
	}
	return []string{s.ID, s.Kind, s.Name, day(s.CreatedAt)}
}

func (con *console) printKeystore(k api.Keystore) {
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
		rows[i] = slotRow(s)
	}
	con.Table(slotHeadings, rows)
}

type keystoreStatusCmd struct{ asOperator }

// Run shows the keystore.
func (cmd *keystoreStatusCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	k, err := c.Keystore(ctx)
	return show(out, k, err, out.printKeystore)
}

// slotSecret is the secret of a slot that exists: a passphrase, asked for if nothing is given, or
// an age identity file.
type slotSecret struct {
	Passphrase secretFlags `embed:"" prefix:"passphrase-" group:"The passphrase of a slot (asked for without any of these):"`
	Identity   secretFlags `embed:"" prefix:"identity-" group:"Or the age identity of a slot:"`
}

// Validate refuses both.
func (s slotSecret) Validate() error {
	if s.Passphrase.given() && s.Identity.given() {
		return usagef("a passphrase and an identity were given: choose one")
	}
	return nil
}

// read reads the secret, which its caller wipes.
func (s slotSecret) read(ctx context.Context, con *console) (api.SlotSecret, error) {
	if s.Identity.given() {
		identity, err := readIdentity(s.Identity.read(con, maxIdentity, verbatim))
		return api.SlotSecret{Identity: api.SecretText{Bytes: identity}}, err
	}
	passphrase, err := s.Passphrase.orAsk(ctx, con, "passphrase", "Passphrase", maxPassphrase, verbatim)
	return api.SlotSecret{Passphrase: api.SecretText{Bytes: passphrase}}, err
}

// readIdentity says here what is wrong with an identity file, as the service would.
func readIdentity(text secret.Bytes, err error) (secret.Bytes, error) {
	if err != nil {
		return text, err
	}
	s, err := keystore.ParseIdentity(text.Reveal())
	s.Wipe()
	return text, err
}

// open reads the secret for a keystore of this process. The caller wipes it.
func (s slotSecret) open(ctx context.Context, con *console) (keystore.Secret, error) {
	given, err := s.read(ctx, con)
	defer wipeSlotSecret(given)
	switch {
	case err != nil:
		return keystore.Secret{}, err
	case s.Identity.given():
		return keystore.ParseIdentity(given.Identity.Reveal())
	}
	return keystore.Passphrase(given.Passphrase.Reveal()), nil
}

func wipeSlotSecret(s api.SlotSecret) {
	s.Passphrase.Wipe()
	s.Identity.Wipe()
}

type keystoreUnlockCmd struct {
	asOperator
	slotSecret
}

// Run unlocks the service.
func (cmd *keystoreUnlockCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	auth, err := cmd.read(ctx, out)
	if err != nil {
		return err
	}
	defer wipeSlotSecret(auth)
	k, err := c.Unlock(ctx, auth)
	return show(out, k, err, out.printKeystore)
}

type keystoreLockCmd struct{ asOperator }

// Run locks the service.
func (cmd *keystoreLockCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	k, err := c.Lock(ctx)
	return show(out, k, err, out.printKeystore)
}

type keystoreClockCmd struct {
	asOperator
	slotSecret
	Accept bool `help:"The clock of the service's machine is right: go on from it."`
}

// Validate asks for the word: a clock that is behind revives what has ended.
func (cmd *keystoreClockCmd) Validate() error {
	if !cmd.Accept {
		return withHint(usagef("accepting a clock that is wrong revives what has ended: tokens, grants, approvals"),
			"look at the clock of the service's machine first; if it is right, say --accept")
	}
	return cmd.slotSecret.Validate()
}

// Run accepts the clock.
func (cmd *keystoreClockCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	auth, err := cmd.read(ctx, out)
	if err != nil {
		return err
	}
	defer wipeSlotSecret(auth)
	k, err := c.AcceptClock(ctx, auth)
	return show(out, k, err, func(k api.Keystore) {
		out.printKeystore(k)
		out.notef("The service goes on from its clock.\n")
		if k.State == "locked" {
			out.notef("This replica was locked and still is: walletd keystore unlock\n")
		}
		out.notef("Every other replica has locked. Where serve was given a file to unlock with, it does so again by itself, unless somebody had locked it;\n" +
			"unlock each of the rest with walletd keystore unlock --url URL. walletd health --ready --url URL says which are locked.\n")
	})
}

type keystoreSlotsCmd struct{ asOperator }

// Run lists slots.
func (cmd *keystoreSlotsCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	l, err := c.Slots(ctx)
	return table(out, l, err, slotHeadings, slotRow)
}

type keystoreSlotCmd struct {
	Add    slotAddCmd    `cmd:"" help:"Add a way to unlock."`
	Remove slotRemoveCmd `cmd:"" help:"Remove a way to unlock."`
}

type slotAddCmd struct {
	asOperator
	slotSecret
	Name          string      `required:"" help:"A name for people: where the secret is kept."`
	NewPassphrase secretFlags `embed:"" prefix:"new-passphrase-" group:"The new passphrase (asked for twice without any of these):"`
	acceptShort
	Recipient string `placeholder:"age1…" help:"Add this age recipient instead: its identity unlocks."`
}

// Validate refuses two new secrets.
func (cmd *slotAddCmd) Validate() error {
	if cmd.Recipient != "" && cmd.NewPassphrase.given() {
		return usagef("a new passphrase and a recipient were given: choose one")
	}
	return nil
}

// Run adds a slot.
func (cmd *slotAddCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	auth, err := cmd.read(ctx, out)
	if err != nil {
		return err
	}
	defer wipeSlotSecret(auth)
	added := api.NewSlot{Name: cmd.Name, Recipient: cmd.Recipient}
	if cmd.Recipient == "" {
		passphrase, err := cmd.newPassphrase(ctx, out, cmd.NewPassphrase, "new-passphrase")
		if err != nil {
			return err
		}
		defer passphrase.Wipe()
		// A short one was refused already, unless somebody accepted it.
		added.Passphrase, added.AcceptShort = api.SecretText{Bytes: passphrase}, true
	}
	s, err := c.AddSlot(ctx, api.AddSlot{Auth: auth, Slot: added})
	return show(out, s, err, func(s api.CreatedSlot) { out.printf("slot %s\n", shown(s.ID)) })
}

// acceptShort is embedded in commands that set a passphrase.
type acceptShort struct {
	AcceptShortPassphrase bool `help:"Take a new passphrase of 8 to 11 characters without asking: who gets a copy of the store could guess it."`
}

// newPassphrase reads a passphrase that is to be set: typed ones are asked for twice. A short one has
// to be accepted.
func (a acceptShort) newPassphrase(ctx context.Context, con *console, f secretFlags, flag string) (s secret.Bytes, err error) {
	if f.given() {
		s, err = f.read(con, maxPassphrase, verbatim)
	} else if s, err = con.askNew(ctx, "New passphrase", maxPassphrase, verbatim); errors.Is(err, errNoTerminal) {
		err = withHint(err, fmt.Sprintf("give it with --%s-file FILE or --%s-fd N", flag, flag))
	}
	if err != nil {
		return secret.Bytes{}, err
	}
	if err := a.check(con, s); err != nil {
		s.Wipe()
		return secret.Bytes{}, err
	}
	return s, nil
}

// check refuses a passphrase that is too short, and asks about one that is short.
func (a acceptShort) check(con *console, passphrase secret.Bytes) error {
	err := keystore.CheckPassphrase(passphrase.Reveal(), a.AcceptShortPassphrase)
	if !errors.Is(err, keystore.ErrPassphraseShort) {
		return err
	}
	err = withHint(err, "choose one of 12 characters or more, as of several words; or give --accept-short-passphrase")
	if con.json {
		return err // which is for programs, and they are not asked
	}
	con.notef("This passphrase is short: who gets a copy of the store could guess it. 12 characters or more are better.\n")
	if line, asked := con.prompt("Use it all the same? [y/N] "); asked != nil || !saysYes(line) {
		return err
	}
	return nil
}

type slotRemoveCmd struct {
	asOperator
	slotSecret
	ID string `arg:"" help:"Id of the slot, as keystore slots shows it."`
}

// Run removes a slot.
func (cmd *slotRemoveCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	auth, err := cmd.read(ctx, out)
	if err != nil {
		return err
	}
	defer wipeSlotSecret(auth)
	return out.done(c.RemoveSlot(ctx, cmd.ID, api.RemoveSlot{Auth: auth}), "removed %s", shown(cmd.ID))
}

type keystoreRotateCmd struct {
	asOperator
	PassphraseFile []string `sep:"none" placeholder:"FILE" type:"path" help:"File with the passphrase of a slot; once for each. Asked for without any."`
	IdentityFile   []string `sep:"none" placeholder:"FILE" type:"path" help:"File with an age identity, to prove a right to rotate without a passphrase."`
	DropMissing    bool     `help:"Remove the passphrase slots whose passphrase is not given."`
}

// Run replaces the root key.
func (cmd *keystoreRotateCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	secrets, err := cmd.secrets(ctx, out, c)
	defer func() {
		for _, s := range secrets {
			wipeSlotSecret(s)
		}
	}()
	if err != nil {
		return err
	}
	k, err := c.Rotate(ctx, api.Rotation{Secrets: secrets, DropMissing: cmd.DropMissing})
	return show(out, k, err, out.printKeystore)
}

// secrets reads the files, or asks for the passphrase of each slot.
func (cmd *keystoreRotateCmd) secrets(ctx context.Context, con *console, c *client.Client) (secrets []api.SlotSecret, err error) {
	for _, file := range cmd.PassphraseFile {
		s, err := readSecretFile(file, maxPassphrase, con.allowShared, verbatim)
		if err != nil {
			return secrets, err
		}
		secrets = append(secrets, api.SlotSecret{Passphrase: api.SecretText{Bytes: s}})
	}
	for _, file := range cmd.IdentityFile {
		s, err := readIdentity(readSecretFile(file, maxIdentity, con.allowShared, verbatim))
		if err != nil {
			return secrets, err
		}
		secrets = append(secrets, api.SlotSecret{Identity: api.SecretText{Bytes: s}})
	}
	if len(secrets) > 0 {
		return secrets, nil
	}
	k, err := c.Keystore(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range k.Slots {
		if s.Kind != "passphrase" {
			continue
		}
		passphrase, err := con.ask(ctx, fmt.Sprintf("Passphrase of the slot %q", s.Name), maxPassphrase, verbatim)
		if errors.Is(err, errNoTerminal) {
			return secrets, withHint(err, "give it with --passphrase-file FILE")
		} else if err != nil {
			return secrets, err
		}
		secrets = append(secrets, api.SlotSecret{Passphrase: api.SecretText{Bytes: passphrase}})
	}
	return secrets, nil
}

type keystoreSnapshotCmd struct {
	asOperator
	outFlag
}

// Run copies the store into a file.
func (cmd *keystoreSnapshotCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	if cmd.Out == "" && out.onTerminal() {
		return usagef("a snapshot is no text: give --out FILE, or send the output to a file")
	}
	p := out.startProgress("copying")
	defer p.end()
	ctx, cancel := context.WithTimeout(ctx, longPatience)
	defer cancel()
	snapshot, err := c.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer snapshot.Close()
	p.phase("receiving", snapshot.Size)
	if err := cmd.write(out, io.TeeReader(snapshot, p)); err != nil {
		return fmt.Errorf("receiving the snapshot: %w", err)
	}
	return nil
}
