package server_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"walletd/internal/server"
	"walletd/internal/wallettest"
)

// say writes to a connection and returns the answers, until it is closed or there are n.
func say(t *testing.T, conn net.Conn, pieces []string, n int) (answers []*http.Response, closed bool) {
	t.Helper()
	for _, piece := range pieces {
		if _, err := io.WriteString(conn, piece); err != nil {
			break // it was closed
		}
	}
	r := bufio.NewReader(conn)
	for range n {
		answer, err := http.ReadResponse(r, nil)
		if err != nil {
			return answers, true
		}
		if _, err := io.Copy(io.Discard, answer.Body); err != nil {
			return answers, true
		}
		answers = append(answers, answer)
		if answer.Close {
			return answers, true
		}
	}
	return answers, false
}

func TestRequestsThatCouldBeReadInTwoWays(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	a := newAuthority(t)
	certFile, keyFile := filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	a.files("test", certFile, keyFile)
	config, err := server.Certificates(certFile, keyFile, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	clear := serving(t, func(ctx context.Context, l net.Listener) error {
		return w.Server.Serve(ctx, l, w.Server.Handler(), nil)
	})
	secured := serving(t, func(ctx context.Context, l net.Listener) error {
		return w.Server.Serve(ctx, l, w.Server.Handler(), config)
	})
	dials := map[string]func() (net.Conn, error){
		"in the clear": func() (net.Conn, error) { return net.Dial("tcp", clear) },
		"over TLS": func() (net.Conn, error) {
			return tls.Dial("tcp", secured, &tls.Config{RootCAs: a.pool, ServerName: "localhost"})
		},
	}
	const lock = "POST /v1/keystore/lock HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
	const probe = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
	for _, c := range []struct {
		name   string
		sent   string
		status []int
		closes bool
	}{
		{"answers a body with its length", lock + "Content-Length: 2\r\n\r\n{}" + probe, []int{401, 200}, false},
		{"answers a body in chunks", lock + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" + probe, []int{401, 200}, false},
		{"answers one of each", lock + "Content-Length: 2\r\n\r\n{}" + lock + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" + probe, []int{401, 401, 200}, false},
		{"refuses both", lock + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" + probe, []int{400}, true},
		{"refuses both the other way round", lock + "Transfer-Encoding: chunked\r\nX-Other: x\r\nContent-Length: 12\r\n\r\n2\r\n{}\r\n0\r\n\r\n" + probe, []int{400}, true},
		{"refuses both in another case", lock + "cOnTeNt-LeNgTh: 2\r\ntransfer-ENCODING:chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" + probe, []int{400}, true},
		{"refuses both in lines that end early", strings.ReplaceAll(lock, "\r\n", "\n") + "Content-Length: 2\nTransfer-Encoding: chunked\n\n2\r\n{}\r\n0\r\n\r\n" + probe, []int{400}, true},
		{"refuses both in a second request", lock + "Content-Length: 2\r\n\r\n{}" + lock + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", []int{401, 400}, true},
		{"refuses two lengths", lock + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}" + probe, []int{400}, true},
		{"refuses an encoding that is none", lock + "Transfer-Encoding: chunked, gzip\r\n\r\n2\r\n{}\r\n0\r\n\r\n" + probe, []int{501}, true},
		{"refuses a chunk whose size is none", lock + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n{}\r\n0\r\n\r\n" + probe, []int{400}, true},
		{"refuses a chunk that is longer than it says", lock + "Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n" + probe, []int{400}, true},
	} {
		for how, dial := range dials {
			t.Run(c.name+" "+how, func(t *testing.T) {
				for _, bytewise := range []bool{false, true} {
					conn, err := dial()
					if err != nil {
						t.Fatal(err)
					}
					defer conn.Close()
					pieces := []string{c.sent}
					if bytewise {
						pieces = strings.SplitAfter(c.sent, "")
					}
					answers, closed := say(t, conn, pieces, len(c.status))
					got := []int{}
					for _, a := range answers {
						got = append(got, a.StatusCode)
					}
					if fmt.Sprint(got) != fmt.Sprint(c.status) || closed != c.closes {
						t.Errorf("got %v, closed %t; want %v, closed %t", got, closed, c.status, c.closes)
					}
				}
			})
		}
	}
}

// A client that is still sending when it is refused reads why, and no reset.
func TestRefusalsAreReadBeforeTheConnectionEnds(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	address := serving(t, func(ctx context.Context, l net.Listener) error {
		return w.Server.Serve(ctx, l, w.Server.Handler(), nil)
	})
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go func() {
		fmt.Fprintf(conn, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Long: %s\r\n\r\n", strings.Repeat("x", 4<<20))
	}()
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("got %d", answer.StatusCode)
	}
	if _, err := io.Copy(io.Discard, conn); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Error(err)
	}
}

func TestHTTP2OverTLS(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	a := newAuthority(t)
	certFile, keyFile := filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	a.files("test", certFile, keyFile)
	config, err := server.Certificates(certFile, keyFile, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	address := serving(t, func(ctx context.Context, l net.Listener) error {
		return w.Server.Serve(ctx, l, w.Server.Handler(), config)
	})
	for _, http2 := range []bool{true, false} {
		client := &http.Client{Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: a.pool, ServerName: "localhost"}, ForceAttemptHTTP2: http2, DisableKeepAlives: true,
		}}
		answer, err := client.Get("https://" + address + "/healthz")
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != 200 || (answer.ProtoMajor == 2) != http2 || answer.Header.Get("Strict-Transport-Security") == "" {
			t.Errorf("got %d over %s, HSTS %q", answer.StatusCode, answer.Proto, answer.Header.Get("Strict-Transport-Security"))
		}
	}
}
