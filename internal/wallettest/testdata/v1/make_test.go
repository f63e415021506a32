package wallettest

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	_ "modernc.org/sqlite"

	"walletd/internal/store"
	"walletd/internal/wallettest/postgres"
)

// TestMake makes the files of this directory. The README says how it is run.
func TestMake(t *testing.T) {
	for _, kind := range []string{"sqlite", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			m := &maker{t: t, kind: kind, bin: os.Getenv("WALLETD"), out: filepath.Join(os.Getenv("OUT"), kind), dir: t.TempDir()}
			m.make()
		})
	}
}

// secrets open the store.
type secrets struct {
	Passphrase, Laptop, Identity string
	Operator, Owner, Words       string // the last two are alice's
	Wallets                      map[string]wallet
	Apps                         map[string]string // tokens in alice's wallet
}

type wallet struct{ Wallet, Owner, Words, SeedHex string }

// expected is what the old binary said.
type expected struct {
	At         time.Time // at which it said so
	Reads      []read
	Keys       []key
	Approved   []waiting // approvals whose answer was not collected
	Pending    []waiting
	Expired    []waiting
	Signed     waiting  // as Approved, of a signed request for the salt "signed, not collected"
	Sessions   []string // that had not ended
	Delegation struct{ Salt, Token, Key string }
	OwnerKeys  map[string]string // by wallet, for the salt "golden"
	StorageKey struct {
		Key     string
		KeyInfo json.RawMessage
	}
	Entries map[string]int             // of each wallet's record, and of the service's: ""
	Heads   map[string]json.RawMessage // the newest signed head of each
	Backup  json.RawMessage            // what inspecting it said
}

type read struct {
	As   string // a wallet's name for its owner, "operator", or "app " and an app's name
	Path string
	Body json.RawMessage
}

type key struct{ App, Salt, Account, PK, Key string }

type waiting struct {
	App, ID string
	Choice  Members         `json:",omitempty"` // that the owner makes
	Claim   json.RawMessage `json:",omitempty"` // as the answer holds it; none where each yes has another
}

type maker struct {
	t         *testing.T
	kind      string
	bin, out  string
	dir       string
	place     []string
	service   *exec.Cmd
	w         *Wallet // alice's
	said      expected
	secrets   secrets
	pg        string
	firstWait time.Time
}

func (m *maker) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *maker) file(name, text string) string {
	path := filepath.Join(m.dir, name)
	m.must(os.WriteFile(path, []byte(text), 0o600))
	return path
}

func (m *maker) run(args ...string) []byte {
	m.t.Helper()
	cmd := exec.Command(m.bin, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		m.t.Fatalf("%v: %v\n%s", args, err, stderr.Bytes())
	}
	return out
}

// serve starts the binary.
func (m *maker) serve() {
	m.service = exec.Command(m.bin, append([]string{"serve", "--listen", "127.0.0.1:0", "--passphrase-file", filepath.Join(m.dir, "passphrase"), "--allow-network", "127.0.0.0/8", "--allow-http"}, m.place...)...)
	stderr, err := m.service.StderrPipe()
	m.must(err)
	m.must(m.service.Start())
	address := make(chan string, 1)
	go func() {
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			var line struct{ Message, Address string }
			if json.Unmarshal(lines.Bytes(), &line) == nil && line.Message == "listening" {
				address <- line.Address
			}
		}
	}()
	m.w.URL = "http://" + <-address
	for m.w.Do("GET", "/readyz", "", nil).Status != 200 {
		time.Sleep(50 * time.Millisecond)
	}
}

func (m *maker) kill() {
	m.service.Process.Kill()
	m.service.Wait()
}

// do sends a request, with an Idempotency-Key of its own where one is taken.
func (m *maker) do(method, path, token string, body any, want int) *Response {
	m.t.Helper()
	r := m.w.Request(method, path, body)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if method == "POST" && !strings.Contains(path, "/keystore") && !strings.Contains(path, "/backup") && !strings.Contains(path, "/derive") {
		r.Header.Set("Idempotency-Key", fmt.Sprint("golden-", time.Now().UnixNano()))
	}
	return m.w.Send(r).Must(want)
}

func (m *maker) make() {
	m.w = &Wallet{t: m.t}
	clock, err := store.Open(context.Background(), "sqlite:"+filepath.Join(m.t.TempDir(), "clock", "walletd.db"), store.Options{Create: true})
	m.must(err)
	defer clock.Close()
	m.w.Store = clock
	m.place = []string{"--data", filepath.Join(m.dir, "data")}
	if m.kind == "postgres" {
		m.pg = postgres.Start(m.t)
		m.place = []string{"--store", m.pg}
	}
	m.secrets = secrets{Passphrase: "golden passphrase, for tests only", Laptop: "golden laptop, for tests only", Wallets: map[string]wallet{}, Apps: map[string]string{}}
	var made struct{ OperatorToken, RecoveryIdentity string }
	m.must(json.Unmarshal(m.run(append([]string{"init", "--passphrase-file", m.file("passphrase", m.secrets.Passphrase), "--recovery", "--json"}, m.place...)...), &made))
	m.secrets.Operator, m.secrets.Identity = made.OperatorToken, made.RecoveryIdentity
	m.w.Operator = made.OperatorToken
	m.serve()
	defer m.kill()

	m.wallets()
	m.keystore()
	m.holdings()
	apps := m.apps()
	m.decisions(apps)
	m.signed(apps)
	m.delegations(apps)
	m.matrix(apps)
	time.Sleep(time.Until(m.firstWait.Add(5*time.Minute + 2*time.Second)))
	m.sessions(apps)
	m.forged(apps)
	m.endings(apps)
	m.finish(apps)
}

// sql changes the store behind the service's back.
func (m *maker) sql(text string) {
	m.t.Helper()
	if m.pg != "" {
		conn, err := pgx.Connect(context.Background(), m.pg)
		m.must(err)
		defer conn.Close(context.Background())
		_, err = conn.Exec(context.Background(), text)
		m.must(err)
		return
	}
	db, err := sql.Open("sqlite", filepath.Join(m.dir, "data", "walletd.db"))
	m.must(err)
	defer db.Close()
	_, err = db.Exec(text)
	m.must(err)
}

func (m *maker) finish(a apps) {
	// A lock signs the ends of the records.
	op := m.secrets.Operator
	alice := m.do("POST", m.w.Path("/backup"), m.w.Owner, Members{}, 200).Body
	m.said.Backup = m.do("POST", m.w.Path("/backup/inspect"), m.w.Owner, Members{"backup": json.RawMessage(alice)}, 200).Body
	m.do("POST", "/v1/keystore/lock", op, Members{}, 200)
	m.do("POST", "/v1/keystore/unlock", op, Members{"passphrase": m.secrets.Laptop}, 200)

	m.reads("operator", op, "/v1/wallets?limit=200", "/v1/tokens?limit=200", "/v1/keystore/slots", "/v1/audit?limit=200")
	m.said.Entries, m.said.Heads = map[string]int{}, map[string]json.RawMessage{}
	m.head("", "/v1/audit/verify", op)
	for name, w := range m.secrets.Wallets {
		path := "/v1/wallets/" + w.Wallet
		var list struct{ Items []struct{ ID string } }
		m.do("GET", path+"/credentials?limit=200", w.Owner, nil, 200).Into(&list)
		paths := []string{
			path, "/v1/tokens?limit=200", path + "/accounts?limit=200", path + "/policy", path + "/grants?limit=200", path + "/apps?limit=200",
			path + "/delegations?limit=200", path + "/profile", path + "/credentials?limit=200", "/v1/approvals?status=all&limit=200", "/v1/sessions?limit=200", "/v1/secrets?limit=200",
		}
		for _, c := range list.Items {
			paths = append(paths, path+"/credentials/"+c.ID)
		}
		m.reads(name, w.Owner, paths...)
		m.head(name, path+"/audit/verify", w.Owner)
		for after := 0; after < m.said.Entries[name]; after += 200 {
			m.reads(name, w.Owner, fmt.Sprintf("%s/audit?limit=200&after=%d", path, after))
		}
	}
	m.reads("app Element", a.element.Token, "/v1/secrets?limit=200")
	record := m.do("GET", m.w.Path("/audit/export"), m.w.Owner, nil, 200).Body
	service := m.do("GET", "/v1/audit/export", op, nil, 200).Body
	m.reads("app Element", a.element.Token, "/v1/secrets/golden.text", "/v1/secrets/golden.text?raw", "/v1/secrets/golden.replaced", "/v1/secrets/golden.raw", "/v1/secrets/golden.raw?raw")
	m.said.At = time.Now().UTC().Truncate(time.Second)
	m.kill()

	m.must(os.MkdirAll(m.out, 0o755))
	write := func(name string, content []byte) { m.must(os.WriteFile(filepath.Join(m.out, name), content, 0o644)) }
	pack := func(name string, content []byte) {
		var b bytes.Buffer
		z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
		m.must(err)
		_, err = z.Write(content)
		m.must(err)
		m.must(z.Close())
		write(name, b.Bytes())
	}
	if m.pg == "" {
		m.sql("pragma wal_checkpoint(truncate)")
		m.sql("vacuum")
		m.sql("pragma wal_checkpoint(truncate)")
		file, err := os.ReadFile(filepath.Join(m.dir, "data", "walletd.db"))
		m.must(err)
		pack("walletd.db.gz", file)
	} else {
		dump, err := exec.Command("pg_dump", "--inserts", "--no-owner", "--no-privileges", "--dbname", m.pg).Output()
		m.must(err)
		lines := slices.DeleteFunc(strings.SplitAfter(string(dump), "\n"), func(l string) bool { return strings.HasPrefix(l, `\`) }) // \restrict, which older psql do not know
		pack("walletd.sql.gz", []byte(strings.Join(lines, "")))
	}
	write("backup.json", alice)
	pack("record.jsonl.gz", record)
	pack("service.jsonl.gz", service)
	indented := func(v any) []byte {
		text, err := json.MarshalIndent(v, "", " ")
		m.must(err)
		return append(text, '\n')
	}
	write("secrets.json", indented(m.secrets))
	write("head.json", indented(m.said.Heads["alice"]))
	text, err := json.Marshal(m.said)
	m.must(err)
	pack("expected.json.gz", text)
}

func (m *maker) reads(as, token string, paths ...string) {
	m.t.Helper()
	for _, path := range paths {
		r := m.do("GET", path, token, nil, 200)
		if r.Members()["next"] != nil && !strings.Contains(path, "/audit") {
			m.t.Fatalf("%s has another page", path)
		}
		m.said.Reads = append(m.said.Reads, read{as, path, r.Body})
	}
}

func (m *maker) head(name, path, token string) {
	m.t.Helper()
	var v struct {
		OK      bool
		Entries int
		Head    json.RawMessage
	}
	if m.do("GET", path, token, nil, 200).Into(&v); !v.OK || v.Head == nil {
		m.t.Fatalf("%s: %+v", path, v)
	}
	m.said.Entries[name], m.said.Heads[name] = v.Entries, v.Head
}
