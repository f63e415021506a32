package postgres

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Pool starts a PgBouncer before a database that Start or StartServer gave, in transaction pooling and
// with its own defaults but for the settings given ("name = value"), and gives its URL. It ends with
// the test.
//
// Without PgBouncer the test is skipped, and fails if CI=true.
func Pool(t testing.TB, database string, settings ...string) string {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		program = "/usr/sbin/pgbouncer" // Debian's place, which is not on everybody's path
		if _, err := os.Stat(program); err != nil {
			require(t, "PgBouncer", errMissing)
		}
	}
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "walletd-pgb") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	as, err := unprivileged(dir)
	if err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf(`[databases]
* = host=%s
[pgbouncer]
listen_addr =
listen_port = 6432
unix_socket_dir = %s
auth_type = trust
auth_file = %[2]s/users
pool_mode = transaction
%[3]s
`, u.Query().Get("host"), dir, strings.Join(settings, "\n"))
	files := map[string]string{"pgbouncer.ini": config, "users": fmt.Sprintf("%q \"\"\n", u.User.Username())}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var said strings.Builder
	// Ends with this process, even by SIGKILL: see server.run.
	const script = `"$1" "$2" <&- & cat >/dev/null; kill -TERM $!; wait`
	cmd := exec.Command("/bin/sh", "-c", script, "sh", program, filepath.Join(dir, "pgbouncer.ini"))
	cmd.SysProcAttr, cmd.Dir = &syscall.SysProcAttr{Credential: as, Setpgid: true}, dir
	cmd.Stdout, cmd.Stderr = &said, &said
	alive, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		alive.Close()
		cmd.Wait()
	})
	socket := filepath.Join(dir, ".s.PGSQL.6432")
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		// The socket's file is there before anybody listens on it.
		if conn, err := net.Dial("unix", socket); err == nil {
			conn.Close()
			break
		}
		if time.Now().After(deadline) {
			alive.Close()
			cmd.Wait()
			t.Fatalf("PgBouncer does not start:\n%s", said.String())
		}
	}
	u.RawQuery = url.Values{"host": {dir}, "port": {"6432"}}.Encode()
	return u.String()
}
