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

// fetchRequest fetches the session's first request (reference d.2), and offers the encrypted channel.
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
		return ctx.Err() // walletd is being stopped; a restart fetches the request again
	}
	if err != nil {
		return l.refuse(ctx, l.unanswered(l.content.URL, err))
	}
	return l.receive(ctx, resp)
}

// unanswered returns the refusal of an exchange without a reply, and logs the reason for the operator. The owner gets
// the same refusal for an address that does not answer, does not exist, or is blocked, so that an owner cannot probe
// the operator's network.
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
	if l.Unanswered != nil {
		l.Unanswered(err)
	}
	return did.Refuse("app_unreachable", "the app could not be reached")
}

// receive handles a reply: the next request, or the last reply of the session.
func (l *leased) receive(ctx context.Context, resp response) error {
	v, err := l.readReply(resp)
	if err != nil && (v.final || endsSilently(err, l.content.Account != "")) {
		return l.refuse(ctx, err)
	}
	if v.final {
		return l.receiveLast(ctx, v)
	}
	if v.challenge == "" && l.request != nil {
		v = *l.request // the reply is not authentic: the previous request is declined, by its account
	}
	if m := readMember(v.connect.Token.Body.Get("memberAppInfo"), ByApp); m != nil {
		l.content.Member = m
	}
	if enterErr := l.enter(ctx, v, l.Auth.SessionCallerForAnswer); enterErr != nil {
		return enterErr
	}
	if err != nil {
		return l.declineFor(ctx, err)
	}
	if l.content.Steps++; l.content.Steps > maxSteps {
		return l.decline(ctx, consent.DeclineAuth, ending{Code: "too_many_steps", Text: "The app sent too many requests in one session."})
	}
	l.content.Name = show.Plain(l.caller.Name, maxName)
	l.received = true
	return nil
}

// readReply makes the checks of reference d.4 on a reply, and sets in l.content what is needed to make them again.
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
	if err == nil && !v.final && len(resp.body) > maxReply {
		return verified{}, did.Refuse("reply_unsigned", fmt.Sprintf("a request of an app is larger than %d KiB", maxReply>>10))
	}
	w.SharedKey, w.Version = "", ""
	l.content.Reply, l.content.Came, l.content.Sealed, l.content.Skew = &w, e.now.UnixMilli(), sealed, e.skew
	return v, err
}

// requestConsent passes the current request to the pipeline.
func (l *leased) requestConsent(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		_, failed := l.keepRequest(ctx)
		return errors.Join(err, failed)
	}
	if l.RefuseUnsealed && !l.content.Sealed && onlySecrets(l.request.claims) {
		return l.declineFor(ctx, did.Refuse("request_unsealed", "the request for a key did not come over the encrypted channel"))
	}
	leave := l.joining()
	out, err := l.Pipeline.Answer(ctx, l.caller, l.request.claims)
	leave()
	return l.outcome(ctx, out, err)
}

// onlySecrets reports whether all claims of a request are for keys, in which case an app that uses the channel
// encrypts the request (reference e).
func onlySecrets(asked []json.RawMessage) bool {
	return !slices.ContainsFunc(requests(asked), func(r delegation.ClaimRequest) bool { return r.Type != "keyPair" && r.Type != "encryptionKey" })
}

// collect collects the outcome of the session's approval from the pipeline.
func (l *leased) collect(ctx context.Context) error {
	leave := l.joining()
	out, err := l.Pipeline.Collect(ctx, l.caller, l.row.Approval, 0)
	leave()
	if errors.Is(err, auth.ErrNotFound) {
		err = consent.ErrExpired
	}
	return l.outcome(ctx, out, err)
}

// outcome acts on what the pipeline returned.
func (l *leased) outcome(ctx context.Context, out consent.Outcome, err error) error {
	switch {
	case err == nil && out.Pending != nil:
		return l.await(ctx, out.Pending)
	case err == nil:
		return l.post(ctx, out.Answer.Signed)
	case errors.Is(err, consent.ErrRejected):
		return l.decline(ctx, consent.DeclineAuth, ending{})
	case errors.Is(err, consent.ErrExpired):
		return l.expire(ctx)
	case errors.Is(err, consent.ErrAnswerChanged):
		return l.retryConsent(ctx)
	case errors.Is(err, store.ErrTooManySessions):
		l.received = false // and is in no row
		return l.decline(ctx, consent.Busy, ending{Code: "busy", Text: "Too many sessions of this app are open."})
	case errors.Is(err, consent.ErrTooMany):
		return l.decline(ctx, consent.Busy, ending{Code: "busy", Text: "Too many requests wait for the owner's decision."})
	case errors.Is(err, ledger.ErrForged):
		return l.decline(ctx, consent.DeclineAuth, ending{Code: "forged", Text: "A row that the answer depends on was not written by this keystore."})
	case errors.Is(err, consent.ErrDenied):
		return l.decline(ctx, consent.DeclineAuth, ending{Code: "denied", Text: err.Error()})
	case did.CodeOf(err) != "":
		return l.declineFor(ctx, err) // the request is authentic, so its app is declined
	}
	switch kept, failed := l.keepRequest(ctx); {
	case errors.Is(failed, store.ErrTooManySessions):
		return l.outcome(ctx, consent.Outcome{}, failed)
	case kept && failed == nil && isUnavailable(err):
		return nil // what the app has done cannot be undone, so the session goes on
	default:
		return errors.Join(err, failed)
	}
}

// await returns the lease because the session waits for the owner, and has the row say so if it does not yet.
func (l *leased) await(ctx context.Context, p *consent.Pending) error {
	if err := l.settle(ctx); err != nil {
		return err
	}
	if !l.received && State(l.row.State) == Waiting && l.row.Approval == p.ID {
		return l.releaseLease(ctx)
	}
	err := l.write(ctx, ledger.SessionWaiting, "", func(row *store.Session) {
		row.State, row.Approval, row.Holder, row.HeldUntil = string(Waiting), p.ID, "", 0
		row.Expires = max(row.Expires, p.Expires.Add(sessionLife).Unix())
	})
	l.waits = err == nil
	return err
}

// retryConsent passes the current request to the pipeline once more, because its approval was cancelled when the
// answer changed. The owner sees a new approval; the app only waits.
func (l *leased) retryConsent(ctx context.Context) error {
	return l.write(ctx, ledger.SessionAsked, "changed", func(row *store.Session) {
		row.State, row.Approval = string(Asked), ""
	})
}

// refuse ends the session without a message to the app. Where the app was answered before, that cannot be undone: the
// session is then not called refused, and its text says what was lost.
func (l *leased) refuse(ctx context.Context, err error) error {
	refusal, ok := errors.AsType[*did.Refusal](err)
	if !ok {
		return err
	}
	e := ending{Code: refusal.Code, Text: refusal.Reason}
	if status, ok := errors.AsType[*statusError](err); ok {
		e.Status = status.code
	}
	if !l.content.Answered {
		return l.end(ctx, Refused, e)
	}
	e.Text = "The answer was sent and is not sent again. The app's reply to it cannot be used, and what came with it is lost: " + e.Text + "."
	return l.end(ctx, Unknown, e)
}

// declineFor declines the request because of a refusal. Any other error it returns as it is.
func (l *leased) declineFor(ctx context.Context, err error) error {
	refusal, ok := errors.AsType[*did.Refusal](err)
	if !ok {
		return err
	}
	return l.decline(ctx, consent.DeclineAuth, ending{Code: refusal.Code, Text: refusal.Reason})
}

// decline posts a decline, or busy, to the app and ends the session, whatever the app replies.
func (l *leased) decline(ctx context.Context, action string, e ending) error {
	if l.request == nil {
		return l.end(ctx, Refused, e) // there is no request to decline
	}
	reason := e.Code
	if reason == "" {
		reason = "the owner rejected the request"
	}
	l.content.Declining = &e
	var signed *auth.SignedAnswer
	leave := l.joining()
	err := l.retryUnavailable(ctx, func() error {
		// The caller's wallet may be remembered (auth.SessionCallerForAnswer), and have changed.
		return l.Auth.Retry(ctx, l.caller, auth.Tries, func() (err error) {
			signed, err = l.Pipeline.Decline(ctx, l.caller, action, reason)
			return err
		})
	})
	leave()
	if err != nil && l.received { // else the request may have been answered, and is not decided again
		_, failed := l.keepRequest(ctx)
		return errors.Join(err, failed)
	}
	if err != nil {
		return err
	}
	_, err = l.send(ctx, signed, l.Client.postDecline)
	if errors.Is(err, errNotSent) {
		return err
	}
	return l.end(context.WithoutCancel(ctx), Declined, e)
}

// post sends an answer once, and handles the reply.
func (l *leased) post(ctx context.Context, a *auth.SignedAnswer) error {
	resp, err := l.send(ctx, a, l.Client.post)
	if errors.Is(err, errNotSent) {
		return err
	}
	// The answer cannot be unsent, so its outcome is written even if walletd is being stopped.
	ctx = context.WithoutCancel(ctx)
	if _, lost := errors.AsType[*lostError](err); lost {
		l.content.Answered = true
		l.Log.Info().Str("session", l.row.ID).Str("origin", origin(l.request.url)).Err(err).Msg("the app did not reply to its answer")
		if b, ok := errors.AsType[*BlockedError](err); ok && b.Rule == RuleTime {
			return l.end(ctx, Unknown, ending{Code: "app_timeout", Text: "The answer was sent, and the app did not reply in time. It is not sent again."})
		}
		return l.endUnknown(ctx)
	}
	if isTooLarge(err) {
		l.content.Answered = true
		return l.refuse(ctx, did.Refuse("reply_unsigned", fmt.Sprintf("it is larger than %d KiB", maxLast>>10)))
	}
	if err != nil && l.content.Answered {
		return l.endUnsent(ctx, l.unanswered(l.request.url, err))
	}
	if err != nil {
		return l.refuse(ctx, l.unanswered(l.request.url, err))
	}
	l.content.Answered = true
	return l.receive(ctx, resp)
}

// endUnsent ends the session of an app that was answered before and can no longer be reached.
func (l *leased) endUnsent(ctx context.Context, err error) error {
	refusal, ok := errors.AsType[*did.Refusal](err)
	if !ok {
		return err
	}
	return l.end(ctx, Unknown, ending{Code: refusal.Code, Text: "The app was answered before in this session. This answer was not sent: " + refusal.Reason + "."})
}

// errNotSent is wrapped by send's error if nothing was sent.
var errNotSent = errors.New("nothing was sent")

// stopWait is how long a reply is waited for while walletd is being stopped.
const stopWait = 15 * time.Second

var errStopped = errors.New("walletd was stopped")

// send posts an answer (reference d.5), once. The row says posting, durably, since the commit that allowed the answer
// (join). Whoever finds such a row does not post again.
func (l *leased) send(ctx context.Context, a *auth.SignedAnswer, post func(context.Context, string, []byte) (response, error)) (response, error) {
	body, err := json.Marshal(struct {
		UserPK   string `json:"userPk"`
		UserInfo string `json:"userInfo"`
		Version  string `json:"version,omitempty"`
	}{a.UserPK, a.UserInfo, a.Version})
	if err != nil {
		return response{}, fmt.Errorf("%w: %w", errNotSent, err)
	}
	if !l.mayPost {
		return response{}, fmt.Errorf("%w: the row does not say posting", errNotSent)
	}
	l.mayPost, l.unposted = false, false
	sending, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(stopWait, func() { cancel(errStopped) }) })
	defer stop()
	return post(sending, l.request.url, body)
}
