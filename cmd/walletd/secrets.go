package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"golang.org/x/term"
)

type secretsCmd struct {
	Put         secretPutCmd    `cmd:"" help:"Keep a secret, sealed as Matrix clients do it (owner, or the app itself)."`
	Get         secretGetCmd    `cmd:"" help:"Show a secret."`
	List        secretListCmd   `cmd:"" help:"List secrets, without their values."`
	Delete      secretDeleteCmd `cmd:"" help:"Delete a secret."`
	RecoveryKey recoveryKeyCmd  `cmd:"" help:"The key of an app's secret storage, as Matrix clients take it (\"security key\")."`
}

// maxSecretText bounds a secret, in bytes.
const maxSecretText = 64 << 10

// ofApp says whose secrets are meant.
type ofApp struct {
	App string `placeholder:"DID" help:"Whose secret. An owner must say so; an app has its own only."`
}

func (o ofApp) query() url.Values {
	if o.App == "" {
		return nil
	}
	return url.Values{"app": {o.App}}
}

// keptView is a secret as the service lists it.
type keptView struct{ Name, App, ETag, CreatedAt, UpdatedAt string }

// matching returns a client that replaces or deletes only what has this ETag.
func (c *client) matching(etag string) *client {
	other := *c
	other.header = http.Header{"If-Match": {`"` + etag + `"`}}
	return &other
}

// etagOf looks a secret's ETag up in the list.
func (o ofApp) etagOf(ctx context.Context, c *client, name string) (string, error) {
	query := url.Values{"limit": {"200"}}
	if o.App != "" {
		query.Set("app", o.App)
	}
	for {
		page, err := fetch[list[keptView]](ctx, c, "/v1/secrets", query)
		if err != nil {
			return "", err
		}
		for _, item := range page.Items {
			if item.Name == name {
				return item.ETag, nil
			}
		}
		if page.Next == "" {
			return "", withHint(errors.New("there is no such secret"), "walletd secret list shows what there is")
		}
		query.Set("cursor", page.Next)
	}
}

// asked shows an answer, or that the person has been asked.
func asked[T any](con *console, status int, answer json.RawMessage, human func(T)) error {
	if status != http.StatusAccepted {
		return show(con, answer, human)
	}
	var p pending
	if err := json.Unmarshal(answer, &p); err != nil {
		return fmt.Errorf("reading the answer of the service: %w", err)
	}
	con.notef("The person is asked, who sees the code %s, until %s.\n", shown(p.Code), shown(day(p.ExpiresAt)))
	if con.json {
		if err := con.printJSON(answer); err != nil {
			return err
		}
	} else {
		con.printf("pending %s code %s\n", shown(p.ID), shown(p.Code))
	}
	return withHint(errPending, "say the same again within 2 minutes of the yes")
}

type secretPutCmd struct {
	remote
	ofApp
	Value   secretFlags `embed:"" prefix:"value-"`
	RawFile string      `type:"path" placeholder:"FILE" help:"Keep this account data (JSON) as it is, instead of a text."`
	Replace bool        `help:"Replace the secret of that name. Without it there must be none."`
	ETag    string      `name:"etag" placeholder:"ETAG" help:"Replace it only if it is still the one that list or get showed."`
	Name    string      `arg:"" help:"Name of the secret, as in m.cross_signing.master."`
}

func (cmd *secretPutCmd) Run(ctx context.Context, con *console) error {
	body := map[string]any{}
	if cmd.RawFile != "" {
		if cmd.Value.given() {
			return usagef("--raw-file and a value exclude each other")
		}
		raw, err := readSecretFile(cmd.RawFile, 4*maxSecretText, true) // it is sealed
		if err != nil {
			return err
		}
		if !json.Valid(raw.b) {
			return fmt.Errorf("%s is not JSON", shown(cmd.RawFile))
		}
		body["raw"] = json.RawMessage(raw.b)
	} else {
		value, err := cmd.Value.orAsk(ctx, con, "value", "Secret", maxSecretText)
		if err != nil {
			return err
		}
		defer value.wipe()
		body["value"] = value.reveal()
	}
	c, err := cmd.open(con, "owner")
	if err != nil {
		return err
	}
	if cmd.ETag == "" && cmd.Replace {
		if cmd.ETag, err = cmd.etagOf(ctx, c, cmd.Name); err != nil {
			return err
		}
	}
	if cmd.ETag != "" {
		c = c.matching(cmd.ETag)
	}
	status, answer, err := c.exchange(ctx, http.MethodPut, "/v1/secrets/"+segment(cmd.Name), cmd.query(), body)
	if err != nil {
		return err
	}
	return asked(con, status, answer, func(v keptView) { con.printf("kept %s  etag %s\n", shown(v.Name), shown(v.ETag)) })
}

type secretGetCmd struct {
	remote
	ofApp
	Raw  bool   `help:"Show the account data, as a homeserver would hold it."`
	Name string `arg:"" help:"Name of the secret."`
}

func (cmd *secretGetCmd) Run(ctx context.Context, con *console) error {
	c, err := cmd.open(con, "owner")
	if err != nil {
		return err
	}
	query := cmd.query()
	if cmd.Raw {
		if query == nil {
			query = url.Values{}
		}
		query.Set("raw", "")
	}
	status, answer, err := c.exchange(ctx, http.MethodGet, "/v1/secrets/"+segment(cmd.Name), query, nil)
	if err != nil {
		return err
	}
	if cmd.Raw && status == http.StatusOK {
		return con.printJSON(answer)
	}
	return asked(con, status, answer, func(v struct{ Value string }) {
		if out, ok := con.raw.(interface{ Fd() uintptr }); ok && term.IsTerminal(int(out.Fd())) {
			con.printf("%s\n", v.Value)
			return
		}
		io.WriteString(con.raw, v.Value+"\n")
	})
}

type secretListCmd struct {
	remote
	page
	ofApp
}

func (cmd *secretListCmd) Run(ctx context.Context, con *console) error {
	c, err := cmd.open(con, "owner")
	if err != nil {
		return err
	}
	return showList(ctx, con, c, "/v1/secrets", cmd.page, cmd.query(), "NAME APP ETAG UPDATED", func(v keptView) []string {
		return []string{v.Name, v.App, v.ETag, day(v.UpdatedAt)}
	})
}

type secretDeleteCmd struct {
	remote
	ofApp
	ETag string `name:"etag" placeholder:"ETAG" help:"Delete it only if it is still the one that list or get showed."`
	Name string `arg:"" help:"Name of the secret."`
}

func (cmd *secretDeleteCmd) Run(ctx context.Context, con *console) error {
	c, err := cmd.open(con, "owner")
	if err != nil {
		return err
	}
	if cmd.ETag == "" {
		if cmd.ETag, err = cmd.etagOf(ctx, c, cmd.Name); err != nil {
			return err
		}
	}
	status, answer, err := c.matching(cmd.ETag).exchange(ctx, http.MethodDelete, "/v1/secrets/"+segment(cmd.Name), cmd.query(), nil)
	if err != nil {
		return err
	}
	return asked(con, status, answer, func(struct{}) { con.printf("deleted %s\n", shown(cmd.Name)) })
}

type recoveryKeyCmd struct {
	remote
	ofApp
	Salt *string `placeholder:"TEXT" help:"The salt of the key, if it is not the usual one."`
}

func (cmd *recoveryKeyCmd) Run(ctx context.Context, con *console) error {
	c, err := cmd.open(con, "owner")
	if err != nil {
		return err
	}
	body := map[string]any{}
	if cmd.Salt != nil {
		body["salt"] = *cmd.Salt
	}
	status, answer, err := c.exchange(ctx, http.MethodPost, "/v1/secret-storage/keys", cmd.query(), body)
	if err != nil {
		return err
	}
	return asked(con, status, answer, func(v struct{ RecoveryKey string }) {
		con.printf("%s\n", shown(v.RecoveryKey))
		con.notef("Who has this key reads all secrets of that storage.\n")
	})
}
