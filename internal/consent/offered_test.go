package consent_test

import (
	"slices"
	"testing"

	"walletd/internal/approvals"
	"walletd/internal/did"
	"walletd/internal/wallettest/fixture"
)

// What an approval says can be remembered can be, and nothing else: for each request, and for each of several credentials
// that it can be answered with.
func TestAnApprovalSaysWhetherItCanBeRemembered(t *testing.T) {
	f := fixture.New(t)
	f.SetProfile(fixture.WholeProfile())
	token := f.AppToken(fixture.Notes)
	own := f.AccountAddress(fixture.Notes)
	for name, claims := range map[string][]string{
		"a key":                            {fixture.KeyClaim("diary")},
		"a key with a number to choose":    {`{"type":"encryptionKey","salt":"mfa","mfaCode":[11,22,33]}`},
		"a key for another DID":            {fixture.KeyClaim(fixture.Another)},
		"a login":                          {`{"type":"authPrincipal"}`},
		"a login as another app's account": {`{"type":"authPrincipal","target":"` + f.AccountAddress(fixture.Another) + `"}`},
		"a login as one that is not held":  {`{"type":"authPrincipal","target":"` + fixture.NewPeer(t, 7).DID.Address() + `"}`},
		"a profile":                        {profileClaim},
		"a login and a profile":            {`{"type":"authPrincipal"}`, profileClaim},
		"a text to sign":                   {fixture.TextClaim("hello", "sha3")},
		"a login, and a text to sign":      {`{"type":"authPrincipal"}`, fixture.TextClaim("hello again", "sha3")},
		"an agreement":                     {agreeClaim},
		"a card that is not held":          {cardClaim},
		"a card that need not be held":     {`{"type":"verifiableCredential","optional":true,"item":["Other"],"challenge":"A1B2C3D4E5F60718"}`},
		"a key pair":                       {`{"type":"keyPair","moniker":"blog","targetType":{"role":"application","key":"ed25519","hash":"sha3"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			p := f.Pending(token, claims...)
			v := f.Approval(p.ID)
			offered := !slices.ContainsFunc(v.Claims, func(c approvals.ClaimView) bool { return c.AskedEachTime != "" })
			choice := approvals.Choice{Remember: &approvals.Remember{Seconds: 60}}
			for _, c := range v.Claims {
				if len(c.MFACode) > 0 {
					choice.MFACode = c.MFACode[0]
				}
			}
			if err := f.Approve(p.ID, choice); (err == nil) != offered {
				t.Errorf("remembering is offered: %v, and then: %v", offered, err)
			} else if err != nil {
				fixture.WantErr(t, err, approvals.ErrChoice)
			} else {
				f.Exec(`delete from grants`) // it would answer the next
			}
		})
	}

	mine := f.AddCredential(fixture.NewPeer(t, 9), "mine", own, "")
	other := f.AddCredential(fixture.NewPeer(t, 8), "other", f.AccountAddress(fixture.Another), "")
	for id, offered := range map[string]bool{mine: true, other: false} {
		p := f.Pending(token, cardClaim)
		c := f.Approval(p.ID).Claims[0]
		i := slices.IndexFunc(c.Offers, func(o approvals.OfferView) bool { return o.ID == id })
		if c.AskedEachTime != "" || i < 0 || (c.Offers[i].AskedEachTime == "") != offered {
			t.Fatalf("shown is %+v", c)
		}
		err := f.Approve(p.ID, approvals.Choice{Credentials: []string{id}, Remember: &approvals.Remember{Times: 1}})
		if (err == nil) != offered {
			t.Errorf("remembering it is offered: %v, and then: %v", offered, err)
		}
		if err == nil {
			f.Exec(`delete from grants`)
		}
	}
}

// The owner is offered the app's own accounts where the request leaves the choice to them, and each can be chosen.
func TestAnApprovalOffersTheAccountsThatCanAnswer(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	usual := f.AccountAddress(fixture.Notes)
	ethereum := f.Account(fixture.Notes, did.EthereumType()).Address
	f.AccountAddress(fixture.Another)
	const login = `{"type":"authPrincipal"}`
	both := []string{usual, ethereum}
	for name, c := range map[string]struct {
		claims []string
		want   []string
	}{
		"for a login":                       {[]string{login, fixture.KeyClaim("a")}, both},
		"for one that names the account":    {[]string{`{"type":"authPrincipal","target":"` + usual + `"}`}, nil},
		"for no login":                      {[]string{fixture.KeyClaim("b")}, nil},
		"but none that cannot do the rest":  {[]string{login, fixture.TextClaim("c", "none")}, nil},
		"and what answers otherwise before": {[]string{`{"type":"authPrincipal","targetType":{"role":"account","key":"ethereum","hash":"keccak"}}`}, []string{ethereum, usual}},
	} {
		t.Run(name, func(t *testing.T) {
			p := f.Pending(token, c.claims...)
			v := f.Approval(p.ID)
			if !slices.Equal(v.Accounts, c.want) {
				t.Fatalf("offered are %q, want %q", v.Accounts, c.want)
			}
			if len(c.want) == 0 {
				if f.Approve(p.ID, approvals.Choice{Account: ethereum}) == nil {
					t.Error("an account can be chosen that was not offered")
				}
			} else {
				if err := f.Approve(p.ID, approvals.Choice{Account: c.want[1]}); err != nil {
					t.Fatal(err)
				}
				out, err := f.Collect(token, p.ID)
				if err != nil || out.Answer.UserDID != did.Bare(c.want[1]) {
					t.Errorf("the answer is %v, %v", out.Answer, err)
				}
			}
		})
	}
}
