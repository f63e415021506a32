package pages

import (
	"errors"
	"net/http"
	"net/url"

	"walletd/internal/auth"
	"walletd/internal/connect"
	"walletd/internal/consent"
	"walletd/internal/show"
	"walletd/internal/store"
)

// openPage is what the page shows that opens a link.
type openPage struct {
	Link    string // as it came, to be sent back
	Leads   string // where it leads: an origin; "" if there is none to show yet
	Shown   string // the link, made safe to show
	Problem string // what is wrong with it, as the message is called
	Detail  string // of that, in English
	Closes  bool   // a page of an app opened this one, which closes itself in the end
}

// openForm shows where to paste or scan a link. It is where a link arrives that was shared to the installed page too
// (Web Share Target), which may be in any of three fields.
func (p *Pages) openForm(v *visit) error {
	query := v.r.URL.Query()
	for _, field := range []string{"link", "url", "text", "title"} {
		if text := query.Get(field); text != "" {
			return p.offerLink(v, text)
		}
	}
	return v.show(http.StatusOK, "open", openPage{})
}

// offerLink shows where a link leads. Nothing is sent there before the person says so: any site can lead here.
func (p *Pages) offerLink(v *visit, link string) error {
	if u, err := url.Parse(link); err == nil && u.Scheme == "" && u.Host == "" { // as a dApp's button opens it, at this very address
		u.Scheme, u.Host = "https", "wallet.invalid"
		link = u.String()
	}
	shown := openPage{Link: link, Shown: show.Plain(link, 2000), Closes: v.r.URL.Path == "/"}
	leads, err := connect.LeadsTo(link)
	if err != nil {
		return p.refuseLink(v, shown, err)
	}
	shown.Leads = leads
	return v.show(http.StatusOK, "open", shown)
}

func (p *Pages) refuseLink(v *visit, shown openPage, err error) error {
	described, expected := p.Describe(err)
	if !expected || described.Status == http.StatusNotFound {
		return err
	}
	shown.Problem, shown.Detail = "open.problem", described.Detail
	if _, blocked := errors.AsType[*connect.BlockedError](err); blocked {
		shown.Problem = "open.blocked"
	} else if errors.Is(err, connect.ErrLink) {
		shown.Problem = "open.noLink"
	}
	return v.show(described.Status, "open", shown)
}

// openLink opens a session with a link.
func (p *Pages) openLink(v *visit) error {
	link := v.form.text("link")
	session, err := p.Sessions.Open(v.ctx(), v.caller, link)
	if err != nil {
		return p.refuseLink(v, openPage{Link: link, Shown: show.Plain(link, 2000)}, err)
	}
	return v.redirect(sessionPath(session.ID, v.form.text("closes") != ""))
}

// sessionPage is what the page of a session shows.
type sessionPage struct {
	connect.View
	Approval *approvalPage // that waits, or nil
	Over     bool
	Opened   bool // by a page of an app, as a window
	Closes   bool // which has nothing left to show
}

// session follows a session to its end. What it asks of the owner is shown right there.
func (p *Pages) session(v *visit) error {
	s, err := p.Sessions.Get(v.ctx(), v.caller, v.name("id"))
	if err != nil {
		return err
	}
	shown := sessionPage{View: s, Over: !s.Ended.IsZero(), Opened: v.r.URL.Query().Get("closes") != ""}
	told := s.State == connect.Done || s.State == connect.Declined && s.Text == "" && s.Code == ""
	shown.Closes = shown.Opened && told && s.Next == "" && s.NextURL == ""
	if s.Approval != "" && s.State == connect.Waiting {
		a, err := p.Approvals.Get(v.ctx(), v.caller, s.Approval)
		if err != nil && !errors.Is(err, auth.ErrNotFound) {
			return err
		}
		if err == nil && a.Status == store.Pending {
			page, err := p.approvalPage(v, a, v.r.URL.RequestURI())
			if err != nil {
				return err
			}
			shown.Approval = &page
		} else if err == nil && (a.Status == store.Approved || a.Status == store.Rejected) {
			shown.State = connect.Answering // as it will be in a moment
		}
	}
	return v.show(http.StatusOK, "session", shown)
}

// cancelSession declines what a session asks, and ends it.
func (p *Pages) cancelSession(v *visit) error {
	id := v.name("id")
	if _, err := p.Sessions.Cancel(v.ctx(), v.caller, id); err != nil && !errors.Is(err, consent.ErrDecided) {
		return err
	}
	return v.redirect(sessionPath(id, v.form.text("closes") != ""))
}

// sessionPath is where a session is followed, in a window that an app opened or in another.
func sessionPath(id string, opened bool) string {
	path := "/sessions/" + url.PathEscape(id)
	if opened {
		path += "?closes=yes"
	}
	return path
}
