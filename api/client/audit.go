package client

import (
	"bytes"
	"context"
	"encoding/json"
	"io"

	"walletd/api"
)

// Audit is an audit log: a wallet's, or the service's own. It may be used concurrently.
type Audit struct {
	c    *Client
	path func(ctx context.Context, more string) (string, error)
}

// Audit returns the service's own log, of what operators do. Operator.
func (c *Client) Audit() *Audit {
	return &Audit{c, func(_ context.Context, more string) (string, error) { return "/v1/audit" + more, nil }}
}

// Audit returns the wallet's log.
func (w *Wallet) Audit() *Audit {
	return &Audit{w.c, func(ctx context.Context, more string) (string, error) { return w.path(ctx, "/audit"+more) }}
}

// Records lists entries in the order of their numbers. Next of the answer is the After of the next
// page.
func (a *Audit) Records(ctx context.Context, query api.RecordsQuery) (l api.List[api.Record], err error) {
	path, err := a.path(ctx, "")
	if err != nil {
		return l, err
	}
	return call[api.List[api.Record]](ctx, a.c, request{method: "GET", path: path, query: query})
}

// Verify has the service check that the log holds together. A long one takes minutes.
func (a *Audit) Verify(ctx context.Context) (v api.Verification, err error) {
	path, err := a.path(ctx, "/verify")
	if err != nil {
		return v, err
	}
	err = a.c.stream(ctx, request{method: "GET", path: path}, &v)
	return v, err
}

// Archives lists the files that entries of a wallet's log were moved to, the newest first. Owner.
func (a *Audit) Archives(ctx context.Context, page api.Page) (l api.List[api.Archive], err error) {
	path, err := a.path(ctx, "/archives")
	if err != nil {
		return l, err
	}
	return call[api.List[api.Archive]](ctx, a.c, request{method: "GET", path: path, query: page})
}

// Archive moves the oldest entries of a wallet's log into a file of the service's directory for archives. A long log takes
// minutes. Operator.
func (a *Audit) Archive(ctx context.Context, n api.NewArchive) (made api.MadeArchive, err error) {
	path, err := a.path(ctx, "/archives")
	if err != nil {
		return made, err
	}
	err = a.c.stream(ctx, request{method: "POST", path: path, body: n}, &made)
	return made, err
}

// Export returns the whole log, a JSON value a line, to be verified without the service. Reading it ends with an error, and
// with the service's *api.Problem if that says why it could not write the whole.
func (a *Audit) Export(ctx context.Context) (*Download, error) {
	path, err := a.path(ctx, "/export")
	if err != nil {
		return nil, err
	}
	d, err := a.c.download(ctx, request{method: "GET", path: path})
	if err != nil {
		return nil, err
	}
	d.ReadCloser = &export{ReadCloser: d.ReadCloser}
	return d, nil
}

// export reads an exported log, whose last line may be why it is not whole.
type export struct {
	io.ReadCloser
	end []byte // of what was read
}

// longestProblem is how long that line may be, in bytes.
const longestProblem = 4 << 10

// Read implements io.Reader.
func (e *export) Read(p []byte) (int, error) {
	n, err := e.ReadCloser.Read(p)
	e.end = append(e.end, p[max(0, n-longestProblem):n]...)
	e.end = append(e.end[:0], e.end[max(0, len(e.end)-longestProblem):]...)
	if err == nil {
		return n, nil
	}
	last := bytes.TrimSuffix(e.end, []byte("\n"))
	last = last[bytes.LastIndexByte(last, '\n')+1:]
	var broken struct{ Error *api.Problem }
	if json.Unmarshal(last, &broken) == nil && broken.Error != nil {
		err = broken.Error
	}
	return n, err
}
