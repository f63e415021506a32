package server

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"strconv"
	"time"

	"walletd/api"
	"walletd/internal/ledger"
	"walletd/internal/store"
)

// exportTime bounds the writing of an exported record, which may be long.
const exportTime = 10 * time.Minute

func recordOf(v ledger.Entry) api.Record {
	return api.Record{Seq: v.Seq, ID: v.ID, Time: utc(v.Time), Kind: v.Kind, Entry: v.Entry, Hash: v.Hash}
}

// records lists the caller's chain: claims gives an owner the wallet's and an operator the
// service's, which is why each of these routes is for one role only.
func (s *Server) records(ctx context.Context, c *call, in api.RecordsQuery) (api.List[api.Record], error) {
	limit := pageOf(in.Limit, "").Limit
	views, err := s.wallets.AuditEntries(ctx, c.caller, in.After, limit)
	next := ""
	if len(views) == limit {
		next = strconv.FormatInt(views[limit-1].Seq, 10)
	}
	return listOf(views, next, err, recordOf)
}

func archiveOf(a ledger.Archive) api.Archive {
	return api.Archive{
		First: a.First, Last: a.Last, At: time.UnixMilli(a.Time).UTC(), File: a.File, Size: a.Size, SHA256: hex.EncodeToString(a.Sum), Hash: hex.EncodeToString(a.Hash),
	}
}

// archives lists the archives of the caller's wallet, the newest first. The cursor is the number of the last entry of one.
func (s *Server) archives(ctx context.Context, c *call, in api.Page) (api.List[api.Archive], error) {
	before := int64(math.MaxInt64)
	if in.Cursor != "" {
		var err error
		if before, err = strconv.ParseInt(in.Cursor, 10, 64); err != nil {
			return api.List[api.Archive]{}, store.ErrInvalid
		}
	}
	limit := pageOf(in.Limit, "").Limit
	found, err := s.archive.List(ctx, c.caller, before, limit)
	next := ""
	if len(found) == limit {
		next = strconv.FormatInt(found[limit-1].Last, 10)
	}
	return listOf(found, next, err, archiveOf)
}

// archiveAudit archives the record of the wallet that the path names.
func (s *Server) archiveAudit(ctx context.Context, c *call, in api.NewArchive) (api.MadeArchive, error) {
	slowly(c.writer)
	made, err := s.archive.Create(ctx, c.caller, c.names["wallet"], in.Before)
	out := api.MadeArchive{Deleted: made.Deleted}
	if made.Archive != nil {
		a := archiveOf(*made.Archive)
		out.Archive = &a
	}
	return out, err
}

func (s *Server) verify(ctx context.Context, c *call, _ none) (api.Verification, error) {
	slowly(c.writer)
	found, err := s.wallets.VerifyAuditLog(ctx, c.caller)
	v := api.Verification{OK: found.Bad == nil, Entries: found.Entries, Heads: found.Heads, Unknown: found.Unknown}
	if found.Bad != nil {
		v.FirstBad = &api.BadEntry{Seq: found.Bad.Seq, Why: found.Bad.Why}
	}
	if h := found.Head; h != nil {
		v.Head = &api.Head{
			Seq: h.Seq, Hash: hex.EncodeToString(h.Hash), Time: time.UnixMilli(h.Time).UTC(),
			PublicKey: hex.EncodeToString(h.PublicKey), Signature: hex.EncodeToString(h.Signature),
		}
	}
	if found.Archived != nil {
		a := archiveOf(*found.Archived)
		v.Archived = &a
	}
	return v, err
}

// export writes the chain as it is kept. What goes wrong before a part of it has left is answered like any other error,
// but that entries were archived meanwhile: it is then written anew.
func (s *Server) export(ctx context.Context, c *call, _ none) (raw, error) {
	return raw{"application/x-ndjson", func(w io.Writer) error {
		if rw, ok := w.(http.ResponseWriter); ok {
			http.NewResponseController(rw).SetWriteDeadline(time.Now().Add(exportTime))
		}
		left := &leaving{to: w}
		for {
			out := bufio.NewWriterSize(left, 64<<10)
			err := s.wallets.ExportAuditLog(ctx, c.caller, out)
			if err == nil {
				err = out.Flush()
			}
			switch {
			case err == nil:
				return nil
			case left.begun:
				s.breakOff(w, out, err)
			case !errors.Is(err, ledger.ErrArchivedMeanwhile):
				return err
			}
		}
	}}, nil
}

// breakOff ends an exported record that cannot be written whole: its last line says why, for whom a cut connection does not
// tell, as behind a proxy that speaks HTTP/1.0, and the connection is cut.
func (s *Server) breakOff(w io.Writer, out *bufio.Writer, err error) {
	s.log.Error().Err(err).Msg("exporting a record")
	p, _ := problemOf(err)
	if rw, ok := w.(http.ResponseWriter); ok && json.NewEncoder(out).Encode(map[string]api.Problem{"error": p.Problem}) == nil && out.Flush() == nil {
		_ = http.NewResponseController(rw).Flush() // the connection is cut either way
	}
	panic(http.ErrAbortHandler)
}

// leaving notes that something was written.
type leaving struct {
	to    io.Writer
	begun bool
}

// Write implements io.Writer.
func (l *leaving) Write(b []byte) (int, error) {
	l.begun = true
	return l.to.Write(b)
}
