package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"walletd/internal/claims"
)

type backupCmd struct {
	Create   backupCreateCmd  `cmd:"" help:"Back a wallet up (owner)."`
	Inspect  backupInspectCmd `cmd:"" help:"Say what a backup holds: with its words, or asking the service (owner)."`
	Restore  backupRestoreCmd `cmd:"" help:"Restore a wallet from its words and a backup (operator)."`
	Blocklet blockletCmd      `cmd:"" help:"Values of Blocklet Server backups: open, seal."`
}

// longPatience covers a large backup or snapshot on a slow line.
const longPatience = 30 * time.Minute

// patient is the client for what is large.
func (c *client) patient() *client {
	slow, large := *c, *c.http
	large.Timeout = longPatience
	slow.http = &large
	return &slow
}

// upload is the body of a request, sent piece by piece.
type upload struct {
	io.Reader
	size int64
}

// newUpload makes a body of parts, counted as they are sent.
func newUpload(p *progress, sent string, parts ...[]byte) *upload {
	u := &upload{}
	var readers []io.Reader
	for _, part := range parts {
		u.size += int64(len(part))
		readers = append(readers, bytes.NewReader(part))
	}
	p.phase("sending", u.size)
	u.Reader = io.TeeReader(io.MultiReader(append(readers, &after{func() { p.phase(sent, 0) }})...), p)
	return u
}

// after is an empty reader that calls f when it is reached.
type after struct{ f func() }

func (a *after) Read([]byte) (int, error) {
	a.f()
	return 0, io.EOF
}

// outFlag is where a file goes.
type outFlag struct {
	Out string `placeholder:"FILE" type:"path" help:"Write to this new file, closed to others, instead of the standard output."`
}

// write writes a file whole or not at all. Without --out it is the standard output, unless that is
// a terminal.
func (f outFlag) write(con *console, from io.Reader) (err error) {
	if f.Out == "" {
		_, err := io.Copy(con.raw, from)
		return err
	}
	file, err := os.OpenFile(f.Out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, file.Close()); err != nil {
			os.Remove(f.Out)
		}
	}()
	if _, err = io.Copy(file, from); err == nil {
		err = file.Sync()
	}
	return err
}

type backupCreateCmd struct {
	remote
	walletFlag
	outFlag
	WithoutRecord bool `help:"Leave the record out, which audit export writes."`
}

func (cmd *backupCreateCmd) Run(ctx context.Context, con *console) error {
	c, err := cmd.open(con, "owner")
	if err != nil {
		return err
	}
	path, err := cmd.path(ctx, c, "/backup")
	if err != nil {
		return err
	}
	c = c.patient()
	p := con.startProgress("gathering")
	v, err := cmd.create(ctx, con, c, path, p)
	p.end()
	if err != nil || cmd.Out == "" {
		return err
	}
	return show(con, v, func(v claims.BackupView) {
		con.printBackup(v)
		con.notef("%s was opened again and holds this. It takes the wallet's words to open it elsewhere.\n", shown(cmd.Out))
	})
}

// create gets the backup, writes it, and has what was written opened. It returns what is in it;
// nothing if it went to the standard output.
func (cmd *backupCreateCmd) create(ctx context.Context, con *console, c *client, path string, p *progress) (json.RawMessage, error) {
	res, err := c.send(ctx, http.MethodPost, path, nil, map[string]bool{"withoutRecord": cmd.WithoutRecord})
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	p.phase("receiving", max(res.ContentLength, 0))
	sum := sha256.New()
	if err := cmd.write(con, io.TeeReader(res.Body, io.MultiWriter(sum, p))); err != nil {
		return nil, fmt.Errorf("writing the backup: %w", err)
	}
	if want := res.Header.Get("Repr-Digest"); want != "sha-256=:"+base64.StdEncoding.EncodeToString(sum.Sum(nil))+":" {
		if cmd.Out != "" {
			os.Remove(cmd.Out)
		}
		return nil, errors.New("the backup did not arrive as it was sent")
	}
	if cmd.Out == "" {
		return nil, nil
	}
	file, err := readBackupFile(cmd.Out)
	if err != nil {
		return nil, err
	}
	v, err := inspectBackup(ctx, c, path, file, p)
	if err != nil {
		return nil, fmt.Errorf("the backup was written, and does not open: %w", err)
	}
	return v, nil
}

func readBackupFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, claims.MaxBackupFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the backup: %w", err)
	case len(b) > claims.MaxBackupFile:
		return nil, fmt.Errorf("%s is larger than any backup", shown(path))
	case !json.Valid(b):
		return nil, withHint(fmt.Errorf("%s is no backup, or was cut off", shown(path)), "a backup is one JSON object: {\"encrypted\":…}")
	}
	return b, nil
}

func inspectBackup(ctx context.Context, c *client, path string, file []byte, p *progress) (json.RawMessage, error) {
	return c.call(ctx, http.MethodPost, path+"/inspect", nil, newUpload(p, "opening", []byte(`{"backup":`), file, []byte("}")))
}

func (con *console) printBackup(v claims.BackupView) {
	con.printf("wallet       %s\nname         %s\nmade         %s\n", shown(v.Wallet), shown(v.Name), shown(day(v.Created.Format(time.RFC3339))))
	con.printf("key pairs    %d\nsecrets      %d\ncredentials  %d\nprofile      %s\nrules        %d\n", v.KeyPairs, v.Secrets, v.Credentials, yesNo(v.Profile), v.Rules)
	con.printf("apps         %d\nrecord       %d entries\nsize         %s\n", v.Apps, v.Entries, megabytes(int64(v.Bytes)))
	if v.LeftOut > 0 {
		con.printf("left out     %d rows that were not genuine when it was made\n", v.LeftOut)
	}
}

type backupInspectCmd struct {
	remote
	walletFlag
	File  string      `arg:"" type:"path" help:"The backup."`
	Words secretFlags `embed:"" prefix:"words-" group:"The words of its wallet; no service is needed then:"`
}

func (cmd *backupInspectCmd) Run(ctx context.Context, con *console) error {
	file, err := readBackupFile(cmd.File)
	if err != nil {
		return err
	}
	if cmd.Words.given() {
		words, err := cmd.Words.read(con, maxWords)
		if err != nil {
			return err
		}
		defer words.wipe()
		v, err := claims.ReadBackup(file, words.reveal())
		if err != nil {
			return err
		}
		return con.showBackup(v)
	}
	c, err := cmd.open(con, "owner")
	if err != nil {
		return withHint(err, "or open it with its words, without a service: --words-file FILE")
	}
	path, err := cmd.path(ctx, c, "/backup")
	if err != nil {
		return err
	}
	p := con.startProgress("opening")
	answer, err := inspectBackup(ctx, c.patient(), path, file, p)
	p.end()
	if err != nil {
		return err
	}
	return show(con, answer, con.printBackup)
}

func (con *console) showBackup(v claims.BackupView) error {
	if con.json {
		return con.printJSON(v)
	}
	con.printBackup(v)
	return nil
}

type backupRestoreCmd struct {
	remote
	File          string      `arg:"" type:"path" help:"The backup."`
	Words         secretFlags `embed:"" prefix:"words-" group:"The words of its wallet (asked for without either):"`
	SeedHex       secretFlags `embed:"" prefix:"seed-hex-" group:"Or the 64-byte seed of one that has none, as 128 hex digits:"`
	WithoutRecord bool        `help:"Leave the backup's record out: where the store has another one of this wallet."`
}

func (cmd *backupRestoreCmd) Run(ctx context.Context, con *console) error {
	file, err := readBackupFile(cmd.File)
	if err != nil {
		return err
	}
	c, err := cmd.open(con, "operator")
	if err != nil {
		return err
	}
	name, key, err := cmd.key(ctx, con)
	if err != nil {
		return err
	}
	defer key.wipe()
	text, err := json.Marshal(key.reveal())
	if err != nil {
		return fmt.Errorf("encoding the request: %w", err)
	}
	defer clear(text)
	p := con.startProgress("sending")
	begin := fmt.Appendf(nil, `{"withoutRecord":%t,"%s":`, cmd.WithoutRecord, name)
	answer, err := c.patient().call(ctx, http.MethodPost, "/v1/restore", nil, newUpload(p, "restoring", begin, text, []byte(`,"backup":`), file, []byte("}")))
	p.end()
	if err != nil {
		return err
	}
	return show(con, answer, func(v struct {
		claims.BackupView
		RulesOff int
	}) {
		con.printBackup(v.BackupView)
		con.notef("Restored. Tokens and grants are not in a backup: make the owner a token with walletd token create --role owner --wallet %s\n", shown(v.Wallet))
		if v.RulesOff > 0 {
			con.notef("%d rules that allow are off until the owner confirms them: walletd policy show, walletd policy confirm\n", v.RulesOff)
		}
	})
}

// key reads the words or the seed, and says which.
func (cmd *backupRestoreCmd) key(ctx context.Context, con *console) (name string, key secret, err error) {
	if !cmd.SeedHex.given() {
		words, err := cmd.Words.orAsk(ctx, con, "words", "Words", maxWords)
		defer words.wipe()
		return "words", secret{[]byte(strings.Join(strings.Fields(words.reveal()), " "))}, err
	}
	if cmd.Words.given() {
		return "", secret{}, usagef("words and a seed were given: choose one")
	}
	key, err = cmd.SeedHex.read(con, maxKeyText)
	return "seedHex", key, err
}

type keystoreSnapshotCmd struct {
	remote
	outFlag
}

func (cmd *keystoreSnapshotCmd) Run(ctx context.Context, con *console) error {
	if file, ok := con.raw.(*os.File); cmd.Out == "" && ok && isTerminal(file) {
		return usagef("a snapshot is no text: give --out FILE, or send the output to a file")
	}
	c, err := cmd.open(con, "operator")
	if err != nil {
		return err
	}
	p := con.startProgress("copying")
	defer p.end()
	res, err := c.patient().send(ctx, http.MethodPost, "/v1/keystore/snapshot", nil, map[string]any{})
	if err != nil {
		return err
	}
	defer res.Body.Close()
	p.phase("receiving", max(res.ContentLength, 0))
	if err := cmd.write(con, io.TeeReader(res.Body, p)); err != nil {
		return fmt.Errorf("receiving the snapshot: %w", err)
	}
	return nil
}
