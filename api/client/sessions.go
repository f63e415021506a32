package client

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"strconv"
	"strings"

	"walletd/api"
)

// Sessions lists DID Connect sessions, the newest first. Owner.
func (c *Client) Sessions(ctx context.Context, page api.Page) (api.List[api.Session], error) {
	return call[api.List[api.Session]](ctx, c, request{method: "GET", path: "/v1/sessions", query: page})
}

// OpenSession opens the link that an app shows. The session goes on by itself. Owner.
func (c *Client) OpenSession(ctx context.Context, s api.NewSession) (api.Session, error) {
	return call[api.Session](ctx, c, request{method: "POST", path: "/v1/sessions", body: s})
}

// Session returns one session. Owner.
func (c *Client) Session(ctx context.Context, id string) (api.Session, error) {
	return call[api.Session](ctx, c, request{method: "GET", path: "/v1/sessions/" + segment(id)})
}

// CancelSession ends a session: the app is told that it was declined, if it has asked anything. One
// that has ended stays as it is. Owner.
func (c *Client) CancelSession(ctx context.Context, id string) (api.Session, error) {
	return call[api.Session](ctx, c, request{method: "DELETE", path: "/v1/sessions/" + segment(id)})
}

// maxEvent bounds one line of a stream of events, in bytes.
const maxEvent = 1 << 20

// Events streams what is added to the audit log of the token's wallet, as it is added: after entry
// number after, or with 0 what is new from now on. It ends with an error: that of the context, or an
// *UnreachableError when the service ends the stream, as it does when it stops, is locked, or the
// token is revoked. Whoever goes on passes the Seq of the last event, and misses none; where the log never
// had such an entry, the first event is of the kind api.StreamReset. Owner.
func (c *Client) Events(ctx context.Context, after int64) iter.Seq2[api.Record, error] {
	return func(yield func(api.Record, error) bool) {
		r := request{method: "GET", path: "/v1/events"}
		if after > 0 {
			r.header = http.Header{"Last-Event-ID": {strconv.FormatInt(after, 10)}}
		}
		res, err := c.send(ctx, r)
		if err != nil {
			yield(api.Record{}, err)
			return
		}
		defer res.Body.Close()
		lines := bufio.NewScanner(res.Body)
		lines.Buffer(nil, maxEvent)
		for lines.Scan() {
			// The data of an event is one line; its name and id stand in it too.
			data, ok := strings.CutPrefix(lines.Text(), "data:")
			if !ok {
				continue
			}
			var e api.Record
			if err := json.Unmarshal([]byte(data), &e); err != nil {
				yield(api.Record{}, &AnswerError{res.StatusCode, "with an event that does not fit its description"})
				return
			}
			if !yield(e, nil) {
				return
			}
		}
		err = lines.Err()
		if err == nil {
			err = fmt.Errorf("the stream ended")
		}
		yield(api.Record{}, c.unreachable(ctx, err))
	}
}
