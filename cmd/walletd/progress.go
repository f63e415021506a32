package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"walletd/api/client"
)

// progress is a line on the terminal about work that takes a while; nothing where there is none.
// It is silent for the first half second.
type progress struct {
	mu          sync.Mutex
	what        string // what is being done, as in "restoring"
	done, total int64  // bytes; total 0 says that they are not counted
	began       time.Time
	stop        chan struct{}
	ended       chan struct{}
}

// startProgress shows the line until end.
func (con *console) startProgress(what string) *progress {
	p := &progress{what: what, began: time.Now(), stop: make(chan struct{}), ended: make(chan struct{})}
	if con.json || !isTerminal(os.Stderr) {
		close(p.ended)
		return p
	}
	go p.show(os.Stderr)
	return p
}

func (p *progress) show(w io.Writer) {
	defer close(p.ended)
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	shown := false
	for {
		select {
		case <-p.stop:
			if shown {
				io.WriteString(w, "\r\x1b[K")
			}
			return
		case <-tick.C:
			if time.Since(p.began) > 500*time.Millisecond {
				shown = true
				io.WriteString(w, "\r"+p.line()+"\x1b[K")
			}
		}
	}
}

// line is the line as it stands.
func (p *progress) line() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	seconds := int(time.Since(p.began).Seconds())
	if p.total == 0 || p.done == 0 {
		return fmt.Sprintf("%s … %d s", p.what, seconds)
	}
	return fmt.Sprintf("%s … %d%% of %s, %d s", p.what, p.done*100/p.total, megabytes(p.total), seconds)
}

// phase says what is being done now, and how many bytes of it there are.
func (p *progress) phase(what string, total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.what, p.done, p.total = what, 0, total
}

// end takes the line away.
func (p *progress) end() {
	close(p.stop)
	<-p.ended
}

// Write counts bytes.
func (p *progress) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done += int64(len(b))
	return len(b), nil
}

// sending makes a file that is to be sent, and shows how much of it was; then says what is done with it
// afterwards.
func (p *progress) sending(from io.Reader, size int64, then string) client.File {
	p.phase("sending", size)
	return client.File{Reader: io.MultiReader(io.TeeReader(from, p), &after{func() { p.phase(then, 0) }}), Size: size}
}

// after is an empty reader that calls f when it is reached.
type after struct{ f func() }

// Read calls f.
func (a *after) Read([]byte) (int, error) {
	a.f()
	return 0, io.EOF
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
