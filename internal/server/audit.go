package server

import (
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"time"

	"walletd/internal/claims"
)

// exportTime bounds the writing of an exported record, which may be long.
const exportTime = 10 * time.Minute

// record is an entry of the record, opened.
type record struct {
	Seq   int64           `json:"seq"`
	ID    string          `json:"id"`
	Time  time.Time       `json:"time"`
	Kind  string          `json:"kind"`
	Entry json.RawMessage `json:"entry"`
	Hash  string          `json:"hash"`
}

func viewRecord(v claims.EntryView) record {
	return record{v.Seq, v.ID, v.Time.UTC(), v.Kind, v.Entry, v.Hash}
}

// entries is the query of a part of the record.
type entries struct {
	After number `json:"after,omitempty"`
	Limit number `json:"limit,omitempty" min:"1" max:"200"`
}

// record lists the caller's chain: claims gives an owner the wallet's and an operator the
// service's, which is why each of these routes is for one role only.
func (s *Server) record(c *call, in entries) (list[record], error) {
	limit := page{Limit: in.Limit}.of().Limit
	views, err := s.door.Record(c.ctx, c.Caller, int64(in.After), limit)
	next := ""
	if len(views) == limit {
		next = strconv.FormatInt(views[limit-1].Seq, 10)
	}
	return listOf(views, next, err, viewRecord)
}

// head is the signed end of a chain at some time.
type head struct {
	Seq       int64     `json:"seq"`
	Hash      string    `json:"hash"`
	Time      time.Time `json:"time"`
	PublicKey string    `json:"publicKey"`
	Signature string    `json:"signature"`
}

// verification is what checking a chain found.
type verification struct {
	OK       bool   `json:"ok"`
	Entries  int64  `json:"entries"`
	Heads    int64  `json:"heads"`
	Head     *head  `json:"head,omitempty"`
	FirstBad *bad   `json:"firstBad,omitempty"`
	Unknown  string `json:"unknown"`
}

// bad names the first entry that does not fit.
type bad struct {
	Seq int64  `json:"seq"`
	Why string `json:"why"`
}

func (s *Server) verify(c *call, _ none) (verification, error) {
	found, err := s.door.VerifyRecord(c.ctx, c.Caller)
	v := verification{OK: found.Bad == nil, Entries: found.Entries, Heads: found.Heads, Unknown: found.Unknown}
	if h := found.Head; h != nil {
		v.Head = &head{h.Seq, hex.EncodeToString(h.Hash), time.UnixMilli(h.Time).UTC(), hex.EncodeToString(h.PublicKey), hex.EncodeToString(h.Signature)}
	}
	if found.Bad != nil {
		v.FirstBad = &bad{found.Bad.Seq, found.Bad.Why}
	}
	return v, err
}

// export writes the chain as it is kept. The answer has begun by the time a line cannot be read,
// so the connection is then cut: what arrived does not end well.
func (s *Server) export(c *call, _ none) (raw, error) {
	return raw{"application/x-ndjson", func(w io.Writer) error {
		if rw, ok := w.(http.ResponseWriter); ok {
			http.NewResponseController(rw).SetWriteDeadline(time.Now().Add(exportTime))
		}
		if err := s.door.ExportRecord(c.ctx, c.Caller, w); err != nil {
			s.log.Error().Err(err).Msg("exporting a record")
			panic(http.ErrAbortHandler)
		}
		return nil
	}}, nil
}
