package server

import (
	"crypto/tls"
	"fmt"
	"math"
	"os"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// Certificates returns a TLS configuration that serves a certificate chain and key in PEM files,
// and takes up new ones as soon as the files change. While they do not fit together (one is
// written, the other not yet) the ones before stay in use, and the log says so once for each change.
func Certificates(certFile, keyFile string, log zerolog.Logger) (*tls.Config, error) {
	k := &keyPair{certFile: certFile, keyFile: keyFile, log: log}
	if _, err := k.current(nil); err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: k.current,
	}, nil
}

// keyPair is the certificate that was read last, with what tells whether the files changed.
type keyPair struct {
	certFile, keyFile string
	log               zerolog.Logger

	mu    sync.Mutex
	seen  [2]version // of valid
	tried [2]version // that could not be used, and the log says so
	valid *tls.Certificate
}

// version tells two contents of a file apart.
type version struct {
	changed time.Time
	size    int64
}

// current returns the certificate, read anew if a file changed. The error is that of the first
// read; later ones keep what was valid.
func (k *keyPair) current(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	seen, err := k.look()
	if err == nil && seen == k.seen {
		return k.valid, nil
	}
	var pair tls.Certificate
	if err == nil {
		pair, err = tls.LoadX509KeyPair(k.certFile, k.keyFile)
	}
	switch {
	case err == nil:
		if k.valid != nil {
			k.log.Info().Time("expires", pair.Leaf.NotAfter).Msg("a new TLS certificate is in use")
		}
		k.seen, k.valid = seen, &pair
	case k.valid == nil:
		return nil, fmt.Errorf("reading the TLS certificate: %w", err)
	case seen != k.tried:
		k.tried = seen
		k.log.Error().Err(err).Time("expires", k.valid.Leaf.NotAfter).Msg("the TLS certificate was not renewed: the one before stays in use")
	}
	return k.valid, nil
}

func (k *keyPair) look() (seen [2]version, err error) {
	for i, name := range []string{k.certFile, k.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return seen, err
		}
		seen[i] = version{info.ModTime(), info.Size()}
	}
	return seen, nil
}

// observeCertificate adds when the certificate in use expires to the metrics.
func (s *Server) observeCertificate(config *tls.Config) {
	s.metrics.gauge("walletd_certificate_expiry_timestamp_seconds", func() float64 {
		pair, err := config.GetCertificate(&tls.ClientHelloInfo{})
		if err != nil || pair.Leaf == nil {
			return math.NaN()
		}
		return float64(pair.Leaf.NotAfter.Unix())
	})
}
