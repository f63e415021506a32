package server

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"time"
)

// defaultConnections bounds the open connections of a Server whose Config does not say.
const defaultConnections = 1024

// reservedConnections is how many more are taken for operators and probes, when no other can be.
const reservedConnections = 16

// connections bounds the open connections of all listeners. At the bound one on which nothing is
// being answered makes room: first of those that never asked anything the oldest, then the one that
// has been idle longest. Where there is none, a few more are taken for operators and probes alone.
type connections struct {
	limit  int
	bites  func(limit string) // hears when the bound bites
	mu     sync.Mutex
	opened map[*connection]struct{}
	served map[net.Conn]time.Time // since when, of those that net/http has not let go of
}

// connection is one open connection.
type connection struct {
	net.Conn
	all      *connections
	reserved bool // for operators and probes alone
	opened   time.Time

	// Guarded by all.mu.
	answering int  // requests that have come whole, with their heads
	asked     bool // at least one request has come
	since     time.Time
}

// take counts a new connection, or returns nil where there is no room.
func (cs *connections) take(c net.Conn) *connection {
	now := time.Now()
	fresh := &connection{Conn: c, all: cs, opened: now, since: now}
	taken, limit := cs.add(fresh)
	if limit != "" {
		cs.bites(limit)
	}
	if !taken {
		return nil
	}
	return fresh
}

// add counts a new connection if there is room, and names the limit that was reached, if one was.
func (cs *connections) add(c *connection) (taken bool, limit string) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	taken, made := cs.room(false, cs.limit)
	if made {
		limit = "connections_idle"
	}
	if !taken {
		c.reserved, limit = true, "connections"
		taken, _ = cs.room(true, reservedConnections)
	}
	if taken {
		cs.opened[c] = struct{}{}
	}
	return taken, limit
}

// room reports whether there is room for one more of a number of connections, those that are for
// operators and probes or those that are for all, and whether it had to be made.
func (cs *connections) room(reserved bool, limit int) (there, made bool) {
	n := 0
	var idle *connection
	for c := range cs.opened {
		if c.reserved != reserved {
			continue
		}
		n++
		switch {
		case c.answering > 0:
		case idle == nil, idle.asked && !c.asked, idle.asked == c.asked && c.since.Before(idle.since):
			idle = c
		}
	}
	if n < limit {
		return true, false
	}
	if idle == nil {
		return false, false
	}
	delete(cs.opened, idle)
	idle.Conn.Close()
	return true, true
}

// Close closes the connection and gives its room back.
func (c *connection) Close() error {
	c.all.mu.Lock()
	delete(c.all.opened, c)
	c.all.mu.Unlock()
	return c.Conn.Close()
}

// CloseWrite ends what is sent and leaves what is read open.
func (c *connection) CloseWrite() error { return closeWrite(c.Conn) }

// begin notes that a request is being answered, until end.
func (c *connection) begin() (end func()) {
	c.all.mu.Lock()
	defer c.all.mu.Unlock()
	c.answering++
	c.asked = true
	return func() {
		c.all.mu.Lock()
		defer c.all.mu.Unlock()
		c.answering--
		c.since = time.Now()
	}
}

// CloseIdle closes the connections that were opened before a time and on which nothing is being
// answered, and returns how many from before it are still served. The buffers of a connection hold what
// was last sent on it, as a token or a key, until it is served no more.
func (s *Server) CloseIdle(before time.Time) (left int) { return s.open.closeIdle(before) }

func (cs *connections) closeIdle(before time.Time) (left int) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for c := range cs.opened {
		if c.answering == 0 && !c.opened.After(before) {
			delete(cs.opened, c)
			c.Conn.Close()
		}
	}
	for _, since := range cs.served {
		if !since.After(before) {
			left++
		}
	}
	return left
}

// state hears from net/http of each connection.
func (cs *connections) state(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		cs.mu.Lock()
		defer cs.mu.Unlock()
		cs.served[c] = time.Now()
	case http.StateClosed, http.StateHijacked:
		cs.mu.Lock()
		defer cs.mu.Unlock()
		delete(cs.served, c)
	}
}

// count returns how many connections are open, and on how many of them something is being answered.
func (cs *connections) count() (open, answering int) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for c := range cs.opened {
		if c.answering > 0 {
			answering++
		}
	}
	return len(cs.opened), answering
}

// boundListener counts the connections of a listener.
type boundListener struct {
	net.Listener
	all *connections
}

// Accept returns the next connection that there is room for.
func (l boundListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if taken := l.all.take(c); taken != nil {
			return taken, nil
		}
		c.Close()
	}
}

type connectionKey struct{}

// withConnection puts the connection beneath another, of TLS or of HTTP/1, into a context.
func withConnection(ctx context.Context, c net.Conn) context.Context {
	for {
		switch beneath := c.(type) {
		case *connection:
			return context.WithValue(ctx, connectionKey{}, beneath)
		case *framed:
			c = beneath.Conn
		case secured:
			c = beneath.tls
		case *tls.Conn:
			c = beneath.NetConn()
		default:
			return ctx
		}
	}
}

// connectionOf returns the connection that a request came on, nil in tests without a listener.
func connectionOf(r *http.Request) *connection {
	c, _ := r.Context().Value(connectionKey{}).(*connection)
	return c
}

// onReserve reports whether a request came on a connection that is for operators and probes alone.
func onReserve(r *http.Request) bool {
	c := connectionOf(r)
	return c != nil && c.reserved
}
