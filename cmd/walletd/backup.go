package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"walletd/api"
	"walletd/api/client"
	"walletd/internal/backup"
	"walletd/internal/strictjson"
)

type backupCmd struct {
	Create   backupCreateCmd  `cmd:"" help:"Back a wallet up (owner)."`
	Inspect  backupInspectCmd `cmd:"" help:"Say what a backup holds: with its words, or asking the service (owner)."`
	Restore  backupRestoreCmd `cmd:"" help:"Restore a wallet from its words and a backup (operator)."`
	Blocklet blockletCmd      `cmd:"" help:"Values of Blocklet Server backups: open, seal."`
}

// longPatience covers a large backup or snapshot on a slow line.
const longPatience = time.Hour

type backupCreateCmd struct {
	asOwner
	walletFlag
	outFlag
	WithoutRecord bool `help:"Leave the record out, which audit export writes."`
}

// Run makes a backup and writes it. The service has opened it again before it sends it; here the file
// is read back, and compared with what the service says that it sent.
func (cmd *backupCreateCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	ctx, cancel := context.WithTimeout(ctx, longPatience)
	defer cancel()
	p := out.startProgress("gathering")
	v, err := cmd.create(ctx, c, out, p)
	p.end()
	if err != nil || cmd.Out == "" {
		return err
	}
	return show(out, v, nil, func(v api.BackupView) {
		out.printBackup(v)
		out.notef("%s was opened again before it was sent, holds this, and arrived whole. It takes the wallet's words to open it elsewhere.\n", shown(cmd.Out))
	})
}

func (cmd *backupCreateCmd) create(ctx context.Context, c *client.Client, out *console, p *progress) (v api.BackupView, err error) {
	b, err := c.Wallet(cmd.Wallet).Backup(ctx, api.NewBackup{WithoutRecord: cmd.WithoutRecord})
	if err != nil {
		return v, err
	}
	defer b.Close()
	p.phase("receiving", b.Size)
	sum := sha256.New()
	if err := cmd.write(out, io.TeeReader(b, io.MultiWriter(sum, p))); err != nil {
		return v, fmt.Errorf("writing the backup: %w", err)
	}
	if cmd.Out != "" {
		p.phase("reading it back", b.Size)
		sum.Reset()
		if err := readInto(io.MultiWriter(sum, p), cmd.Out); err != nil {
			return v, fmt.Errorf("reading the backup back: %w", err)
		}
	}
	if b.Digest != "sha-256=:"+base64.StdEncoding.EncodeToString(sum.Sum(nil))+":" {
		if cmd.Out != "" {
			os.Remove(cmd.Out)
		}
		return v, errors.New("the backup did not arrive as it was sent")
	}
	return b.Contents, nil
}

func readInto(w io.Writer, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(w, file)
	return err
}

func (con *console) printBackup(v api.BackupView) {
	con.printf("wallet       %s\nname         %s\nmade         %s\n", shown(v.Wallet), shown(v.Name), day(v.CreatedAt))
	con.printf("key pairs    %d\nsecrets      %d\ncredentials  %d\nprofile      %s\nrules        %d\n", v.KeyPairs, v.Secrets, v.Credentials, yesNo(v.Profile), v.Rules)
	con.printf("apps         %d\nrecord       %d entries\nsize         %s\n", v.Apps, v.Entries, megabytes(int64(v.Bytes)))
	if v.Archived > 0 {
		con.printf("archived     %d entries before those, which are in archives and not in the backup: keep those too\n", v.Archived)
	}
	if v.LeftOut > 0 {
		con.printf("left out     %d rows that were not genuine when it was made\n", v.LeftOut)
	}
}

// openBackup opens a backup to be sent, and shows in p how much of it was; then p says what is done
// with it.
func openBackup(path string, p *progress, then string) (*os.File, client.File, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, client.File{}, err
	}
	size, err := checkBackup(file)
	if err != nil {
		file.Close()
		return nil, client.File{}, err
	}
	return file, p.sending(file, size, then), nil
}

// checkBackup refuses a file that is no JSON object, before it is sent; it returns its size.
func checkBackup(file *os.File) (int64, error) {
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	if info.Size() > backup.MaxFile {
		return 0, fmt.Errorf("%s is larger than any backup", shown(file.Name()))
	}
	scanner := strictjson.NewScanner(file)
	if err := errors.Join(scanner.Object(func([]byte) error { return scanner.Skip() }), scanner.End()); err != nil {
		return 0, withHint(fmt.Errorf("%s is no backup, or was cut off", shown(file.Name())), `a backup is one JSON object: {"encrypted":…}`)
	}
	_, err = file.Seek(0, io.SeekStart)
	return info.Size(), err
}

type backupInspectCmd struct {
	remote
	walletFlag
	File  string      `arg:"" type:"path" help:"The backup."`
	Words secretFlags `embed:"" prefix:"words-" group:"The words of its wallet; no service is needed then:"`
}

// Run says what a backup holds.
func (cmd *backupInspectCmd) Run(ctx context.Context, out *console) error {
	if cmd.Words.given() {
		v, err := cmd.offline(out)
		return show(out, v, err, out.printBackup)
	}
	c, err := cmd.open(out, api.RoleOwner)
	if err != nil {
		return withHint(err, "or open it with its words, without a service: --words-file FILE")
	}
	ctx, cancel := context.WithTimeout(ctx, longPatience)
	defer cancel()
	p := out.startProgress("sending")
	v, err := cmd.ask(ctx, c, p)
	p.end()
	return show(out, v, err, out.printBackup)
}

func (cmd *backupInspectCmd) ask(ctx context.Context, c *client.Client, p *progress) (v api.BackupView, err error) {
	file, backup, err := openBackup(cmd.File, p, "opening")
	if err != nil {
		return v, err
	}
	defer file.Close()
	return c.Wallet(cmd.Wallet).InspectBackup(ctx, backup)
}

// offline opens the backup here.
func (cmd *backupInspectCmd) offline(con *console) (v api.BackupView, err error) {
	file, err := os.Open(cmd.File)
	if err != nil {
		return v, err
	}
	defer file.Close()
	size, err := checkBackup(file)
	if err != nil {
		return v, err
	}
	words, err := cmd.Words.read(con, maxWords, phrase)
	if err != nil {
		return v, err
	}
	defer words.Wipe()
	found, err := backup.ReadBackup(io.NewSectionReader(file, 0, size), words.Reveal())
	return api.BackupView{
		Wallet: found.Wallet, Name: found.Name, CreatedAt: found.Created, Accounts: found.Accounts, KeyPairs: found.KeyPairs,
		Rules: found.Rules, Profile: found.Profile, Apps: found.Apps, Credentials: found.Credentials, SecretKeys: found.SecretKeys,
		Secrets: found.Secrets, Entries: found.Entries, Archived: found.Archived, Head: found.Head, LeftOut: found.LeftOut, Bytes: found.Bytes, SHA256: found.Digest,
	}, err
}

type backupRestoreCmd struct {
	asOperator
	seedFlags
	File          string `arg:"" type:"path" help:"The backup."`
	WithoutRecord bool   `help:"Leave the backup's record out: where the store has another one of this wallet."`
}

// Run restores a wallet.
func (cmd *backupRestoreCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	words, seed, err := cmd.seedFlags.read(ctx, out)
	if err != nil {
		return err
	}
	defer words.Wipe()
	defer seed.Wipe()
	ctx, cancel := context.WithTimeout(ctx, longPatience)
	defer cancel()
	p := out.startProgress("sending")
	v, err := cmd.restore(ctx, c, p, api.Restoration{Words: api.SecretText{Bytes: words}, SeedHex: api.SecretText{Bytes: seed}, WithoutRecord: cmd.WithoutRecord})
	p.end()
	return show(out, v, err, func(v api.RestoredWallet) {
		out.printBackup(v.BackupView)
		out.notef("Restored. Tokens and grants are not in a backup: make the owner a token with walletd token create --role owner --wallet %s\n", shown(v.Wallet))
		if v.RulesOff > 0 {
			out.notef("%d rules that allow are off until the owner confirms them: walletd policy show, walletd policy confirm\n", v.RulesOff)
		}
	})
}

func (cmd *backupRestoreCmd) restore(ctx context.Context, c *client.Client, p *progress, r api.Restoration) (v api.RestoredWallet, err error) {
	file, backup, err := openBackup(cmd.File, p, "restoring")
	if err != nil {
		return v, err
	}
	defer file.Close()
	return c.Restore(ctx, r, backup)
}
