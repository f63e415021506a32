package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"walletd/api"
	"walletd/api/client"
	"walletd/internal/secretstorage"
	untrusted "walletd/internal/show"
)

type secretsCmd struct {
	Put         secretPutCmd    `cmd:"" help:"Store a secret, sealed as Matrix clients do it (owner, or the app itself)."`
	Get         secretGetCmd    `cmd:"" help:"Show a secret."`
	List        secretListCmd   `cmd:"" help:"List secrets, without their values."`
	Delete      secretDeleteCmd `cmd:"" help:"Delete a secret."`
	RecoveryKey recoveryKeyCmd  `cmd:"" help:"Show the key of an app's secret storage, as Matrix clients take it (\"security key\")."`
	FindKey     findKeyCmd      `cmd:"" help:"Find which of a client's keys the wallet has, and show it."`
	ImportKey   importKeyCmd    `cmd:"" help:"Bring in a key of a client's that was made elsewhere: a recovery key, or a passphrase."`
	NoteKey     noteKeyCmd      `cmd:"" help:"Note under which id a client keeps a key that the wallet has."`
}

// maxSecretText bounds a secret, in bytes.
const maxSecretText = 64 << 10

// ofApp says whose secrets are meant.
type ofApp struct {
	App string `placeholder:"DID" help:"Whose secret. An owner must say so; an app has its own only."`
}

// etagOf looks a secret's ETag up in the list.
func etagOf(ctx context.Context, s *client.Secrets, name string) (string, error) {
	for item, err := range client.All(ctx, s.List) {
		if err != nil {
			return "", err
		}
		if item.Name == name {
			return item.ETag, nil
		}
	}
	return "", withHint(errors.New("there is no such secret"), "walletd secret list shows what there is")
}

// showAsked is show for what the owner may be asked about first.
func showAsked[T any](out *console, v T, err error, human func(T)) error {
	if p, ok := errors.AsType[*client.PendingError](err); ok {
		out.notef("The owner is asked, who sees the code %s, until %s.\n", shown(p.Code), day(p.ExpiresAt))
		return out.pending(err, "repeat this command within 2 minutes of the approval of %s")
	}
	return show(out, v, err, human)
}

type secretPutCmd struct {
	asOwner
	ofApp
	Value   secretFlags `embed:"" prefix:"value-" group:"The secret (asked for without any of these):"`
	RawFile string      `type:"path" placeholder:"FILE" help:"Store this account data (JSON) as it is, instead of a text."`
	Replace bool        `help:"Replace the secret of that name. Without it there must be none."`
	ETag    string      `name:"etag" placeholder:"ETAG" help:"Replace it only if it is still the one that list or get showed."`
	Name    string      `arg:"" help:"Name of the secret, as in m.cross_signing.master."`
}

// Validate refuses two values.
func (cmd *secretPutCmd) Validate() error {
	if cmd.RawFile != "" && cmd.Value.given() {
		return usagef("--raw-file and a value exclude each other")
	}
	return nil
}

// Run stores a secret.
func (cmd *secretPutCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	var n api.NewSecret
	if cmd.RawFile != "" {
		raw, err := readSecretFile(cmd.RawFile, 4*maxSecretText, true, verbatim) // it is sealed
		if err != nil {
			return err
		}
		if n.Raw = raw.Reveal(); !json.Valid(n.Raw) {
			return fmt.Errorf("%s is not JSON", shown(cmd.RawFile))
		}
	} else {
		value, err := cmd.Value.orAsk(ctx, out, "value", "Secret", maxSecretText, verbatim)
		if err != nil {
			return err
		}
		defer value.Wipe()
		n.Value = api.SecretText{Bytes: value}
	}
	secrets, etag := c.Secrets(cmd.App), cmd.ETag
	if etag == "" && cmd.Replace {
		var err error
		if etag, err = etagOf(ctx, secrets, cmd.Name); err != nil {
			return err
		}
	}
	s, err := secrets.Put(ctx, cmd.Name, etag, n)
	return showAsked(out, s, err, func(s api.StoredSecret) { out.printf("kept %s  etag %s\n", untrusted.Exact(s.Name), shown(s.ETag)) })
}

type secretGetCmd struct {
	asOwner
	ofApp
	Raw  bool   `help:"Show the account data, as a homeserver would hold it."`
	Name string `arg:"" help:"Name of the secret."`
}

// Run shows a secret.
func (cmd *secretGetCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	if cmd.Raw {
		data, err := c.Secrets(cmd.App).Raw(ctx, cmd.Name)
		return showAsked(out, data, err, func(data json.RawMessage) { _ = out.JSON(data) })
	}
	s, err := c.Secrets(cmd.App).Get(ctx, cmd.Name)
	defer s.Value.Wipe()
	return showAsked(out, s, err, func(s api.Secret) {
		w := out.bytesOut()
		_, _ = w.Write(s.Value.Reveal())
		_, _ = io.WriteString(w, "\n")
	})
}

type secretListCmd struct {
	asOwner
	pageFlags
	ofApp
}

// Run lists secrets.
func (cmd *secretListCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	l, err := c.Secrets(cmd.App).List(ctx, cmd.page())
	return table(out, l, err, "NAME APP ETAG UPDATED", func(s api.SecretSummary) []string {
		return []string{untrusted.Exact(s.Name), s.App, s.ETag, day(s.UpdatedAt)}
	})
}

type secretDeleteCmd struct {
	asOwner
	ofApp
	ETag string `name:"etag" placeholder:"ETAG" help:"Delete it only if it is still the one that list or get showed."`
	Name string `arg:"" help:"Name of the secret."`
}

// Run deletes a secret.
func (cmd *secretDeleteCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	secrets, etag := c.Secrets(cmd.App), cmd.ETag
	if etag == "" {
		var err error
		if etag, err = etagOf(ctx, secrets, cmd.Name); err != nil {
			return err
		}
	}
	err := secrets.Delete(ctx, cmd.Name, etag)
	return showAsked(out, api.Empty{}, err, func(api.Empty) { out.printf("deleted %s\n", untrusted.Exact(cmd.Name)) })
}

type recoveryKeyCmd struct {
	asOwner
	ofApp
	Salt *string `placeholder:"TEXT" help:"The salt of the key, if it is not the usual one."`
	User string  `placeholder:"ID" help:"The Matrix user whose key it is, as in @alice:example.org, for a client that names its user."`
}

// Run shows the key.
func (cmd *recoveryKeyCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	k, err := c.Secrets(cmd.App).MakeKey(ctx, api.MakeStorageKey{Salt: cmd.Salt, User: cmd.User})
	defer k.Key.Wipe()
	defer k.RecoveryKey.Wipe()
	return showAsked(out, k, err, func(k api.MadeStorageKey) {
		out.printf("%s\n", shown(string(k.RecoveryKey.Reveal())))
		out.notef("Who has this key reads all secrets of that storage.\n")
	})
}

type findKeyCmd struct {
	asOwner
	ofApp
	File string `arg:"" type:"path" help:"Descriptions of keys in JSON, by their ids: {\"abc\":{\"algorithm\",\"iv\",\"mac\"}}, each the content of m.secret_storage.key.abc. - reads the standard input."`
	Name string `placeholder:"NAME" help:"The secret that the key is wanted for, for the owner who is asked."`

	Salt         *string `placeholder:"TEXT" help:"The salt of the client's key, if it is not the usual one and nothing is stored here about it."`
	User         string  `placeholder:"ID" help:"The Matrix user whose account it is. No key that was made for another one is shown."`
	DefaultKeyID string  `name:"default-key-id" placeholder:"ID" help:"The id of the account's default key (m.secret_storage.default_key), which goes before others."`
}

// Run shows the key that fits.
func (cmd *findKeyCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	keys, err := readJSON(out, cmd.File, "the descriptions", `as in {"abc":{"algorithm":"m.secret_storage.v1.aes-hmac-sha2","iv":"…","mac":"…"}}`)
	if err != nil {
		return err
	}
	k, err := c.Secrets(cmd.App).FindKey(ctx, api.FindStorageKey{Keys: keys, Name: cmd.Name, DefaultKeyID: cmd.DefaultKeyID, Salt: cmd.Salt, User: cmd.User})
	defer k.Key.Wipe()
	return showAsked(out, k, err, func(k api.FoundStorageKey) {
		out.printf("key id  %s\nkey     %s\n", shown(k.KeyID), shown(string(k.Key.Reveal())))
	})
}

type noteKeyCmd struct {
	asOwner
	ofApp
	KeyID string `arg:"" name:"key-id" help:"The id that the client chose."`
	File  string `arg:"" type:"path" help:"The description of the key in JSON, the content of m.secret_storage.key.<id>. - reads the standard input."`
}

// Run notes the id.
func (cmd *noteKeyCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	info, err := readJSON(out, cmd.File, "the description", `as in {"algorithm":"m.secret_storage.v1.aes-hmac-sha2","iv":"…","mac":"…"}`)
	if err != nil {
		return err
	}
	err = c.Secrets(cmd.App).NoteKey(ctx, cmd.KeyID, api.NoteStorageKey{KeyInfo: info})
	return showAsked(out, api.Empty{}, err, func(api.Empty) { out.printf("noted %s\n", shown(cmd.KeyID)) })
}

type importKeyCmd struct {
	asOwner
	ofApp
	User  string      `placeholder:"ID" help:"The Matrix user whose key it is, as in @alice:example.org, for a client that names its user."`
	Key   secretFlags `embed:"" prefix:"key-" group:"The recovery key or passphrase (asked for without any of these):"`
	KeyID string      `arg:"" name:"key-id" help:"The id that the account has the key under: that of m.secret_storage.default_key."`
	File  string      `arg:"" type:"path" help:"The description of the key in JSON, the content of m.secret_storage.key.<id>. - reads the standard input."`
}

// Run brings in the key.
func (cmd *importKeyCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	info, err := readJSON(out, cmd.File, "the description", `as in {"algorithm":"m.secret_storage.v1.aes-hmac-sha2","iv":"…","mac":"…"}`)
	if err != nil {
		return err
	}
	text, err := cmd.Key.orAsk(ctx, out, "key", "Recovery key or passphrase", maxPassphrase, verbatim)
	if err != nil {
		return err
	}
	defer text.Wipe()
	n := api.NoteStorageKey{KeyInfo: info, User: cmd.User}
	// Of a description that has a passphrase, what is no recovery key is that.
	var of struct{ Passphrase json.RawMessage }
	_ = json.Unmarshal(info, &of)
	key, notKey := secretstorage.DecodeRecoveryKey(text.Reveal())
	key.Wipe()
	if of.Passphrase != nil && notKey != nil {
		n.Passphrase = api.SecretText{Bytes: text}
	} else {
		n.RecoveryKey = api.SecretText{Bytes: text}
	}
	err = c.Secrets(cmd.App).NoteKey(ctx, cmd.KeyID, n)
	return showAsked(out, api.Empty{}, err, func(api.Empty) { out.printf("imported %s\n", shown(cmd.KeyID)) })
}
