package server

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"
)

// Certificates returns a TLS configuration that serves a certificate chain and key in PEM files,
// and takes up new ones as soon as the files change. While they do not fit together (one is
// written, the other not yet) the ones before stay in use.
func Certificates(certFile, keyFile string) (*tls.Config, error) {
	k := &keyPair{certFile: certFile, keyFile: keyFile}
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

	mu    sync.Mutex
	seen  [2]version
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
	if err == nil && (seen != k.seen || k.valid == nil) {
		var pair tls.Certificate
		if pair, err = tls.LoadX509KeyPair(k.certFile, k.keyFile); err == nil {
			k.seen, k.valid = seen, &pair
		}
	}
	if k.valid == nil {
		return nil, fmt.Errorf("reading the TLS certificate: %w", err)
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
