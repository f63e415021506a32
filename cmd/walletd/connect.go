package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"walletd/api"
	"walletd/api/client"
	"walletd/internal/connect"
)

// connectCmd opens the link that an app shows, shows what the app asks for, asks the owner at the
// terminal, and prints the outcome.
type connectCmd struct {
	remote
	outFlags
	Link        string   `arg:"" help:"The link, as the app shows it: https://abtwallet.io/i/?… or abt://abtwallet.io/i/?…"`
	Wallet      string   `placeholder:"WALLET" help:"The wallet to open it with, if the token is for more than one."`
	Yes         bool     `help:"Say yes to all that is asked, without asking, in the sessions that this one leads to as well: for tests."`
	MFA         *int     `name:"mfa" placeholder:"N" help:"The number that the app shows, for an approval that asks for one."`
	Items       []string `placeholder:"NAME" help:"Items of the profile to give, when the app asks for some. Without it: asked at the terminal, or with --yes all that there are."`
	Credentials []string `name:"credential" sep:"none" placeholder:"ID" help:"Present this credential or asset, where several fit."`
	Ephemeral   bool     `help:"Be a wallet for the length of this session: no service is needed, and nothing is kept."`
	Hold        bool     `help:"When it is over, wait for Enter: for a terminal of its own, which would close."`
	Profile     string   `type:"path" placeholder:"FILE" help:"With --ephemeral: what the wallet can tell about its person, as profile set takes it. - reads the standard input."`
}

// errSession is a session that ended without the app taking the answer: exit code 1.
var errSession = errors.New("the session did not come to its end")

// Validate refuses flags that do not go together.
func (cmd *connectCmd) Validate() error {
	switch {
	case cmd.Ephemeral && cmd.Wallet != "":
		return usagef("--ephemeral makes a wallet of its own: leave --wallet out")
	case !cmd.Ephemeral && cmd.Profile != "":
		return withHint(usagef("--profile goes with --ephemeral"), "a wallet that is kept has its own: walletd profile set")
	case !cmd.Ephemeral && (len(cmd.AllowNetwork) > 0 || cmd.AllowHTTP):
		return usagef("where links may lead is for walletd serve to say; here it goes with --ephemeral")
	}
	return nil
}

// Run opens the link, with a service or as a wallet of its own.
func (cmd *connectCmd) Run(ctx context.Context, out *console) error {
	if !cmd.Ephemeral {
		c, err := cmd.open(out, api.RoleOwner)
		if err != nil {
			return err
		}
		return cmd.connect(ctx, out, c)
	}
	to, err := cmd.outFlags.config()
	if err != nil {
		return err
	}
	var why atomic.Pointer[error] // of the last exchange
	err = ephemeral(ctx, to, func(err error) { why.Store(&err) }, func(c *client.Client) error {
		if cmd.Profile != "" {
			items, err := readProfile(out, cmd.Profile)
			if err != nil {
				return err
			}
			if _, err := c.Wallet("").SetProfile(ctx, items); err != nil {
				return err
			}
		}
		return cmd.connect(ctx, out, c)
	})
	if unanswered := why.Load(); errors.Is(err, errSession) && unanswered != nil {
		err = withHint(fmt.Errorf("%w: %w", err, *unanswered), unreachedHint(*unanswered))
	}
	return err
}

// unreachedHint says what to do about an app that could not be reached.
func unreachedHint(err error) string {
	if _, ok := errors.AsType[*connect.BlockedError](err); ok {
		return "links lead to this machine and to public addresses; --allow-network CIDR opens others, as of a network of containers"
	}
	return "does the app run, and does its link name it as this machine reaches it?"
}

func (cmd *connectCmd) connect(ctx context.Context, out *console, c *client.Client) error {
	s, err := c.OpenSession(ctx, api.NewSession{Link: cmd.Link, Wallet: cmd.Wallet})
	if err != nil {
		return err
	}
	at, err := cmd.follow(ctx, out, c, s)
	if err != nil && at != "" && cmd.Ephemeral {
		// Nobody else will answer: the app is told, rather than left to wait.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		_, _ = c.CancelSession(ctx, at)
	}
	return err
}

// follow goes along with a session, and those that follow it, to the end. It returns the id of the
// session that it was at when something went wrong; one that has ended is not that.
func (cmd *connectCmd) follow(ctx context.Context, out *console, c *client.Client, s api.Session) (at string, err error) {
	var working *progress // while the app is at work on the answer
	quiet := func() {
		if working != nil {
			working.end()
			working = nil
		}
	}
	defer quiet()
	for asked := ""; ; {
		if s.State != api.SessionAnswering {
			quiet()
		} else if working == nil {
			working = out.startProgress("the app is at work")
		}
		switch {
		case ended(s) && s.Next != "":
			out.notef("The app goes on with a second session.\n")
			next := s.Next
			if s, err = c.Session(ctx, next); err != nil {
				return next, err
			}
			continue
		case ended(s):
			// Only one that the app took is a success.
			err := show(out, s, nil, out.printSession)
			if err == nil && s.State != api.SessionDone {
				err = errSession
			}
			return "", err
		case s.State == api.SessionWaiting && s.Approval != asked:
			asked = s.Approval
			if err := cmd.decide(ctx, out, c, asked); err != nil {
				return s.ID, err
			}
		}
		select {
		case <-ctx.Done():
			return s.ID, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
		id := s.ID
		if s, err = c.Session(ctx, id); err != nil {
			return id, err
		}
	}
}

// decide shows an approval and decides it as the owner says, or as the flags do.
func (cmd *connectCmd) decide(ctx context.Context, out *console, c *client.Client, id string) error {
	a, err := c.Approval(ctx, id)
	if err != nil {
		return err
	}
	if !out.json {
		out.printApproval(a)
	}
	yes := cmd.Yes
	if !yes {
		line, err := out.prompt("Say yes? [y/N] ")
		if err != nil {
			return err
		}
		yes = saysYes(line)
	}
	if !yes {
		_, err = c.Reject(ctx, id)
		return err
	}
	for {
		choice, typed, err := cmd.choose(out, a)
		if err != nil {
			return err
		}
		_, err = c.Approve(ctx, id, choice)
		refused, ok := errors.AsType[*api.Problem](err)
		if !typed || !ok || refused.Code != api.CodeChoiceInvalid {
			return err
		}
		out.notef("%s\n", inWords(err)) // it still waits
	}
}

// choose returns how to approve; typed reports whether any of it came from the terminal.
func (cmd *connectCmd) choose(out *console, a api.Approval) (choice api.Choice, typed bool, err error) {
	if slices.ContainsFunc(a.Claims, func(c api.ApprovalClaim) bool { return len(c.MFACode) > 0 }) {
		typed = cmd.MFA == nil
		if choice.MFACode, err = cmd.chooseNumber(out); err != nil {
			return choice, false, err
		}
	}
	wantsItems := slices.ContainsFunc(a.Claims, func(c api.ApprovalClaim) bool { return c.Type == api.ClaimProfile })
	if wantsItems && !(cmd.Yes && cmd.Items == nil) {
		typed = typed || cmd.Items == nil
		items, err := cmd.chooseItems(out)
		if err != nil {
			return choice, false, err
		}
		choice.Items = &items
	}
	for _, c := range a.Claims {
		given := slices.IndexFunc(c.Offers, func(o api.Offer) bool { return slices.Contains(cmd.Credentials, o.ID) })
		switch {
		case given >= 0:
			choice.Credentials = append(choice.Credentials, c.Offers[given].ID)
		case len(c.Offers) > 0 && c.Presents == nil: // otherwise that one is presented
			typed = true
			id, err := chooseCredential(out)
			if err != nil {
				return choice, false, err
			}
			choice.Credentials = append(choice.Credentials, id)
		}
	}
	return choice, typed, nil
}

// chooseCredential returns the id of the credential to present, where several fit and give different roles.
func chooseCredential(out *console) (string, error) {
	line, err := out.prompt("Which of these is presented? Its id: ")
	if err != nil {
		return "", withHint(errors.New("several credentials fit, and one must be chosen"), "type its id, write it to the standard input, or give it with --credential")
	}
	return line, nil
}

// chooseNumber returns the number that the app shows, which it does only once it has asked: so it is
// read from the terminal, or from a script that has looked, unless it was known before.
func (cmd *connectCmd) chooseNumber(out *console) (int, error) {
	if cmd.MFA != nil {
		return *cmd.MFA, nil
	}
	line, err := out.prompt("Which number does the app show? ")
	if err != nil {
		return 0, withHint(errors.New("the app asks for the number that it shows"), "type it, write it to the standard input, or give it with --mfa")
	}
	number, err := strconv.Atoi(line)
	if err != nil {
		return 0, nil // none that an app shows: it is refused, and asked for again
	}
	return number, nil
}

// chooseItems returns the items of the profile to give: none unless they are named.
func (cmd *connectCmd) chooseItems(out *console) ([]string, error) {
	if cmd.Items != nil {
		return cmd.Items, nil
	}
	line, err := out.prompt("Which items? Name them, or none: ")
	return splitItems(line), err
}
