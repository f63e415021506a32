// Package postgres gives tests a real PostgreSQL: a server of their own, made
// in a temporary directory from the binaries that are installed, with fsync
// on, reached over a Unix socket.
package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"walletd/internal/wallettest/needs"
)

// patience bounds what a server is waited for, on a machine that is busy and a disk that others write to.
const patience = 2 * time.Minute

// Start gives the URL of a new, empty database. All databases of a test process
// are on one server, which ends with the process.
//
// Without PostgreSQL the test is skipped, and fails if CI=true.
func Start(t testing.TB) (url string) {
	t.Helper()
	s, err := start()
	require(t, "PostgreSQL", err)
	name := fmt.Sprintf("test%d", s.databases.Add(1))
	if err := s.exec("create database " + name); err != nil {
		t.Fatalf("making a database: %v", err)
	}
	t.Cleanup(func() {
		if err := s.exec("drop database " + name + " with (force)"); err != nil {
			t.Errorf("dropping the database: %v", err)
		}
	})
	return s.url(name)
}

// Away makes a database that Start gave refuse everybody until back is called: its connections are
// cut, and there are no new ones.
func Away(t testing.TB, url string) (back func()) {
	t.Helper()
	s, err := start()
	if err != nil {
		t.Fatal(err)
	}
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	name := config.Database
	for _, sql := range []string{
		"alter database " + name + " allow_connections false",
		"select pg_terminate_backend(pid) from pg_stat_activity where datname = '" + name + "'",
	} {
		if err := s.exec(sql); err != nil {
			t.Fatalf("taking the database away: %v", err)
		}
	}
	return func() {
		if err := s.exec("alter database " + name + " allow_connections true"); err != nil {
			t.Errorf("giving the database back: %v", err)
		}
	}
}

var errMissing = errors.New("its program was not found")

// require skips a test for want of a program, which must be there in CI.
func require(t testing.TB, what string, err error) {
	t.Helper()
	switch {
	case errors.Is(err, errMissing):
		needs.Missing(t, what, err)
	case err != nil:
		t.Fatalf("starting %s: %v", what, err)
	}
}

// Server is a server of a test's own, which can be restarted.
type Server struct {
	t testing.TB
	*server
}

// StartServer starts a server that ends with the test.
func StartServer(t testing.TB) *Server {
	t.Helper()
	s, err := newServer()
	require(t, "PostgreSQL", err)
	t.Cleanup(func() { s.alive.Close() })
	return &Server{t, s}
}

// URL names the server's database.
func (s *Server) URL() string { return s.url("postgres") }

// Restart ends all connections. As a standby the server takes no writes until Promote.
func (s *Server) Restart(standby bool) {
	s.t.Helper()
	if standby {
		if err := os.WriteFile(filepath.Join(s.data, "standby.signal"), nil, 0o644); err != nil {
			s.t.Fatal(err)
		}
	}
	s.control("restart", "-m", "fast", "-w")
}

// Promote makes the server take writes.
func (s *Server) Promote() {
	s.t.Helper()
	s.control("promote", "-w")
}

// Pause stops all processes of the server until Resume: it goes on to accept connections, and answers nothing.
func (s *Server) Pause() { s.signal(syscall.SIGSTOP) }

// Resume ends a Pause.
func (s *Server) Resume() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.data, "postmaster.pid"))
	if err != nil {
		s.t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pids := []string{first}
	children, err := os.ReadFile(filepath.Join("/proc", first, "task", first, "children"))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, p := range append(pids, strings.Fields(string(children))...) {
		pid, err := strconv.Atoi(p)
		if err != nil {
			s.t.Fatal(err)
		}
		if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			s.t.Fatal(err)
		}
	}
}

func (s *Server) control(args ...string) {
	s.t.Helper()
	cmd := exec.Command(filepath.Join(s.bin, "pg_ctl"), append(args, "-t", strconv.Itoa(int(patience.Seconds())), "-D", s.data, "-l", filepath.Join(s.dir, "log"))...)
	cmd.SysProcAttr, cmd.Dir = &syscall.SysProcAttr{Credential: s.as}, s.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("pg_ctl %s: %v\n%s", args[0], err, out)
	}
}

// server is a server that runs.
type server struct {
	bin       string // the directory of its programs
	dir       string // holds the socket
	data      string
	as        *syscall.Credential // nil: as ourselves
	databases atomic.Int64
	alive     io.Closer // kept open: the server ends when it closes
}

// start starts the process's one server at the first call.
var start = sync.OnceValues(newServer)

func newServer() (*server, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "walletd-pg") // a socket's path must be short
	if err != nil {
		return nil, err
	}
	as, err := unprivileged(dir)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	// Whoever may reach the socket is trusted: its directory is ours alone.
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", data, "-U", "walletd", "-A", "trust", "-E", "UTF8", "--no-locale")
	initdb.SysProcAttr, initdb.Dir = &syscall.SysProcAttr{Credential: as}, dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	s := &server{bin: bin, dir: dir, data: data, as: as}
	return s, s.run()
}

// run starts the server under a shell that waits for this process to end, even
// by SIGKILL: then its standard input ends, and it stops the server and
// removes the directory.
func (s *server) run() error {
	const script = `"$1" -D "$2" -k "$3" -c listen_addresses= -c fsync=on -c max_connections=200 -c log_min_messages=fatal \
		-c shared_buffers=64MB <&- &
		cat >/dev/null
		read -r pg <"$2/postmaster.pid" # another one than was started, after a restart
		kill -QUIT $pg; while kill -0 $pg; do sleep 0.05; done; cd /; rm -rf "$3"`
	cmd := exec.Command("/bin/sh", "-c", script, "sh", filepath.Join(s.bin, "postgres"), s.data, s.dir)
	// A group of its own, so that an interrupt at the terminal leaves it to clean up.
	cmd.SysProcAttr, cmd.Dir = &syscall.SysProcAttr{Credential: s.as, Setpgid: true}, s.dir
	alive, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	log, err := os.CreateTemp(s.dir, "log")
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	s.alive = alive
	deadline := time.Now().Add(patience)
	for {
		err := s.exec("select 1")
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			said, _ := os.ReadFile(log.Name())
			return fmt.Errorf("the server does not answer: %w\n%s", err, bytes.TrimSpace(said))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// url names a database by the socket.
func (s *server) url(database string) string {
	q := url.Values{"host": {s.dir}}
	return (&url.URL{Scheme: "postgres", User: url.User("walletd"), Path: "/" + database, RawQuery: q.Encode()}).String()
}

func (s *server) exec(sql string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.url("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql)
	return err
}

// binaries finds the directory of initdb and postgres.
func binaries() (string, error) {
	var dirs []string
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		dirs = append(dirs, filepath.Dir(path))
	}
	debian, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	for _, dir := range append(dirs, debian...) {
		_, initdb := os.Stat(filepath.Join(dir, "initdb"))
		_, postgres := os.Stat(filepath.Join(dir, "postgres"))
		if initdb == nil && postgres == nil {
			return dir, nil
		}
	}
	return "", errMissing
}

// unprivileged gives the user to run as, nil for ourselves: PostgreSQL refuses
// to run as root. The directory is made that user's.
func unprivileged(dir string) (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return nil, err
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			return nil, err
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, os.Chown(dir, int(uid), int(gid))
	}
	return nil, errors.New("running as root, and there is neither a user postgres nor nobody to run the server as")
}
