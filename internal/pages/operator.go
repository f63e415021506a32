package pages

import (
	"errors"
	"net/http"

	"walletd/internal/auth"
	"walletd/internal/keystore"
	"walletd/internal/secret"
)

// operatorPage is what the page for the operator shows. It keeps no session: each act takes the operator's token.
type operatorPage struct {
	Unlocked bool
	Problem  string // as its message is called, "" for none
	Detail   string
}

func (p *Pages) operator(v *visit) error {
	return p.showOperator(v, http.StatusOK, "", "")
}

func (p *Pages) showOperator(v *visit, status int, problem, detail string) error {
	now, err := p.Keystore.Status(v.ctx())
	if err != nil {
		return err
	}
	return v.show(status, "operator", operatorPage{now.Unlocked, problem, detail})
}

// operate unlocks or locks the keystore.
func (p *Pages) operate(v *visit) error {
	token, err := secret.Line(v.form.bytes("token"))
	if err != nil {
		return p.showOperator(v, http.StatusUnauthorized, "operator.noOperator", "")
	}
	c, err := p.Auth.Authenticate(v.ctx(), string(token))
	if err == nil {
		defer c.Close()
		err = c.RequireOperator()
	}
	switch {
	case errors.Is(err, auth.ErrUnauthorized), errors.Is(err, auth.ErrForbidden), errors.Is(err, keystore.ErrLocked):
		return p.showOperator(v, http.StatusUnauthorized, "operator.noOperator", "")
	case err != nil:
		return err
	}
	if v.form.text("action") == "lock" {
		if err := p.Wallets.Lock(v.ctx(), c); err != nil {
			return err
		}
		return v.redirectDone("/operator", "locked")
	}
	key := keystore.Passphrase(v.form.bytes("passphrase"))
	defer key.Wipe()
	err = p.Keystore.Unlock(v.ctx(), c.Token, key)
	if unfinished, ok := errors.AsType[*keystore.UnfinishedError](err); ok {
		p.Log.Error().Err(unfinished).Msg("unlocked; the rotation goes on at the next unlock")
		err = nil
	}
	if err != nil {
		described, expected := p.Describe(err)
		if !expected {
			return err
		}
		return p.showOperator(v, described.Status, "operator.notUnlocked", described.Detail)
	}
	return v.redirectDone("/operator", "unlocked")
}
