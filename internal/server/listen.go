package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	stdlog "log"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// Times of a listener. A client that sends slowly, or reads slowly, is cut off; the longest
// honest request is an unlock that waits 30 s for its turn and then works.
const (
	headerTime = 5 * time.Second
	bodyTime   = 20 * time.Second
	answerTime = 75 * time.Second
	drainTime  = 35 * time.Second
	maxHeader  = 16 << 10 // bytes
)

// defaultIdle is how long a connection may be idle if a Config does not say: longer than proxies keep
// one of theirs, which is a minute for most.
const defaultIdle = 2 * time.Minute

// Serve answers on a listener until ctx ends, then drains: nothing new is taken, those who wait
// for a person are answered at once, and what is under way has 35 s to finish. With a TLS
// configuration (see Certificates) it speaks TLS. It closes the listener and returns nil
// after an orderly stop.
func (s *Server) Serve(ctx context.Context, l net.Listener, h http.Handler, config *tls.Config) error {
	if len(s.proxies) > 0 {
		l = &gate{Listener: l, from: s.proxies}
	}
	return s.serveOn(ctx, l, h, config)
}

// ServeMetrics answers /metrics and the probes on a listener as Serve does, to whoever connects
// and in the clear: they name nobody and hold no secret.
func (s *Server) ServeMetrics(ctx context.Context, l net.Listener) error {
	return s.serveOn(ctx, l, s.router(scrapersAlone), nil)
}

func (s *Server) serveOn(ctx context.Context, l net.Listener, h http.Handler, config *tls.Config) error {
	l = boundListener{l, s.open}
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTime,
		ReadTimeout:       bodyTime,
		WriteTimeout:      answerTime,
		IdleTimeout:       s.idle,
		MaxHeaderBytes:    maxHeader,
		TLSConfig:         config,
		ConnContext:       withConnection,
		ErrorLog:          stdlog.New(quiet{s}, "", 0),
	}
	srv.RegisterOnShutdown(s.stop)
	drained := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
		defer cancel()
		drained <- srv.Shutdown(end)
	})
	if config != nil {
		l = newTLSListener(l, config, s.metrics.connectionError)
	} else {
		l = framedListener{l}
	}
	err := srv.Serve(l)
	if stop() || !errors.Is(err, http.ErrServerClosed) {
		srv.Close()
		return fmt.Errorf("serving %s: %w", l.Addr(), err)
	}
	if err := <-drained; err != nil {
		srv.Close()
		return fmt.Errorf("draining %s: %w", l.Addr(), err)
	}
	return nil
}

// quiet takes what net/http logs about connections. It may quote the client, so only that
// something went wrong is kept.
type quiet struct{ s *Server }

// Write counts a connection that failed.
func (q quiet) Write(b []byte) (int, error) {
	q.s.metrics.connectionError()
	return len(b), nil
}

// gate lets only the proxies and this machine connect: a client that came past the proxy would
// send its token in clear, and is cut off before it can.
type gate struct {
	net.Listener
	from proxies
}

// Accept returns the next connection that may be.
func (g *gate) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if err != nil || g.allows(c.RemoteAddr()) {
			return c, err
		}
		c.Close()
	}
}

func (g *gate) allows(a net.Addr) bool {
	from, err := netip.ParseAddrPort(a.String())
	return err == nil && (from.Addr().Unmap().IsLoopback() || g.from.contains(from.Addr()))
}
