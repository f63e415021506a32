package pages

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"walletd/api"
	"walletd/internal/approvals"
	"walletd/internal/auth"
	"walletd/internal/owner"
	"walletd/internal/passkey"
)

// What goes between a page's script and the service is what the API has for the same: challenges, registrations and
// assertions, as JSON with bytes in base64url. The script asks for a challenge, has the authenticator answer, and puts
// the answer into a field of the form, which is then sent as any form is.

var base64url = base64.RawURLEncoding.Strict()

// errAnswer: what a form holds of a passkey cannot be read.
var errAnswer = fmt.Errorf("%w: the passkey's answer cannot be read", auth.ErrInput)

// readJSON reads a field of a form that a script filled in.
func (f form) readJSON(name string, into any) error {
	d := json.NewDecoder(bytes.NewReader(f.bytes(name)))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil || d.More() {
		return errAnswer
	}
	return nil
}

// decode decodes texts of base64url in their places.
func decode(texts map[*[]byte]string) error {
	for into, text := range texts {
		var err error
		if *into, err = base64url.DecodeString(text); err != nil || strings.ContainsAny(text, "\r\n") {
			return errAnswer
		}
	}
	return nil
}

func (f form) assertion(name string) (as passkey.Assertion, err error) {
	var in api.Assertion
	if err := f.readJSON(name, &in); err != nil {
		return as, err
	}
	err = decode(map[*[]byte]string{
		&as.ID: in.ID, &as.ClientData: in.ClientDataJSON, &as.AuthenticatorData: in.AuthenticatorData, &as.Signature: in.Signature, &as.UserHandle: in.UserHandle,
	})
	if len(as.UserHandle) == 0 {
		as.UserHandle = nil
	}
	return as, err
}

func (f form) registration(name string) (r passkey.Registration, err error) {
	var in api.Registration
	if err := f.readJSON(name, &in); err != nil {
		return r, err
	}
	return r, decode(map[*[]byte]string{&r.ID: in.ID, &r.ClientData: in.ClientDataJSON, &r.AttestationObject: in.AttestationObject})
}

func (f form) state() (state []byte, err error) {
	return state, decode(map[*[]byte]string{&state: f.text("state")})
}

func encodeAll(ids [][]byte) []string {
	all := make([]string, len(ids))
	for i, id := range ids {
		all[i] = base64url.EncodeToString(id)
	}
	return all
}

// answerJSON answers a script.
func (v *visit) answerJSON(out any) error {
	body, err := json.Marshal(out)
	if err != nil {
		return err
	}
	v.w.Header().Set("Content-Type", "application/json")
	v.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	v.w.Write(body)
	return nil
}

func (v *visit) askTouch(r owner.Request, err error) error {
	if err != nil {
		return err
	}
	return v.answerJSON(api.PasskeyRequest{
		State: base64url.EncodeToString(r.State), Challenge: base64url.EncodeToString(r.Challenge), RPID: r.Party.ID(), Allow: encodeAll(r.Allow), ExpiresAt: r.Ends.UTC(),
	})
}

func (v *visit) askPasskey(c owner.Creation, err error) error {
	if err != nil {
		return err
	}
	return v.answerJSON(api.PasskeyCreation{
		State: base64url.EncodeToString(c.State), Challenge: base64url.EncodeToString(c.Challenge), RPID: c.Party.ID(),
		UserID: base64url.EncodeToString([]byte(c.Owner)), UserName: c.Name, Algorithms: []int{int(passkey.ES256), int(passkey.EdDSA)}, Exclude: encodeAll(c.Exclude),
		Wallet: c.Wallet, WalletName: c.Account, ExpiresAt: c.Ends.UTC(),
	})
}

// askSignInTouch answers what a passkey signs to sign in.
func (p *Pages) askSignInTouch(v *visit) error { return v.askTouch(p.Owners.BeginSignIn(v.ctx())) }

// signInWithPasskey signs in with a passkey's answer.
func (p *Pages) signInWithPasskey(v *visit) error {
	state, err := v.form.state()
	if err != nil {
		return err
	}
	as, err := v.form.assertion("assertion")
	if err != nil {
		return err
	}
	in, err := p.Owners.FinishSignIn(v.ctx(), state, as, "")
	if errors.Is(err, auth.ErrPasskeyRefused) || errors.Is(err, auth.ErrChallenge) {
		return v.show(http.StatusUnauthorized, "sign-in", v.signInPage("signIn.refused"))
	}
	if err != nil {
		return err
	}
	if err := v.begun(in.Token); err != nil {
		return err
	}
	return v.redirect(v.nextPath())
}

// invitePage is where an invitation's link leads. What is behind its # does not come here by itself: the page's script
// sends it once the person wants to accept.
func (p *Pages) invitePage(v *visit) error { return v.show(http.StatusOK, "invite", inviteShown{}) }

// inviteShown is what the page of an invitation shows.
type inviteShown struct {
	Problem string // as its message is called, "" for none
}

// askInvitedPasskey answers what an authenticator is asked for to accept an invitation.
func (p *Pages) askInvitedPasskey(v *visit) error {
	return v.askPasskey(p.Owners.BeginAccept(v.ctx(), v.form.text("invitation")))
}

// acceptInvitation makes who has the invitation, and made a passkey, an owner.
func (p *Pages) acceptInvitation(v *visit) error {
	a := owner.Acceptance{Text: v.form.text("invitation"), Name: v.form.text("name"), Device: browserName(v.r.UserAgent())}
	var err error
	if a.State, err = v.form.state(); err != nil {
		return err
	}
	if a.Registration, err = v.form.registration("registration"); err != nil {
		return err
	}
	in, err := p.Owners.FinishAccept(v.ctx(), a)
	switch {
	case errors.Is(err, owner.ErrInvitation), errors.Is(err, auth.ErrNotFound):
		return v.show(http.StatusGone, "invite", inviteShown{Problem: "invite.ended"})
	case errors.Is(err, auth.ErrChallenge), errors.Is(err, auth.ErrPasskeyRefused):
		return v.show(http.StatusForbidden, "invite", inviteShown{Problem: "invite.refused"})
	case err != nil:
		return err
	}
	if err := v.begun(in.Token); err != nil {
		return err
	}
	return v.redirectDone("/", "welcome")
}

// askDecisionTouch answers what a passkey signs to approve with a choice.
func (p *Pages) askDecisionTouch(v *visit) error {
	choice, err := v.form.choice()
	if err != nil {
		return err
	}
	a, err := p.Approvals.Open(v.ctx(), v.caller, v.name("id"))
	if err != nil {
		return err
	}
	return v.askTouch(p.Owners.BeginApprove(v.ctx(), v.caller, approvals.Decision(a, choice)))
}

// askActionTouch answers what a passkey signs to agree to what a form asks: its path, and all its fields.
func (p *Pages) askActionTouch(v *visit) error {
	path := local(v.r.URL.Query().Get("path"))
	return v.askTouch(p.Owners.BeginTouch(v.ctx(), v.caller, v.form.action(path)...))
}

// action names what a form asks, for a touch that agrees to it.
func (f form) action(path string) []string {
	h := sha256.New()
	part := func(b []byte) {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(b))))
		h.Write(b)
	}
	for _, one := range f.fields {
		if one.name != touchField {
			part([]byte(one.name))
			part(one.value)
		}
	}
	return []string{"form", path, hex.EncodeToString(h.Sum(nil))}
}

// touchField is the field of a form that holds a touch: api.Touched as JSON.
const touchField = "touch"

// checkTouch verifies the touch that came with a form, if one did.
func (v *visit) checkTouch() error {
	if v.form.bytes(touchField) == nil || v.caller == nil {
		return nil
	}
	var in api.Touched
	if err := v.form.readJSON(touchField, &in); err != nil {
		return err
	}
	var state []byte
	var as passkey.Assertion
	err := decode(map[*[]byte]string{
		&state: in.State, &as.ID: in.Assertion.ID, &as.ClientData: in.Assertion.ClientDataJSON, &as.AuthenticatorData: in.Assertion.AuthenticatorData,
		&as.Signature: in.Assertion.Signature, &as.UserHandle: in.Assertion.UserHandle,
	})
	if err != nil {
		return err
	}
	if len(as.UserHandle) == 0 {
		as.UserHandle = nil
	}
	return v.pages.Auth.TouchRequest(v.ctx(), v.caller, state, v.form.action(v.r.URL.Path), as)
}

// askAnotherPasskey answers what an authenticator is asked for to make another passkey of the caller's.
func (p *Pages) askAnotherPasskey(v *visit) error {
	return v.askPasskey(p.Owners.BeginAdd(v.ctx(), v.caller))
}

func (p *Pages) addPasskey(v *visit) error {
	state, err := v.form.state()
	if err != nil {
		return err
	}
	r, err := v.form.registration("registration")
	if err != nil {
		return err
	}
	if _, err := p.Owners.FinishAdd(v.ctx(), v.caller, state, r, browserName(v.r.UserAgent())); err != nil {
		return err
	}
	return v.redirectDone("/devices", "saved")
}

func (p *Pages) namePasskey(v *visit) error {
	if _, err := p.Owners.NamePasskey(v.ctx(), v.caller, v.name("id"), v.form.text("name")); err != nil {
		return err
	}
	return v.redirectDone("/devices", "saved")
}

func (p *Pages) removePasskey(v *visit) error {
	if err := p.Owners.RemovePasskey(v.ctx(), v.caller, v.name("id")); err != nil {
		return err
	}
	return v.redirectDone("/devices", "revoked")
}
