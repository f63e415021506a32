package server

import (
	"io"
	"net/http"
	"sync"
	"time"

	"walletd/internal/auth"
	"walletd/internal/backup"
	"walletd/internal/store"
	"walletd/internal/strictjson"
)

// How many huge bodies are on their way at one time: of owners, and of operators, so that what owners
// send keeps nobody from restoring.
const (
	hugeOfOwners    = 2
	hugeOfOperators = 1
)

// A huge body must come in hugeTime, and each hugePiece of it, in bytes, in pieceTime: who sends
// slower than that keeps others waiting. A backup that is sent must be taken as fast.
const (
	hugeTime  = largeTime
	hugePiece = 1 << 20
	pieceTime = bodyTime
)

// hugeBodies counts the huge bodies that are on their way.
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

// steadyWriter is an answer that is cut off if it is taken too slowly.
type steadyWriter struct {
	to      io.Writer
	control *http.ResponseController
	ends    time.Time // of the time that the whole has
	left    int       // bytes of the piece that is still to go
}

// Write sets the time by which each piece must be gone.
func (s *steadyWriter) Write(b []byte) (int, error) {
	if s.left <= 0 {
		ends := time.Now().Add(pieceTime)
		if ends.After(s.ends) {
			ends = s.ends
		}
		if err := s.control.SetWriteDeadline(ends); err != nil {
			return 0, err
		}
		s.left = hugePiece
	}
	n, err := s.to.Write(b)
	s.left -= n
	return n, err
}

// uploaded returns the backup that came in a huge body; nil if there was none.
func (c *call) uploaded() backup.File {
	if c.upload == nil {
		return nil
	}
	return c.upload
}

// receive reads a huge body, one JSON object, as it comes. The object in its member backup goes to a
// spool, which the caller closes; what is returned is the rest, with a number in that place, which is
// as long as a small body at most. Another value of that member is passed, and there is no file.
func (s *Server) receive(w http.ResponseWriter, r *http.Request) (text []byte, file *store.Spool, err error) {
	if !saysJSON(r.Header) {
		return nil, nil, errContentType
	}
	if r.ContentLength > int64(huge) {
		return nil, nil, errBodyTooLarge
	}
	rest := &boundedText{b: make([]byte, 0, small)} // not grown, so that no copy stays behind
	in := strictjson.NewScanner(http.MaxBytesReader(w, r.Body, int64(huge)))
	defer in.Wipe()
	io.WriteString(rest, "{")
	err = in.Object(func(name []byte) error {
		if len(rest.b) > 1 {
			io.WriteString(rest, ",")
		}
		rest.Write(name)
		if _, err := io.WriteString(rest, ":"); err != nil {
			return err
		}
		next, err := in.Peek()
		if err != nil {
			return err
		}
		if string(strictjson.Unquote(name)) != "backup" {
			return in.Copy(rest)
		}
		if _, err := io.WriteString(rest, "0"); err != nil {
			return err
		}
		if next != '{' || file != nil {
			return in.Skip()
		}
		file = s.store.NewSpool()
		return in.Copy(file)
	})
	if err == nil {
		err = in.End()
	}
	if err == nil {
		_, err = io.WriteString(rest, "}")
	}
	return rest.b, file, bodyError(w, err)
}

// boundedText takes as much as a small body has.
type boundedText struct {
	b    []byte
	full bool
}

// Write appends. The error is errBodyTooLarge, from then on.
func (t *boundedText) Write(b []byte) (int, error) {
	if t.full = t.full || len(t.b)+len(b) > cap(t.b); t.full {
		return 0, errBodyTooLarge
	}
	t.b = append(t.b, b...)
	return len(b), nil
}
