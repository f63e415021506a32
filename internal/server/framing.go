package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"
)

// framed is a connection of HTTP/1. A request with both Content-Length and Transfer-Encoding could
// be read in two ways: by a proxy in front as one request, here as two. net/http drops the one and
// believes the other, as RFC 9112 (section 6.3) allows, so the head is broken before net/http sees
// it, which answers 400 and closes.
type framed struct {
	net.Conn
	atLineStart bool
	line        []byte // of the line that has begun, as much as tells the two headers
	length      bool   // the head, so far, has a Content-Length
	encoding    bool   // and a Transfer-Encoding
}

var (
	contentLength    = []byte("content-length:")
	transferEncoding = []byte("transfer-encoding:")
)

func newFramed(c net.Conn) *framed { return &framed{Conn: c, atLineStart: true} }

// Read reads and looks at each line that begins. Bodies are looked at too, but here they are JSON, in which
// no line begins like one of the headers.
func (f *framed) Read(b []byte) (int, error) {
	n, err := f.Conn.Read(b)
	for rest := b[:n]; len(rest) > 0; {
		if !f.atLineStart {
			end := bytes.IndexByte(rest, '\n')
			if end < 0 {
				break
			}
			rest, f.atLineStart = rest[end+1:], true
			continue
		}
		rest = f.begin(rest)
	}
	return n, err
}

// begin looks at the beginning of a line, which may come in pieces, and returns what it has not
// looked at.
func (f *framed) begin(rest []byte) []byte {
	for i, c := range rest {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		f.line = append(f.line, c)
		switch {
		case c == '\n':
			if len(bytes.TrimRight(f.line, "\r\n")) == 0 {
				f.length, f.encoding = false, false // the head has ended
			}
			f.line = f.line[:0]
		case bytes.HasPrefix(contentLength, f.line) || bytes.HasPrefix(transferEncoding, f.line) || len(f.line) == 1 && c == '\r':
			if c != ':' {
				continue
			}
			f.length = f.length || f.line[0] == 'c'
			f.encoding = f.encoding || f.line[0] == 't'
			if f.length && f.encoding {
				rest[i] = ' ' // a line without a colon is no header
			}
			fallthrough
		default:
			f.line, f.atLineStart = f.line[:0], false
			return rest[i+1:]
		}
	}
	return nil
}

// A connection that is closed lingers for lingerTime, or lingerBytes that still come: what is not
// read makes the system reset it, and the client may not read the refusal that was its answer.
const (
	lingerTime  = 500 * time.Millisecond
	lingerBytes = 256 << 10
)

// Close ends what is sent at once, and the connection when the client has ended it too, or soon.
func (f *framed) Close() error {
	if f.CloseWrite() != nil || f.Conn.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return f.Conn.Close()
	}
	go func() {
		io.CopyN(io.Discard, f.Conn, lingerBytes)
		f.Conn.Close()
	}()
	return nil
}

// CloseWrite ends what is sent and leaves what is read open.
func (f *framed) CloseWrite() error { return closeWrite(f.Conn) }

// closeWrite closes one half of a connection: net/http does it after a refusal, so that the client
// reads the answer before it learns that nobody reads the rest of what it sends.
func closeWrite(c net.Conn) error {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// secured is a framed connection over TLS, as which net/http knows it by ConnectionState.
type secured struct {
	*framed
	tls *tls.Conn
}

// ConnectionState returns the state of TLS.
func (s secured) ConnectionState() tls.ConnectionState { return s.tls.ConnectionState() }

// tlsListener does the handshakes of its connections, and returns those of HTTP/2 as they are and
// those of HTTP/1 framed.
type tlsListener struct {
	net.Listener
	config *tls.Config
	failed func() // hears of a handshake that failed

	accepted chan accepted
	ends     context.Context
	stop     context.CancelFunc
}

// accepted is what Accept returns.
type accepted struct {
	conn net.Conn
	err  error
}

func newTLSListener(l net.Listener, config *tls.Config, failed func()) *tlsListener {
	t := &tlsListener{Listener: l, config: config, failed: failed, accepted: make(chan accepted)}
	t.ends, t.stop = context.WithCancel(context.Background())
	go t.accept()
	return t
}

// accept begins a handshake with each connection until the listener is closed.
func (t *tlsListener) accept() {
	for {
		c, err := t.Listener.Accept()
		if err == nil {
			go t.shake(c)
			continue
		}
		select {
		case t.accepted <- accepted{err: err}: // net/http tries again if it makes sense
		case <-t.ends.Done():
			return
		}
	}
}

func (t *tlsListener) shake(c net.Conn) {
	conn := tls.Server(c, t.config)
	ctx, cancel := context.WithTimeout(t.ends, headerTime)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		c.Close()
		t.failed()
		return
	}
	ready := net.Conn(conn)
	if conn.ConnectionState().NegotiatedProtocol != "h2" {
		ready = secured{newFramed(conn), conn}
	}
	select {
	case t.accepted <- accepted{conn: ready}:
	case <-t.ends.Done():
		conn.Close()
	}
}

// Accept returns the next connection whose handshake is done.
func (t *tlsListener) Accept() (net.Conn, error) {
	select {
	case a := <-t.accepted:
		return a.conn, a.err
	case <-t.ends.Done():
		return nil, net.ErrClosed
	}
}

// Close ends the listener, and handshakes that are under way.
func (t *tlsListener) Close() error {
	t.stop()
	return t.Listener.Close()
}

// framedListener frames the connections of a listener without TLS.
type framedListener struct{ net.Listener }

// Accept returns the next connection.
func (l framedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return newFramed(c), nil
}
