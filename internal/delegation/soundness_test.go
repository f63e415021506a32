package delegation

import (
	"strings"
	"testing"

	"walletd/internal/did"
)

// unsound is a party whose DID follows from its key, and whose key is none.
func unsound(t testing.TB, like party, pk []byte) party {
	t.Helper()
	raw := append(like.Bytes()[:2], did.SHA3.Sum(pk)[:20]...)
	raw = append(raw, did.SHA3.Sum(raw)[:4]...)
	return party{key: like.key, DID: mustParse(t, did.EncodeBase58(raw)), pk: did.EncodeBase58(pk)}
}

// forge makes a token with a signature that fits every text under the key whose
// point is the curve's zero.
func forge(header, body string) string {
	signature := append([]byte{1}, make([]byte, 63)...)
	return unsigned(header, body) + "." + did.EncodeBase64URL(signature)
}

func TestUnsoundKeysAreRefusedAsKeys(t *testing.T) {
	const (
		header     = `{"alg":"Ed25519","type":"JWT"}`
		times      = `"iat":"<now>","exp":"<hour>","version":"1.1.0"`
		own        = `{"iss":"<app>",` + times + `,"action":"responseAuth"}`
		named      = `{"iss":"<app>","agentDid":"<agent>",` + times + `,"verifiableClaims":[{"type":"certificate","content":"<certificate>"}]}`
		certifies  = `{"iss":"<app>","agentDid":"<agent>",` + times + `,"permissions":[{"role":"DIDConnectAgent","claims":["profile"]}]}`
		delegation = `{"iss":"<account>","from":"<account.bare>","to":"<app>","userPk":"<account.pk>",` + times +
			`,"permissions":[{"role":"DIDConnectAgent","claims":["encryptionKey"]}]}`
	)
	for name, pk := range map[string][]byte{
		"of small order": append([]byte{1}, make([]byte, 31)...),
		"off the curve":  append([]byte{2}, make([]byte, 31)...),
	} {
		for _, who := range []struct{ name, code string }{
			{"app", "app_pk_mismatch"},
			{"agent", "agent_pk_mismatch"},
			{"account", "delegation_issuer_mismatch"},
		} {
			parties := map[string]party{
				"app": application(t, 1, did.Ed25519), "agent": application(t, 2, did.Ed25519), "account": newParty(t, 3, did.AccountType()),
			}
			parties[who.name] = unsound(t, parties[who.name], pk)
			signs := func(signer, body string) string {
				body = fill(body, parties)
				if signer == who.name {
					return forge(header, body)
				}
				return parties[signer].signAs(t, header, body)
			}
			certificate := signs("app", certifies)
			delegated := strings.ReplaceAll(named, "<certificate>", certificate)
			reply := Reply{AppPk: parties["app"].pk, AgentPk: parties["agent"].pk, AuthInfo: signs("agent", delegated)}
			t.Run("refuses the key "+name+" of an "+who.name, func(t *testing.T) {
				if who.name == "account" {
					_, err := Verify(signs("account", delegation), parties["app"].DID, now)
					wantCode(t, err, who.code)
					return
				}
				_, err := VerifyReply(reply, now)
				wantCode(t, err, who.code)
				if who.name == "app" {
					_, err := VerifyReply(Reply{AppPk: parties["app"].pk, AuthInfo: signs("app", own)}, now)
					wantCode(t, err, who.code)
				}
			})
		}
	}
}
