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

// open makes the session's first request (reference d.2), with the channel on offer.
func (h *held) open(ctx context.Context) error {
	if h.key == nil {
		key, err := h.keys.key(ctx, h.row.Wallet+" "+origin(h.content.URL))
		if err != nil {
			return err
		}
		h.key, h.content.Key = key, encodeKey(key)
	}
	resp, err := h.Client.get(ctx, offering(h.content.URL, offer(h.key)))
	if ctx.Err() != nil {
		return ctx.Err() // we are being stopped; a restart asks again
	}
	if err != nil {
		return h.refuse(ctx, h.unanswered(h.content.URL, err))
	}
	return h.receive(ctx, resp)
}

// unanswered makes the refusal of an exchange without a reply, and tells the operator why there is
// none. The owner hears one answer for every address that does not answer, is not there, or is
// closed to the wallet: which names are of a network of the operator's is not theirs to find out.
func (h *held) unanswered(url string, err error) error {
	h.Log.Info().Str("session", h.row.ID).Str("origin", origin(url)).Err(err).Msg("the app did not answer")
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
func (h *held) receive(ctx context.Context, resp response) error {
	v, err := h.read(resp)
	if err != nil && (v.final || stops(err, h.content.Account != "")) {
		return h.refuse(ctx, err)
	}
	if v.final {
		return h.last(ctx, v)
	}
	if v.challenge == "" && h.request != nil {
		v = *h.request // what came is not authentic: the request before is declined, as its account
	}
	if m := readMember(v.connect.Token.Body["memberAppInfo"], ByApp); m != nil {
		h.content.Member = m
	}
	if enterErr := h.enter(ctx, v); enterErr != nil {
		return enterErr
	}
	if err != nil {
		return h.declineFor(ctx, err)
	}
	if h.content.Steps++; h.content.Steps > maxSteps {
		return h.decline(ctx, consent.DeclineAuth, ending{Code: "too_many_steps", Text: "The app asks again and again."})
	}
	h.content.Name = show.Plain(h.caller.Name, maxName)
	err = h.write(ctx, ledger.SessionAsked, "", func(row *store.Session) {
		row.State, row.App, row.Posting, row.Approval = string(Asked), v.connect.App.Address(), false, ""
		row.Expires = h.Store.Now().Add(sessionLife).Unix()
	}, h.room(v)...)
	if errors.Is(err, store.ErrTooMany) {
		return h.decline(ctx, consent.Busy, ending{Code: "busy", Text: "Too many sessions of this app are open."})
	}
	return err
}

// room is the check that the app of a first request has not too many sessions open.
func (h *held) room(v verified) []store.Write {
	if h.row.App != "" {
		return nil
	}
	row := h.row
	row.App = v.connect.App.Address()
	return []store.Write{store.CheckSessions(row, h.Limit, h.Store.Now().Unix())}
}

// read makes the checks of reference d.4 on a reply, and keeps in h.content what is needed to make
// them again.
func (h *held) read(resp response) (verified, error) {
	w, err := readWire(resp)
	if err != nil {
		return verified{}, err
	}
	sealed, shared := w.sealed(), w.SharedKey
	w, channel, err := w.open(h.key)
	if err != nil {
		return verified{}, err
	}
	e := h.expected()
	v, err := check(w, e)
	if h.row.App == "" {
		if skew, ok := learnSkew(w, e, err); ok {
			e.skew = skew
			v, err = check(w, e)
		}
	}
	if channel != nil {
		if h.channel != nil {
			h.channel.Wipe()
		}
		h.channel, h.content.SharedKey = channel, shared
	}
	w.SharedKey, w.Version = "", ""
	h.content.Reply, h.content.Came, h.content.Sealed, h.content.Skew = &w, e.now.UnixMilli(), sealed, e.skew
	return v, err
}

// ask takes the open request to the pipeline.
func (h *held) ask(ctx context.Context) error {
	if h.RefuseUnsealed && !h.content.Sealed && onlySecrets(h.request.claims) {
		return h.declineFor(ctx, did.Refuse("request_unsealed", "the request for a key did not come over the encrypted channel"))
	}
	out, err := h.Pipeline.Answer(ctx, h.caller, h.request.claims)
	return h.outcome(ctx, out, err)
}

// onlySecrets reports whether the app would have sealed a request, had it been left as it was
// sent (reference e).
func onlySecrets(asked []json.RawMessage) bool {
	return !slices.ContainsFunc(requests(asked), func(r delegation.ClaimRequest) bool { return r.Type != "keyPair" && r.Type != "encryptionKey" })
}

// collect asks the pipeline what the person decided.
func (h *held) collect(ctx context.Context) error {
	out, err := h.Pipeline.Collect(ctx, h.caller, h.row.Approval, 0)
	if errors.Is(err, auth.ErrNotFound) {
		err = consent.ErrExpired
	}
	return h.outcome(ctx, out, err)
}

// outcome goes on with what the pipeline says.
func (h *held) outcome(ctx context.Context, out consent.Outcome, err error) error {
	switch {
	case err == nil && out.Pending != nil:
		if h.row.Approval == out.Pending.ID && State(h.row.State) == Waiting {
			return h.release(ctx)
		}
		return h.write(ctx, ledger.SessionWaiting, "", func(row *store.Session) {
			row.State, row.Approval, row.Holder, row.HeldUntil = string(Waiting), out.Pending.ID, "", 0
			row.Expires = max(row.Expires, out.Pending.Expires.Add(sessionLife).Unix())
		})
	case err == nil:
		h.content.Account = out.Answer.UserDID
		return h.post(ctx, out.Answer.Signed)
	case errors.Is(err, consent.ErrRejected):
		return h.decline(ctx, consent.DeclineAuth, ending{})
	case errors.Is(err, consent.ErrExpired):
		return h.expire(ctx)
	case errors.Is(err, consent.ErrAnswerChanged):
		return h.askAgain(ctx)
	case errors.Is(err, consent.ErrTooMany):
		return h.decline(ctx, consent.Busy, ending{Code: "busy", Text: "Too many questions are waiting for the person."})
	case errors.Is(err, ledger.ErrForged):
		return h.decline(ctx, consent.DeclineAuth, ending{Code: "forged", Text: "What the answer rests on was changed in the store by somebody else."})
	case errors.Is(err, consent.ErrDenied):
		return h.decline(ctx, consent.DeclineAuth, ending{Code: "denied", Text: err.Error()})
	default:
		return h.declineFor(ctx, err) // the request is authentic: its app hears that it is not accepted
	}
}

// askAgain takes the open request to the pipeline once more, because the person's question ended with an
// answer that is not any more what was shown. The person sees a new question; the app only waits.
func (h *held) askAgain(ctx context.Context) error {
	return h.write(ctx, ledger.SessionAsked, "changed", func(row *store.Session) {
		row.State, row.Approval = string(Asked), ""
	})
}

// refuse ends the session in silence.
func (h *held) refuse(ctx context.Context, err error) error {
	refusal, ok := errors.AsType[*did.Refusal](err)
	if !ok {
		return err
	}
	e := ending{Code: refusal.Code, Text: refusal.Reason}
	if status, ok := errors.AsType[*statusError](err); ok {
		e.Status = status.code
	}
	return h.end(ctx, Refused, e)
}

// declineFor declines because of a refusal.
func (h *held) declineFor(ctx context.Context, err error) error {
	refusal, ok := errors.AsType[*did.Refusal](err)
	if !ok {
		return err
	}
	return h.decline(ctx, consent.DeclineAuth, ending{Code: refusal.Code, Text: refusal.Reason})
}

// decline tells the app no, or busy, and ends the session, whatever the app says to that.
func (h *held) decline(ctx context.Context, action string, e ending) error {
	if h.request == nil {
		return h.end(ctx, Refused, e) // there is nobody to tell
	}
	reason := e.Code
	if reason == "" {
		reason = "the person said no"
	}
	var signed *auth.SignedAnswer
	err := h.insist(ctx, func() (err error) {
		signed, err = h.Pipeline.Decline(ctx, h.caller, action, reason)
		return err
	})
	if err != nil {
		return err
	}
	h.content.Declining = &e
	_, err = h.send(ctx, signed, h.Client.postDecline)
	if errors.Is(err, errNotSent) {
		return err
	}
	return h.end(context.WithoutCancel(ctx), Declined, e)
}

// post sends an answer, once, and reads the reply.
func (h *held) post(ctx context.Context, a *auth.SignedAnswer) error {
	resp, err := h.send(ctx, a, h.Client.post)
	if errors.Is(err, errNotSent) {
		return err
	}
	// What has been sent has been sent: its outcome is written though we are being stopped.
	ctx = context.WithoutCancel(ctx)
	if _, lost := errors.AsType[*lostError](err); lost {
		h.Log.Info().Str("session", h.row.ID).Str("origin", origin(h.request.url)).Err(err).Msg("the app did not reply to its answer")
		if b, ok := errors.AsType[*BlockedError](err); ok && b.Rule == RuleTime {
			return h.end(ctx, Unknown, ending{Code: "app_timeout", Text: "The answer was sent, and the app did not say in time whether it took it. It is not sent again."})
		}
		return h.lost(ctx)
	}
	if err != nil {
		return h.refuse(ctx, h.unanswered(h.request.url, err))
	}
	return h.receive(ctx, resp)
}

// errNotSent is what send wraps where it did not come to sending.
var errNotSent = errors.New("nothing was sent")

// stopWait is how long a reply is waited for once we are being stopped.
const stopWait = 15 * time.Second

var errStopped = errors.New("walletd was stopped")

// send posts an answer (reference d.5) after the row says so, durably. The row then says posting,
// and whoever finds it so does not post again.
func (h *held) send(ctx context.Context, a *auth.SignedAnswer, post func(context.Context, string, []byte) (response, error)) (response, error) {
	body, err := json.Marshal(struct {
		UserPK   string `json:"userPk"`
		UserInfo string `json:"userInfo"`
		Version  string `json:"version,omitempty"`
	}{a.UserPK, a.UserInfo, a.Version})
	if err != nil {
		return response{}, fmt.Errorf("%w: %w", errNotSent, err)
	}
	h.content.Sent = h.Store.Now().Unix()
	err = h.write(ctx, ledger.SessionAnswering, "", func(row *store.Session) {
		row.State, row.Posting, row.App = string(Answering), true, h.request.connect.App.Address()
	})
	if err != nil {
		return response{}, fmt.Errorf("%w: %w", errNotSent, err)
	}
	sending, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(stopWait, func() { cancel(errStopped) }) })
	defer stop()
	return post(sending, h.request.url, body)
}
