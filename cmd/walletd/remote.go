package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// defaultListen is where serve listens and clients look.
const defaultListen = "127.0.0.1:8080"

// remote says which service a client speaks to, and as whom.
type remote struct {
	URL       string `name:"url" env:"WALLETD_URL" placeholder:"URL" help:"The service. Without it (and WALLETD_URL): the one that serve --dev runs here, or http://127.0.0.1:8080."`
	TokenFile string `placeholder:"FILE" type:"path" help:"File with the token. Without it: WALLETD_TOKEN, WALLETD_TOKEN_FILE, or what serve --dev left here."`
	As        string `enum:"operator,owner,app," default:"" placeholder:"ROLE" help:"With serve --dev: which of its tokens to use (operator, owner, app)."`
}

// open returns a client of the service. The role is that of serve --dev's token to use unless --as
// says another.
func (r remote) open(con *console, role string) (*client, error) {
	base, dev, err := r.place()
	if err != nil {
		return nil, err
	}
	if r.As != "" {
		role = r.As
	}
	token, err := r.token(con, dev, role)
	if err != nil {
		return nil, err
	}
	return newClient(base, token), nil
}

// place finds the service's address; dev tells that it is that of serve --dev.
func (r remote) place() (base string, dev bool, err error) {
	local, err := devFile("url")
	if err != nil && r.URL == "" && !errors.Is(err, fs.ErrNotExist) {
		return "", false, err
	}
	switch {
	case r.URL != "":
		base, dev = r.URL, r.URL == local
	case local != "":
		base, dev = local, true
	default:
		base = "http://" + defaultListen
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", false, usagef("the service's address must be like https://wallet.example or http://127.0.0.1:8080")
	}
	if u.Scheme == "http" && !isLoopback(u.Hostname()) {
		return "", false, withHint(fmt.Errorf("%s is not this machine, and http would show secrets to the network", shown(u.Host)),
			"use https://"+shown(u.Host)+", or run walletd on the machine itself")
	}
	if dev && !isLoopback(u.Hostname()) {
		return "", false, fmt.Errorf("%s/url is not of serve --dev: it names another machine", devDir)
	}
	return strings.TrimSuffix(base, "/"), dev, nil
}

// token finds the credential: the flag, the environment, a file the environment names, and last
// what serve --dev left, which is for its own service alone.
func (r remote) token(con *console, dev bool, role string) (secret, error) {
	switch {
	case r.TokenFile != "":
		return readSecretFile(r.TokenFile, maxTokenText, con.allowShared)
	case os.Getenv("WALLETD_TOKEN") != "":
		return secret{[]byte(strings.TrimSpace(os.Getenv("WALLETD_TOKEN")))}, nil
	case os.Getenv("WALLETD_TOKEN_FILE") != "":
		return readSecretFile(os.Getenv("WALLETD_TOKEN_FILE"), maxTokenText, con.allowShared)
	case dev:
		text, err := devFile(role + ".token")
		return secret{[]byte(text)}, err
	}
	return secret{}, withHint(errors.New("no token to speak to the service with"),
		"set WALLETD_TOKEN, or WALLETD_TOKEN_FILE to a file that only you can read",
		"or start one to try in this directory: walletd serve --dev")
}

// devFile reads one of the files that serve --dev leaves. They count only in a directory that is
// this user's own and closed to others, so that one that came with somebody's archive is not
// believed. fs.ErrNotExist: no serve --dev runs here.
func devFile(name string) (string, error) {
	info, err := os.Lstat(devDir)
	if err != nil {
		return "", err
	}
	if !info.IsDir() || info.Mode().Perm()&0o077 != 0 || !ownedByMe(info) {
		return "", withHint(fmt.Errorf("%s is not what serve --dev makes: it is not this user's alone", devDir),
			"remove it, or work in another directory")
	}
	s, err := readSecretFile(filepath.Join(devDir, name), 512, false)
	return s.reveal(), err
}

// ownedByMe reports whether a file is the running user's.
func ownedByMe(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}

// isLoopback reports whether a host is this machine by its name alone.
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
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
