package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// connectCmd opens the link that an app shows, shows what the app asks for, asks the person at the
// terminal, and prints the outcome.
type connectCmd struct {
	remote
	Link      string   `arg:"" help:"The link, as the app shows it."`
	Wallet    string   `placeholder:"WALLET" help:"The wallet to open it with, if the token is for more than one."`
	Yes       bool     `help:"Say yes to all that is asked, without asking, in the sessions that this one leads to as well: for tests."`
	MFA       *int     `name:"mfa" placeholder:"N" help:"The number that the app shows, for a question that wants one."`
	Items     []string `placeholder:"NAME" help:"Items of the profile to give, when the app asks for some. Without it: asked at the terminal, or with --yes all that there are."`
	Ephemeral bool     `help:"Be a wallet for the length of this session: no service is needed, and nothing is kept."`
	Profile   string   `placeholder:"FILE" help:"With --ephemeral: what the wallet can tell about its person, as profile set takes it. - reads the standard input."`
	outFlags
}

type session struct {
	ID, State, Code, Text, App, AppName, Origin, Account, Approval, Next string
	NextWorkflow, NextURL                                                string
	Unconfirmed                                                          bool
}

// ended reports whether the session is over.
func (s session) ended() bool {
	return !slices.Contains([]string{"asked", "waiting", "answering"}, s.State)
}

// errSession is a session that ended without the app taking the answer: exit code 1.
var errSession = errors.New("the session did not come to its end")

func (cmd *connectCmd) Run(ctx context.Context, con *console) error {
	if cmd.Ephemeral {
		if cmd.Wallet != "" {
			return usagef("--ephemeral makes a wallet of its own: leave --wallet out")
		}
		out, err := cmd.outFlags.config()
		if err != nil {
			return err
		}
		return ephemeral(ctx, out, func(c *client) error {
			if cmd.Profile != "" {
				if _, err := setProfile(ctx, con, c, walletFlag{}, cmd.Profile); err != nil {
					return err
				}
			}
			return cmd.connect(ctx, con, c)
		})
	}
	if cmd.Profile != "" {
		return withHint(usagef("--profile goes with --ephemeral"), "a wallet that is kept has its own: walletd profile set")
	}
	if len(cmd.AllowNetwork) > 0 || cmd.AllowHTTP {
		return usagef("where links may lead is for walletd serve to say; here it goes with --ephemeral")
	}
	c, err := cmd.open(con, "owner")
	if err != nil {
		return err
	}
	return cmd.connect(ctx, con, c)
}

func (cmd *connectCmd) connect(ctx context.Context, con *console, c *client) error {
	body := map[string]any{"link": cmd.Link}
	if cmd.Wallet != "" {
		body["wallet"] = cmd.Wallet
	}
	answer, err := c.call(ctx, http.MethodPost, "/v1/sessions", nil, body)
	if err != nil {
		return err
	}
	s, err := cmd.follow(ctx, con, c, answer)
	if err != nil && s.ID != "" && cmd.Ephemeral {
		// Nobody else will answer: the app is told, rather than left to wait.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		_, _ = c.delete(ctx, "/v1/sessions/"+segment(s.ID), nil)
	}
	return err
}

// follow goes along with a session, and those that follow it, to the end. It returns the session
// that it was at when something went wrong; one that has ended is not that.
func (cmd *connectCmd) follow(ctx context.Context, con *console, c *client, answer json.RawMessage) (session, error) {
	for asked := ""; ; {
		s, err := readSession(answer)
		if err != nil {
			return s, err
		}
		switch {
		case s.ended() && s.Next != "":
			con.notef("The app goes on with a second session.\n")
			if answer, err = c.get(ctx, "/v1/sessions/"+segment(s.Next), nil); err != nil {
				return session{ID: s.Next}, err
			}
			continue
		case s.ended():
			return session{}, cmd.outcome(con, s, answer)
		case s.State == "waiting" && s.Approval != asked:
			asked = s.Approval
			if err := cmd.decide(ctx, con, c, s.Approval); err != nil {
				return s, err
			}
		}
		select {
		case <-ctx.Done():
			return s, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
		if answer, err = c.get(ctx, "/v1/sessions/"+segment(s.ID), nil); err != nil {
			return s, err
		}
	}
}

func readSession(answer json.RawMessage) (session, error) {
	var s session
	if err := json.Unmarshal(answer, &s); err != nil {
		return s, fmt.Errorf("reading the answer of the service: %w", err)
	}
	return s, nil
}

// decide shows a question and answers it as the person says, or as the flags do.
func (cmd *connectCmd) decide(ctx context.Context, con *console, c *client, id string) error {
	answer, err := c.get(ctx, "/v1/approvals/"+segment(id), nil)
	if err != nil {
		return err
	}
	var a approval
	if err := json.Unmarshal(answer, &a); err != nil {
		return fmt.Errorf("reading the answer of the service: %w", err)
	}
	if !con.json {
		con.printApproval(a)
	}
	yes := cmd.Yes
	if !yes {
		line, err := con.prompt("Say yes? [y/N] ")
		if err != nil {
			return err
		}
		yes = line == "y" || line == "Y" || line == "yes"
	}
	path := "/v1/approvals/" + segment(id)
	if !yes {
		_, err = c.post(ctx, path+"/reject", map[string]any{})
		return err
	}
	for {
		choice, typed, err := cmd.choose(con, a)
		if err != nil {
			return err
		}
		_, err = c.post(ctx, path+"/approve", choice)
		refused, ok := errors.AsType[*problem](err)
		if !typed || !ok || refused.Code != "choice_invalid" {
			return err
		}
		con.notef("%s\n", refused) // it still waits
	}
}

// choose returns what goes with a yes; typed reports whether any of it came from the terminal.
func (cmd *connectCmd) choose(con *console, a approval) (choice map[string]any, typed bool, err error) {
	choice = map[string]any{}
	if a.wantsNumber() {
		typed = cmd.MFA == nil
		if choice["mfaCode"], err = cmd.chooseNumber(con); err != nil {
			return nil, false, err
		}
	}
	if a.wantsItems() && !(cmd.Yes && cmd.Items == nil) {
		typed = typed || cmd.Items == nil
		if choice["items"], err = cmd.chooseItems(con); err != nil {
			return nil, false, err
		}
	}
	return choice, typed, nil
}

// chooseNumber returns the number that the app shows, which it does only once it has asked: so it is
// read from the terminal, or from a script that has looked, unless it was known before.
func (cmd *connectCmd) chooseNumber(con *console) (int, error) {
	if cmd.MFA != nil {
		return *cmd.MFA, nil
	}
	line, err := con.prompt("Which number does the app show? ")
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
func (cmd *connectCmd) chooseItems(con *console) ([]string, error) {
	if cmd.Items != nil {
		return cmd.Items, nil
	}
	line, err := con.prompt("Which items? Name them, or none: ")
	items := strings.FieldsFunc(line, func(r rune) bool { return r == ',' || r == ' ' })
	if items == nil {
		items = []string{}
	}
	return items, err
}

func (a approval) wantsItems() bool {
	return slices.ContainsFunc(a.Claims, func(c approvalClaim) bool { return c.Type == "profile" })
}

func (a approval) wantsNumber() bool {
	return slices.ContainsFunc(a.Claims, func(c approvalClaim) bool { return len(c.MFACode) > 0 })
}

// outcome prints how the session ended; only one that the app took is a success.
func (cmd *connectCmd) outcome(con *console, s session, answer json.RawMessage) error {
	err := show(con, answer, func(s session) {
		con.printf("%s\n", shown(s.State))
		for _, f := range [][2]string{{"code", s.Code}, {"app says", s.Text}, {"answered as", s.Account}, {"goes on at", s.NextURL}, {"then", s.NextWorkflow}} {
			if f[1] != "" {
				con.printf("%-12s %s\n", f[0], shown(f[1]))
			}
		}
		if s.Unconfirmed {
			con.printf("The app's key cannot prove that this came from it.\n")
		}
	})
	if err == nil && s.State != "done" {
		err = errSession
	}
	return err
}
