package wallettest

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"walletd/internal/did"
	"walletd/internal/secretstorage"
)

func (m *maker) wallets() {
	op := m.secrets.Operator
	create := func(name string, more Members) wallet {
		body := Members{"name": name}
		w := wallet{}
		for k, v := range more {
			body[k] = v
		}
		w.Words, _ = more["words"].(string)
		w.SeedHex, _ = more["seedHex"].(string)
		r := m.do("POST", "/v1/wallets", op, body, 201)
		w.Wallet = r.Text("wallet")
		if more == nil {
			w.Words = r.Text("words")
		}
		w.Owner = m.do("POST", "/v1/tokens", op, Members{"role": "owner", "wallet": w.Wallet, "name": name}, 201).Text("token")
		m.secrets.Wallets[name] = w
		return w
	}
	alice := create("alice", nil)
	m.w.Address, m.w.Owner = alice.Wallet, alice.Owner
	m.secrets.Owner, m.secrets.Words = alice.Owner, alice.Words
	create("bob", Members{"words": "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about"})
	carol := create("carol", Members{"seedHex": strings.Repeat("c0ffee01", 16)})
	m.do("PATCH", "/v1/wallets/"+carol.Wallet, carol.Owner, Members{"rounds": 3, "name": "Carol, three rounds"}, 200)

	dave := create("dave", nil)
	m.do("DELETE", "/v1/wallets/"+dave.Wallet, dave.Owner, Members{"confirm": dave.Wallet}, 204)
	delete(m.secrets.Wallets, "dave")

	erin := create("erin", nil)
	m.do("PUT", "/v1/wallets/"+erin.Wallet+"/policy", erin.Owner, Members{"rules": []Members{
		{"app": "*", "claim": "encryptionKey", "decision": "allow"}, {"app": "*", "claim": "profile", "decision": "deny"},
	}}, 200)
	m.do("PUT", "/v1/wallets/"+erin.Wallet+"/profile", erin.Owner, Members{"fullName": "Erin"}, 200)
	m.do("POST", "/v1/wallets/"+erin.Wallet+"/accounts", erin.Owner, Members{"app": m.w.Stranger("Notes", did.Ed25519).DID.String()}, 201)
	backup := m.do("POST", "/v1/wallets/"+erin.Wallet+"/backup", erin.Owner, Members{}, 200)
	m.do("DELETE", "/v1/wallets/"+erin.Wallet, erin.Owner, Members{"confirm": erin.Wallet}, 204)
	m.w.Do("POST", "/v1/restore", op, Members{"words": erin.Words, "backup": json.RawMessage(backup.Body)}).Must(201)
	erin.Owner = m.do("POST", "/v1/tokens", op, Members{"role": "owner", "wallet": erin.Wallet, "name": "erin"}, 201).Text("token")
	m.secrets.Wallets["erin"] = erin

	second := m.do("POST", "/v1/tokens", m.w.Owner, Members{"role": "owner", "wallet": m.w.Address, "name": "lost phone"}, 201)
	m.do("DELETE", "/v1/tokens/"+second.Text("id"), m.w.Owner, nil, 204)
	m.do("POST", "/v1/tokens", op, Members{"role": "operator", "name": "backup job", "expiresIn": 3162240000}, 201)
	job := m.do("POST", "/v1/tokens", op, Members{"role": "operator", "name": "old job"}, 201)
	m.do("DELETE", "/v1/tokens/"+job.Text("id"), op, nil, 204)
	m.do("PATCH", m.w.Path(""), m.w.Owner, Members{"strangers": true}, 200)
}

// keystore adds slots of each kind, removes one, rotates the root key, and locks.
func (m *maker) keystore() {
	op, pass := m.secrets.Operator, Members{"passphrase": m.secrets.Passphrase}
	m.do("POST", "/v1/keystore/slots", op, Members{"auth": pass, "slot": Members{"name": "laptop", "passphrase": m.secrets.Laptop}}, 201)
	short := m.do("POST", "/v1/keystore/slots", op, Members{"auth": pass, "slot": Members{"name": "short", "passphrase": "of a short life"}}, 201)
	m.do("POST", "/v1/keystore/slots/"+short.Text("id")+"/remove", op, Members{"auth": pass}, 204)
	m.do("POST", "/v1/keystore/rotate", op, Members{"secrets": []Members{pass, {"passphrase": m.secrets.Laptop}}}, 200)
	if m.kind == "sqlite" {
		m.do("POST", "/v1/keystore/snapshot", op, Members{}, 200)
	}
	m.do("POST", "/v1/keystore/lock", op, Members{}, 200)
	m.do("POST", "/v1/keystore/unlock", op, Members{"passphrase": "a wrong one"}, 403)
	time.Sleep(3 * time.Second) // the failure slows the next try
	m.do("POST", "/v1/keystore/unlock", op, Members{"identity": m.secrets.Identity}, 200)
}

func (m *maker) holdings() {
	m.do("PUT", m.w.Path("/profile"), m.w.Owner, Members{
		"fullName": "Alice Bean", "email": "alice@example.test", "phone": "+49 30 1234", "signature": "A. Bean", "birthday": "1990-01-01", "url": "https://alice.example.test",
		"avatar": "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
	}, 200)
	m.do("POST", m.w.Path("/credentials"), m.w.Owner, Members{"credential": m.credential(m.w.Address, "DemoPassport"), "tag": "gold"}, 201)
	m.do("POST", m.w.Path("/credentials"), m.w.Owner, Members{"asset": "zje1uzZTCZN551EWGLyyCEW9AM2wAdjymfHb", "owner": m.w.Address, "issuer": "zNKpPiDfyQ5h7LWfhsYHaxdizUx7ung399sm", "tag": "Ticket"}, 201)
	gone := m.do("POST", m.w.Path("/credentials"), m.w.Owner, Members{"asset": m.w.Stranger("Gone", did.Ed25519).DID.Address(), "owner": m.w.Address}, 201)
	m.do("DELETE", m.w.Path("/credentials/"+gone.Text("id")), m.w.Owner, nil, 204)
}

// credential is one about an account, signed by an issuer (reference f.6).
func (m *maker) credential(about, kind string) Members {
	issuer := m.w.Stranger("Issuer", did.Ed25519)
	body := map[string]json.RawMessage{}
	text, err := json.Marshal(Members{
		"@context": []string{"https://www.w3.org/2018/credentials/v1"}, "id": m.w.Stranger(kind+about, did.Ed25519).DID.Address(),
		"type": []string{kind, "VerifiableCredential"}, "issuer": Members{"id": issuer.DID.Address(), "pk": issuer.PK(), "name": "Demo Issuer"},
		"issuanceDate": "2025-12-31T00:00:00.000Z", "credentialSubject": Members{"id": about, "passport": Members{"name": "member"}},
	})
	m.must(err)
	m.must(json.Unmarshal(text, &body))
	stable, err := did.MarshalStable(body)
	m.must(err)
	sig, err := issuer.Key.SignBytes(did.SHA3.Sum(stable))
	m.must(err)
	whole := Members{"proof": Members{
		"type": "Ed25519Signature", "created": "2025-12-31T00:00:00.000Z", "proofPurpose": "assertionMethod",
		"signer": issuer.DID.Address(), "pk": issuer.PK(), "jws": did.EncodeBase64URL(sig),
	}}
	for name, raw := range body {
		whole[name] = raw
	}
	return whole
}

type apps struct {
	notes, photos, chain, host, site, agent, nobody, element, gone, bad *App
}

func (m *maker) apps() apps {
	a := apps{notes: m.w.App("Notes"), host: m.w.App("Host"), element: m.w.App("Element"), gone: m.w.App("Gone"), bad: m.w.App("Bad")}
	a.site, a.agent, a.nobody = m.w.Stranger("Site", did.Ed25519), m.w.Stranger("Agent", did.Ed25519), m.w.Stranger("Nobody", did.Ed25519)
	for _, late := range []struct {
		app  **App
		name string
		key  did.KeyType
	}{{&a.photos, "Photos", did.Secp256k1}, {&a.chain, "Chain", did.Ethereum}} {
		*late.app = m.w.Stranger(late.name, late.key)
		(*late.app).Token = m.do("POST", "/v1/tokens", m.w.Owner, Members{
			"role": "app", "wallet": m.w.Address, "app": (*late.app).DID.String(), "name": late.name, "origins": []string{"https://" + strings.ToLower(late.name) + ".example"}, "expiresIn": 3162240000,
		}, 201).Text("token")
	}
	for _, app := range []*App{a.notes, a.photos, a.chain, a.host, a.element} {
		m.secrets.Apps[app.Name] = app.Token
	}
	accounts := m.w.Path("/accounts")
	m.do("POST", accounts, m.w.Owner, Members{"app": a.photos.DID.String(), "targetType": Members{"key": "secp256k1"}}, 201)
	m.do("POST", accounts, m.w.Owner, Members{"app": a.chain.DID.String(), "targetType": Members{"key": "ethereum", "hash": "keccak", "encoding": "base16"}}, 201)
	m.do("POST", accounts, m.w.Owner, Members{"app": a.notes.DID.String(), "targetType": Members{"role": "application"}}, 201)
	a.site.Import()
	m.w.Stranger("Old site", did.Secp256k1).Import()
	m.do("PUT", m.w.Path("/apps/"+a.notes.DID.String()), m.w.Owner, Members{"name": "My notes"}, 200)
	m.do("PUT", m.w.Path("/apps/"+a.gone.DID.String()), m.w.Owner, Members{"name": "To be removed"}, 200)
	m.do("DELETE", m.w.Path("/apps/"+a.gone.DID.String()), m.w.Owner, nil, 204)
	return a
}

// yes asks, approves and collects.
func (m *maker) yes(a *App, choice Members, claims ...Members) *Response {
	m.t.Helper()
	asked := a.Ask(claims...).Must(202)
	m.do("POST", "/v1/approvals/"+asked.Text("id")+"/approve", m.w.Owner, choice, 200)
	return a.Collect(asked.Text("id")).Must(200)
}

func remember(how string, value any) Members { return Members{"remember": Members{how: value}} }

func (m *maker) decisions(a apps) {
	// The first question is never answered: it expires while the rest is made.
	m.firstWait = time.Now()
	m.said.Expired = append(m.said.Expired, waiting{App: "Photos", ID: a.photos.Ask(EncryptionKey("never answered")).Must(202).Text("id")})

	m.do("PUT", m.w.Path("/policy"), m.w.Owner, Members{"rules": []Members{
		{"app": a.notes.DID.String(), "claim": "encryptionKey", "salt": "notes", "decision": "allow"},
		{"app": a.photos.DID.String(), "claim": "encryptionKey", "saltHex": "00ff", "decision": "allow"},
		{"app": a.bad.DID.String(), "claim": "*", "decision": "deny"},
		{"app": a.host.DID.String(), "claim": "profile", "decision": "ask"},
		{"app": "*", "claim": "secret.write", "decision": "allow"},
		{"app": "*", "claim": "secretStorageKey", "decision": "ask"},
	}}, 200)
	m.key(a.notes, "notes")
	m.key(a.photos, "0x00ff")
	a.bad.Ask(EncryptionKey("bad")).Must(403)
	a.notes.Ask(Members{"type": "prepareTx"}).Must(403)

	// Grants of each sort, in force, used, used up and withdrawn.
	m.yes(a.notes, remember("until", "withdrawn"), EncryptionKey("until withdrawn"))
	m.yes(a.notes, remember("seconds", 31622400), EncryptionKey("for a year"))
	m.yes(a.notes, remember("times", 1000), EncryptionKey("many times"))
	m.yes(a.photos, remember("until", "withdrawn"), EncryptionKey("until withdrawn"))
	m.yes(a.chain, remember("until", "withdrawn"), EncryptionKey("until withdrawn"))
	m.yes(a.notes, remember("seconds", 1), EncryptionKey("for a second"))
	m.yes(a.notes, remember("times", 1), EncryptionKey("used up"))
	a.notes.Ask(EncryptionKey("used up")) // used up, or asked about again
	m.yes(a.notes, remember("until", "withdrawn"), EncryptionKey("taken back"))
	var grants struct {
		Items []struct {
			ID   string
			Salt struct{ Text string }
		}
	}
	m.do("GET", m.w.Path("/grants?limit=200"), m.w.Owner, nil, 200).Into(&grants)
	for _, g := range grants.Items {
		if g.Salt.Text == "taken back" {
			m.do("DELETE", m.w.Path("/grants/"+g.ID), m.w.Owner, nil, 204)
		}
	}
	m.key(a.notes, "until withdrawn")
	m.key(a.notes, "for a year")
	m.key(a.notes, "many times")
	m.key(a.photos, "until withdrawn")
	m.key(a.chain, "until withdrawn")

	// Each type of claim, with what is remembered of it.
	profile := Members{"type": "profile", "items": []string{"fullName", "email", "avatar", "did"}}
	m.yes(a.notes, Members{"items": []string{"fullName", "avatar"}, "remember": Members{"until": "withdrawn"}}, profile)
	m.yes(a.host, Members{}, profile)
	m.yes(a.notes, remember("until", "withdrawn"), Members{"type": "authPrincipal", "meta": Members{"page": 7}})
	m.yes(a.notes, Members{"mfaCode": 42}, Members{"type": "authPrincipal", "mfaCode": []int{17, 42, 99}})
	m.yes(a.notes, Members{}, Members{"type": "signature", "typeUrl": "mime:text/plain", "origin": did.EncodeBase58([]byte("I agree, says Alice")), "method": "sha3"})
	m.yes(a.notes, Members{}, Members{"type": "agreement", "uri": "https://example.test/terms", "digest": "zTermsOfTheGoldenStore", "method": "sha2"})
	challenge := "A1B2C3D4E5F60718"
	own := a.notes.Ask(EncryptionKey("notes")).Must(200).Text("userDid")
	m.do("POST", m.w.Path("/credentials"), m.w.Owner, Members{"credential": m.credential(own, "NotesPassport")}, 201)
	m.yes(a.notes, remember("until", "withdrawn"), Members{"type": "verifiableCredential", "item": []string{"NotesPassport"}, "challenge": challenge})
	m.yes(a.notes, Members{}, Members{"type": "verifiableCredential", "item": []string{"DemoPassport"}, "challenge": challenge})
	m.yes(a.notes, Members{}, Members{"type": "asset", "filters": []Members{{"tag": "Ticket"}}, "challenge": challenge})
	m.yes(a.notes, Members{}, Members{"type": "assetOrVC", "filters": []Members{{"type": []string{"DemoPassport"}}, {"tag": "Ticket"}}, "challenge": challenge})
	m.yes(a.notes, Members{}, Members{"type": "keyPair", "moniker": "my-application", "targetType": Members{"role": "application", "key": "ed25519", "hash": "sha3"}})
	m.yes(a.notes, Members{}, Members{"type": "keyPair", "moniker": "another", "targetType": Members{"role": "application", "key": "secp256k1", "hash": "sha3"}})
	m.yes(a.photos, Members{}, EncryptionKey(m.w.Address), EncryptionKey("two at once"))

	m.said.OwnerKeys = map[string]string{}
	for name, w := range m.secrets.Wallets {
		m.said.OwnerKeys[name] = m.do("POST", "/v1/wallets/"+w.Wallet+"/derive", w.Owner, Members{"salt": "golden"}, 200).Text("key")
	}
}

// key notes the key that an app gets for a salt without being asked about.
func (m *maker) key(a *App, salt string) {
	m.t.Helper()
	r := a.Ask(EncryptionKey(salt))
	m.said.Keys = append(m.said.Keys, key{a.Name, salt, r.Text("userDid"), r.Text("userPk"), r.Key()})
}

func (m *maker) signed(a apps) {
	notes := []Members{EncryptionKey("notes")}
	a.notes.AskSigned(notes, Members{"challenge": "what the app drew"}).Must(200)
	asked := a.notes.AskSigned([]Members{EncryptionKey("signed")}).Must(202)
	m.w.MustApprove(asked.Text("code"), remember("times", 20))
	a.notes.AskSigned([]Members{EncryptionKey("signed")}).Must(200)
	stranger := a.nobody.AskSigned([]Members{EncryptionKey("a stranger's")}).Must(202)
	m.w.MustApprove(stranger.Text("code"), remember("seconds", 31622400)) // the app is approved by this
	a.nobody.AskSigned([]Members{EncryptionKey("refused")}, Members{"aud": "z1nsdV7esuV3MfsGmcyckqErnvjyzU8RQGV"}).Must(403)

	// An agent speaks for the app by a certificate, and what is remembered of it.
	certificate := a.notes.Certify(a.agent, []string{"encryptionKey"}, Members{"exp": time.Now().Add(23 * time.Hour).Unix()})
	by := func(salt string) *Response {
		return m.w.Do("POST", "/v1/claims", "", a.notes.SignedBy(a.agent, certificate, []Members{EncryptionKey(salt)}))
	}
	asked = by("by an agent").Must(202)
	m.w.MustApprove(asked.Text("code"), remember("until", "withdrawn"))
	by("by an agent").Must(200)
}

func (m *maker) delegations(a apps) {
	salt := a.site.DID.Address()
	long := Members{"exp": time.Now().Add(23 * time.Hour).Unix()}
	live, revoked := a.site.Delegate(a.host.DID, long), a.site.Delegate(a.host.DID, Members{"exp": time.Now().Add(22 * time.Hour).Unix()})
	m.said.Delegation.Salt, m.said.Delegation.Token = salt, live
	m.said.Delegation.Key = m.yes(a.host, remember("until", "withdrawn"), EncryptionKey(salt, Members{"delegation": live})).Key()
	m.yes(a.host, remember("until", "withdrawn"), EncryptionKey(salt, Members{"delegation": revoked}))
	var known struct {
		Items []struct{ Hash, ExpiresAt string }
	}
	m.do("GET", m.w.Path("/delegations"), m.w.Owner, nil, 200).Into(&known)
	slices.SortFunc(known.Items, func(a, b struct{ Hash, ExpiresAt string }) int { return strings.Compare(a.ExpiresAt, b.ExpiresAt) })
	if len(known.Items) != 2 {
		m.t.Fatalf("%d delegations are known", len(known.Items))
	}
	m.do("DELETE", m.w.Path("/delegations/"+known.Items[0].Hash), m.w.Owner, nil, 204)
}

// matrix makes keys for secret storage and keeps secrets.
func (m *maker) matrix(a apps) {
	ask := func(method, path string, body any, headers ...string) *Response {
		m.t.Helper()
		send := func() *Response {
			r := m.w.Request(method, path, body)
			for i := 0; i < len(headers); i += 2 {
				r.Header.Set(headers[i], headers[i+1])
			}
			r.Header.Set("Authorization", "Bearer "+a.element.Token)
			return m.w.Send(r)
		}
		answer := send()
		if answer.Status != 202 {
			return answer
		}
		m.w.MustApprove(answer.Text("code"), remember("until", "withdrawn"))
		return send()
	}
	made := ask("POST", "/v1/secret-storage/keys", Members{}).Must(200)
	m.said.StorageKey.Key = made.Text("key")
	raw, err := base64.StdEncoding.DecodeString(made.Text("key"))
	m.must(err)
	k, err := secretstorage.NewKey(raw)
	m.must(err)
	d, err := secretstorage.NewDescription(k, "walletd")
	m.must(err)
	m.said.StorageKey.KeyInfo, err = d.MarshalJSON()
	m.must(err)
	ask("POST", "/v1/secret-storage/keys", Members{"salt": "second", "name": "Element"}).Must(200)
	ask("PUT", "/v1/secret-storage/keys/golden", Members{"keyInfo": m.said.StorageKey.KeyInfo}).Must(204)
	ask("POST", "/v1/secret-storage/key", Members{"name": "m.cross_signing.master", "keys": Members{"golden": m.said.StorageKey.KeyInfo}}).Must(200)

	ask("PUT", "/v1/secrets/golden.text", Members{"value": "correct horse"}).Must(201)
	etag := ask("PUT", "/v1/secrets/golden.replaced", Members{"value": "the first"}).Must(201).Header.Get("ETag")
	ask("PUT", "/v1/secrets/golden.replaced", Members{"value": "the second, ünïcode"}, "If-Match", etag).Must(200)
	etag = ask("PUT", "/v1/secrets/golden.deleted", Members{"value": "gone"}).Must(201).Header.Get("ETag")
	ask("DELETE", "/v1/secrets/golden.deleted", nil, "If-Match", etag).Must(204)
	ask("GET", "/v1/secrets/golden.text?raw", nil).Must(200)
	ask("GET", "/v1/secrets/golden.text", nil).Must(200)
	ask("GET", "/v1/secrets/golden.replaced", nil).Must(200)
	ask("PUT", "/v1/secrets/golden.raw", Members{"raw": m.resealed(k, "golden.raw")}).Must(201)
	ask("GET", "/v1/secrets/golden.raw", nil).Must(200)
	ask("GET", "/v1/secrets/golden.raw?raw", nil).Must(200)
	ask("GET", "/v1/secrets", nil).Must(200)
	m.do("GET", "/v1/secrets/golden.text?app="+a.element.DID.String(), m.w.Owner, nil, 200) // as the owner, who is not asked
}

// resealed is account data for another name, as a client makes it.
func (m *maker) resealed(k secretstorage.Key, name string) json.RawMessage {
	sealed, err := secretstorage.Seal(k, name, []byte("kept as it came"), 1<<16)
	m.must(err)
	b64 := base64.StdEncoding.EncodeToString
	text, err := json.Marshal(Members{"encrypted": Members{"golden": Members{"iv": b64(sealed.IV[:]), "ciphertext": b64(sealed.Ciphertext), "mac": b64(sealed.MAC[:])}}})
	m.must(err)
	return text
}
