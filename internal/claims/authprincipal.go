package claims

import (
	"bytes"
	"context"
	"encoding/json"

	"walletd/internal/did"
)

// authPrincipal is the claim "which account are you?" (DID Connect reference f.1). It adds
// nothing to the answer: the account is revealed by who signs it, or by userDid and userPk. It
// also settles the account of all other claims of the request.
func authPrincipal() Type {
	return Type{
		Name:        "authPrincipal",
		Description: "Please continue with your account",
		Parse: func(asked did.Object) (Request, error) {
			var p Principal
			target, err := asked.OptionalText("target", 256)
			if err != nil {
				return Request{}, err
			}
			if target != "" {
				p.Target, err = did.Parse(target)
			} else {
				p.Type, err = readTargetType(asked)
			}
			return Request{Principal: &p, Read: readAuthPrincipal}, err
		},
	}
}

func readAuthPrincipal(_ context.Context, q *Question, c *Claim) error {
	if !q.Owns(c.Account) {
		c.NeverByRule("the account belongs to another app")
		c.Unusual = append(c.Unusual, "Asks to be another account, "+c.Account.Address+", which belongs to "+accountOwner(c.Account)+".")
	}
	return nil
}

// readTargetType reads the account type asked for; what is absent is an ordinary account.
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
	return ParseTargetType(members)
}

// ParseTargetType reads {"role","key","hash","encoding"} with the lower-case names of reference
// section a; each defaults to that of an ordinary account. A type this wallet cannot hold, such
// as a passkey, is claim_unsupported.
func ParseTargetType(members did.Object) (did.Type, error) {
	t := did.AccountType()
	for _, part := range []struct {
		name string
		read func(string) error
	}{
		{"role", func(s string) (err error) { t.Role, err = did.ParseRole(s); return err }},
		{"key", func(s string) (err error) { t.Key, err = did.ParseKeyType(s); return err }},
		{"hash", func(s string) (err error) { t.Hash, err = did.ParseHashType(s); return err }},
	} {
		raw, present := members[part.name]
		if !present {
			continue
		}
		var text string
		if json.Unmarshal(raw, &text) != nil || part.read(text) != nil {
			return t, did.Refuse("claim_unsupported", "the account type asked for is not one this wallet knows")
		}
	}
	// Ethereum's addresses are hexadecimal whatever is asked for, others base58 (reference a.2).
	if e, ok := members.Text("encoding"); ok && e != "base58" && !(e == "base16" && t.Key == did.Ethereum) {
		return t, did.Refuse("claim_unsupported", "addresses are given in base58, those of Ethereum in base16")
	}
	if t.Key == did.Passkey {
		return t, did.Refuse("claim_unsupported", "this wallet holds no passkeys")
	}
	if t.Key == did.Ethereum {
		t.Role, t.Hash = did.RoleAccount, did.Keccak // ethereum addresses carry neither (reference a.2)
	}
	return t, nil
}
