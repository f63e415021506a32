package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"
)

// claimCmd asks as an app's backend would.
type claimCmd struct {
	remote
	Type           string        `default:"encryptionKey" enum:"encryptionKey,authPrincipal" help:"What to ask for: encryptionKey or authPrincipal."`
	Salt           *string       `placeholder:"TEXT" help:"The salt of an encryptionKey."`
	Description    string        `placeholder:"TEXT" help:"What the person is told."`
	DelegationFile string        `placeholder:"FILE" type:"path" help:"File with the delegation by which the owner of another account lets this app have its key."`
	Wait           time.Duration `placeholder:"5m" help:"Wait so long for the person, if they are asked."`
	Collect        string        `placeholder:"ID" help:"Ask nothing new: collect the answer to what was asked before."`
}

type answered struct {
	RequestedClaims []struct{ Type, Key string }
	UserDID, Reason string
}

type pending struct{ ID, Code, ExpiresAt string }

func (cmd *claimCmd) Run(ctx context.Context, con *console) error {
	c, err := cmd.open(con, "app")
	if err != nil {
		return err
	}
	status, answer, err := cmd.ask(ctx, con, c)
	if err != nil {
		return err
	}
	if status == http.StatusAccepted {
		var p pending
		if err := json.Unmarshal(answer, &p); err != nil {
			return fmt.Errorf("reading the answer of the service: %w", err)
		}
		con.notef("Waiting for the person, who sees the code %s, until %s.\n", shown(p.Code), shown(day(p.ExpiresAt)))
		if status, answer, err = cmd.await(ctx, c, p.ID, answer); err != nil {
			if _, refused := errors.AsType[*problem](err); refused {
				return err
			}
			return withHint(err, collectLater(p.ID)) // the question still stands
		}
		if status == http.StatusAccepted {
			return cmd.stillPending(con, p, answer)
		}
	}
	return show(con, answer, func(a answered) {
		for _, claim := range a.RequestedClaims {
			if claim.Key != "" {
				con.printf("%s\n", shown(claim.Key))
			} else {
				con.printf("%s\n", shown(a.UserDID))
			}
		}
		con.notef("%s\n", shown(a.Reason))
	})
}

// ask makes the first request: the question, or the collection of one asked before.
func (cmd *claimCmd) ask(ctx context.Context, con *console, c *client) (int, json.RawMessage, error) {
	if cmd.Collect != "" {
		return c.exchange(ctx, http.MethodGet, "/v1/claims/"+segment(cmd.Collect), nil, nil)
	}
	claim := map[string]any{"type": cmd.Type}
	switch {
	case cmd.Salt != nil:
		claim["salt"] = *cmd.Salt
	case cmd.Type == "encryptionKey":
		return 0, nil, usagef("an encryptionKey needs a salt: --salt TEXT")
	}
	if cmd.Description != "" {
		claim["description"] = cmd.Description
	}
	if cmd.DelegationFile != "" {
		file, err := os.Open(cmd.DelegationFile)
		if err != nil {
			return 0, nil, err
		}
		defer file.Close()
		delegation, err := readSecret(file, cmd.DelegationFile, 16<<10)
		if err != nil {
			return 0, nil, err
		}
		claim["delegation"] = delegation.reveal()
	}
	return c.exchange(ctx, http.MethodPost, "/v1/claims", nil, map[string]any{"requestedClaims": []any{claim}})
}

// await collects until there is an answer or the time to wait is over; then it returns what it was
// told last.
func (cmd *claimCmd) await(ctx context.Context, c *client, id string, last json.RawMessage) (int, json.RawMessage, error) {
	end := time.Now().Add(cmd.Wait)
	for {
		left := time.Until(end)
		if left <= 0 {
			return http.StatusAccepted, last, nil
		}
		hold := min(30, int(left.Seconds())+1)
		status, answer, err := c.exchange(ctx, http.MethodGet, "/v1/claims/"+segment(id), url.Values{"wait": {strconv.Itoa(hold)}}, nil)
		if err != nil || status != http.StatusAccepted {
			return status, answer, err
		}
		last = answer
		// A service that answers at once must not be asked without a pause.
		select {
		case <-ctx.Done():
			return 0, nil, ctx.Err()
		case <-time.After(min(time.Second, max(0, time.Until(end)))):
		}
	}
}

// stillPending shows what is waited for and ends with its own exit code.
func (cmd *claimCmd) stillPending(con *console, p pending, answer json.RawMessage) error {
	if con.json {
		if err := con.printJSON(answer); err != nil {
			return err
		}
	} else {
		con.printf("pending %s code %s\n", shown(p.ID), shown(p.Code))
	}
	return withHint(errPending, collectLater(p.ID))
}

func collectLater(id string) string {
	return "collect the answer with walletd claim --collect " + shellQuote(shown(id)) + " --wait 5m"
}
