package bench

import (
	"bufio"
	"encoding/gob"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// sessions is what the load generator is told of sessions: Callers open links with the service, one
// session at a time each, Total in all. With Apart it plays rounds instead of Total: every caller
// opens a session with a dApp of an origin of its own, then one with another, then one with the first
// again, each round beginning when the one before has ended.
type sessions struct {
	Address string // of the service
	Token   string // of the owner
	Callers int
	Total   int
	Secret  bool // with an encryptionKey over the channel
	Apart   bool
}

// play reads what to play, makes the far side, says "ready", waits for a byte, and opens sessions.
func play(in io.Reader, out io.Writer) error {
	from := bufio.NewReader(in)
	var s sessions
	if err := gob.NewDecoder(from).Decode(&s); err != nil {
		return fmt.Errorf("reading what to play: %w", err)
	}
	dapps := make([]*dapp, 1)
	if s.Apart {
		dapps = make([]*dapp, 2*s.Callers)
	}
	for i := range dapps {
		var err error
		if dapps[i], err = newDapp(s.Callers, s.Secret); err != nil {
			return err
		}
	}
	callers := make([]*opener, min(s.Callers, max(s.Total, 1)))
	if s.Apart {
		callers = make([]*opener, s.Callers)
	}
	for i := range callers {
		c, err := net.Dial("tcp", s.Address)
		if err != nil {
			return err
		}
		defer c.Close()
		callers[i] = &opener{sessions: s, n: i, conn: c, answers: bufio.NewReaderSize(c, 8<<10)}
	}
	fmt.Fprintln(out, "ready")
	if _, err := from.ReadByte(); err != nil {
		return fmt.Errorf("waiting for the start: %w", err)
	}

	var r loadResult
	var err error
	began, spent := time.Now(), cpuTime()
	if s.Apart {
		for _, second := range []int{0, 1, 0} {
			began := time.Now()
			took := make([]time.Duration, len(callers))
			err = together(callers, func(o *opener) error {
				defer func() { took[o.n] = time.Since(began) }()
				return o.open(dapps[2*o.n+second])
			})
			if err != nil {
				break
			}
			var sum time.Duration
			for _, t := range took {
				sum += t
			}
			r.Rounds = append(r.Rounds, sum/time.Duration(len(took)))
		}
	} else {
		var next atomic.Int64
		err = together(callers, func(o *opener) error {
			for next.Add(1) <= int64(s.Total) {
				if err := o.open(dapps[0]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err == nil {
		err = together(callers, (*opener).done)
	}
	if err != nil {
		return err
	}
	r.Took, r.CPU = time.Since(began), cpuTime()-spent
	return json.NewEncoder(out).Encode(r)
}

// together has all callers do something and returns one of their errors.
func together(callers []*opener, do func(*opener) error) error {
	var work sync.WaitGroup
	failed := make(chan error, len(callers))
	for _, o := range callers {
		work.Go(func() {
			if err := do(o); err != nil {
				failed <- err
			}
		})
	}
	work.Wait()
	close(failed)
	return <-failed
}

// opener opens one session after the other.
type opener struct {
	sessions
	n       int // of the links it opens
	conn    net.Conn
	answers *bufio.Reader
	newest  string // path of its newest session
}

// open opens a link and waits until the dApp has said its last word.
func (o *opener) open(d *dapp) error {
	body := fmt.Sprintf(`{"link":%q}`, d.link(o.n))
	status, answer, err := o.ask("POST", "/v1/sessions", body)
	if err != nil {
		return err
	}
	var opened struct{ ID string }
	if err := json.Unmarshal(answer, &opened); err != nil || !strings.HasPrefix(status, "HTTP/1.1 201") {
		return fmt.Errorf("a link was not opened: %s %.300s", status, answer)
	}
	o.newest = "/v1/sessions/" + opened.ID
	select {
	case err := <-d.ends[o.n]:
		return err
	case <-time.After(20 * time.Second):
		_, answer, err := o.ask("GET", o.newest, "")
		return fmt.Errorf("a session does not end: %.500s %w", answer, err)
	}
}

// done waits until the service has written that the newest session is done. Those before are: the
// caller's next is begun when the dApp has ended one, and what is left then is one write.
func (o *opener) done() error {
	for began := time.Now(); o.newest != ""; time.Sleep(time.Millisecond) {
		_, answer, err := o.ask("GET", o.newest, "")
		if err != nil {
			return err
		}
		var s struct{ State string }
		if err := json.Unmarshal(answer, &s); err != nil {
			return err
		}
		if s.State == "done" {
			return nil
		}
		if s.State != "answering" || time.Since(began) > 20*time.Second {
			return fmt.Errorf("a session ended as %.500s", answer)
		}
	}
	return nil
}

// ask sends a request of the owner's.
func (o *opener) ask(method, path, body string) (status string, answer []byte, err error) {
	_, err = fmt.Fprintf(o.conn, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s",
		method, path, o.Address, o.Token, len(body), body)
	if err != nil {
		return "", nil, err
	}
	status, length, err := head(o.answers)
	if err != nil || length < 0 {
		return "", nil, fmt.Errorf("reading an answer of the service: %w", err)
	}
	answer = make([]byte, length)
	_, err = io.ReadFull(o.answers, answer)
	return status, answer, err
}
