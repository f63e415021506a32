package pages

import (
	"time"

	"walletd/internal/approvals"
)

// history says in sentences what the owner decided about an app before.
func (l *language) history(v approvals.View) ([]string, error) {
	h := v.History
	if h == nil {
		return nil, nil
	}
	var said []string
	say := func(key string, words ...any) error {
		text, err := l.text(key, words...)
		said = append(said, text)
		return err
	}
	if err := l.sayApproved(say, v); err != nil {
		return nil, err
	}
	if err := l.sayRejected(say, *h); err != nil {
		return nil, err
	}
	if h.More {
		if err := say("history.more"); err != nil {
			return nil, err
		}
	}
	return said, nil
}

func (l *language) sayApproved(say func(key string, words ...any) error, v approvals.View) error {
	h := v.History
	same, err := l.same(v)
	switch {
	case err != nil:
		return err
	case h.Approved == 0 && h.Rejected == 0:
		return say("history.never")
	case h.Approved == 0:
		return say("history.neverApproved")
	case h.Approved == 1:
		return say("history.approvedOnce", l.day(h.Since), same)
	}
	return say("history.approved", h.Approved, l.day(h.Since), same)
}

func (l *language) sayRejected(say func(key string, words ...any) error, h approvals.History) error {
	switch {
	case h.Rejected == 0:
		return nil
	case h.Approved == 0 && h.Rejected == 1:
		return say("history.rejectedOnceSince", l.day(h.Since))
	case h.Approved == 0:
		return say("history.rejectedSince", h.Rejected, l.day(h.Since))
	case h.Rejected == 1:
		return say("history.rejectedOnce")
	}
	return say("history.rejected", h.Rejected)
}

// same says how many of the approved requests asked for what this one asks for.
func (l *language) same(v approvals.View) (string, error) {
	h := v.History
	switch {
	case h.SameSalts == 0:
		return l.text("history.newSalt")
	case h.Same == 0:
		return l.text("history.sameNever")
	case h.Same == h.Approved:
		return l.text("history.sameAlways")
	case h.Same == 1:
		return l.text("history.sameOnce")
	}
	return l.text("history.same", h.Same)
}

// day writes the day of a time.
func (l *language) day(t time.Time) string {
	layout := "2 January 2006"
	if l.tag != "en" {
		layout = "2006年1月2日"
	}
	return t.UTC().Format(layout)
}
