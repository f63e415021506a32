package pages

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"walletd/internal/did"
	"walletd/internal/ledger"
	"walletd/internal/show"
)

const (
	recordShown  = 50    // entries of a page
	recordRead   = 500   // at once
	recordSearch = 10000 // entries that one search looks at
	exportTime   = 10 * time.Minute
)

// recordPage is what the page of the record shows, newest first.
type recordPage struct {
	Entries      []entryShown
	Words        string          // that were searched for
	Older        int64           // number before which the next page begins; 0 at the first entry that is not archived
	Archived     *ledger.Archive // the newest, on the last page; nil if there is none
	Verified     bool
	Verification ledger.Verification
}

// entryShown is an entry in words.
type entryShown struct {
	ledger.Entry
	Event ledger.Event
	App   string // the owner's name for it, or its address cut
	Raw   string
}

func (p *Pages) record(v *visit) error {
	query := v.r.URL.Query()
	shown := recordPage{Words: show.Plain(query.Get("q"), 100)}
	end, err := p.Store.ChainEnd(v.ctx(), v.caller.WalletID)
	if err != nil {
		return err
	}
	before := end.Seq + 1
	if n, err := strconv.ParseInt(query.Get("before"), 10, 64); err == nil && n > 0 && n < before {
		before = n
	}
	apps, err := p.appsWithGrants(v)
	if err != nil {
		return err
	}
	names := map[string]string{}
	for _, a := range apps {
		names[a.App] = a.Name
	}
	archived, err := p.Wallets.Archived(v.ctx(), v.caller)
	if err != nil {
		return err
	}
	oldest := int64(1) // that is not archived
	if archived != nil {
		oldest = archived.Last + 1
	}
	looked := int64(0)
	for before > oldest && len(shown.Entries) < recordShown && looked < recordSearch {
		first := max(before-recordRead, oldest)
		entries, err := p.Wallets.AuditEntries(v.ctx(), v.caller, first-1, int(before-first))
		if err != nil {
			return err
		}
		looked += before - first
		for i := len(entries) - 1; i >= 0 && len(shown.Entries) < recordShown; i-- {
			before = entries[i].Seq
			if e := describe(entries[i], names); matches(e, shown.Words) {
				shown.Entries = append(shown.Entries, e)
			}
		}
		if len(entries) == 0 {
			break
		}
	}
	if before > oldest {
		shown.Older = before
	} else {
		shown.Archived = archived
	}
	if query.Get("verify") != "" {
		if shown.Verification, err = p.Wallets.VerifyAuditLog(v.ctx(), v.caller); err != nil {
			return err
		}
		shown.Verified = true
	}
	return v.show(http.StatusOK, "record", shown)
}

// describe reads an entry. What it holds of apps was made plain when it was written, or is escaped here.
func describe(e ledger.Entry, names map[string]string) entryShown {
	shown := entryShown{Entry: e}
	var b bytes.Buffer
	if json.Indent(&b, e.Entry, "", "  ") == nil {
		shown.Raw = show.EscapeLines(b.String())
	}
	if json.Unmarshal(e.Entry, &shown.Event) == nil && shown.Event.App != "" {
		if shown.App = names[did.Prefixed(shown.Event.App)]; shown.App == "" {
			shown.App = short(shown.Event.App)
		}
	}
	return shown
}

// matches reports whether an entry holds all the words, in any case.
func matches(e entryShown, words string) bool {
	text := strings.ToLower(fmt.Sprint(e.Kind, " ", e.App, " ", e.Seq, " ", e.Raw))
	for word := range strings.FieldsSeq(strings.ToLower(words)) {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}

// exportRecord answers with the record as a file, which walletd audit verify checks.
func (p *Pages) exportRecord(v *visit) error {
	h := v.w.Header()
	h.Set("Content-Type", "application/x-ndjson")
	h.Set("Content-Disposition", `attachment; filename="walletd-record-`+did.Bare(v.caller.WalletID)+`.ndjson"`)
	http.NewResponseController(v.w).SetWriteDeadline(time.Now().Add(exportTime))
	if err := p.Wallets.ExportAuditLog(v.ctx(), v.caller, v.w); err != nil {
		p.Log.Error().Str("page", chi.RouteContext(v.ctx()).RoutePattern()).Err(err).Msg("exporting a record")
		panic(http.ErrAbortHandler) // what arrived does not end well
	}
	return nil
}
