package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"walletd/api"
	"walletd/api/client"
	"walletd/internal/secret"
)

// defaultListen is where serve listens and clients look.
const defaultListen = "127.0.0.1:8080"

// remote says which service a client speaks to, and as whom. A command embeds one of asOwner,
// asOperator and asApp, by which its Run is given the client.
type remote struct {
	serviceFlag
	TokenFile string `placeholder:"FILE" type:"path" help:"File with the token. Without it: WALLETD_TOKEN, WALLETD_TOKEN_FILE, or what serve --dev left here."`
	As        string `enum:"operator,owner,app," default:"" placeholder:"ROLE" help:"With serve --dev: which of its tokens to use (operator, owner, app)."`
}

// serviceFlag says which service is meant.
type serviceFlag struct {
	URL        string `name:"url" env:"WALLETD_URL" placeholder:"URL" help:"The service. Without it (and WALLETD_URL): the one that serve --dev runs here, or http://127.0.0.1:8080."`
	CAFile     string `name:"ca-file" env:"WALLETD_CA_FILE" type:"path" placeholder:"FILE" help:"Trust the authority whose certificate this is (PEM), or the service's own certificate, and no other."`
	ServerName string `env:"WALLETD_SERVER_NAME" placeholder:"NAME" help:"The name that the service's certificate must have, if it is not the one in the URL."`
}

// tls is how https is spoken; nil is as this machine is set up.
func (f serviceFlag) tls() (*tls.Config, error) {
	if f.CAFile == "" && f.ServerName == "" {
		return nil, nil
	}
	c := &tls.Config{ServerName: f.ServerName}
	if f.CAFile != "" {
		pem, err := os.ReadFile(f.CAFile)
		if err != nil {
			return nil, err
		}
		if c.RootCAs = x509.NewCertPool(); !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate in PEM", shown(f.CAFile))
		}
	}
	return c, nil
}

type (
	asOwner    struct{ remote }
	asOperator struct{ remote }
	asApp      struct{ remote }
)

// ProvideClient makes the client of an owner's command.
func (r asOwner) ProvideClient(con *console) (*client.Client, error) {
	return r.open(con, api.RoleOwner)
}

// ProvideClient makes the client of an operator's command.
func (r asOperator) ProvideClient(con *console) (*client.Client, error) {
	return r.open(con, api.RoleOperator)
}

// ProvideClient makes the client of an app's command.
func (r asApp) ProvideClient(con *console) (*client.Client, error) { return r.open(con, api.RoleApp) }

// open makes a client. The role says which token of serve --dev to use, unless --as says another.
func (r remote) open(con *console, role api.Role) (*client.Client, error) {
	base, dev, err := r.place()
	if err != nil {
		return nil, err
	}
	if r.As != "" {
		role = api.Role(r.As)
	}
	token, err := r.token(con, dev, role)
	if err != nil {
		return nil, err
	}
	return r.client(base, token)
}

// openBare makes a client without a token.
func (f serviceFlag) openBare() (*client.Client, error) {
	base, _, err := f.place()
	if err != nil {
		return nil, err
	}
	return f.client(base, secret.Bytes{})
}

func (f serviceFlag) client(base string, token secret.Bytes) (*client.Client, error) {
	t, err := f.tls()
	if err != nil {
		return nil, err
	}
	c, err := client.New(client.Config{URL: base, Token: api.SecretText{Bytes: token}, TLS: t})
	if errors.Is(err, client.ErrCleartext) {
		u, _ := url.Parse(base)
		return nil, withHint(err, "use https://"+shown(u.Host)+", or run walletd on the machine itself")
	}
	return c, err
}

// place finds the service's address; dev tells that it is that of serve --dev.
func (f serviceFlag) place() (base string, dev bool, err error) {
	local, err := devFile("url")
	if err != nil && f.URL == "" && !errors.Is(err, fs.ErrNotExist) {
		return "", false, err
	}
	address := string(local.Reveal())
	switch {
	case f.URL != "" && f.URL != address:
		return f.URL, false, nil
	case address == "":
		return "http://" + defaultListen, false, nil
	}
	u, err := url.Parse(address)
	if err != nil {
		return "", false, client.ErrURL
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err != nil || !ip.IsLoopback() {
		return "", false, fmt.Errorf("%s/url is not of serve --dev: it names another machine", devDir)
	}
	return address, true, nil
}

var errNoToken = errors.New("no token to speak to the service with")

// token finds the credential: the flag, the environment, a file the environment names, and last
// what serve --dev left, which is for its own service alone.
func (r remote) token(con *console, dev bool, role api.Role) (secret.Bytes, error) {
	switch {
	case r.TokenFile != "":
		return readSecretFile(r.TokenFile, maxTokenText, con.allowShared, oneLine)
	case os.Getenv("WALLETD_TOKEN") != "":
		return secret.New(bytes.TrimSpace([]byte(os.Getenv("WALLETD_TOKEN")))), nil
	case os.Getenv("WALLETD_TOKEN_FILE") != "":
		return readSecretFile(os.Getenv("WALLETD_TOKEN_FILE"), maxTokenText, con.allowShared, oneLine)
	case dev:
		return devFile(string(role) + ".token")
	}
	return secret.Bytes{}, withHint(errNoToken,
		"set WALLETD_TOKEN, or WALLETD_TOKEN_FILE to a file that only you can read",
		"or start one to try in this directory: walletd serve --dev")
}

// devFile reads one of the files that serve --dev leaves. They count only in a directory that is
// this user's own and closed to others, so that one that came with somebody's archive is not
// believed. fs.ErrNotExist: no serve --dev runs here.
func devFile(name string) (secret.Bytes, error) {
	info, err := os.Lstat(devDir)
	if err != nil {
		return secret.Bytes{}, err
	}
	if !info.IsDir() || info.Mode().Perm()&0o077 != 0 || !ownedByMe(info) {
		return secret.Bytes{}, withHint(fmt.Errorf("%s is not what serve --dev makes: it is not this user's alone", devDir),
			"remove it, or work in another directory")
	}
	return readSecretFile(filepath.Join(devDir, name), 512, false, oneLine)
}

// ownedByMe reports whether a file is the running user's.
func ownedByMe(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}

// pageFlags say which part of a list to show.
type pageFlags struct {
	Limit  int    `default:"50" placeholder:"N" help:"At most this many, up to 200."`
	Cursor string `placeholder:"CURSOR" help:"Go on where the page before ended."`
}

func (p pageFlags) page() api.Page { return api.Page{Limit: p.Limit, Cursor: p.Cursor} }

// walletFlag names the wallet a command is about; an owner has one and need not name it.
type walletFlag struct {
	Wallet string `placeholder:"WALLET" help:"Address of the wallet. An owner's own, if not given."`
}

// shellQuote makes one word of a shell out of text.
func shellQuote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=@%+,", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
