package claims_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"walletd/internal/approvals"
	"walletd/internal/claims"
	"walletd/internal/did"
	"walletd/internal/show"
	"walletd/internal/wallettest/fixture"
)

// The vectors are what dApps verify. Those that a careful wallet does not sign are refused.
func TestSignaturesAreThoseThatDAppsVerify(t *testing.T) {
	var file struct {
		Cases []struct {
			Name, SK, DID string
			Request       json.RawMessage
			Response      struct{ Sig string }
		}
	}
	fixture.Vectors(t, "signature-claim", &file)
	refused := map[string]string{
		"text that looks like base58 is decoded by the server": "blind_signature", // it is no UTF-8 then
		"transaction bytes": "claim_unsupported",
		"method none":       "blind_signature",
		"digest only":       "blind_signature", // the account is not the asking app's own
	}
	accounts := map[string]*fixture.Fixture{}
	for _, c := range file.Cases {
		t.Run(c.Name, func(t *testing.T) {
			f := accounts[c.DID]
			if f == nil {
				f = fixture.New(t)
				f.ImportKey(c.SK, c.DID)
			}
			account, _ := did.Parse(c.DID)
			token := f.AppToken(fixture.Notes)
			p, err := f.Ask(token, `{"type":"authPrincipal","target":"`+account.Address()+`"}`, string(c.Request))
			if code, careful := refused[c.Name]; careful {
				fixture.WantCode(t, err, code)
				delete(refused, c.Name)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := f.Approve(p.Pending.ID, approvals.Choice{}); err != nil {
				t.Fatal(err)
			}
			out, err := f.Collect(token, p.Pending.ID)
			if err != nil {
				t.Fatal(err)
			}
			if got := fixture.Member(t, out.Answer, 1, "sig"); got != c.Response.Sig {
				t.Errorf("got %s, want %s", got, c.Response.Sig)
			}
		})
	}
	if len(file.Cases) == 0 || len(refused) > 0 {
		t.Errorf("%d vectors; not among them: %v", len(file.Cases), refused)
	}
}

func TestTheRecordedMFASessionIsAnsweredByteForByte(t *testing.T) {
	f := fixture.AtRecordedStart(t)
	steps := fixture.Recorded(t, "session-mfa")
	f.MustReplay(steps[0], "", approvals.Choice{})
	f.MustReplay(steps[1], fixture.Alice, approvals.Choice{MFACode: 39})
	f.MustReplay(steps[3], "", approvals.Choice{})
	f.MustReplay(steps[4], fixture.Alice, approvals.Choice{MFACode: 37})
	_, err := f.Replay(steps[4], fixture.Alice, approvals.Choice{})
	fixture.WantErr(t, err, approvals.ErrChoice)
}

func TestTheRecordedEthereumAccountSignsByteForByte(t *testing.T) {
	f := fixture.AtRecordedStart(t)
	steps := fixture.Recorded(t, "session-ethereum-account")
	f.MustReplay(steps[0], "", approvals.Choice{})
	first, err := did.ReadToken(steps[0].Token)
	if err != nil {
		t.Fatal(err)
	}
	f.MustReplay(steps[1], first.Signer.Address(), approvals.Choice{})
}

// The recorded app asks for the signature of a token as a text, as a digest, and as 32 bytes. The digest is refused
// by the owner, who is warned; the others by the wallet.
func TestTheRecordedOracleIsRefused(t *testing.T) {
	f := fixture.AtRecordedStart(t)
	steps := fixture.Recorded(t, "session-signing-oracle")
	f.MustReplay(steps[0], "", approvals.Choice{})
	for i, code := range map[int]string{1: "text_is_a_token", 5: "blind_signature"} {
		_, err := f.Replay(steps[i], fixture.Alice, approvals.Choice{})
		fixture.WantCode(t, err, code)
	}
	out, err := f.Pipeline.Answer(t.Context(), f.SessionCaller(steps[3], fixture.Alice), steps[3].Asked)
	if err != nil || out.Pending == nil {
		t.Fatal(out, err)
	}
	if got := f.Approval(out.Pending.ID).Claims[0]; !strings.HasPrefix(strings.Join(got.Unusual, " "), "You would sign blindly.") {
		t.Errorf("the owner is told %q", got.Unusual)
	}
}

func TestTheRecordedSignaturesAreApprovedOneByOne(t *testing.T) {
	f := fixture.AtRecordedStart(t)
	steps := fixture.Recorded(t, "session-signatures")
	f.MustReplay(steps[0], "", approvals.Choice{})
	signed, err := did.ReadToken(steps[1].Token)
	if err != nil {
		t.Fatal(err)
	}
	var want []struct{ Sig string }
	if err := json.Unmarshal(signed.Body.Get("requestedClaims"), &want); err != nil {
		t.Fatal(err)
	}
	whole := steps[1]
	_, err = f.Replay(whole, fixture.Alice, approvals.Choice{})
	fixture.WantCode(t, err, "blind_signature") // the third is 32 bytes signed as they are
	for i := range 2 {
		s := whole
		s.Asked = whole.Asked[i : i+1]
		a, err := f.Replay(s, fixture.Alice, approvals.Choice{})
		if err != nil {
			t.Fatal(err)
		}
		answer, err := did.ReadToken(a.Signed.UserInfo)
		if err != nil {
			t.Fatal(err)
		}
		var got []struct{ Sig string }
		if err := json.Unmarshal(answer.Body.Get("requestedClaims"), &got); err != nil || got[0].Sig != want[i].Sig {
			t.Errorf("claim %d: got %v (%v), want %s", i, got, err, want[i].Sig)
		}
	}
}

func TestATextIsNotSigned(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	f.SetPolicy(fixture.AllowAll)
	header := did.EncodeBase64URL([]byte(`{"alg":"Ed25519","type":"JWT"}`))
	body := did.EncodeBase64URL([]byte(`{"iss":"did:abt:` + fixture.Alice + `"}`))
	spaced := did.EncodeBase64URL([]byte("\n\t{\"alg\":\"Ed25519\"} "))
	alphabet := strings.NewReplacer("-", "+", "_", "/")
	other := alphabet.Replace(header + "." + did.EncodeBase64URL([]byte(`{"a":"??>>~~??>>"}`)))
	// To Node a character is the lower byte of each of its UTF-16 units.
	wide := func(segment string) string { return string(rune(segment[0])+0x100) + segment[1:] }
	for name, c := range map[string]struct{ text, method, code string }{
		"that is a token to Node":                      {wide(header) + "." + wide(body), "sha3", "text_is_a_token"},
		"whose header is one to Node":                  {wide(header) + "." + body, "sha3", "text_is_a_token"},
		"whose body is one to Node":                    {header + "." + wide(body), "none", "text_is_a_token"},
		"that Node reads up to a wide sign":            {header + "\u013dA." + body + "\U0001f63d", "sha3", "text_is_a_token"},
		"that is a token":                              {header + "." + body, "sha3", "text_is_a_token"},
		"that is a token, as it is":                    {header + "." + body, "none", "text_is_a_token"},
		"that is a token with a signature":             {header + "." + body + ".c2ln", "sha3", "text_is_a_token"},
		"that is a token with padding":                 {header + "==." + body + "=", "sha3", "text_is_a_token"},
		"that is a token with more after the padding":  {header + "=AAAA." + body, "sha3", "text_is_a_token"},
		"that is a token with blanks and line ends":    {" " + header[:4] + "\n" + header[4:] + "\t. " + body + "\n", "sha3", "text_is_a_token"},
		"that is a token with what readers skip":       {"!" + header + "." + body + "#", "sha3", "text_is_a_token"},
		"that is a token with blanks in its JSON":      {spaced + "." + body, "sha3", "text_is_a_token"},
		"that is a token with a digit too many":        {header + "A." + body, "sha3", "text_is_a_token"},
		"that is a token in the other alphabet":        {other, "sha3", "text_is_a_token"},
		"that is a presentation":                       {`{"@context":[],"challenge":"A","type":"VerifiablePresentation","verifiableCredential":[]}`, "sha3", "text_is_a_token"},
		"that is a credential":                         {`{"credentialSubject":{"id":"` + fixture.Alice + `"}}`, "sha3", "text_is_a_token"},
		"that is no UTF-8":                             {"abc\xff", "sha3", "blind_signature"},
		"with control characters":                      {"1767225600\x0c\x01", "sha3", "blind_signature"},
		"of 32 bytes, as it is":                        {strings.Repeat("a", 32), "none", "blind_signature"},
		"by a hash that is not the account's":          {"hello", "keccak", "claim_unsupported"},
		"by a hash nobody knows":                       {"hello", "md5", "claim_unsupported"},
		"that is empty, by the hash of the empty text": {"", "sha3", ""},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := f.Ask(token, fixture.TextClaim(c.text, c.method))
			fixture.WantCode(t, err, c.code)
			if c.code != "" && (out.Answer != nil || out.Pending != nil) {
				t.Error("something was given")
			}
		})
	}
	for name, c := range map[string]struct{ claim, code string }{
		"whose typeUrl says transaction":   {`{"type":"signature","typeUrl":"fg:t:transaction","origin":"z1"}`, "claim_unsupported"},
		"whose typeUrl is of Ethereum":     {`{"type":"signature","typeUrl":"eth:personal-data","origin":"z1"}`, "claim_unsupported"},
		"whose typeUrl nobody knows":       {`{"type":"signature","typeUrl":"mime:image/png","origin":"z1"}`, "claim_unsupported"},
		"of which there is a digest alone": {`{"type":"signature","origin":"","digest":"z1"}`, "blind_signature"},
		"that is no base58":                {`{"type":"signature","origin":"hello"}`, "request_malformed"},
		"that nobody could read":           {fixture.TextClaim(strings.Repeat("a", claims.MaxText+1), "sha3"), "request_malformed"},
		"that hides a token under a type":  {strings.Replace(fixture.TextClaim(header+"."+body, "sha3"), "mime:text/plain", "mime:text/html", 1), "text_is_a_token"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := f.Ask(token, c.claim)
			fixture.WantCode(t, err, c.code)
		})
	}
}

func TestOrdinaryTextsAreSigned(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	f.SetPolicy(fixture.AllowAll)
	sk, _ := fixture.Secret(t, fixture.Notes, did.AccountType())
	for _, text := range []string{"hello", "two.words", "NTQ3.NTQ3", "3.14", "www.example.test/a", "line\nline\ttab", "签名 ✍️", `{"amount":1}`, "a.b.c", strings.Repeat("a", 33)} {
		for method, message := range map[string][]byte{"sha3": did.SHA3.Sum([]byte(text)), "none": []byte(text)} {
			sig, err := did.DecodeBase58(fixture.Member(t, f.Answer(token, fixture.TextClaim(text, method)), 0, "sig"), 100)
			if err != nil || !did.VerifyBytes(did.Ed25519, sk.Public(), message, sig) {
				t.Errorf("%q by %s: the signature does not verify (%v)", text, method, err)
			}
		}
	}
}

func TestAnECDSAAccountSignsHashesOnly(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	f.SetPolicy(fixture.AllowAll)
	principal := `{"type":"authPrincipal","targetType":{"key":"secp256k1"}}`
	_, err := f.Ask(token, principal, fixture.TextClaim("hello", "none"))
	fixture.WantCode(t, err, "blind_signature")
	_, err = f.Ask(token, principal, fixture.TextClaim(strings.Repeat("a", 32), "none"))
	fixture.WantCode(t, err, "blind_signature")
	f.Answer(token, principal, fixture.TextClaim("hello", "sha3"))
}

func TestATextToSignIsShownWholeAndInert(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	text := "<img src=x onerror=alert(1)>\nline\u202etwo\\" + strings.Repeat("x", 5000)
	p := f.Pending(token, fmt.Sprintf(`{"type":"signature","typeUrl":"mime:text/html","origin":%q,"display":"{\"type\":\"text\",\"content\":\"something else\"}"}`, did.EncodeBase58([]byte(text))))
	v, err := f.Approvals.Get(t.Context(), f.As(f.Owner), p.ID)
	if err != nil {
		t.Fatal(err)
	}
	got := v.Claims[0].Text
	want := "<img src=x onerror=alert(1)>\nline\\u{202e}two\\\\" + strings.Repeat("x", 5000)
	if got == nil || got.Text != want || got.TypeURL != "mime:text/html" || got.Method != "sha3" || !strings.Contains(got.Display, "something else") {
		t.Errorf("shown is %+v", got)
	}
}

func TestAnApprovalOfASignatureIsNotRemembered(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	p := f.Pending(token, fixture.TextClaim("hello", "sha3"))
	fixture.WantErr(t, f.Approve(p.ID, approvals.Choice{Remember: &approvals.Remember{Until: "withdrawn"}}), approvals.ErrChoice)
}

// unsigned is what an app asks an account to sign as a delegation to it.
func unsigned(account did.DID, to string, now time.Time, change map[string]any) string {
	members := map[string]any{
		"iss": account.String(), "from": account.Address(), "to": to, "version": "1.1.0", "exp": now.Add(time.Hour).Unix(),
		"permissions": []any{map[string]any{"role": "DIDConnectAgent", "claims": []string{"encryptionKey"}}, "publish_blocklet"},
	}
	for name, value := range change {
		members[name] = value
		if value == nil {
			delete(members, name)
		}
	}
	body, _ := json.Marshal(members)
	return did.EncodeBase64URL([]byte(`{"alg":"Ed25519","type":"JWT"}`)) + "." + did.EncodeBase64URL(body)
}

func delegationToSign(text string) string {
	return fmt.Sprintf(`{"type":"signature","typeUrl":"fg:x:delegation","origin":%q,"method":"sha3"}`, did.EncodeBase58([]byte(text)))
}

func TestADelegationToSign(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	f.SetPolicy(fixture.AllowAll)
	sk, account := fixture.Secret(t, fixture.Notes, did.AccountType())
	f.Account(fixture.Notes, did.AccountType())

	t.Run("is asked about whatever the rules say, in words, and then signed", func(t *testing.T) {
		text := unsigned(account, fixture.Notes, f.Clock, nil)
		p := f.Pending(token, delegationToSign(text))
		v, err := f.Approvals.Get(t.Context(), f.As(f.Owner), p.ID)
		if err != nil {
			t.Fatal(err)
		}
		d := v.Claims[0].Delegation
		if d == nil || d.Hash != "" || !strings.Contains(d.Words, "publish_blocklet") || !strings.Contains(d.Words, "encryptionKey") || !strings.Contains(d.Words, "until") {
			t.Errorf("told as %+v", d)
		}
		fixture.WantErr(t, f.Approve(p.ID, approvals.Choice{Remember: &approvals.Remember{Times: 2}}), approvals.ErrChoice)
		out := f.ApproveAndCollect(token, p.ID)
		sig, err := did.DecodeBase58(fixture.Member(t, out.Answer, 0, "sig"), 100)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := did.VerifyToken(text+"."+did.EncodeBase64URL(sig), did.Check{PublicKey: sk.Public(), Now: f.Clock}); err != nil {
			t.Errorf("what comes out is no token: %v", err)
		}
	})
	other := fixture.NewPeer(t, 9)
	for name, c := range map[string]struct{ claim, code string }{
		"is refused for somebody else":    {delegationToSign(unsigned(account, other.DID.Address(), f.Clock, nil)), "delegation_agent_mismatch"},
		"is refused from another account": {delegationToSign(unsigned(other.DID, fixture.Notes, f.Clock, nil)), "delegation_issuer_mismatch"},
		"is refused without an end":       {delegationToSign(unsigned(account, fixture.Notes, f.Clock, map[string]any{"exp": nil})), "delegation_no_exp"},
		"is refused for a hundred years":  {delegationToSign(unsigned(account, fixture.Notes, f.Clock.Add(876000*time.Hour), nil)), "delegation_lifetime"},
		"is refused for an hour in a hundred years": {delegationToSign(unsigned(account, fixture.Notes, f.Clock.Add(876000*time.Hour),
			map[string]any{"iat": f.Clock.Add(876000 * time.Hour).Unix()})), "delegation_lifetime"},
		"is refused for long of a role nobody knows": {delegationToSign(unsigned(account, fixture.Notes, f.Clock.Add(876000*time.Hour),
			map[string]any{"permissions": []any{"publish_blocklet", map[string]any{"role": "DIDSpaceAgent", "spaces": []string{"*"}}}})), "delegation_lifetime"},
		"is refused for long with nothing allowed": {delegationToSign(unsigned(account, fixture.Notes, f.Clock.Add(876000*time.Hour), map[string]any{"permissions": []any{}})), "delegation_lifetime"},
		"is refused with a challenge":              {delegationToSign(unsigned(account, fixture.Notes, f.Clock, map[string]any{"challenge": "C0FFEE"})), "delegation_is_a_session_message"},
		"is refused of another version":            {delegationToSign(unsigned(account, fixture.Notes, f.Clock, map[string]any{"version": "1.0.0"})), "delegation_malformed"},
		"is refused that is no token":              {delegationToSign("hello"), "delegation_malformed"},
		"is refused as it is, without SHA3":        {strings.Replace(delegationToSign(unsigned(account, fixture.Notes, f.Clock, nil)), `"sha3"`, `"none"`, 1), "claim_unsupported"},
		"is refused if another is shown": {strings.Replace(delegationToSign(unsigned(account, fixture.Notes, f.Clock, nil)), `"method"`,
			`"meta":{"jwt":"`+unsigned(account, fixture.Notes, f.Clock, map[string]any{"permissions": nil})+`"},"method"`, 1), "delegation_malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := f.Ask(token, c.claim)
			fixture.WantCode(t, err, c.code)
		})
	}
}

// What an Ethereum account signs for a transaction can be made of letters alone.
func TestATransactionOfEthereumIsNotSignedAsAText(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	f.SetPolicy(fixture.AllowAll)
	// A list of nonce 0, gas price, gas, to, value and no data.
	transaction := "\xe8" + "\x80" + "\x84   \xc3" + "\x82z\xc3" + "\x94" + strings.Repeat("a", 19) + "\xc3" + "\x88!!!!!!!\xc3" + "\x80"
	if len(transaction) != 1+0x28 || !show.IsShowable(transaction) {
		t.Fatalf("%q", transaction)
	}
	principal := `{"type":"authPrincipal","targetType":{"key":"ethereum"}}`
	for text, code := range map[string]string{transaction: "blind_signature", transaction + "!": "", "hello": "", "": ""} {
		_, err := f.Ask(token, principal, fixture.TextClaim(text, "keccak"))
		fixture.WantCode(t, err, code)
	}
}

// What lets nobody ask for a key may last as long as the owner approves: stores ask to publish for a hundred years.
func TestADelegationThatAllowsNothingSecretMayLast(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	f.SetPolicy(fixture.AllowAll)
	sk, account := fixture.Secret(t, fixture.Notes, did.AccountType())
	end := f.Clock.Add(876000 * time.Hour)
	text := unsigned(account, fixture.Notes, f.Clock, map[string]any{"exp": end.Unix(), "permissions": []string{"publish_blocklet"}})
	p := f.Pending(token, delegationToSign(text))
	v := f.Approval(p.ID).Claims[0]
	until := "You would allow this until " + end.UTC().Format("2 January 2006")
	if v.Delegation == nil || !strings.Contains(v.Delegation.Words, "Permissions: publish_blocklet.") || !strings.Contains(strings.Join(v.Unusual, " "), until) {
		t.Errorf("told as %+v, %q", v.Delegation, v.Unusual)
	}
	fixture.WantErr(t, f.Approve(p.ID, approvals.Choice{Remember: &approvals.Remember{Times: 2}}), approvals.ErrChoice)
	f.Clock = f.Clock.Add(time.Minute)
	out := f.ApproveAndCollect(token, p.ID)
	sig, err := did.DecodeBase58(fixture.Member(t, out.Answer, 0, "sig"), 100)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := did.VerifyToken(text+"."+did.EncodeBase64URL(sig), did.Check{PublicKey: sk.Public(), Now: f.Clock}); err != nil {
		t.Errorf("what comes out is no token: %v", err)
	}
}
