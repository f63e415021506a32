package passkey_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

	"walletd/internal/passkey"
	authenticator "walletd/internal/wallettest/passkey"
)

func party(t testing.TB) passkey.Party {
	t.Helper()
	p, err := passkey.ParseParty("https://wallet.example")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var (
	challenge = bytes.Repeat([]byte{7}, 32)
	user      = []byte("alice")
	kinds     = map[string]int64{"ES256": passkey.ES256, "EdDSA": passkey.EdDSA}
)

func TestAPasskeyIsRegisteredAndUsed(t *testing.T) {
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			p, a := party(t), authenticator.New(t, party(t), kind)
			key, err := p.Register(challenge, a.Create(challenge, user))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(key.ID, a.ID) || key.Counter != 1 || len(key.PublicKey) == 0 {
				t.Errorf("registered %+v", key)
			}
			for range 2 {
				if key.Counter, err = p.Verify(challenge, key, a.Assert(challenge)); err != nil {
					t.Fatal(err)
				}
			}
			if key.Counter != 3 {
				t.Errorf("the counter is %d, want 3", key.Counter)
			}
		})
	}
}

func TestAPasskeyThatDoesNotCountIsUsed(t *testing.T) {
	p, a := party(t), authenticator.New(t, party(t), passkey.ES256)
	a.Step = 0
	key, err := p.Register(challenge, a.Create(challenge, user))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Verify(challenge, key, a.Assert(challenge)); err != nil {
		t.Error(err)
	}
}

func TestRegisterRefuses(t *testing.T) {
	other := []byte("another challenge of 32 bytes ..")
	for name, tt := range map[string]struct {
		algorithm int64
		change    func(*authenticator.Authenticator)
		forge     func(*passkey.Registration)
		challenge []byte
		want      error
	}{
		"another challenge":                {challenge: other, want: passkey.ErrChallenge},
		"a page of another origin":         {change: func(a *authenticator.Authenticator) { a.Origin = "https://wallet.example.evil" }, want: passkey.ErrOrigin},
		"the origin with its port":         {change: func(a *authenticator.Authenticator) { a.Origin = "https://wallet.example:443" }, want: passkey.ErrOrigin},
		"the origin in capitals":           {change: func(a *authenticator.Authenticator) { a.Origin = "https://WALLET.example" }, want: passkey.ErrOrigin},
		"a page inside another":            {change: func(a *authenticator.Authenticator) { a.Cross = true }, want: passkey.ErrOrigin},
		"a passkey of another party":       {change: func(a *authenticator.Authenticator) { a.Party = "example" }, want: passkey.ErrSignature},
		"an assertion in its place":        {change: func(a *authenticator.Authenticator) { a.Type = "webauthn.get" }, want: passkey.ErrMalformed},
		"a user who was not verified":      {change: func(a *authenticator.Authenticator) { a.Unverified = true }, want: passkey.ErrUnverified},
		"a user who was not there":         {change: func(a *authenticator.Authenticator) { a.Absent = true }, want: passkey.ErrUnverified},
		"an RSA key":                       {algorithm: -257, want: passkey.ErrAlgorithm},
		"an attestation of a TPM":          {change: func(a *authenticator.Authenticator) { a.Format = "tpm" }, want: passkey.ErrMalformed},
		"a packed one without a signature": {change: func(a *authenticator.Authenticator) { a.Format = "packed" }, want: passkey.ErrSignature},
		"another credential id":            {forge: func(r *passkey.Registration) { r.ID = bytes.Repeat([]byte{1}, 32) }, want: passkey.ErrSignature},
		"no credential id":                 {forge: func(r *passkey.Registration) { r.ID = nil }, want: passkey.ErrMalformed},
		"a long credential id":             {forge: func(r *passkey.Registration) { r.ID = make([]byte, 513) }, want: passkey.ErrMalformed},
		"an object that is cut":            {forge: func(r *passkey.Registration) { r.AttestationObject = r.AttestationObject[:40] }, want: passkey.ErrMalformed},
		"an object that goes on":           {forge: func(r *passkey.Registration) { r.AttestationObject = append(r.AttestationObject, 0) }, want: passkey.ErrMalformed},
		"client data that is no JSON":      {forge: func(r *passkey.Registration) { r.ClientData = []byte("x") }, want: passkey.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.algorithm == 0 {
				tt.algorithm = passkey.ES256
			}
			if tt.challenge == nil {
				tt.challenge = challenge
			}
			a := authenticator.New(t, party(t), tt.algorithm)
			if tt.change != nil {
				tt.change(a)
			}
			r := a.Create(challenge, user)
			if tt.forge != nil {
				tt.forge(&r)
			}
			if _, err := party(t).Register(tt.challenge, r); !errors.Is(err, tt.want) {
				t.Errorf("Register: %v, want %v", err, tt.want)
			}
		})
	}
}

func TestVerifyRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*authenticator.Authenticator)
		forge  func(*authenticator.Authenticator, *passkey.Assertion)
		key    func(*passkey.Key)
		want   error
	}{
		"an origin of another name":   {change: func(a *authenticator.Authenticator) { a.Origin = "https://evil.example" }, want: passkey.ErrOrigin},
		"http in place of https":      {change: func(a *authenticator.Authenticator) { a.Origin = "http://wallet.example" }, want: passkey.ErrOrigin},
		"a page inside another":       {change: func(a *authenticator.Authenticator) { a.Cross = true }, want: passkey.ErrOrigin},
		"another party":               {change: func(a *authenticator.Authenticator) { a.Party = "evil.example" }, want: passkey.ErrSignature},
		"a registration in its place": {change: func(a *authenticator.Authenticator) { a.Type = "webauthn.create" }, want: passkey.ErrMalformed},
		"a user who was not verified": {change: func(a *authenticator.Authenticator) { a.Unverified = true }, want: passkey.ErrUnverified},
		"a user who was not there":    {change: func(a *authenticator.Authenticator) { a.Absent = true }, want: passkey.ErrUnverified},
		"a counter that stood still":  {change: func(a *authenticator.Authenticator) { a.Step = 0 }, want: passkey.ErrCounter},
		"a counter that went back":    {change: func(a *authenticator.Authenticator) { a.Counter, a.Step = 0, 0 }, want: passkey.ErrCounter},
		"a signature of other data": {forge: func(a *authenticator.Authenticator, s *passkey.Assertion) {
			s.Signature = a.Sign(s.AuthenticatorData, []byte("{}"))
		}, want: passkey.ErrSignature},
		"a changed flag":        {forge: func(_ *authenticator.Authenticator, s *passkey.Assertion) { s.AuthenticatorData[32] |= 0x10 }, want: passkey.ErrSignature},
		"a raised counter":      {forge: func(_ *authenticator.Authenticator, s *passkey.Assertion) { s.AuthenticatorData[36]++ }, want: passkey.ErrSignature},
		"another credential id": {forge: func(_ *authenticator.Authenticator, s *passkey.Assertion) { s.ID = []byte("another") }, want: passkey.ErrSignature},
		"data with more behind it": {forge: func(_ *authenticator.Authenticator, s *passkey.Assertion) {
			s.AuthenticatorData = append(s.AuthenticatorData, 0)
		}, want: passkey.ErrMalformed},
		"a long user handle": {forge: func(_ *authenticator.Authenticator, s *passkey.Assertion) { s.UserHandle = make([]byte, 65) }, want: passkey.ErrMalformed},
		"no signature":       {forge: func(_ *authenticator.Authenticator, s *passkey.Assertion) { s.Signature = nil }, want: passkey.ErrMalformed},
		"a member of the data twice": {forge: func(_ *authenticator.Authenticator, s *passkey.Assertion) {
			s.ClientData = append([]byte(`{"type":"webauthn.get",`), s.ClientData[1:]...)
		}, want: passkey.ErrMalformed},
		"a public key that is no key": {key: func(k *passkey.Key) { k.PublicKey = []byte{0xa0} }, want: passkey.ErrAlgorithm},
		"the public key of another": {key: func(k *passkey.Key) {
			k.PublicKey = bytes.Clone(k.PublicKey)
			k.PublicKey[len(k.PublicKey)-1] ^= 1
		}, want: passkey.ErrSignature},
	} {
		t.Run(name, func(t *testing.T) {
			a := authenticator.New(t, party(t), passkey.EdDSA)
			key, err := party(t).Register(challenge, a.Create(challenge, user))
			if err != nil {
				t.Fatal(err)
			}
			if tt.change != nil {
				tt.change(a)
			}
			s := a.Assert(challenge)
			if tt.forge != nil {
				tt.forge(a, &s)
			}
			if tt.key != nil {
				tt.key(&key)
			}
			if _, err := party(t).Verify(challenge, key, s); !errors.Is(err, tt.want) {
				t.Errorf("Verify: %v, want %v", err, tt.want)
			}
		})
	}
	a := authenticator.New(t, party(t), passkey.ES256)
	key, err := party(t).Register(challenge, a.Create(challenge, user))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := party(t).Verify([]byte("another"), key, a.Assert(challenge)); !errors.Is(err, passkey.ErrChallenge) {
		t.Errorf("Verify with another challenge: %v, want ErrChallenge", err)
	}
	if _, err := (passkey.Party{}).Verify(challenge, key, a.Assert(challenge)); !errors.Is(err, passkey.ErrOrigin) {
		t.Errorf("Verify without a party: %v, want ErrOrigin", err)
	}
}

func TestAPublicURL(t *testing.T) {
	for text, id := range map[string]string{
		"https://wallet.example": "wallet.example", "https://wallet.example/": "wallet.example", "https://wallet.example:8443": "wallet.example",
		"http://localhost:8080": "localhost", "https://localhost": "localhost", "https://xn--bcher-kva.example": "xn--bcher-kva.example",
	} {
		p, err := passkey.ParseParty(text)
		if err != nil || p.ID() != id {
			t.Errorf("ParseParty(%q) = %q, %v; want %q", text, p.ID(), err, id)
		}
	}
	for _, text := range []string{
		"", "wallet.example", "http://wallet.example", "https://127.0.0.1", "https://[::1]:8443", "https://wallet.example/pages", "https://u@wallet.example",
		"https://Wallet.example", "https://wallet.example.", "https://wallet.example:443", "https://wallet.example:", "https://bücher.example",
		"https://wallet.example?x", "https://wallet.example#x", "ftp://localhost", "https://wal_let.example",
	} {
		if p, err := passkey.ParseParty(text); err == nil {
			t.Errorf("ParseParty(%q) = %q, want an error", text, p.ID())
		}
	}
	for _, text := range []string{"https://wallet.example/pages", "https://wallet.example//", "http://localhost:8080/wallet/"} {
		if _, err := passkey.ParseParty(text); !errors.Is(err, passkey.ErrPath) {
			t.Errorf("ParseParty(%q): %v, want that it has a path", text, err)
		}
	}
}

// The challenge is part of what phones and pages compute, and of records at rest.
func TestTheChallengeOfADecision(t *testing.T) {
	full := passkey.Decision{Approval: "a1", Digest: "00ff", Verdict: "approve", MFACode: 42, Account: "z1account",
		Items: &[]string{"email", "phone"}, Credentials: []string{"c1"}, Remember: &passkey.Remember{Seconds: 3600}}
	for want, d := range map[string]passkey.Decision{
		"1da1bd0bf2a5632c519ca3c7910dfe5cc7055b57ec73a0974b8ba49bd10ffa3d": {Approval: "a1", Digest: "00ff", Verdict: "approve"},
		"ac07c6e47696d2ea8e16a0ac6f949a14daf51d866ff041bd0476ece0c89d8edc": full,
	} {
		if got := hex.EncodeToString(d.Challenge()); got != want {
			t.Errorf("the challenge of %+v is %s, want %s", d, got, want)
		}
	}
	seen := map[string]bool{string(full.Challenge()): true}
	none := []string{}
	for i, change := range []func(*passkey.Decision){
		func(d *passkey.Decision) { d.Approval = "a2" }, func(d *passkey.Decision) { d.Digest = "00fe" }, func(d *passkey.Decision) { d.Verdict = "reject" },
		func(d *passkey.Decision) { d.Approval, d.Digest = "a10", "0ff" }, func(d *passkey.Decision) { d.MFACode = 43 }, func(d *passkey.Decision) { d.Account = "" },
		func(d *passkey.Decision) { d.Items = nil }, func(d *passkey.Decision) { d.Items = &none }, func(d *passkey.Decision) { d.Items = &[]string{"phone", "email"} },
		func(d *passkey.Decision) { d.Items = &[]string{"emailphone"} }, func(d *passkey.Decision) { d.Items, d.Credentials = &[]string{"email"}, []string{"phone", "c1"} },
		func(d *passkey.Decision) { d.Credentials = nil }, func(d *passkey.Decision) { d.Remember = nil }, func(d *passkey.Decision) { d.Remember = &passkey.Remember{Times: 3600} },
		func(d *passkey.Decision) { d.Remember = &passkey.Remember{Until: "withdrawn"} }, func(d *passkey.Decision) { d.Remember = &passkey.Remember{} },
	} {
		d := full
		change(&d)
		if key := string(d.Challenge()); seen[key] {
			t.Errorf("change %d gives a challenge that was there", i)
		} else {
			seen[key] = true
		}
	}
}

func FuzzRegister(f *testing.F) {
	a := authenticator.New(f, party(f), passkey.ES256)
	r := a.Create(challenge, user)
	f.Add(r.ID, r.ClientData, r.AttestationObject)
	f.Fuzz(func(t *testing.T, id, client, object []byte) {
		key, err := party(t).Register(challenge, passkey.Registration{ID: id, ClientData: client, AttestationObject: object})
		if err == nil && (len(key.PublicKey) == 0 || !bytes.Equal(key.ID, id)) {
			t.Errorf("registered %+v", key)
		}
	})
}
