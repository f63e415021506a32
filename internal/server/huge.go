package server

import (
	"io"
	"net/http"
	"sync"
	"time"
	"walletd/internal/auth"
)

// maxParts bounds the members and elements in a huge body, which is a few long texts: each part
// takes its reader thirty times its own size.
const maxParts = 1000

// How many huge bodies are in memory at one time: of owners, and of operators, so that what owners
// send keeps nobody from restoring.
const (
	hugeOfOwners    = 2
	hugeOfOperators = 1
)

// A huge body must come in hugeTime, and each hugePiece of it, in bytes, in pieceTime: who sends
// slower than that keeps others waiting.
const (
	hugeTime  = largeTime
	hugePiece = 1 << 20
	pieceTime = bodyTime
)

// hugeBodies counts the huge bodies that are in memory.
type hugeBodies struct {
	shares

	mu   sync.Mutex
	held map[auth.Role]int
}

// take takes the room of a huge body until it is given back; false where others have it.
func (h *hugeBodies) take(c *auth.Caller) (give func(), ok bool) {
	if give, ok = h.add(c); !ok {
		h.bites(h.name)
	}
	return give, ok
}

func (h *hugeBodies) add(c *auth.Caller) (give func(), ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	limit := hugeOfOwners
	if c.Role == auth.Operator {
		limit = hugeOfOperators
	}
	if h.held[c.Role] >= limit {
		return nil, false
	}
	giveShare, ok := h.shares.add(c)
	if !ok {
		return nil, false
	}
	if h.held == nil {
		h.held = map[auth.Role]int{}
	}
	h.held[c.Role]++
	role := c.Role
	return sync.OnceFunc(func() {
		giveShare()
		h.mu.Lock()
		defer h.mu.Unlock()
		h.held[role]--
	}), true
}

// admit identifies the caller before the body comes. A huge body is counted, errHuge where others
// have the room, and has hugeTime to come; its caller is identified once more when it is there, so
// that no keys are held meanwhile. done gives the room back.
func (s *Server) admit(w http.ResponseWriter, c *call, rt route) (done func(), err error) {
	if err := s.identify(c, rt, nil, nil); err != nil {
		return nil, err
	}
	if rt.body != huge {
		return func() {}, nil
	}
	if c.caller.Idempotency != nil {
		return nil, &memberError{"the header Idempotency-Key", "is not taken here: a body of this size is not remembered"}
	}
	done, ok := s.huge.take(c.caller)
	if !ok {
		return nil, errHuge
	}
	c.caller.Close()
	c.caller = nil
	slowly(w)
	c.request.Body = &steady{ReadCloser: c.request.Body, w: http.NewResponseController(w), ends: time.Now().Add(hugeTime)}
	return done, nil
}

// steady is a body that is cut off if it comes too slowly.
type steady struct {
	io.ReadCloser
	w    *http.ResponseController
	ends time.Time // of the time that the whole has
	left int       // bytes of the piece that is still to come
}

// Read sets the time by which each piece must have come.
func (s *steady) Read(b []byte) (int, error) {
	if s.left <= 0 {
		ends := time.Now().Add(pieceTime)
		if ends.After(s.ends) {
			ends = s.ends
		}
		if err := s.w.SetReadDeadline(ends); err != nil {
			return 0, err
		}
		s.left = hugePiece
	}
	n, err := s.ReadCloser.Read(b)
	s.left -= n
	return n, err
}
