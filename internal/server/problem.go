package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"walletd/api"
	"walletd/internal/approvals"
	"walletd/internal/archive"
	"walletd/internal/auth"
	"walletd/internal/backup"
	"walletd/internal/connect"
	"walletd/internal/consent"
	"walletd/internal/did"
	"walletd/internal/dpop"
	"walletd/internal/keystore"
	"walletd/internal/ledger"
	"walletd/internal/owner"
	"walletd/internal/policy"
	"walletd/internal/push"
	"walletd/internal/secrets"
	"walletd/internal/store"
	"walletd/internal/strictjson"
	"walletd/internal/wallets"
)

// Refusals of the server itself, before any package below is asked.
var (
	errBodyTooLarge   = errors.New("the body is larger than 64 KiB")
	errBody           = errors.New("the body was cut off, or its chunks are broken")
	errContentType    = errors.New("the body is not said to be JSON")
	errCrossOrigin    = errors.New("a page of another origin made the browser send this")
	errOrigin         = errors.New("the token does not list the origin of the page")
	errHost           = errors.New("the service does not answer to this host")
	errNoPage         = errors.New("the request is not of a page")
	errMethod         = errors.New("the route has no such method")
	errTwoCredentials = errors.New("both a token and a signed request")
	errClock          = errors.New("the clock is behind the store")
	errStreams        = errors.New("the token, or the wallet, has as many streams as it may")
	errHuge           = errors.New("other huge bodies are being read")
	errRate           = errors.New("the token, or the address, has asked too often")
	errFull           = errors.New("there is room for operators and probes alone")
	errDeadline       = errors.New("the request was not finished in time")
)

// problem is an answer that says no.
type problem struct {
	api.Problem
	retry int // seconds for Retry-After, or zero
}

// entry is a line of the table. A detail of "" is filled with the error's own sentence, which is
// ours: no package puts text of a caller into an error.
type entry struct {
	is     error
	status int
	code   api.Code
	detail string
}

// refusals is the one place where errors become answers. What stands first wins, so that a
// sentinel that wraps a protocol code ("rule 3: app must be a DID") is answered as itself.
func refusals() []entry {
	return []entry{
		{errBodyTooLarge, 413, "body_too_large", "Send at most 64 KiB, 512 KiB where a secret or a credential is sent, 4 GiB where a backup is."},
		{errBody, 400, "json_malformed", "The body was cut off, or its chunks are broken. Send one JSON object in UTF-8."},
		{errContentType, 415, "content_type", "Send Content-Type: application/json."},
		{errCrossOrigin, 403, "forbidden", "Pages of other origins may not call this service."},
		{errOrigin, 403, "origin_refused", "This token is not for pages of that origin. Its owner names the origins when the token is made."},
		{errNoPage, 403, "origin_refused", "A page is paired by its own browser, which says its origin: https, or http on this machine. A program takes a token."},
		{errHost, 421, "host_refused", "The service does not answer to this Host. Its operator names those it answers to."},
		{errMethod, 405, "method_not_allowed", "See Allow for the methods of this route."},
		{errTwoCredentials, 400, "two_credentials", "Send either a token or a signed request, not both."},
		{errClock, 503, "clock", "The service's clock is more than 5 minutes behind its store. Its operator sets it, or accepts it with walletd keystore clock --accept."},
		{store.ErrClockAhead, 503, "clock", "The service's clock is more than 30 seconds ahead of its database's, or has jumped. Its operator sets it, or accepts it with walletd keystore clock --accept."},
		{errStreams, 429, "rate_limited", "This token, or this wallet, has as many streams of events as it may. Close one."},
		{errHuge, 429, "busy", "Other backups are being sent. Try again when one is done."},
		{errRate, 429, "rate_limited", "Too many requests came from this token or this address. Ask again in a moment."},
		{errFull, 503, "unavailable", "The service has as many connections as it may. Try again in a moment."},
		{errDeadline, 503, "unavailable", "The request took too long. Ask again."},

		{api.ErrNotText, 422, "not_utf8", "The secret holds half of a character, which no UTF-8 can hold."},
		{strictjson.ErrDuplicateName, 400, "json_duplicate_member", "A member is there twice. Send it once."},
		{strictjson.ErrCaseVariant, 400, "json_case_variant", "Two members differ only in case. Send one."},
		{strictjson.ErrNotObject, 400, "json_malformed", "The body must be one JSON object in UTF-8."},
		{strictjson.ErrNotJSON, 400, "json_malformed", "The body must be one JSON object in UTF-8."},
		{strictjson.ErrTooDeep, 400, "json_malformed", "The JSON is nested too deep. 32 levels are read."},
		{did.ErrNumber, 400, "json_malformed", "A number is out of range."},

		{keystore.ErrLocked, 423, "locked", "The keystore is locked. An operator unlocks it with walletd keystore unlock."},
		{auth.ErrUnauthorized, 401, "unauthorized", "Send a valid token: Authorization: Bearer TOKEN."},
		{dpop.ErrNonce, 401, "use_dpop_nonce", "Sign the proof anew, with the nonce in the header DPoP-Nonce."},
		{dpop.ErrProof, 401, "invalid_dpop_proof", ""},
		{auth.ErrCodes, 429, "rate_limited", "Too many codes of pages were tried. Ask again in a few minutes."},
		{auth.ErrPairings, 429, "rate_limited", "Too many pages wait to be paired. Ask again in a few minutes."},
		{auth.ErrPairingRejected, 403, "rejected", "The owner rejected the pairing."},
		{auth.ErrPairingExpired, 410, "expired", "The pairing was not approved in time, or has ended. Pair anew."},
		{auth.ErrOrigin, 403, "origin_refused", "The page that was paired is of another origin."},
		{auth.ErrPairingChanged, 409, "changed", "The pairing is not what the approval says: its origin or its key is another. Look at it again."},
		{auth.ErrForbidden, 403, "forbidden", ""},
		{auth.ErrNotFound, 404, "not_found", "There is no such thing here."},
		{auth.ErrPasskeyRequired, 403, "passkey_required", "This takes a touch of the owner's passkey. Open the wallet's page, or send the touch with the request."},
		{auth.ErrPasskeyRefused, 403, "passkey_refused", ""},
		{auth.ErrChallenge, 403, "challenge_invalid", "The challenge has ended, was used, or was given for something else. Begin again."},
		{auth.ErrNoPasskey, 409, "conflict", ""},
		{auth.ErrNoPublicURL, 409, "no_public_url", "The service has no passkeys, because it has no public URL. Its operator starts it with --public-url."},
		{owner.ErrInvitation, 410, "invitation_ended", "The invitation was used, or is older than a day. Ask for a new one."},
		{owner.ErrLastWay, 409, "last_way", "Without it nobody could prove to be the owner. Add another passkey first."},
		{consent.ErrDenied, 403, "denied", ""},
		{consent.ErrRejected, 403, "rejected", "The owner rejected the request. Send it again in 10 minutes at the earliest."},
		{consent.ErrExpired, 410, "expired", "It was not answered, or not collected, in time. Ask again."},
		{consent.ErrAnswerChanged, 409, "changed", "The answer has changed since the owner was shown it. Nothing was disclosed. Send the request again."},
		{consent.ErrDecided, 409, "already_decided", "This approval was answered already."},
		{approvals.ErrChoice, 422, "choice_invalid", ""},
		{policy.ErrPolicy, 422, "policy_invalid", ""},
		{consent.ErrTooMany, 429, "rate_limited", "Too many requests wait for the owner's decision. Send this one again when some are decided."},
		{ledger.ErrMismatch, 422, "idempotency_mismatch", "This Idempotency-Key was used with another body. Use a new one."},
		{auth.ErrExists, 409, "conflict", ""},
		{secrets.ErrNoKey, 404, "no_match", "No key of this app fits any of the descriptions. It may be another account's, or its key was made elsewhere."},
		{secrets.ErrPrecondition, 412, "precondition_failed", "The secret is not as you last saw it. To replace it, send its ETag in If-Match; to create it, nothing."},
		{ledger.ErrForged, 500, "internal", "A row of the store was changed by somebody else and is not used. The record and the log name it."},

		{wallets.ErrSeed, 422, "seed_invalid", "seedHex must be 128 hexadecimal digits: 64 bytes."},
		{auth.ErrInput, 400, "member_invalid", ""},

		{push.ErrTooMany, 409, "conflict", "The wallet has as many push subscriptions as it may. Remove one first."},

		{connect.ErrLink, 400, "link_invalid", ""},
		{connect.ErrTooMany, 429, "rate_limited", "Too many links wait for their apps. Open this one again when some have ended."},
		{connect.ErrBusy, 409, "conflict", "The session is at work. Try again in a minute."},

		{archive.ErrNoDirectory, 409, "archive_unavailable", ""},
		{archive.ErrBusy, 429, "busy", ""},
		{archive.ErrFile, 409, "archive_refused", ""},
		{ledger.ErrArchiveFile, 409, "archive_refused", ""},
		{ledger.ErrUnverified, 409, "archive_refused", ""},

		{backup.ErrInvalid, 422, "backup_invalid", ""},
		{backup.ErrWallet, 422, "backup_other_wallet", ""},
		{backup.ErrSize, 422, "backup_too_large", ""},
		{backup.ErrBusy, 429, "busy", ""},
		{store.ErrOtherRecord, 409, "conflict", "The store has another record of this wallet. Restore without the record of the backup, or into another store."},
		{store.ErrSnapshot, 409, "snapshot_unavailable", ""},
		{store.ErrInUse, 429, "busy", "Another snapshot is being made. Try again when it is done."},

		{keystore.ErrBusy, 429, "busy", "Another unlock is under way. Try again when it is done."},
		{keystore.ErrWrongSecret, 403, "wrong_secret", ""},
		{keystore.ErrForeignRoot, 403, "wrong_secret", "The slot opens, but holds the root key of another store. Restore the database that belongs to it."},
		{keystore.ErrNoSlot, 404, "not_found", "There is no such slot. See walletd keystore slots."},
		{keystore.ErrSlots, 409, "conflict", ""},
		{keystore.ErrSlot, 400, "member_invalid", ""},
		{keystore.ErrPassphrase, 400, "member_invalid", ""},
		{keystore.ErrPassphraseTooShort, 400, "member_invalid", "slot.passphrase must have at least 8 characters, and better 12."},
		{keystore.ErrPassphraseShort, 409, "passphrase_short", "A passphrase of fewer than 12 characters can be guessed by who gets a copy of the store. Choose a longer one, or send slot.acceptShort to use it all the same."},
		{keystore.ErrRecipient, 400, "member_invalid", "slot.recipient must be an age recipient."},
		{keystore.ErrIdentity, 400, "member_invalid", ""},
		{keystore.ErrContent, 400, "member_invalid", ""},
		{keystore.ErrKeyType, 400, "member_invalid", "targetType.key must be ed25519, secp256k1 or ethereum."},
		{keystore.ErrNotInitialised, 503, "unavailable", "There is no keystore yet. Its operator makes one with walletd init."},
		{did.ErrSecretKey, 400, "member_invalid", "secret must be a secret key of the type that targetType names."},

		{store.ErrLastSlot, 409, "last_slot", "This is the last slot. Add another one first."},
		{store.ErrCollision, 409, "account_collision", "Another app of the wallet has the same derivation path. Import a key for this one."},
		{store.ErrReplayed, 409, "jti_replayed", "This jti was used. Sign a fresh request."},
		{store.ErrTooMany, 409, "secrets_full", "There are as many as there may be. Delete some."},
		{store.ErrExists, 409, "conflict", "It exists already."},
		{ledger.ErrArchivedMeanwhile, 409, "conflict", "Entries of the record were archived while it was read. Ask again."},
		{store.ErrChanged, 409, "conflict", "Somebody changed it meanwhile. Read it and try again."},
		{store.ErrNotFound, 404, "not_found", "There is no such thing here."},
		{store.ErrInvalid, 400, "member_invalid", "A value holds what cannot be kept: a NUL character, too much text, or a cursor that is none."},
		{store.ErrFull, 507, "storage_full", "The store has no room: nothing was written, so nothing was given. Its operator makes room."},
		{store.ErrUnavailable, 503, "unavailable", "The database does not answer. Ask again in a moment."},
		{context.Canceled, 503, "unavailable", "The request was cut short."},
		{context.DeadlineExceeded, 503, "unavailable", "The request took too long. Ask again."},
		{store.ErrDamaged, 500, "internal", "The store is damaged. Its operator finds in the log which file, and restores a backup."},
	}
}

// codeStatus gives the status of a protocol code (DID Connect reference l): 400 for what cannot
// be read, 403 for what is refused. Codes that are not here are ours to mend: 500.
func codeStatus(code api.Code) (status int, known bool) {
	switch code {
	case "request_malformed", "jwt_malformed", "jwt_no_signer", "jwt_version", "jwt_time_invalid", "did_invalid",
		"pk_malformed", "agent_pk_missing", "agent_did_missing", "delegation_malformed",
		"salt_reserved", "credential_invalid", "aud_missing", "url_present", "jti_missing", "jti_invalid", "ek_invalid":
		return http.StatusBadRequest, true
	case "aud_mismatch", "app_unknown", "approval_mismatch", "jwt_lifetime", "did_pk_mismatch", "app_pk_mismatch", "agent_pk_mismatch", "jwt_alg_mismatch",
		"jwt_unhashed_ecdsa", "jwt_bad_signature", "authinfo_bad_signature", "jwt_expired", "jwt_no_exp",
		"jwt_iat_future", "jwt_nbf_future", "delegation_missing", "delegation_issuer_mismatch",
		"delegation_bad_signature", "delegation_agent_mismatch", "delegation_expired", "delegation_revoked", "final_unauthenticated",
		"delegation_not_yet_valid", "delegation_no_exp", "delegation_lifetime", "delegation_role_missing",
		"delegation_claim_not_allowed", "account_not_held", "credential_not_held", "salt_mismatch", "claim_unsupported",
		"text_is_a_token", "blind_signature", "delegation_is_a_session_message":
		return http.StatusForbidden, true
	case "jti_replayed", "already_collected", "account_collision", "secrets_full":
		return http.StatusConflict, true
	case "malformed", "bad_base64", "bad_iv", "bad_mac", "bad_secret", "not_utf8", "bad_key", "bad_name", "empty_secret",
		"unknown_algorithm", "no_match", "no_usable_copy", "not_encrypted",
		"bad_base58", "bad_length", "bad_prefix", "bad_parity", "bad_passphrase_info": // of secret storage, its reference's section 12
		return http.StatusUnprocessableEntity, true
	case "too_large":
		return http.StatusRequestEntityTooLarge, true
	}
	return 0, false
}

// problemOf returns the answer to an error, and whether it is one of the table: what is not is
// ours, and tells nothing.
func problemOf(err error) (problem, bool) {
	if e, ok := errors.AsType[*memberError](err); ok {
		return newProblem(400, "member_invalid", sentence(e.Error())), true
	}
	if e, ok := errors.AsType[*unknownError](err); ok {
		return newProblem(400, "json_unknown_member", sentence(e.Error())+" Remove it."), true
	}
	if e, ok := errors.AsType[*ledger.AlreadyCreatedError](err); ok {
		p := newProblem(409, "already_done", "This request made something before. Its secret was shown then.")
		p.ID = e.ID
		return p, true
	}
	if e, ok := errors.AsType[*wallets.WordsError](err); ok {
		return newProblem(422, "words_invalid", sentence(e.Error())), true
	}
	if e, ok := errors.AsType[*keystore.MissingSlotsError](err); ok {
		p := newProblem(409, "slots_missing", "Give the secret of these slots too, or say dropMissing to remove them.")
		p.Slots = e.Names
		return p, true
	}
	if e, ok := errors.AsType[*keystore.DamagedError](err); ok {
		return newProblem(500, "internal", "A row of the store's table "+e.Table+" is damaged or not where it belongs, and nothing was given. Its operator restores a backup."), false
	}
	if e, ok := errors.AsType[*keystore.ForgedError](err); ok {
		return newProblem(500, "internal", "A row of the store's table "+e.Table+" was written by somebody else, and nothing was given. Its operator restores a backup."), false
	}
	if e, ok := errors.AsType[*ledger.ArchivedError](err); ok {
		return newProblem(410, "archived", sentence(e.Error())), true
	}
	if e, ok := errors.AsType[*connect.BlockedError](err); ok {
		return newProblem(422, "address_blocked", "The wallet does not go to that address (rule: "+string(e.Rule)+"). Its operator can allow networks and http for development."), true
	}
	if e, ok := errors.AsType[*consent.RejectedError](err); ok {
		wait := max(time.Second, time.Until(e.Until).Round(time.Second))
		p := newProblem(403, "rejected", fmt.Sprintf("The owner rejected this. Ask again in %s at the earliest.", wait))
		p.retry = int(wait / time.Second)
		return p, true
	}
	for _, r := range refusals() {
		if !errors.Is(err, r.is) || r.code == "json_malformed" && did.CodeOf(err) != "" {
			continue // JSON within the body was refused by whoever reads it, with a code of its own
		}
		detail := r.detail
		if detail == "" {
			detail = sentence(err.Error())
		}
		p := newProblem(r.status, r.code, detail)
		switch r.status {
		case http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusInsufficientStorage:
			p.retry = 2
		}
		return p, r.status != http.StatusInternalServerError
	}
	if refusal, ok := errors.AsType[*did.Refusal](err); ok {
		if status, known := codeStatus(api.Code(refusal.Code)); known {
			return newProblem(status, api.Code(refusal.Code), sentence(refusal.Reason)), true
		}
	}
	return newProblem(500, "internal", "This is a fault of the service. Its log says more."), false
}

func newProblem(status int, code api.Code, detail string) problem {
	return problem{Problem: api.Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Code: code, Detail: detail}}
}

// sentence makes an error's text one: a capital first, a full stop last.
func sentence(text string) string {
	if text == "" {
		return text
	}
	if c := text[0]; 'a' <= c && c <= 'z' {
		text = string(c-'a'+'A') + text[1:]
	}
	if last := text[len(text)-1]; last != '.' && last != '!' && last != '?' {
		text += "."
	}
	return text
}

func (p problem) write(w http.ResponseWriter) {
	body, err := json.Marshal(p.Problem)
	if err != nil {
		body = []byte(`{"type":"about:blank","title":"Internal Server Error","status":500,"code":"internal","detail":"This is a fault of the service."}`)
		p.Status = http.StatusInternalServerError
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	switch {
	case p.Code == api.CodeUseDPoPNonce || p.Code == api.CodeInvalidDPoPProof:
		h.Set("WWW-Authenticate", challenge(string(p.Code)))
	case p.Status == http.StatusUnauthorized && h.Get("WWW-Authenticate") == "":
		h.Set("WWW-Authenticate", `Bearer realm="walletd"`) // RFC 6750, section 3, wants a parameter
	}
	if p.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(p.retry))
	}
	w.WriteHeader(p.Status)
	w.Write(body)
}
