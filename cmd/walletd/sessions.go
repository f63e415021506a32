package main

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"walletd/api"
	"walletd/api/client"
)

type sessionsCmd struct {
	List   sessionsListCmd   `cmd:"" help:"List DID Connect sessions (owner)."`
	Show   sessionsShowCmd   `cmd:"" help:"Show how far a session is, or how it ended (owner)."`
	Cancel sessionsCancelCmd `cmd:"" help:"Cancel a session; the app is told that it was declined (owner)."`
}

// ended reports whether a session is over.
func ended(s api.Session) bool {
	return !slices.Contains([]api.SessionState{api.SessionAsked, api.SessionWaiting, api.SessionAnswering}, s.State)
}

// printSession shows a session, and whose words its text is.
func (con *console) printSession(s api.Session) {
	con.printf("%s\n", shown(string(s.State)))
	if s.State == api.SessionAnswering {
		con.printf("The answer was sent at %s, and the app is at work.\n", day(s.SentAt))
	}
	whose := "walletd says"
	if s.TextBy == api.ByApp {
		whose = "app says"
	}
	con.fields([2]string{"code", s.Code}, [2]string{whose, s.Text}, [2]string{"answered as", s.Account},
		[2]string{"goes on at", s.NextURL}, [2]string{"then", s.NextWorkflow})
	if s.Unconfirmed {
		con.printf("The app's key cannot prove that this came from it.\n")
	}
}

// printWholeSession shows a session with who is at its other end.
func (con *console) printWholeSession(s api.Session) {
	con.printSession(s)
	if m := s.Member; m != nil {
		con.fields([2]string{string(m.By) + " says", strings.TrimSpace("you are at " + m.Name + " " + m.Link)})
	}
	con.fields([2]string{"id", s.ID}, [2]string{"wallet", s.Wallet}, [2]string{"app", s.App}, [2]string{"calls itself", s.AppName},
		[2]string{"at", s.Origin}, [2]string{"approval", s.Approval}, [2]string{"credential", s.Credential}, [2]string{"asset", s.Asset},
		[2]string{"followed", s.Previous}, [2]string{"followed by", s.Next},
		[2]string{"opened", day(s.CreatedAt)}, [2]string{"until", day(s.ExpiresAt)}, [2]string{"ended", day(s.EndedAt)})
}

type sessionsListCmd struct {
	asOwner
	pageFlags
}

// Run lists sessions.
func (cmd *sessionsListCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	l, err := c.Sessions(ctx, cmd.page())
	return table(out, l, err, "STATE APP AT OPENED ID", func(s api.Session) []string {
		app := s.App
		if s.AppName != "" {
			app = "calls itself " + s.AppName
		}
		return []string{string(s.State), cmp.Or(app, "-"), s.Origin, day(s.CreatedAt), s.ID}
	})
}

type sessionsShowCmd struct {
	asOwner
	ID string `arg:"" help:"Id of the session, as sessions list shows it."`
}

// Run shows a session.
func (cmd *sessionsShowCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	s, err := c.Session(ctx, cmd.ID)
	return show(out, s, err, out.printWholeSession)
}

type sessionsCancelCmd struct {
	asOwner
	ID string `arg:"" help:"Id of the session, as sessions list shows it."`
}

// Run cancels a session.
func (cmd *sessionsCancelCmd) Run(ctx context.Context, c *client.Client, out *console) error {
	s, err := c.CancelSession(ctx, cmd.ID)
	return show(out, s, err, out.printWholeSession)
}
