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
	finishTime = 18 * time.Second // what is under way at a stop
	maxHeader  = 16 << 10         // bytes
)

// defaultIdle is how long a connection may be idle if a Config does not say: longer than proxies keep
// one of theirs, which is a minute for most.
const defaultIdle = 2 * time.Minute

// Drain says that the service is about to stop: /readyz is not ready, so that proxies send nothing
// more, and each answer ends its connection. Listeners stay open until the context of Serve ends.
func (s *Server) Drain() { s.draining.Store(true) }

// Serve answers on a listener until ctx ends. Then the listener closes, those who wait for an owner
// are answered at once, and what is under way has 18 s to finish before it is cut off. With a TLS
// configuration (see Certificates) it speaks TLS. It returns nil after a stop. Whoever is to lose
// no request calls Drain some time before.
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
		ConnState:         s.open.state,
		ErrorLog:          stdlog.New(connectionErrors{s.metrics}, "", 0),
	}
	srv.RegisterOnShutdown(s.stop)
	finished := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		s.Drain()
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTime)
		defer cancel()
		finished <- srv.Shutdown(end)
	})
	if config != nil {
		s.observeCertificate(config)
		l = newTLSListener(l, config, s.metrics.connectionError)
	} else {
		l = framedListener{l}
	}
	err := srv.Serve(l)
	if stop() || !errors.Is(err, http.ErrServerClosed) {
		srv.Close()
		return fmt.Errorf("serving %s: %w", l.Addr(), err)
	}
	if err := <-finished; err != nil {
		s.log.Warn().Err(err).Stringer("address", l.Addr()).Msg("what was not finished at the stop is cut off")
		srv.Close()
	}
	return nil
}

// connectionErrors takes what net/http logs about connections. It may quote the client, so only that
// something went wrong is counted.
type connectionErrors struct{ metrics *Metrics }

// Write counts a connection that failed.
func (e connectionErrors) Write(b []byte) (int, error) {
	e.metrics.connectionError()
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
