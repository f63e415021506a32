package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"walletd/api"
	"walletd/api/client"
)

// healthCmd is the probe of a container: it needs no token, and sends none.
type healthCmd struct {
	URL    string `name:"url" xor:"where" placeholder:"URL" help:"The service. Without it: WALLETD_URL, the one that serve --dev runs here, WALLETD_LISTEN, or ${listen}."`
	Listen string `xor:"where" placeholder:"HOST:PORT" help:"Or the address that serve listens on, without TLS."`
	Ready  bool   `help:"Ask whether it can answer claims, not only whether it is alive."`
}

func (cmd *healthCmd) Run(ctx context.Context, con *console) error {
	base, err := cmd.place()
	if err != nil {
		return err
	}
	path := "/healthz"
	if cmd.Ready {
		path = "/readyz"
	}
	status, state, err := probe(ctx, base, path)
	if err != nil {
		return withHint(fmt.Errorf("the service does not answer: %w", err), "is walletd running at "+shown(base)+"?")
	}
	if con.json {
		if err := con.JSON(map[string]string{"status": state}); err != nil {
			return err
		}
	} else {
		con.printf("%s\n", shown(state))
	}
	if status == http.StatusOK {
		return nil
	}
	return withHint(errors.New("the service is not ready"), notReady(state))
}

// place finds the address: what was said beats what the environment says.
func (cmd *healthCmd) place() (string, error) {
	switch url := os.Getenv("WALLETD_URL"); {
	case cmd.URL != "":
		return cmd.URL, nil
	case cmd.Listen != "":
		return reachable(cmd.Listen)
	case url != "":
		return url, nil
	}
	if url, err := devFile("url"); err == nil {
		return string(url.Reveal()), nil
	}
	return reachable(cmp.Or(os.Getenv("WALLETD_LISTEN"), defaultListen))
}

// notReady says what to do about a service in that state.
func notReady(state string) string {
	switch state {
	case "locked":
		return "an operator unlocks it: walletd keystore unlock"
	case "clock":
		return "set the clock of the service's machine; if it is right, walletd keystore clock --accept"
	case "store":
		return "is the database running, and is there room on the store's disk? The service's log says why"
	}
	return "the service's log says more"
}

// reachable makes the URL of a listener: one on every address is asked through loopback.
func reachable(listen string) (string, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", usagef("--listen takes HOST:PORT, as in %s", defaultListen)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port), nil
}

// probe asks for the state of a service.
func probe(ctx context.Context, base, path string) (status int, state string, err error) {
	u, err := url.Parse(base)
	if err != nil {
		return 0, "", errors.New("its address is not a URL")
	}
	transport := &http.Transport{DialTLSContext: dialProbe}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.JoinPath(path).String(), nil)
	if err != nil {
		return 0, "", err
	}
	res, err := (&http.Client{Transport: transport, Timeout: 5 * time.Second}).Do(req)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err
		}
		return 0, "", err
	}
	defer res.Body.Close()
	var v struct{ Status string }
	if err := json.NewDecoder(io.LimitReader(res.Body, 4096)).Decode(&v); err != nil {
		return 0, "", fmt.Errorf("it answered %d, not as walletd does", res.StatusCode)
	}
	return res.StatusCode, v.Status, nil
}

// dialProbe opens a TLS connection. Where it goes to this machine itself the certificate is not
// checked: nothing secret goes either way, and the image has neither the authority that signed it nor,
// asked as 127.0.0.1, the name in it.
func dialProbe(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	host, _, _ := net.SplitHostPort(address)
	here, _, _ := net.SplitHostPort(conn.LocalAddr().String())
	there, _, _ := net.SplitHostPort(conn.RemoteAddr().String())
	secure := tls.Client(conn, &tls.Config{ServerName: host, InsecureSkipVerify: here == there})
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secure, nil
}

// metricsCmd shows what a collector of metrics would get. On the machine itself it needs no token.
type metricsCmd struct{ remote }

// Run prints the metrics.
func (cmd *metricsCmd) Run(ctx context.Context, out *console) error {
	c, err := cmd.open(out, api.RoleOperator)
	if errors.Is(err, errNoToken) {
		c, err = cmd.openBare()
	}
	if err != nil {
		return err
	}
	m, err := c.Metrics(ctx)
	return out.copy(m, err)
}

// openapiCmd shows the contract of the service that runs.
type openapiCmd struct{ serviceFlag }

// Run prints the contract.
func (cmd *openapiCmd) Run(ctx context.Context, out *console) error {
	c, err := cmd.openBare()
	if err != nil {
		return err
	}
	doc, err := c.OpenAPI(ctx)
	return out.copy(doc, err)
}

// copy prints an answer as it comes.
func (con *console) copy(d *client.Download, err error) error {
	if err != nil {
		return err
	}
	defer d.Close()
	_, err = io.Copy(con.bytesOut(), d)
	return err
}
