package claims

import (
	"bytes"
	"context"

	"walletd/internal/auth"
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
				err = readType(asked, &p)
			}
			return consent.Parsed{Principal: &p, Read: readAuthPrincipal}, err
		},
	}
}

// readType parses the type of account that is asked for. Without targetType the chain implies it, which newer apps
// name in the request, and older ones in the claim.
func readType(asked did.Object, p *consent.Principal) (err error) {
	if p.Type, err = readTargetType(asked); err != nil || namesType(asked) {
		return err
	}
	switch auth.ChainType(asked) {
	case "":
		p.ByChain = true
	case consent.ChainEthereum:
		p.Type = did.EthereumType()
	}
	return nil
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
	if !namesType(o) {
		return t, nil
	}
	members, err := did.ParseObject(o.Get("targetType"))
	if err != nil {
		return t, did.Malformed("targetType must be an object", err)
	}
	return did.ParseType(members)
}

// namesType reports whether a claim has the member targetType.
func namesType(o did.Object) bool {
	raw := o.Get("targetType")
	return raw != nil && !bytes.Equal(raw, []byte("null"))
}
