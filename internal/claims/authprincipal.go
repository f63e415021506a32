package claims

import (
	"bytes"
	"context"

	"walletd/internal/consent"
	"walletd/internal/did"
	"walletd/internal/wallets"
)

// authPrincipal is the claim that asks which account answers (DID Connect reference f.1). It adds nothing to the
// answer: its signer, or userDid and userPk, reveal the account. That account also answers all other claims of the
// request.
func authPrincipal() consent.Type {
	return consent.Type{
		Name:        "authPrincipal",
		Description: "Please continue with your account",
		Parse: func(asked did.Object) (consent.Parsed, error) {
			var p consent.Principal
			target, err := asked.OptionalText("target", 256)
			if err != nil {
				return consent.Parsed{}, err
			}
			if target != "" {
				p.Target, err = did.Parse(target)
			} else {
				p.Type, err = readTargetType(asked)
			}
			return consent.Parsed{Principal: &p, Read: readAuthPrincipal}, err
		},
	}
}

func readAuthPrincipal(_ context.Context, req *consent.Request, c *consent.Claim) error {
	if !req.Owns(c.Account) {
		c.RequireAsk("the account belongs to another app")
		c.Unusual = append(c.Unusual, "Asks to log in as another account, "+c.Account.Address+", which belongs to "+wallets.AccountOwner(c.Account)+".")
	}
	return nil
}

// readTargetType parses the type of the account that is requested; without one it is did.AccountType.
func readTargetType(o did.Object) (did.Type, error) {
	t := did.AccountType()
	raw, present := o["targetType"]
	if !present || bytes.Equal(raw, []byte("null")) {
		return t, nil
	}
	members, err := did.ParseObject(raw)
	if err != nil {
		return t, did.Malformed("targetType must be an object", err)
	}
	return did.ParseType(members)
}
