package connect

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"

	"walletd/internal/auth"
	"walletd/internal/did"
	"walletd/internal/show"
	"walletd/internal/store"
	"walletd/internal/wallets"
)

// The length at which a text of an app is cut, in runes.
const (
	maxName = 80
	maxText = 500
)

// receiveLast ends the session with the app's last reply (reference d.3). Of an unconfirmed reply only the text is
// shown, and nothing is used.
func (l *leased) receiveLast(ctx context.Context, v verified) error {
	body := v.connect.Token.Body
	if l.row.App == "" {
		l.row.App = v.connect.App.Address()
	}
	status, _ := body.Text("status")
	if status != "ok" {
		text, _ := body.Text("errorMessage")
		return l.end(ctx, Failed, ending{Text: show.Plain(text, maxText), Unconfirmed: v.unconfirmed})
	}
	text, _ := body.Text("successMessage")
	e := ending{Text: show.Plain(text, maxText), Unconfirmed: v.unconfirmed}
	if v.unconfirmed {
		return l.end(ctx, Done, e)
	}
	e.Cookies, e.Storages, e.Response = nonEmpty(body, "cookies"), nonEmpty(body, "storages"), nonEmpty(body, "response")
	if next, _ := body.Text("nextUrl"); isAbsolute(next) {
		e.URL = next
	}
	if err := l.storeCredential(ctx, v, &e); err != nil {
		return err
	}
	next, err := l.nextSession(body, &e)
	if err != nil {
		return err
	}
	err = l.end(ctx, Done, e, next...)
	if !errors.Is(err, store.ErrTooMany) {
		return err
	}
	// Too many sessions wait for their apps' first replies: the owner may open the next link later.
	e.Next = ""
	if link, _ := body.Text("nextWorkflow"); isAbsolute(link) {
		e.Workflow = link
	}
	return l.end(ctx, Done, e)
}

// storeCredential has the wallet verify and store the reply's attachment (reference d.11). If the wallet refuses it,
// e.Code says why, and the session ends as usual.
func (l *leased) storeCredential(ctx context.Context, v verified, e *ending) error {
	response, err := did.ParseObject(e.Response)
	if err != nil {
		return nil
	}
	if how, _ := response.Text("disposition"); how != "attachment" || l.content.Account == "" {
		return nil
	}
	if err := l.setRequest(ctx, v); err != nil {
		return err
	}
	var stored []wallets.HoldingView
	err = l.retryUnavailable(ctx, func() (err error) {
		stored, err = l.Wallets.StoreCredential(ctx, l.caller, e.Response)
		return err
	})
	if len(stored) > 0 {
		e.Credential = stored[0].ID
	}
	if len(stored) > 1 {
		e.Asset = stored[1].ID
	}
	switch {
	case err == nil:
	case did.CodeOf(err) != "":
		e.Code = did.CodeOf(err)
	case errors.Is(err, auth.ErrInput):
		e.Code = "credential_not_kept" // the wallet is full
	default:
		return err
	}
	return nil
}

// nextSession returns the writes that open the workflow of the last reply (reference d.10) as a session of its own,
// with an app of its own, about which the owner is asked again. A workflow that is not a deep link, or that exceeds
// maxChained, is left to a browser (ending.Workflow). If too many sessions are open, the writes fail with
// store.ErrTooMany.
func (l *leased) nextSession(body did.Object, e *ending) ([]store.Write, error) {
	text, _ := body.Text("nextWorkflow")
	if text == "" {
		return nil, nil
	}
	inner, beside, err := parseLink(text)
	if err != nil || !isDeepLink(text) || l.content.Chained >= maxChained || l.Client.CheckURL(inner) != nil {
		if isAbsolute(text) {
			e.Workflow = text
		}
		return nil, nil
	}
	row, err := l.newRow(l.caller, content{URL: inner, Member: linkMember(beside), Previous: l.row.ID, Chained: l.content.Chained + 1})
	if err != nil {
		return nil, err
	}
	e.Next = row.ID
	return []store.Write{store.CheckSessions(row, l.Limit, l.Store.Now().Unix()), store.InsertSession(row)}, nil
}

// nonEmpty returns a member of a body, nil if it is missing, null or an empty object.
func nonEmpty(body did.Object, name string) json.RawMessage {
	raw := body.Get(name)
	if len(raw) == 0 || bytes.Equal(raw, []byte("{}")) || bytes.Equal(raw, []byte("null")) {
		return nil
	}
	return raw
}
