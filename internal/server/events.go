package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"walletd/api"
)

// Times of a stream of events.
const (
	aliveEvery = 15 * time.Second // a comment, so that a proxy keeps the connection
	eventPage  = 200
)

// events streams what is new on the owner's record (server-sent events): each entry is an event
// with its kind as name, its number as id and the entry as data. A client that comes back with
// Last-Event-ID misses nothing; one without begins with what is new; one with an id that the record
// never had, or after which entries are archived, is told so, and begins with what is new. The stream ends when the token does or the
// keystore is locked.
func (s *Server) events(ctx context.Context, c *call, _ none) (raw, error) {
	end, err := s.store.ChainEnd(ctx, c.caller.WalletID)
	if err != nil {
		return raw{}, fmt.Errorf("looking for the end of the record: %w", err)
	}
	archived, err := s.wallets.Archived(ctx, c.caller)
	if err != nil {
		return raw{}, err
	}
	oldest := int64(0) // after which all is there
	if archived != nil {
		oldest = archived.Last
	}
	after, greeting := end.Seq, ": walletd\n\n"
	if id := c.request.Header.Get("Last-Event-ID"); id != "" {
		seq, err := strconv.ParseInt(id, 10, 64)
		if err == nil && seq >= oldest && seq <= end.Seq {
			after = seq
		} else {
			greeting = fmt.Sprintf("event: %s\nid: %d\ndata: {\"seq\":%d,\"kind\":%q}\n\n", api.StreamReset, end.Seq, end.Seq, api.StreamReset)
		}
	}
	give, ok := s.streams.take(c.caller)
	if !ok {
		return raw{}, errStreams
	}
	token, _ := bearer(c.request)
	wallet := c.caller.WalletID
	c.header.Set("X-Accel-Buffering", "no") // nginx would hold the events back
	return raw{"text/event-stream", func(w io.Writer) error {
		defer give()
		s.waiting.Add(1)
		defer s.waiting.Add(-1)
		ctx, cancel := s.stopping(ctx)
		defer cancel()
		grown, end := s.feed.Subscribe(wallet)
		defer end()
		c.caller.Close() // no keys are held between events
		alive := time.NewTicker(aliveEvery)
		defer alive.Stop()
		if err := write(w, greeting); err != nil {
			return nil
		}
		for {
			next, err := s.sendEvents(ctx, w, token, after)
			if err != nil {
				return nil // the client, its token or the service went away
			}
			after = next
			select {
			case <-ctx.Done():
				return nil
			case <-grown:
			case <-alive.C:
				if err := write(w, ":\n\n"); err != nil {
					return nil
				}
			}
		}
	}}, nil
}

// sendEvents writes what came after a number and returns the last one written. The token is looked
// at again each time: one that was revoked hears nothing more.
func (s *Server) sendEvents(ctx context.Context, w io.Writer, token string, after int64) (int64, error) {
	caller, err := s.auth.Authenticate(ctx, token)
	if err != nil {
		return after, err
	}
	defer caller.Close()
	for {
		entries, err := s.wallets.AuditEntries(ctx, caller, after, eventPage)
		if err != nil {
			return after, err
		}
		for _, e := range entries {
			data, err := json.Marshal(recordOf(e))
			if err != nil {
				return after, err
			}
			if err := write(w, fmt.Sprintf("event: %s\nid: %d\ndata: %s\n\n", e.Kind, e.Seq, data)); err != nil {
				return after, err
			}
			after = e.Seq
		}
		if len(entries) < eventPage {
			return after, nil
		}
	}
}

// write sends a piece of a stream now; a client that does not take it in time is cut off.
func write(w io.Writer, text string) error {
	rw, ok := w.(http.ResponseWriter)
	if !ok {
		return errors.New("not a stream")
	}
	control := http.NewResponseController(rw)
	if err := control.SetWriteDeadline(time.Now().Add(bodyTime)); err != nil {
		return err
	}
	if _, err := io.WriteString(w, text); err != nil {
		return err
	}
	return control.Flush()
}
