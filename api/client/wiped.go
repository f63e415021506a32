package client

import (
	"bytes"
	"io"
	"sync"
)

// wiped is the body of a request, which is wiped when it is closed. The transport may close it while
// it still reads.
type wiped struct {
	mu sync.Mutex
	b  []byte
	r  *bytes.Reader
}

func newWiped(b []byte) *wiped { return &wiped{b: b, r: bytes.NewReader(b)} }

// Read reads on; after Close there is nothing to read.
func (w *wiped) Read(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.r == nil {
		return 0, io.ErrClosedPipe
	}
	return w.r.Read(p)
}

// Close wipes the body.
func (w *wiped) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.b)
	w.r = nil
	return nil
}
