package delegation

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"walletd/internal/did"
)

type claimVectors struct {
	Owner, Server struct{ DID, PK, SK string }
	Cases         []struct{ Name, Expect, Delegation, Requester, Salt string }
	Signing       struct {
		Unsigned, Sig, Delegation string
		Claim                     struct {
			Meta json.RawMessage
		}
	}
}

func loadClaims(t testing.TB) claimVectors {
	var v claimVectors
	load(t, "delegation-claim.json", &v)
	if len(v.Cases) != 19 || v.Signing.Unsigned == "" {
		t.Fatalf("found %d delegations, want 19", len(v.Cases))
	}
	return v
}

func TestVerifyFollowsTheVectors(t *testing.T) {
	v := loadClaims(t)
	owner := mustParse(t, v.Owner.DID)
	for _, c := range v.Cases {
		t.Run(c.Name, func(t *testing.T) {
			d, err := Verify(c.Delegation, mustParse(t, c.Requester), now)
			if err == nil && d.From != owner {
				err = did.Refuse("account_not_held", "the wallet's own check")
			}
			if err == nil {
				err = d.CheckSalt(c.Salt)
			}
			wantCode(t, err, c.Expect)
			if c.Expect != "ok" {
				return
			}
			if d.To != mustParse(t, c.Requester) || did.EncodeBase58(d.FromKey) != v.Owner.PK || d.Hash != HashOf(c.Delegation) {
				t.Errorf("says other parties than the token: %+v", d)
			}
			if diff := cmp.Diff([]string{"encryptionKey"}, d.Claims); diff != "" {
				t.Error(diff)
			}
			if d.Expires.Unix() != 1767229200 || !d.IssuedAt.Equal(now) || !d.NotBefore.Equal(now) {
				t.Errorf("times %v, %v, %v", d.IssuedAt, d.NotBefore, d.Expires)
			}
		})
	}
}

func TestVerify(t *testing.T) {
	parties := map[string]party{
		"owner":  application(t, 1, did.Ed25519),
		"server": application(t, 2, did.Ed25519),
		"other":  application(t, 3, did.Ed25519),
	}
	const good = `{"iss":"<owner>","from":"<owner.bare>","to":"<server.bare>","userPk":"<owner.pk>","exp":<hour>,"iat":"<now>","nbf":"<now>",` +
		`"permissions":[{"role":"DIDConnectAgent","claims":["encryptionKey"]}],"version":"1.1.0"}`
	replace := func(pairs ...string) string {
		changed := strings.NewReplacer(pairs...).Replace(good)
		if changed == good {
			t.Fatalf("nothing of %q is in the body", pairs)
		}
		return changed
	}
	const permissions = `[{"role":"DIDConnectAgent","claims":["encryptionKey"]}]`
	cases := []struct{ name, body, want string }{
		{"takes the form in the reference", good, "ok"},
		{"takes another method of the same key", replace(`"<owner.bare>"`, `"did:spaces:<owner.bare>"`), "ok"},
		{"takes it among permissions of other types", replace(permissions, `["publish_blocklet",7,null,{"role":5},{"spaces":["*"]},{"role":"DIDConnectAgent","claims":["encryptionKey"]}]`), "ok"},
		{"takes the claim from a second entry of the role", replace(permissions, `[{"role":"DIDConnectAgent","claims":["profile"]},{"role":"DIDConnectAgent","claims":["encryptionKey"]}]`), "ok"},
		{"takes white space in JSON", replace(permissions, " [ 1 , { \"role\" : \"DIDConnectAgent\" ,\n\"claims\" :\t[ \"encryptionKey\" ] } ] "), "ok"},
		{"takes a second name of the same recipient", replace(`"to"`, `"agentDid":"<server>","to"`), "ok"},
		{"takes an ed25519 signature over the text itself", replace("1.1.0", "1.0.0"), "ok"},

		{"refuses a made-up method in from", replace(`"<owner.bare>"`, `"did:evil:<owner.bare>"`), "delegation_malformed"},
		{"refuses a method twice", replace(`"<owner.bare>"`, `"did:abt:did:abt:<owner.bare>"`), "delegation_malformed"},
		{"refuses a method in another case", replace(`"<owner.bare>"`, `"did:ABT:<owner.bare>"`), "delegation_malformed"},
		{"refuses an empty from", replace(`"<owner.bare>"`, `""`), "delegation_malformed"},
		{"refuses a from that is no text", replace(`"<owner.bare>"`, `["<owner.bare>"]`), "delegation_malformed"},
		{"refuses an address with a blank", replace(`"<owner.bare>"`, `"<owner.bare> "`), "delegation_malformed"},
		{"refuses a missing from", replace(`"from":"<owner.bare>",`, ``), "delegation_malformed"},
		{"refuses a missing userPk", replace(`"userPk":"<owner.pk>",`, ``), "delegation_malformed"},
		{"refuses a userPk that is no key", replace(`<owner.pk>`, `zebra!`), "delegation_malformed"},
		{"refuses a from that is somebody else", replace(`"<owner.bare>"`, `"<other.bare>"`), "delegation_issuer_mismatch"},
		{"refuses an iss that is somebody else", replace(`"<owner>"`, `"<other>"`), "delegation_issuer_mismatch"},
		{"refuses a userPk of somebody else", replace(`<owner.pk>`, `<other.pk>`), "delegation_issuer_mismatch"},
		{"refuses another party's account altogether", replace(`"<owner>"`, `"<other>"`, `"<owner.bare>"`, `"<other.bare>"`, `<owner.pk>`, `<other.pk>`), "delegation_bad_signature"},
		{"refuses an unknown version", replace("1.1.0", "1.2.0"), "delegation_bad_signature"},

		{"refuses one that has expired", replace("<hour>", "<past>"), "delegation_expired"},
		{"refuses exp 0", replace("<hour>", `"0"`), "delegation_expired"},
		{"refuses one without exp", replace(`"exp":<hour>,`, ``), "delegation_no_exp"},
		{"refuses exp null", replace(`<hour>`, `null`), "delegation_malformed"},
		{"refuses exp in milliseconds", replace("<hour>", "<hour>000"), "delegation_malformed"},
		{"refuses exp in milliseconds as text", replace("<hour>", `"<hour>000"`), "delegation_malformed"},
		{"refuses exp with an exponent", replace("<hour>", "1e300"), "delegation_malformed"},
		{"refuses exp in an array", replace("<hour>", "[<hour>]"), "delegation_malformed"},
		{"refuses a negative exp", replace("<hour>", "-1"), "delegation_malformed"},
		{"refuses iat in the future", replace(`"iat":"<now>"`, `"iat":"<future>"`), "delegation_not_yet_valid"},
		{"refuses nbf in the future", replace(`"nbf":"<now>"`, `"nbf":<future>`), "delegation_not_yet_valid"},

		{"refuses one for another server", replace("<server.bare>", "<other.bare>"), "delegation_agent_mismatch"},
		{"refuses one for nobody", replace(`"to":"<server.bare>",`, ``), "delegation_agent_mismatch"},
		{"refuses agentDid in place of to", replace(`"to":"<server.bare>"`, `"agentDid":"<server>"`), "delegation_agent_mismatch"},
		{"refuses two recipients in two members", replace(`"to"`, `"agentDid":"<other>","to"`), "delegation_agent_mismatch"},
		{"refuses two recipients in a list", replace(`"<server.bare>"`, `["<server.bare>","<other.bare>"]`), "delegation_agent_mismatch"},
		{"refuses a made-up method in to", replace(`"<server.bare>"`, `"did:evil:<server.bare>"`), "delegation_agent_mismatch"},

		{"refuses one without permissions", replace(`"permissions":`+permissions+`,`, ``), "delegation_role_missing"},
		{"refuses permissions that are no list", replace(permissions, `{"role":"DIDConnectAgent","claims":["encryptionKey"]}`), "delegation_role_missing"},
		{"refuses the role as a bare text", replace(permissions, `["DIDConnectAgent","encryptionKey"]`), "delegation_role_missing"},
		{"refuses the role within a list", replace(permissions, `[`+permissions+`]`), "delegation_role_missing"},
		{"refuses the role of another service", replace("DIDConnectAgent", "DIDSpaceAgent"), "delegation_role_missing"},
		{"refuses a role that is a list", replace(`"DIDConnectAgent"`, `["DIDConnectAgent"]`), "delegation_role_missing"},
		{"refuses the claim under another role", replace(permissions, `[{"role":"DIDConnectAgent","claims":[]},{"role":"DIDSpaceAgent","claims":["encryptionKey"]}]`), "delegation_claim_not_allowed"},
		{"refuses a claim beside the role", replace(permissions, `[{"role":"DIDConnectAgent","encryptionKey":true},"encryptionKey"]`), "delegation_claim_not_allowed"},
		{"refuses claims as one text", replace(`["encryptionKey"]`, `"encryptionKey"`), "delegation_claim_not_allowed"},
		{"refuses claims as members", replace(`["encryptionKey"]`, `{"encryptionKey":[]}`), "delegation_claim_not_allowed"},
		{"refuses claims of mixed types", replace(`["encryptionKey"]`, `["encryptionKey",{"all":true}]`), "delegation_claim_not_allowed"},
		{"refuses a claim within a claim", replace(`["encryptionKey"]`, `[["encryptionKey"]]`), "delegation_claim_not_allowed"},
		{"refuses a claim with a blank", replace(`["encryptionKey"]`, `["encryptionKey "]`), "delegation_claim_not_allowed"},
		{"refuses a star", replace(`["encryptionKey"]`, `["*"]`), "delegation_claim_not_allowed"},

		{"refuses a member twice", replace(`"to"`, `"to":"<other.bare>","to"`), "delegation_malformed"},
		{"refuses a member twice, once escaped", replace(`"to"`, `"\u0074o":"<other.bare>","to"`), "delegation_malformed"},
		{"refuses a member in two cases", replace(`"to"`, `"To":"<other.bare>","to"`), "delegation_malformed"},
		{"refuses a nested member twice", replace(`"claims"`, `"claims":["profile"],"claims"`), "delegation_malformed"},
		{"refuses a nested member in two cases", replace(`"claims"`, `"Claims":["profile"],"claims"`), "delegation_malformed"},
		{"refuses something after the body", good + ` {}`, "delegation_malformed"},
		{"refuses a list for a body", `[` + good + `]`, "delegation_malformed"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			token := parties["owner"].sign(t, fill(c.body, parties))
			_, err := Verify(token, parties["server"].DID, now)
			wantCode(t, err, c.want)
		})
	}

	token := parties["owner"].sign(t, fill(good, parties))
	t.Run("refuses it from another asker", func(t *testing.T) {
		_, err := Verify(token, parties["other"].DID, now)
		wantCode(t, err, "delegation_agent_mismatch")
	})
	t.Run("refuses it from nobody", func(t *testing.T) {
		_, err := Verify(token, did.DID{}, now)
		wantCode(t, err, "delegation_agent_mismatch")
	})
	t.Run("refuses another text with its signature", func(t *testing.T) {
		other := parties["owner"].sign(t, fill(replace(`"encryptionKey"`, `"encryptionKey","profile"`), parties))
		swapped := other[:strings.LastIndex(other, ".")] + token[strings.LastIndex(token, "."):]
		_, err := Verify(swapped, parties["server"].DID, now)
		wantCode(t, err, "delegation_bad_signature")
	})
	for name, changed := range map[string]string{
		"refuses a fourth segment":       token + ".e30",
		"refuses padding":                token + "=",
		"refuses a newline":              token + "\n",
		"refuses white space before":     " " + token,
		"refuses two segments":           token[:strings.LastIndex(token, ".")],
		"refuses nothing":                "",
		"refuses more than 64 KiB":       token + strings.Repeat("A", 64<<10),
		"refuses a DelegationToken":      parties["owner"].signAs(t, `{"alg":"Ed25519","typ":"DelegationToken"}`, fill(good, parties)),
		"refuses it under the name type": parties["owner"].signAs(t, `{"alg":"Ed25519","type":"delegationtoken"}`, fill(good, parties)),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Verify(changed, parties["server"].DID, now)
			wantCode(t, err, "delegation_malformed")
		})
	}
	t.Run("refuses the algorithm none", func(t *testing.T) {
		forged := unsigned(`{"alg":"none"}`, fill(good, parties)) + "."
		if _, err := Verify(forged, parties["server"].DID, now); err == nil {
			t.Error("took it")
		}
	})
	t.Run("gives five seconds to clocks and not six", func(t *testing.T) {
		exp := now.Add(time.Hour)
		_, err := Verify(token, parties["server"].DID, exp.Add(5*time.Second))
		wantCode(t, err, "ok")
		_, err = Verify(token, parties["server"].DID, exp.Add(5*time.Second+time.Millisecond))
		wantCode(t, err, "delegation_expired")
	})
}

func TestVerifyForECDSA(t *testing.T) {
	for _, typ := range []did.Type{
		{Role: did.RoleApplication, Key: did.Secp256k1, Hash: did.SHA3},
		{Role: did.RoleAccount, Key: did.Ethereum, Hash: did.Keccak},
	} {
		t.Run(typ.String(), func(t *testing.T) {
			parties := map[string]party{"owner": newParty(t, 1, typ), "server": application(t, 2, did.Secp256k1)}
			const body = `{"iss":"<owner>","from":"<owner.bare>","to":"<server.bare>","userPk":"<owner.pk>","exp":<hour>,` +
				`"permissions":[{"role":"DIDConnectAgent","claims":["encryptionKey"]}],"version":"1.1.0"}`
			d, err := Verify(parties["owner"].sign(t, fill(body, parties)), parties["server"].DID, now)
			wantCode(t, err, "ok")
			wantCode(t, d.CheckSalt(parties["owner"].Address()), "ok")
			for _, version := range []string{`"version":"1.0.0"`, `"version":"1.0"`, `"x":0`} {
				unhashed := strings.Replace(body, `"version":"1.1.0"`, version, 1)
				_, err := Verify(parties["owner"].sign(t, fill(unhashed, parties)), parties["server"].DID, now)
				wantCode(t, err, "delegation_bad_signature")
			}
		})
	}
}

func TestCheckSalt(t *testing.T) {
	owner := application(t, 1, did.Ed25519)
	d := Delegation{From: owner.DID}
	base16 := "0x"
	for _, b := range owner.Bytes() {
		base16 += string("0123456789ABCDEF"[b>>4]) + string("0123456789abcdef"[b&15])
	}
	for _, c := range []struct{ name, salt, want string }{
		{"takes the bare address", owner.Address(), "ok"},
		{"takes the same bytes in hex", base16, "ok"},
		{"refuses the DID with its prefix, which is other bytes", owner.String(), "salt_mismatch"},
		{"refuses an empty salt", "", "salt_mismatch"},
		{"refuses another account", application(t, 2, did.Ed25519).Address(), "salt_mismatch"},
		{"refuses the address and more", owner.Address() + "1", "salt_mismatch"},
		{"refuses a salt too long to look at", owner.Address() + strings.Repeat("z", 1<<20), "salt_mismatch"},
	} {
		t.Run(c.name, func(t *testing.T) { wantCode(t, d.CheckSalt(c.salt), c.want) })
	}
	t.Run("refuses an empty salt for nobody", func(t *testing.T) {
		wantCode(t, Delegation{}.CheckSalt(""), "salt_mismatch")
	})
}

// loadDelegationTokens returns the tokens of reference g.iii that the packages make.
func loadDelegationTokens(t testing.TB) []string {
	var v struct{ Tokens []struct{ Token string } }
	load(t, "delegation-token.json", &v)
	if len(v.Tokens) != 15 {
		t.Fatalf("found %d tokens", len(v.Tokens))
	}
	var tokens []string
	for _, c := range v.Tokens {
		tokens = append(tokens, c.Token)
	}
	return tokens
}

func TestAVerifiedDelegationHoldsForItsTimeAndRequesterAlone(t *testing.T) {
	v := loadClaims(t)
	for _, c := range v.Cases {
		if c.Expect != "ok" {
			continue
		}
		requester := mustParse(t, c.Requester)
		d, err := Verify(c.Delegation, requester, now)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range []time.Time{now, d.NotBefore.Add(-time.Hour), d.NotBefore.Add(-4 * time.Second), d.Expires.Add(4 * time.Second), d.Expires.Add(6 * time.Second), d.Expires.Add(time.Hour)} {
			for _, who := range []did.DID{requester, mustParse(t, v.Owner.DID)} {
				again, err := Verify(c.Delegation, who, at)
				if holds := d.HoldsFor(who, at); holds != (err == nil) || holds && !cmp.Equal(d, again, cmp.AllowUnexported(did.DID{})) {
					t.Errorf("for %v at %v: %v, but it is verified again with %v", who, at, holds, err)
				}
			}
		}
		return
	}
	t.Fatal("no vector is verified")
}

func TestVerifyRefusesDelegationTokens(t *testing.T) {
	server := mustParse(t, loadClaims(t).Server.DID)
	for _, token := range loadDelegationTokens(t) {
		_, err := Verify(token, server, now)
		wantCode(t, err, "delegation_malformed")
	}
}

func FuzzVerify(f *testing.F) {
	v := loadClaims(f)
	for _, c := range v.Cases {
		f.Add(c.Delegation)
	}
	for _, token := range loadDelegationTokens(f) {
		f.Add(token)
	}
	server := mustParse(f, v.Server.DID)
	f.Fuzz(func(t *testing.T, token string) {
		d, err := Verify(token, server, now)
		if err == nil && (d.To != server || d.From.IsZero() || !d.Expires.After(now.Add(-6*time.Second))) {
			t.Errorf("took a delegation that says %+v", d)
		}
		if err != nil && !strings.HasPrefix(did.CodeOf(err), "delegation_") {
			t.Errorf("refused with %v", err)
		}
	})
}
