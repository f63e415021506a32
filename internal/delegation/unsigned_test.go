package delegation

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/sha3"

	"walletd/internal/did"
	"walletd/internal/strictjson"
)

func TestCheckUnsignedFollowsTheVector(t *testing.T) {
	v := loadClaims(t)
	owner, server := mustParse(t, v.Owner.DID), mustParse(t, v.Server.DID)
	meta, err := did.ParseObject(v.Signing.Claim.Meta)
	if err != nil {
		t.Fatal(err)
	}
	d, err := CheckUnsigned(v.Signing.Unsigned, owner, server, meta, now)
	if err != nil {
		t.Fatal(err)
	}
	want := Delegation{
		From: owner, To: server,
		Claims: []string{"encryptionKey"}, Roles: []string{"DIDConnectAgent"},
		IssuedAt: now.UTC(), NotBefore: now.UTC(), Expires: now.UTC().Add(time.Hour),
	}
	if diff := cmp.Diff(want, d, cmp.Comparer(did.DID.Equal)); diff != "" {
		t.Error(diff)
	}

	// What passed here and is signed comes back as a delegation that verifies.
	secret := did.LooseBytes(v.Owner.SK)
	key, err := did.NewSecretKey(did.Ed25519, secret)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha3.Sum256([]byte(v.Signing.Unsigned))
	sig, err := key.SignBytes(sum[:])
	if err != nil {
		t.Fatal(err)
	}
	if got := did.EncodeBase58(sig); got != v.Signing.Sig {
		t.Errorf("signature %s, want %s", got, v.Signing.Sig)
	}
	token := v.Signing.Unsigned + "." + did.EncodeBase64URL(sig)
	if token != v.Signing.Delegation {
		t.Error("the signed token differs from the vector")
	}
	_, err = Verify(token, server, now)
	wantCode(t, err, "ok")
}

func TestCheckUnsigned(t *testing.T) {
	parties := map[string]party{
		"owner":  application(t, 1, did.Ed25519),
		"server": application(t, 2, did.Ed25519),
		"other":  application(t, 3, did.Ed25519),
	}
	const header = `{"alg":"Ed25519","type":"JWT"}`
	const good = `{"iss":"<owner>","from":"<owner.bare>","to":"<server.bare>","userPk":"<owner.pk>","exp":<hour>,` +
		`"permissions":[{"role":"DIDConnectAgent","claims":["encryptionKey"]},"publish_blocklet"],"version":"1.1.0"}`
	replace := func(old, new string) string {
		changed := strings.Replace(good, old, new, 1)
		if changed == good {
			t.Fatalf("%q is not in the body", old)
		}
		return changed
	}
	check := func(t *testing.T, origin string, meta did.Object, want string) {
		t.Helper()
		_, err := CheckUnsigned(origin, parties["owner"].DID, parties["server"].DID, meta, now)
		wantCode(t, err, want)
	}

	for _, c := range []struct{ name, header, body, want string }{
		{"refuses permissions as ops beside the others", header, replace(`"version"`, `"ops":{"keyPair":[]},"version"`), "delegation_malformed"},
		{"refuses permissions as ops alone", header, replace(`"permissions":[{"role":"DIDConnectAgent","claims":["encryptionKey"]},"publish_blocklet"]`, `"ops":{"encryptionKey":[]}`), "delegation_malformed"},
		{"takes the form in the reference", header, good, "ok"},
		{"takes the spelling of the mobile SDKs", `{"alg":"ed25519","typ":"JWT"}`, good, "ok"},
		{"takes one without from and userPk", header, `{"iss":"<owner>","to":"<server>","exp":<hour>,"permissions":["publish_blocklet"],"version":"1.1.0"}`, "ok"},
		{"takes agentDid in place of to", header, replace(`"to"`, `"agentDid"`), "ok"},

		{"refuses the algorithm of another key type", `{"alg":"ES256K","type":"JWT"}`, good, "delegation_malformed"},
		{"refuses no algorithm", `{"type":"JWT"}`, good, "delegation_malformed"},
		{"refuses a DelegationToken", `{"alg":"Ed25519","typ":"DelegationToken"}`, good, "delegation_malformed"},
		{"refuses a header with a member twice", `{"alg":"Ed25519","typ":"JWT","typ":"DelegationToken"}`, good, "delegation_malformed"},
		{"refuses a header in two cases", `{"alg":"Ed25519","typ":"JWT","Typ":"DelegationToken"}`, good, "delegation_malformed"},
		{"refuses another version", header, replace("1.1.0", "1.0.0"), "delegation_malformed"},
		{"refuses no version", header, replace(`,"version":"1.1.0"`, ``), "delegation_malformed"},
		{"refuses a member twice", header, replace(`"to"`, `"to":"<other>","to"`), "delegation_malformed"},
		{"refuses a nested member twice", header, replace(`"claims"`, `"claims":["profile"],"claims"`), "delegation_malformed"},
		{"refuses another issuer", header, replace(`"<owner>"`, `"<other>"`), "delegation_issuer_mismatch"},
		{"refuses no issuer", header, replace(`"iss":"<owner>",`, ``), "delegation_issuer_mismatch"},
		{"refuses another from", header, replace(`"<owner.bare>"`, `"<other.bare>"`), "delegation_issuer_mismatch"},
		{"refuses a made-up method in from", header, replace(`"<owner.bare>"`, `"did:evil:<owner.bare>"`), "delegation_issuer_mismatch"},
		{"refuses a key of somebody else", header, replace(`<owner.pk>`, `<other.pk>`), "delegation_issuer_mismatch"},
		{"refuses another recipient", header, replace(`<server.bare>`, `<other.bare>`), "delegation_agent_mismatch"},
		{"refuses no recipient", header, replace(`"to":"<server.bare>",`, ``), "delegation_agent_mismatch"},
		{"refuses a second recipient", header, replace(`"to"`, `"agentDid":"<other>","to"`), "delegation_agent_mismatch"},
		{"refuses no end", header, replace(`"exp":<hour>,`, ``), "delegation_no_exp"},
		{"refuses an end in the past", header, replace(`<hour>`, `<past>`), "delegation_expired"},
		{"refuses an end in milliseconds", header, replace(`<hour>`, `<hour>000`), "delegation_malformed"},
		{"refuses an end that is no time", header, replace(`<hour>`, `"never"`), "delegation_malformed"},
		{"refuses a login", header, replace(`"exp"`, `"challenge":"A","exp"`), "delegation_is_a_session_message"},
		{"refuses an answer", header, replace(`"exp"`, `"requestedClaims":[],"exp"`), "delegation_is_a_session_message"},
		{"refuses a request", header, replace(`"exp"`, `"action":"responseAuth","exp"`), "delegation_is_a_session_message"},
		{"refuses a last reply", header, replace(`"exp"`, `"status":"ok","exp"`), "delegation_is_a_session_message"},
		{"refuses a login in other letters", header, replace(`"exp"`, `"Challenge":"A","exp"`), "delegation_is_a_session_message"},
	} {
		t.Run(c.name, func(t *testing.T) { check(t, unsigned(c.header, fill(c.body, parties)), did.Object{}, c.want) })
	}

	origin := unsigned(header, fill(good, parties))
	meta := func(name string, value any) did.Object {
		raw, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		return did.Object{Object: strictjson.Object{{Name: name, Value: raw}}}
	}
	for _, c := range []struct {
		name, origin string
		meta         did.Object
		want         string
	}{
		{"takes the same text in the playground's member", origin, meta("headerAndPayload", origin), "ok"},
		{"takes another meta", origin, meta("consequence", "none"), "ok"},
		{"refuses another text in meta.jwt", origin, meta("jwt", origin+"A"), "delegation_malformed"},
		{"refuses another text in meta.headerAndPayload", origin, meta("headerAndPayload", ""), "delegation_malformed"},
		{"refuses a meta.jwt that is no text", origin, meta("jwt", []string{origin}), "delegation_malformed"},
		{"refuses three segments", origin + ".AAAA", did.Object{}, "delegation_malformed"},
		{"refuses one segment", strings.Split(origin, ".")[0], did.Object{}, "delegation_malformed"},
		{"refuses padding", origin + "==", did.Object{}, "delegation_malformed"},
		{"refuses a newline", origin + "\n", did.Object{}, "delegation_malformed"},
		{"refuses a body that is no object", unsigned(header, `"x"`), did.Object{}, "delegation_malformed"},
		{"refuses nothing", "", did.Object{}, "delegation_malformed"},
		{"refuses more than it reads", origin + strings.Repeat("A", maxUnsigned), did.Object{}, "delegation_malformed"},
	} {
		t.Run(c.name, func(t *testing.T) { check(t, c.origin, c.meta, c.want) })
	}
	t.Run("shows every role and permission", func(t *testing.T) {
		d, err := CheckUnsigned(origin, parties["owner"].DID, parties["server"].DID, did.Object{}, now)
		wantCode(t, err, "ok")
		if diff := cmp.Diff([]string{"DIDConnectAgent", "publish_blocklet"}, d.Roles); diff != "" {
			t.Error(diff)
		}
	})
}

func FuzzCheckUnsigned(f *testing.F) {
	v := loadClaims(f)
	owner, server := mustParse(f, v.Owner.DID), mustParse(f, v.Server.DID)
	f.Add(v.Signing.Unsigned)
	f.Fuzz(func(t *testing.T, origin string) {
		d, err := CheckUnsigned(origin, owner, server, did.Object{}, now)
		if err == nil && (d.From != owner || d.To != server || !d.Expires.After(now)) {
			t.Errorf("took a delegation that says %+v", d)
		}
	})
}

// Only what names nothing but things of another service may last for years, so anything that could be read as more
// is more.
func TestPermissionsThatNameOnlyThingsOfAService(t *testing.T) {
	for permissions, want := range map[string]bool{
		`["publish_blocklet"]`:                           true,
		`["publish_blocklet","store.publish:all-of/it"]`: true,
		`[]`:                             false,
		`null`:                           false,
		`"publish_blocklet"`:             false,
		`[""]`:                           false,
		`["*"]`:                          false,
		`["publish_*"]`:                  false,
		`["DIDConnectAgent"]`:            false,
		`["didconnectagent"]`:            false,
		`["DIDSpaceAgent"]`:              false,
		`["encryptionkey"]`:              false,
		`["publish_blocklet","keyPair"]`: false,
		`["publish_blocklet",{"role":"DIDConnectAgent"}]`: false,
		`["publish_blocklet",{"role":"Anything"}]`:        false,
		`["publish_blocklet",{}]`:                         false,
		`["publish_blocklet",7]`:                          false,
		`["publish_blocklet",["encryptionKey"]]`:          false,
	} {
		granted, err := readPermissions(did.Object{Object: strictjson.Object{{Name: "permissions", Value: json.RawMessage(permissions)}}}, func(string) bool { return true })
		if err != nil || granted.named != want {
			t.Errorf("%s: %t, %v", permissions, granted.named, err)
		}
	}
}
