package delegation

import (
	"fmt"
	"testing"

	"walletd/internal/did"
)

// BenchmarkVerify is a signed request, the same in the name of an app, and the delegation of a
// claim, each verified; beside its signatures alone.
func BenchmarkVerify(b *testing.B) {
	app, agent := application(b, 1, did.Ed25519), application(b, 2, did.Ed25519)
	account := newParty(b, 3, did.AccountType())
	token := func(p party, body string) string {
		text := unsigned(`{"alg":"Ed25519","type":"JWT"}`, fmt.Sprintf(`{"iss":%q,"iat":"%d","nbf":"%[2]d","exp":"%d","version":"1.1.0",%s}`,
			p.String(), now.Unix(), now.Unix()+300, body))
		signature, err := did.SignUnsigned(p.key, text)
		if err != nil {
			b.Fatal(err)
		}
		return text + "." + did.EncodeBase64URL(signature)
	}
	const asks = `"action":"responseAuth","jti":"GQ6ZYB2JWXVBJ6C2LSRWIPMQ5E","appInfo":{"name":"Notes"},` +
		`"requestedClaims":[{"type":"encryptionKey","salt":"the salt of some notes"}]`
	own := Reply{AppPk: app.pk, AuthInfo: token(app, asks)}
	certificate := token(app, fmt.Sprintf(`"agentDid":%q,"permissions":[{"role":"DIDConnectAgent","claims":["encryptionKey"]}]`, agent.String()))
	text := unsigned(`{"alg":"Ed25519","type":"JWT"}`, fmt.Sprintf(
		`{"iss":%q,"agentDid":%q,"iat":"%d","exp":"%d","version":"1.1.0","verifiableClaims":[{"type":"certificate","content":%q}],%s}`,
		app.String(), agent.String(), now.Unix(), now.Unix()+300, certificate, asks))
	signature, err := did.SignUnsigned(agent.key, text)
	if err != nil {
		b.Fatal(err)
	}
	delegated := Reply{AppPk: app.pk, AgentPk: agent.pk, AuthInfo: text + "." + did.EncodeBase64URL(signature)}
	delegation := token(account, fmt.Sprintf(`"from":%q,"to":%q,"userPk":%q,"permissions":[{"role":"DIDConnectAgent","claims":["encryptionKey"]}]`,
		account.Address(), app.String(), account.pk))
	digest := did.SHA3.Sum([]byte(text))
	for _, c := range []struct {
		name string
		do   func() error
	}{
		{"bare", func() error {
			if !did.VerifyBytes(did.Ed25519, agent.key.Public(), digest, signature) {
				return agentMismatch()
			}
			return nil
		}},
		{"request", func() error { _, err := VerifyReply(own, now); return err }},
		{"request of an agent", func() error { _, err := VerifyReply(delegated, now); return err }},
		{"delegation", func() error { _, err := Verify(delegation, app.DID, now); return err }},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := c.do(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
