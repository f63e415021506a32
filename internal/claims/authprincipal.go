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
func authPrincipal() kind {
	return kind{
		name:        "authPrincipal",
		description: "Please continue with your account",
		read:        readAuthPrincipal,
	}
}

func readAuthPrincipal(ctx context.Context, q *question, c *claim) error {
	target, err := optionalText(c.asked, "target", 256)
	if err != nil {
		return err
	}
	switch {
	case target != "":
		account, err := did.Parse(target)
		if err != nil {
			return err
		}
		q.account, err = q.held(ctx, account)
		if did.CodeOf(err) == "account_not_held" && q.caller.session != nil {
			return q.missAccount(ctx, c, account)
		}
		if err != nil {
			return err
		}
	case q.choice.Account != "":
		account, err := did.Parse(q.choice.Account)
		if err != nil {
			return err
		}
		if q.account, err = q.held(ctx, account); err != nil {
			return err
		}
	default:
		t, err := readTargetType(c.asked)
		if err != nil {
			return err
		}
		if q.account, q.made, err = q.door.findAccount(ctx, q.caller, t); err != nil {
			return err
		}
	}
	c.account = q.account
	if !q.owns(c.account) {
		c.refuseRule("the account belongs to another app")
		c.unusual = append(c.unusual, "Asks to be another account, "+c.account.Address+", which belongs to "+accountOwner(c.account)+".")
	}
	return nil
}

// missAccount leaves it to the person to close a session's question about an account that the
// wallet does not hold: a page must not find out which it holds by asking.
func (q *question) missAccount(ctx context.Context, c *claim, wanted did.DID) (err error) {
	if q.account, q.made, err = q.door.findAccount(ctx, q.caller, did.AccountType()); err != nil {
		return err
	}
	c.account = q.account
	if q.account.Address == wanted.Address() {
		return nil // the app's own, which is made for this question
	}
	c.missing = did.Refuse("account_not_held", "this wallet does not hold the account asked for")
	c.refuseRule("the wallet does not hold the account asked for")
	c.unusual = append(c.unusual, "Asks to be "+wanted.Address()+", an account that the wallet does not hold. Whatever you answer, the app is declined.")
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
		return t, malformed("targetType must be an object", err)
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
