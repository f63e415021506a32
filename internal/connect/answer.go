package connect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"walletd/internal/auth"
	"walletd/internal/consent"
	"walletd/internal/delegation"
	"walletd/internal/did"
	"walletd/internal/ledger"
	"walletd/internal/show"
	"walletd/internal/store"
)

// fetchRequest makes the session's first request (reference d.2), with the channel on offer.
func (l *leased) fetchRequest(ctx context.Context) error {
	if l.key == nil {
		key, err := l.keys.key(ctx, l.row.Wallet+" "+origin(l.content.URL))
		if err != nil {
			return err
		}
		l.key, l.content.Key = key, encodeKey(key)
	}
	resp, err := l.Client.get(ctx, offering(l.content.URL, offer(l.key)))
	if ctx.Err() != nil {
		return ctx.Err() // we are being stopped; a restart asks again
	}
	if err != nil {
		return l.refuse(ctx, l.unanswered(l.content.URL, err))
	}
	return l.receive(ctx, resp)
}

// unanswered makes the refusal of an exchange without a reply, and tells the operator why there is
// none. The owner hears one answer for every address that does not answer, is not there, or is
// closed to the wallet: which names are of a network of the operator's is not theirs to find out.
func (l *leased) unanswered(url string, err error) error {
	l.Log.Info().Str("session", l.row.ID).Str("origin", origin(url)).Err(err).Msg("the app did not answer")
	if b, ok := errors.AsType[*BlockedError](err); ok {
		switch b.Rule {
		case RuleTime:
			return did.Refuse("app_timeout", "the app did not answer in time")
		case RuleRedirect, RuleSize:
			return did.Refuse("reply_unsigned", b.Error())
		case RuleScheme, RuleUserinfo, RuleURL:
			return did.Refuse("blocked", b.Error())
		}
	}
	return did.Refuse("app_unreachable", "the app could not be reached")
}

// receive reads a reply: the next request, or the session's end.
func (l *leased) receive(ctx context.Context, resp response) error {
	v, err := l.readReply(resp)
	if err != nil && (v.final || endsSilently(err, l.content.Account != "")) {
		return l.refuse(ctx, err)
	}
	if v.final {
		return l.receiveLast(ctx, v)
	}
	if v.challenge == "" && l.request != nil {
		v = *l.request // what came is not authentic: the request before is declined, as its account
	}
	if m := readMember(v.connect.Token.Body["memberAppInfo"], ByApp); m != nil {
		l.content.Member = m
	}
	if enterErr := l.setRequest(ctx, v); enterErr != nil {
		return enterErr
	}
	if err != nil {
		return l.declineFor(ctx, err)
	}
	if l.content.Steps++; l.content.Steps > maxSteps {
		return l.decline(ctx, consent.DeclineAuth, ending{Code: "too_many_steps", Text: "The app asks again and again."})
	}
	l.content.Name = show.Plain(l.caller.Name, maxName)
	err = l.write(ctx, ledger.SessionAsked, "", func(row *store.Session) {
		row.State, row.App, row.Posting, row.Approval = string(Asked), v.connect.App.Address(), false, ""
		row.Expires = l.Store.Now().Add(sessionLife).Unix()
	}, l.sessionLimit(v)...)
	if errors.Is(err, store.ErrTooMany) {
		return l.decline(ctx, consent.Busy, ending{Code: "busy", Text: "Too many sessions of this app are open."})
	}
	return err
}

// sessionLimit is the check that the app of a first request has not too many sessions open.
func (l *leased) sessionLimit(v verified) []store.Write {
	if l.row.App != "" {
		return nil
	}
	row := l.row
	row.App = v.connect.App.Address()
	return []store.Write{store.CheckSessions(row, l.Limit, l.Store.Now().Unix())}
}

// readReply makes the checks of reference d.4 on a reply, and keeps in h.content what is needed to make
// them again.
func (l *leased) readReply(resp response) (verified, error) {
	w, err := readWire(resp)
	if err != nil {
		return verified{}, err
	}
	sealed, shared := w.isEncrypted(), w.SharedKey
	w, channel, err := w.decrypt(l.key)
	if err != nil {
		return verified{}, err
	}
	e := l.expected()
	v, err := check(w, e)
	if l.row.App == "" {
		if skew, ok := learnSkew(w, e, err); ok {
			e.skew = skew
			v, err = check(w, e)
		}
	}
	if channel != nil {
		if l.channel != nil {
			l.channel.Wipe()
		}
		l.channel, l.content.SharedKey = channel, shared
	}
	w.SharedKey, w.Version = "", ""
	l.content.Reply, l.content.Came, l.content.Sealed, l.content.Skew = &w, e.now.UnixMilli(), sealed, e.skew
	return v, err
}

// requestConsent takes the open request to the pipeline.
func (l *leased) requestConsent(ctx context.Context) error {
	if l.RefuseUnsealed && !l.content.Sealed && onlySecrets(l.request.claims) {
		return l.declineFor(ctx, did.Refuse("request_unsealed", "the request for a key did not come over the encrypted channel"))
	}
	out, err := l.Pipeline.Answer(ctx, l.caller, l.request.claims)
	return l.outcome(ctx, out, err)
}

// onlySecrets reports whether the app would have sealed a request, had it been left as it was
// sent (reference e).
func onlySecrets(asked []json.RawMessage) bool {
	return !slices.ContainsFunc(requests(asked), func(r delegation.ClaimRequest) bool { return r.Type != "keyPair" && r.Type != "encryptionKey" })
}

// collect asks the pipeline what the person decided.
func (l *leased) collect(ctx context.Context) error {
	out, err := l.Pipeline.Collect(ctx, l.caller, l.row.Approval, 0)
	if errors.Is(err, auth.ErrNotFound) {
		err = consent.ErrExpired
	}
	return l.outcome(ctx, out, err)
}

// outcome goes on with what the pipeline says.
func (l *leased) outcome(ctx context.Context, out consent.Outcome, err error) error {
	switch {
	case err == nil && out.Pending != nil:
		if l.row.Approval == out.Pending.ID && State(l.row.State) == Waiting {
			return l.releaseLease(ctx)
		}
		return l.write(ctx, ledger.SessionWaiting, "", func(row *store.Session) {
			row.State, row.Approval, row.Holder, row.HeldUntil = string(Waiting), out.Pending.ID, "", 0
			row.Expires = max(row.Expires, out.Pending.Expires.Add(sessionLife).Unix())
		})
	case err == nil:
		l.content.Account = out.Answer.UserDID
		return l.post(ctx, out.Answer.Signed)
	case errors.Is(err, consent.ErrRejected):
		return l.decline(ctx, consent.DeclineAuth, ending{})
	case errors.Is(err, consent.ErrExpired):
		return l.expire(ctx)
	case errors.Is(err, consent.ErrAnswerChanged):
		return l.retryConsent(ctx)
	case errors.Is(err, consent.ErrTooMany):
		return l.decline(ctx, consent.Busy, ending{Code: "busy", Text: "Too many questions are waiting for the person."})
	case errors.Is(err, ledger.ErrForged):
		return l.decline(ctx, consent.DeclineAuth, ending{Code: "forged", Text: "What the answer rests on was changed in the store by somebody else."})
	case errors.Is(err, consent.ErrDenied):
		return l.decline(ctx, consent.DeclineAuth, ending{Code: "denied", Text: err.Error()})
	default:
		return l.declineFor(ctx, err) // the request is authentic: its app hears that it is not accepted
	}
}

// retryConsent takes the open request to the pipeline once more, because the person's question ended with an
// answer that is not any more what was shown. The person sees a new question; the app only waits.
func (l *leased) retryConsent(ctx context.Context) error {
	return l.write(ctx, ledger.SessionAsked, "changed", func(row *store.Session) {
		row.State, row.Approval = string(Asked), ""
	})
}

// refuse ends the session in silence.
func (l *leased) refuse(ctx context.Context, err error) error {
	refusal, ok := errors.AsType[*did.Refusal](err)
	if !ok {
		return err
	}
	e := ending{Code: refusal.Code, Text: refusal.Reason}
	if status, ok := errors.AsType[*statusError](err); ok {
		e.Status = status.code
	}
	return l.end(ctx, Refused, e)
}

// declineFor declines because of a refusal.
func (l *leased) declineFor(ctx context.Context, err error) error {
	refusal, ok := errors.AsType[*did.Refusal](err)
	if !ok {
		return err
	}
	return l.decline(ctx, consent.DeclineAuth, ending{Code: refusal.Code, Text: refusal.Reason})
}

// decline tells the app no, or busy, and ends the session, whatever the app says to that.
func (l *leased) decline(ctx context.Context, action string, e ending) error {
	if l.request == nil {
		return l.end(ctx, Refused, e) // there is nobody to tell
	}
	reason := e.Code
	if reason == "" {
		reason = "the owner rejected the request"
	}
	var signed *auth.SignedAnswer
	err := l.retryUnavailable(ctx, func() (err error) {
		signed, err = l.Pipeline.Decline(ctx, l.caller, action, reason)
		return err
	})
	if err != nil {
		return err
	}
	l.content.Declining = &e
	_, err = l.send(ctx, signed, l.Client.postDecline)
	if errors.Is(err, errNotSent) {
		return err
	}
	return l.end(context.WithoutCancel(ctx), Declined, e)
}

// post sends an answer, once, and reads the reply.
func (l *leased) post(ctx context.Context, a *auth.SignedAnswer) error {
	resp, err := l.send(ctx, a, l.Client.post)
	if errors.Is(err, errNotSent) {
		return err
	}
	// What has been sent has been sent: its outcome is written though we are being stopped.
	ctx = context.WithoutCancel(ctx)
	if _, lost := errors.AsType[*lostError](err); lost {
		l.Log.Info().Str("session", l.row.ID).Str("origin", origin(l.request.url)).Err(err).Msg("the app did not reply to its answer")
		if b, ok := errors.AsType[*BlockedError](err); ok && b.Rule == RuleTime {
			return l.end(ctx, Unknown, ending{Code: "app_timeout", Text: "The answer was sent, and the app did not say in time whether it took it. It is not sent again."})
		}
		return l.endUnknown(ctx)
	}
	if err != nil {
		return l.refuse(ctx, l.unanswered(l.request.url, err))
	}
	return l.receive(ctx, resp)
}

// errNotSent is what send wraps where it did not come to sending.
var errNotSent = errors.New("nothing was sent")

// stopWait is how long a reply is waited for once we are being stopped.
const stopWait = 15 * time.Second

var errStopped = errors.New("walletd was stopped")

// send posts an answer (reference d.5) after the row says so, durably. The row then says posting,
// and whoever finds it so does not post again.
func (l *leased) send(ctx context.Context, a *auth.SignedAnswer, post func(context.Context, string, []byte) (response, error)) (response, error) {
	body, err := json.Marshal(struct {
		UserPK   string `json:"userPk"`
		UserInfo string `json:"userInfo"`
		Version  string `json:"version,omitempty"`
	}{a.UserPK, a.UserInfo, a.Version})
	if err != nil {
		return response{}, fmt.Errorf("%w: %w", errNotSent, err)
	}
	l.content.Sent = l.Store.Now().Unix()
	err = l.write(ctx, ledger.SessionAnswering, "", func(row *store.Session) {
		row.State, row.Posting, row.App = string(Answering), true, l.request.connect.App.Address()
	})
	if err != nil {
		return response{}, fmt.Errorf("%w: %w", errNotSent, err)
	}
	sending, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(stopWait, func() { cancel(errStopped) }) })
	defer stop()
	return post(sending, l.request.url, body)
}
