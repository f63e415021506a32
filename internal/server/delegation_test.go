package server_test

import (
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"walletd/internal/did"
	"walletd/internal/wallettest"
)

// An application whose own key the wallet keeps lets a server ask for that account's key.
func TestDelegatedKey(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	w.Rules(everything)
	site, host, other := w.Stranger("Site", did.Ed25519), w.App("Host"), w.App("Other")
	site.Import()
	salt := site.DID.Address()
	claim := func(delegation string) members {
		return wallettest.EncryptionKey(salt, members{"delegation": delegation})
	}
	good := site.Delegate(host.DID)
	want := did.EncodeBase58(did.SHA3.Sum(site.Key.Reveal(), did.LooseBytes(salt)))

	t.Run("is never decided by a rule", func(t *testing.T) {
		asked := host.Ask(claim(good)).Must(202)
		approval := w.Waiting(asked.Text("code"))
		shown := approval["claims"].([]any)[0].(map[string]any)
		words, _ := shown["delegation"].(map[string]any)["words"].(string)
		if !strings.Contains(words, site.DID.Address()) || !strings.Contains(words, host.DID.Address()) || !strings.Contains(words, "encryptionKey") {
			t.Errorf("the delegation is told as %q", words)
		}
		if len(shown["unusual"].([]any)) < 2 {
			t.Errorf("what is unusual: %v", shown["unusual"])
		}
		w.MustApprove(asked.Text("code"))
		if got := host.Collect(asked.Text("id")).Key(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		host.Ask(claim(good)).Must(202) // one yes is one answer
	})
	now := w.Store.Now()
	var everyone []members
	for _, c := range []struct {
		name   string
		token  string
		status int
		code   string
	}{
		{"for another server", site.Delegate(other.DID), 403, "delegation_agent_mismatch"},
		{"that was widened after it was signed", widened(t, good), 403, "delegation_bad_signature"},
		{"whose signature is another delegation's", swapped(good, site.Delegate(host.DID, members{"exp": now.Add(2 * time.Hour).Unix()})), 403, "delegation_bad_signature"},
		{"that has expired", site.Delegate(host.DID, members{"iat": now.Add(-2 * time.Hour).Unix(), "nbf": nil, "exp": now.Add(-time.Hour).Unix()}), 403, "delegation_expired"},
		{"that is not valid yet", site.Delegate(host.DID, members{"nbf": now.Add(time.Hour).Unix()}), 403, "delegation_not_yet_valid"},
		{"that never expires", site.Delegate(host.DID, members{"exp": nil}), 403, "delegation_no_exp"},
		{"over 24 hours", site.Delegate(host.DID, members{"exp": now.Add(25 * time.Hour).Unix()}), 403, "delegation_lifetime"},
		{"without the role", site.Delegate(host.DID, members{"permissions": []members{{"role": "DIDSpaceAgent", "claims": []string{"encryptionKey"}}}}), 403, "delegation_role_missing"},
		{"without permissions", site.Delegate(host.DID, members{"permissions": everyone}), 403, "delegation_role_missing"},
		{"for another claim", site.Delegate(host.DID, members{"permissions": []members{{"role": "DIDConnectAgent", "claims": []string{"profile"}}}}), 403, "delegation_claim_not_allowed"},
		{"of an account the wallet does not hold", other.Delegate(host.DID), 403, "account_not_held"},
		{"in the name of another", site.Delegate(host.DID, members{"iss": other.DID.String()}), 403, "delegation_issuer_mismatch"},
		{"with the key of another", site.Delegate(host.DID, members{"userPk": other.PK()}), 403, "delegation_issuer_mismatch"},
		{"that is no token", "delegation", 400, "delegation_malformed"},
	} {
		t.Run("is refused with a delegation "+c.name, func(t *testing.T) {
			got := host.Ask(claim(c.token))
			if got.Status != c.status || got.Text("code") != c.code {
				t.Errorf("got %d %s, want %d %s: %s", got.Status, got.Text("code"), c.status, c.code, got.Body)
			}
		})
	}
	t.Run("is refused for a salt that means another account", func(t *testing.T) {
		if got := host.Ask(wallettest.EncryptionKey(other.DID.Address(), members{"delegation": good})); got.Text("code") != "salt_mismatch" {
			t.Errorf("got %s", got.Body)
		}
	})
	t.Run("is refused once the delegation is revoked", func(t *testing.T) {
		var known struct{ Items []struct{ Hash string } }
		w.Do("GET", w.Path("/delegations"), w.Owner, nil).Must(200).Into(&known)
		if len(known.Items) != 1 {
			t.Fatalf("%d delegations are known", len(known.Items))
		}
		w.Do("DELETE", w.Path("/delegations/"+known.Items[0].Hash), w.Owner, nil).Must(204)
		if got := host.Ask(claim(good)); got.Status != 403 {
			t.Errorf("got %d %s", got.Status, got.Body)
		}
	})
}

// widened gives a delegation with one more claim and the signature it had.
func widened(t *testing.T, token string) string {
	t.Helper()
	parts := strings.Split(token, ".")
	body, err := did.DecodeBase64URL(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	more := strings.Replace(string(body), `["encryptionKey"]`, `["encryptionKey","profile"]`, 1)
	if more == string(body) {
		t.Fatalf("nothing to widen in %s", body)
	}
	return parts[0] + "." + did.EncodeBase64URL([]byte(more)) + "." + parts[2]
}

func swapped(body, signature string) string {
	return body[:strings.LastIndexByte(body, '.')] + signature[strings.LastIndexByte(signature, '.'):]
}

// A salt is its bytes; one that is somebody's address is never decided by a rule (design
// sections 5 and 7), and one that would give another account's key is refused.
func TestSalts(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	w.Rules(everything)
	notes, other := w.App("Notes"), w.App("Other")
	own := notes.Ask(notesKey...)
	account := own.Text("userDid")

	for _, c := range []struct {
		name, salt string
		status     int
	}{
		{"an ordinary one", "notes", 200},
		{"an empty one", "", 200},
		{"the app's own DID", notes.DID.String(), 200},
		{"the app's own address", notes.DID.Address(), 200},
		{"the app's account", account, 200},
		{"another app's DID", other.DID.String(), 202},
		{"another app's address", other.DID.Address(), 202},
		{"another app's address under a prefix nobody knows", "did:nobody:" + other.DID.Address(), 202},
		{"another app's address in hex", "0x" + hex.EncodeToString(other.DID.Bytes()), 202},
		{"the wallet's own address", w.Address, 202},
	} {
		if got := notes.Ask(wallettest.EncryptionKey(c.salt)); got.Status != c.status {
			t.Errorf("%s: got %d, want %d: %s", c.name, got.Status, c.status, got.Body)
		}
	}
	if notes.Ask(wallettest.EncryptionKey("notes")).Key() != notes.Ask(wallettest.EncryptionKey("0x6e6f746573")).Key() {
		t.Error("two texts of the same bytes give two keys")
	}
	if notes.Ask(wallettest.EncryptionKey("notes")).Key() == other.Ask(wallettest.EncryptionKey("notes")).Key() {
		t.Error("two apps get the same key")
	}

	// sk(32) ‖ pk ‖ rest is what the ed25519 account of the same child hashes as sk(64) ‖ rest.
	pk, err := did.DecodePublicKey(own.Text("userPk"))
	if err != nil {
		t.Fatal(err)
	}
	curve := members{"type": "authPrincipal", "targetType": members{"key": "secp256k1"}}
	notes.Ask(curve, wallettest.EncryptionKey("0x"+hex.EncodeToString(append(pk, "notes"...)))).Refused(403, "salt_mismatch")
	notes.Ask(curve, wallettest.EncryptionKey("notes")).Must(200)
	notes.Ask(members{"type": "authPrincipal", "target": other.DID.String()}, wallettest.EncryptionKey("notes")).Refused(403, "delegation_missing") // as for an account that is held
	theirs := other.Ask(notesKey...).Text("userDid")
	notes.Ask(members{"type": "authPrincipal", "target": theirs}, wallettest.EncryptionKey("notes")).Refused(403, "delegation_missing")
	notes.Ask(members{"type": "authPrincipal", "target": theirs}).Must(202) // never by rule
}
