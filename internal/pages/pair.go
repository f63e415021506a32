package pages

import (
	"errors"
	"net/http"
	"time"

	"walletd/internal/auth"
)

// pairPage is what the page shows where a code of another page is typed: at first a field for the code, and then what
// asks.
type pairPage struct {
	auth.PairingView
	Asks    bool   // Code is one that waits
	Near    bool   // it asks from the network that this browser is in
	Days    int    // for which it is paired
	Problem string // as its message is called, "" for none
}

// pairForm asks for a code, or shows what asks with the one that was typed. A link can bring the code behind its #,
// which a script puts into the field; it decides nothing.
func (p *Pages) pairForm(v *visit) error {
	code := v.r.URL.Query().Get("code")
	if code == "" {
		return v.show(http.StatusOK, "pair", pairPage{})
	}
	if err := p.Auth.TryCode(v.caller); err != nil {
		return err
	}
	pairing, err := p.Auth.Pairing(v.ctx(), v.caller, code)
	if errors.Is(err, auth.ErrNotFound) {
		return v.show(http.StatusNotFound, "pair", pairPage{Problem: "pair.none"})
	}
	if err != nil {
		return err
	}
	return v.show(http.StatusOK, "pair", pairPage{
		PairingView: pairing, Asks: true, Near: pairing.IsNear(v.r.RemoteAddr), Days: int(auth.DefaultPaired / (24 * time.Hour)),
	})
}

// pair approves or rejects what asks. The form names the origin and the key that were shown.
func (p *Pages) pair(v *visit) error {
	if err := p.Auth.TryCode(v.caller); err != nil {
		return err
	}
	code, done := v.form.text("code"), "paired"
	var err error
	if v.form.text("decision") == "reject" {
		done = "rejected"
		err = p.Auth.RejectPairing(v.ctx(), v.caller, code)
	} else {
		_, err = p.Auth.ApprovePairing(v.ctx(), v.caller, code, auth.PairingApproval{
			Origin: v.form.text("origin"), Thumbprint: v.form.text("thumbprint"), App: v.form.text("app"),
		})
	}
	switch {
	case errors.Is(err, auth.ErrNotFound):
		return v.show(http.StatusNotFound, "pair", pairPage{Problem: "pair.none"})
	case errors.Is(err, auth.ErrPairingChanged):
		return v.show(http.StatusConflict, "pair", pairPage{Problem: "pair.changed"})
	case err != nil:
		return err
	}
	return v.redirectDone("/devices", done)
}
