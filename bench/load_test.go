package bench

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// The load generator is a process of its own, this test binary started once more: so the
// service's garbage collector does not see the requests, and the cost of each side can be told
// apart. It knows just enough HTTP/1.1: it writes requests that were made before, on connections
// that stay open, and reads the status and the length of each answer.

// loadVariable is set in the environment of the load generator, and says what it is to do.
const loadVariable = "WALLETD_BENCH_LOAD"

// callers is how many ask at once, each on a connection of its own.
const callers = 64

func TestMain(m *testing.M) {
	var err error
	switch os.Getenv(loadVariable) {
	case "":
		os.Exit(m.Run())
	case "claims":
		err = generate(os.Stdin, os.Stdout)
	case "sessions":
		err = play(os.Stdin, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "the load generator:", err)
		os.Exit(1)
	}
}

// load is what the load generator is told.
type load struct {
	Address  string // of the service
	Total    int    // how many requests to send
	Callers  int    // how many send at once; 0 is callers
	Requests [][]byte
	// Requests are sent in order and over again, so one request may be enough.
}

// loadResult is what it answers.
type loadResult struct {
	Took   time.Duration // from the first request to the last answer
	CPU    time.Duration // of the load generator meanwhile
	Rounds []time.Duration
	// Rounds, of sessions that are played in rounds, is what a session of each took on average.
	Half, Most time.Duration // which half of the requests, and 99 of 100, were answered within
}

// generate reads a load, connects, says "ready", waits for a byte, and sends.
func generate(in io.Reader, out io.Writer) error {
	from := bufio.NewReader(in)
	var l load
	if err := gob.NewDecoder(from).Decode(&l); err != nil {
		return fmt.Errorf("reading what to send: %w", err)
	}
	conns := make([]net.Conn, min(cmp.Or(l.Callers, callers), l.Total))
	for i := range conns {
		c, err := net.Dial("tcp", l.Address)
		if err != nil {
			return err
		}
		defer c.Close()
		conns[i] = c
	}
	fmt.Fprintln(out, "ready")
	if _, err := from.ReadByte(); err != nil {
		return fmt.Errorf("waiting for the start: %w", err)
	}

	var next atomic.Int64
	var work sync.WaitGroup
	failed := make(chan error, len(conns))
	took := make([]time.Duration, l.Total)
	began, spent := time.Now(), cpuTime()
	for _, c := range conns {
		work.Go(func() {
			answers := bufio.NewReaderSize(c, 8<<10)
			for n := next.Add(1); n <= int64(l.Total); n = next.Add(1) {
				sent := time.Now()
				if err := exchange(c, answers, l.Requests[(n-1)%int64(len(l.Requests))]); err != nil {
					failed <- err
					return
				}
				took[n-1] = time.Since(sent)
			}
		})
	}
	work.Wait()
	result := loadResult{Took: time.Since(began), CPU: cpuTime() - spent}
	close(failed)
	if err := <-failed; err != nil {
		return err
	}
	slices.Sort(took)
	result.Half, result.Most = took[len(took)/2], took[len(took)*99/100]
	return json.NewEncoder(out).Encode(result)
}

// exchange sends a request and reads the answer, which must be a 200.
func exchange(c net.Conn, answers *bufio.Reader, request []byte) error {
	if _, err := c.Write(request); err != nil {
		return err
	}
	first, length, err := head(answers)
	if err == nil && length < 0 {
		err = errors.New("it has no length")
	}
	if err != nil {
		return fmt.Errorf("reading an answer: %w", err)
	}
	if !strings.HasPrefix(first, "HTTP/1.1 200") {
		body := make([]byte, length)
		io.ReadFull(answers, body)
		return fmt.Errorf("not answered: %.300s", body)
	}
	_, err = answers.Discard(length)
	return err
}

// head reads the head of a request or of an answer: its first line and the length of its body, -1 if
// it does not say.
func head(from *bufio.Reader) (first string, length int, err error) {
	for length = -1; ; {
		line, err := from.ReadSlice('\n')
		if err != nil {
			return "", 0, err
		}
		line = bytes.TrimSpace(line)
		if first == "" {
			first = string(line)
			continue
		}
		if len(line) == 0 {
			return first, length, nil
		}
		if value, found := bytes.CutPrefix(line, []byte("Content-Length: ")); found {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return "", 0, err
			}
		}
	}
}

// run gives the load to a load generator; see generator.
func (l load) run(b *testing.B, begin, end func()) loadResult {
	b.Helper()
	return generator(b, "claims", l, begin, end)
}

// generator starts a load generator, tells it what to do, calls begin once it is ready and end when
// it is done.
func generator(b *testing.B, what string, job any, begin, end func()) loadResult {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), loadVariable+"="+what)
	var problems bytes.Buffer
	cmd.Stderr = &problems
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatalf("starting the load generator: %v", err)
	}
	answers := bufio.NewReader(out)
	var result loadResult
	err = func() error {
		if err := gob.NewEncoder(in).Encode(job); err != nil {
			return err
		}
		if _, err := answers.ReadString('\n'); err != nil {
			return err
		}
		begin()
		if _, err := in.Write([]byte{1}); err != nil {
			return err
		}
		err := json.NewDecoder(answers).Decode(&result)
		end()
		return err
	}()
	if exited := cmd.Wait(); err != nil || exited != nil {
		b.Fatalf("the load generator: %v, %v: %s", err, exited, problems.String())
	}
	return result
}

// cpuTime is what this process has used of the processors.
func cpuTime() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err) // it can't fail for oneself
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
