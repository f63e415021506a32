package server

import (
	"context"
	"encoding/hex"
	"io"
	"net/http"
	"strconv"
	"time"

	"walletd/api"
	"walletd/internal/ledger"
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

func (s *Server) verify(ctx context.Context, c *call, _ none) (api.Verification, error) {
	found, err := s.wallets.VerifyAuditLog(ctx, c.caller)
	v := api.Verification{OK: found.Bad == nil, Entries: found.Entries, Heads: found.Heads, FirstBad: (*api.BadEntry)(found.Bad), Unknown: found.Unknown}
	if h := found.Head; h != nil {
		v.Head = &api.Head{
			Seq: h.Seq, Hash: hex.EncodeToString(h.Hash), Time: time.UnixMilli(h.Time).UTC(),
			PublicKey: hex.EncodeToString(h.PublicKey), Signature: hex.EncodeToString(h.Signature),
		}
	}
	return v, err
}

// export writes the chain as it is kept. The answer has begun by the time a line cannot be read,
// so the connection is then cut: what arrived does not end well.
func (s *Server) export(ctx context.Context, c *call, _ none) (raw, error) {
	return raw{"application/x-ndjson", func(w io.Writer) error {
		if rw, ok := w.(http.ResponseWriter); ok {
			http.NewResponseController(rw).SetWriteDeadline(time.Now().Add(exportTime))
		}
		if err := s.wallets.ExportAuditLog(ctx, c.caller, w); err != nil {
			s.log.Error().Err(err).Msg("exporting a record")
			panic(http.ErrAbortHandler)
		}
		return nil
	}}, nil
}
