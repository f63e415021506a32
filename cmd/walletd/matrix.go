package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"walletd/api"
	"walletd/api/client"
	"walletd/internal/secret"
	"walletd/internal/secretstorage"
)

// matrixCmd works on what a Matrix homeserver keeps, as JSON files on this machine.
type matrixCmd struct {
	RoomKeys roomKeysCmd `cmd:"" help:"Room keys: from a homeserver's backup to the file that clients import, and back."`
}

type roomKeysCmd struct {
	Export roomKeysExportCmd `cmd:"" help:"Open a homeserver's key backup with the wallet, and write the file that clients import."`
	Seal   roomKeysSealCmd   `cmd:"" help:"Seal the room keys of such a file for a backup: the body of PUT /room_keys/keys."`
}

// keyEvent is what the types of account data that describe a storage key begin with.
const keyEvent = "m.secret_storage.key."

type roomKeysExportCmd struct {
	asOwner
	ofApp
	outFlag
	Version     string      `required:"" name:"backup-version" type:"existingfile" placeholder:"FILE" help:"The backup's version: the answer of GET /_matrix/client/v3/room_keys/version."`
	Keys        string      `required:"" type:"existingfile" placeholder:"FILE" help:"Its keys: the answer of GET /_matrix/client/v3/room_keys/keys?version=N."`
	AccountData string      `type:"existingfile" placeholder:"FILE" help:"The account data, which holds the backup's key: {type: content}, a list of {type, content}, or the answer of GET /sync. Without it walletd itself must keep the secret m.megolm_backup.v1."`
	Passphrase  secretFlags `embed:"" prefix:"passphrase-" group:"A passphrase for the file that is written (asked for without any of these):"`
}

// Run opens the backup and writes the file.
func (cmd *roomKeysExportCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	if cmd.Out == "" && out.onTerminal() {
		return usagef("give --out FILE, or send the output to a file")
	}
	version, err := readVersion(cmd.Version)
	if err != nil {
		return err
	}
	raw, err := os.ReadFile(cmd.Keys)
	if err != nil {
		return err
	}
	sealed, err := secretstorage.ParseRoomKeys(raw)
	if err != nil {
		return fmt.Errorf("%s: %w", cmd.Keys, err)
	}
	key, err := cmd.backupKey(ctx, c)
	if err != nil {
		return showAsked(out, api.Empty{}, err, func(api.Empty) {})
	}
	defer key.Wipe()
	if err := version.Fits(key); err != nil {
		return withHint(fmt.Errorf("the backup: %w", err), "the account has another backup by now: fetch version and keys again, both of one moment")
	}
	var opened []secretstorage.RoomKey
	defer func() {
		for _, k := range opened {
			clear(k)
		}
	}()
	for _, s := range sealed {
		if k, err := key.OpenRoomKey(s); err == nil {
			opened = append(opened, k)
		}
	}
	if len(opened) == 0 {
		return errors.New("the backup holds no room key that can be read")
	}
	passphrase, err := cmd.newPassphrase(ctx, out)
	if err != nil {
		return err
	}
	defer passphrase.Wipe()
	file, err := secretstorage.SealRoomKeyFile(opened, passphrase.Reveal())
	if err != nil {
		return err
	}
	if err := cmd.write(out, strings.NewReader(string(file))); err != nil {
		return err
	}
	out.notef("%d room keys of %d rooms; %d could not be read.\n", len(opened), len(secretstorage.Rooms(sealed)), len(sealed)-len(opened))
	return nil
}

// newPassphrase is the passphrase of the file, asked for twice if it is not given.
func (cmd *roomKeysExportCmd) newPassphrase(ctx context.Context, out *console) (secret.Bytes, error) {
	if cmd.Passphrase.given() {
		return cmd.Passphrase.read(out, maxPassphrase, verbatim)
	}
	s, err := out.askNew(ctx, "Passphrase of the file", maxPassphrase, verbatim)
	if errors.Is(err, errNoTerminal) {
		err = withHint(err, "give it with --passphrase-file FILE or --passphrase-fd N")
	}
	return s, err
}

// backupKey gets the private key of the backup from the account data, with the storage key that the
// wallet gives, or from the secrets that walletd keeps.
func (cmd *roomKeysExportCmd) backupKey(ctx context.Context, c *client.Client) (secretstorage.BackupKey, error) {
	if cmd.AccountData == "" {
		kept, err := c.Secrets(cmd.App).Get(ctx, secretstorage.NameBackup)
		if err != nil {
			return secretstorage.BackupKey{}, err
		}
		defer kept.Value.Wipe()
		return secretstorage.ParseBackupKey(kept.Value.Reveal())
	}
	data, err := readAccountData(cmd.AccountData)
	if err != nil {
		return secretstorage.BackupKey{}, err
	}
	raw, there := data[secretstorage.NameBackup]
	if !there {
		return secretstorage.BackupKey{}, fmt.Errorf("%s has no %s: the account keeps no backup's key", cmd.AccountData, secretstorage.NameBackup)
	}
	kept, err := secretstorage.ParseSecret(raw, secretstorage.MaxPlaintext)
	if err != nil {
		return secretstorage.BackupKey{}, fmt.Errorf("%s: %w", secretstorage.NameBackup, err)
	}
	descriptions := map[string]json.RawMessage{}
	for _, id := range kept.KeyIDs() {
		if description, there := data[keyEvent+id]; there {
			descriptions[id] = description
		}
	}
	if len(descriptions) == 0 {
		return secretstorage.BackupKey{}, fmt.Errorf("%s describes none of the keys that %s is sealed with", cmd.AccountData, secretstorage.NameBackup)
	}
	keys, err := json.Marshal(descriptions)
	if err != nil {
		return secretstorage.BackupKey{}, err
	}
	var first struct{ Key string }
	_ = json.Unmarshal(data["m.secret_storage.default_key"], &first) // without it any key will do
	found, err := c.Secrets(cmd.App).FindKey(ctx, api.FindStorageKey{Keys: keys, Name: secretstorage.NameBackup, DefaultKeyID: first.Key})
	if err != nil {
		return secretstorage.BackupKey{}, err
	}
	defer found.Key.Wipe()
	storage, err := base64.StdEncoding.DecodeString(string(found.Key.Reveal()))
	if err != nil {
		return secretstorage.BackupKey{}, fmt.Errorf("reading the storage key: %w", err)
	}
	defer clear(storage)
	key, err := secretstorage.NewKey(storage)
	if err != nil {
		return secretstorage.BackupKey{}, err
	}
	defer key.Wipe()
	value, err := kept.Open(secretstorage.NameBackup, found.KeyID, key)
	if err != nil {
		return secretstorage.BackupKey{}, fmt.Errorf("%s: %w", secretstorage.NameBackup, err)
	}
	defer clear(value)
	return secretstorage.ParseBackupKey(value)
}

// readAccountData reads account data by type, in any of the forms that homeservers give it.
func readAccountData(path string) (map[string]json.RawMessage, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	type event struct {
		Type    string          `json:"type"`
		Content json.RawMessage `json:"content"`
	}
	var sync struct {
		AccountData struct {
			Events []event `json:"events"`
		} `json:"account_data"`
	}
	var list []event
	data := map[string]json.RawMessage{}
	switch {
	case json.Unmarshal(raw, &list) == nil:
	case json.Unmarshal(raw, &sync) == nil && len(sync.AccountData.Events) > 0:
		list = sync.AccountData.Events
	default:
		if err := json.Unmarshal(raw, &data); err != nil {
			return nil, fmt.Errorf("%s is no account data: %w", path, err)
		}
	}
	for _, e := range list {
		data[e.Type] = e.Content
	}
	return data, nil
}

func readVersion(path string) (secretstorage.Backup, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return secretstorage.Backup{}, err
	}
	version, err := secretstorage.ParseBackup(raw)
	if err != nil {
		return version, fmt.Errorf("%s: %w", path, err)
	}
	return version, nil
}

type roomKeysSealCmd struct {
	outFlag
	Version    string      `required:"" name:"backup-version" type:"existingfile" placeholder:"FILE" help:"The backup's version: the answer of GET /_matrix/client/v3/room_keys/version."`
	Passphrase secretFlags `embed:"" prefix:"passphrase-" group:"The passphrase of the file (asked for without any of these):"`
	File       string      `arg:"" type:"existingfile" help:"The room keys, as a client or 'room-keys export' wrote them."`
}

// Run seals the keys of a file for a backup. It takes no wallet: anybody may add to a backup.
func (cmd *roomKeysSealCmd) Run(ctx context.Context, out *console) error {
	version, err := readVersion(cmd.Version)
	if err != nil {
		return err
	}
	file, err := os.ReadFile(cmd.File)
	if err != nil {
		return err
	}
	passphrase, err := cmd.Passphrase.orAsk(ctx, out, "passphrase", "Passphrase of the file", maxPassphrase, verbatim)
	if err != nil {
		return err
	}
	defer passphrase.Wipe()
	keys, err := secretstorage.OpenRoomKeyFile(file, passphrase.Reveal())
	if err != nil {
		return fmt.Errorf("%s: %w", cmd.File, err)
	}
	defer func() {
		for _, k := range keys {
			clear(k)
		}
	}()
	body, err := version.Public().SealRoomKeys(keys)
	if err != nil {
		return err
	}
	return cmd.write(out, strings.NewReader(string(body)))
}
