package browser

import (
	"fmt"
	"slices"
	"strings"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
)

// Problem is something that the browser complains of.
type Problem struct {
	Kind string // "console", "exception", "policy" (content security, trusted types) or "request"
	Text string
	URL  string // of the script or of what was requested; may be empty
}

func (p Problem) String() string { return strings.TrimSpace(p.Kind + ": " + p.Text + " " + p.URL) }

// Request is a request of a page. Those of its service worker are not among them.
type Request struct {
	URL, Method string
	Status      int // 0 as long as nothing was answered
	Bytes       int // that came over the wire, with the headers
	Failure     string
}

// listen keeps what the browser tells of the page.
func (p *Page) listen(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *log.EventEntryAdded:
		switch {
		case e.Entry.Level != log.EntryLevelError, e.Entry.Source == log.EntrySourceNetwork: // told below
		case e.Entry.Source == log.EntrySourceSecurity:
			p.problems = append(p.problems, Problem{"policy", e.Entry.Text, e.Entry.URL})
		default:
			p.problems = append(p.problems, Problem{"console", e.Entry.Text, e.Entry.URL})
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type != "error" && e.Type != "assert" {
			return
		}
		var words []string
		for _, a := range e.Args {
			words = append(words, strings.TrimSpace(string(a.Value)+" "+a.Description))
		}
		p.problems = append(p.problems, Problem{Kind: "console", Text: strings.Join(words, " ")})
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if o := e.ExceptionDetails.Exception; o != nil {
			text += " " + string(o.Value) + o.Description
		}
		p.problems = append(p.problems, Problem{"exception", text, e.ExceptionDetails.URL})
	case *network.EventRequestWillBeSent:
		r := &Request{URL: e.Request.URL, Method: e.Request.Method}
		if was := p.open[e.RequestID]; was != nil && e.RedirectResponse != nil {
			was.Status = int(e.RedirectResponse.Status)
		}
		p.open[e.RequestID] = r
		p.requests = append(p.requests, r)
	case *network.EventResponseReceived:
		if r := p.open[e.RequestID]; r != nil {
			r.Status = int(e.Response.Status)
			if r.Status >= 400 {
				p.problems = append(p.problems, Problem{"request", fmt.Sprintf("%s %d", r.Method, r.Status), r.URL})
			}
		}
	case *network.EventLoadingFinished:
		if r := p.open[e.RequestID]; r != nil {
			r.Bytes = int(e.EncodedDataLength)
		}
	case *network.EventLoadingFailed:
		r := p.open[e.RequestID]
		if r == nil {
			return
		}
		r.Failure = e.ErrorText
		if !e.Canceled {
			p.problems = append(p.problems, Problem{"request", r.Method + " " + e.ErrorText + " " + string(e.BlockedReason), r.URL})
		}
	}
}

// Problems are what the browser complained of since the tab was opened, or since Forget.
func (p *Page) Problems() []Problem {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.problems)
}

// Requests are those that the page made since the tab was opened, or since Forget.
func (p *Page) Requests() []Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]Request, len(p.requests))
	for i, r := range p.requests {
		all[i] = *r
	}
	return all
}

// Forget forgets problems and requests.
func (p *Page) Forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.problems, p.requests = nil, nil
}
