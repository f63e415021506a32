package server_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"walletd/internal/derive"
	"walletd/internal/did"
	"walletd/internal/wallettest"
)

// Known secrets are looked for in all that leaves the process or stays on disk, but for the
// answers that are there to give them.
func TestSecretsStayWhereTheyBelong(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	notes, stranger := w.App("Notes"), w.Stranger("Stranger", did.Ed25519)
	site := w.Stranger("Site", did.Ed25519)
	site.Import()
	const second = "a second passphrase of nobody else"
	const imported = "legal winner thank year wave sausage worth useful legal winner thank yellow"

	words, err := derive.ParseWords([]byte(w.Words))
	if err != nil {
		t.Fatal(err)
	}
	seed := words.Seed()
	account, _, err := derive.Account(seed, derive.AppPath(notes.DID, 0), did.AccountType())
	if err != nil {
		t.Fatal(err)
	}
	key := did.SHA3.Sum(account.Reveal(), []byte("notes"))
	secrets := map[string][]byte{
		"the words": []byte(w.Words), "imported words": []byte(imported), "the seed": seed.Reveal(), "an account's key": account.Reveal(),
		"half an account's key": account.Reveal()[:32], "an imported key": site.Key.Reveal()[:32], "an encryption key": key,
		"the passphrase": []byte(wallettest.Passphrase), "a second passphrase": []byte(second),
	}
	for name, token := range map[string]string{"operator": w.Operator, "owner": w.Owner, "app": notes.Token} {
		secrets["the token of the "+name] = []byte(token[strings.LastIndexByte(token, '_')+1:])
	}

	// A life: all that touches a secret, what goes well and what does not.
	var answers []*wallettest.Response
	do := func(method, path, token string, body any) *wallettest.Response {
		answer := w.Do(method, path, token, body)
		answers = append(answers, answer)
		return answer
	}
	asked := notes.Ask(notesKey...).Must(202)
	w.MustApprove(asked.Text("code"), members{"remember": members{"times": 3}})
	if got := notes.Collect(asked.Text("id")).Key(); got != did.EncodeBase58(key) {
		t.Fatalf("the canary is not the key: %s", got)
	}
	notes.Ask(notesKey...).Must(200)
	keyIn(t, open(t, w, notes.AskSigned(notesKey)))
	w.Do("POST", w.Path("/derive"), w.Owner, members{"salt": "mine"}).Must(200)
	do("POST", "/v1/wallets", w.Operator, members{"name": "bob", "words": imported}).Must(201)
	do("POST", "/v1/wallets", w.Operator, members{"name": "bob", "words": imported}).Refused(409, "conflict")
	do("POST", "/v1/wallets", w.Operator, members{"name": "bob", "words": w.Words + " zoo"}).Refused(422, "words_invalid")
	do("POST", "/v1/wallets", w.Operator, members{"name": "bob", "seedHex": hex.EncodeToString(seed.Reveal())[:120]}).Refused(422, "seed_invalid")
	do("POST", "/v1/wallets", w.Operator, members{"nme": "bob", "words": w.Words}).Must(400)
	do("POST", w.Path("/accounts"), w.Owner, members{"secret": did.EncodeBase58(account.Reveal()), "targetType": members{"key": "ethereum"}}).Must(400)
	slot := members{"auth": members{"passphrase": wallettest.Passphrase}, "slot": members{"name": "second", "passphrase": second}}
	do("POST", "/v1/keystore/slots", w.Operator, slot).Must(201)
	do("POST", "/v1/keystore/rotate", w.Operator, members{"secrets": []members{{"passphrase": wallettest.Passphrase}, {"passphrase": second}}}).Must(200)
	do("POST", "/v1/keystore/unlock", w.Operator, members{"passphrase": second + "!"}).Refused(403, "wrong_secret")
	do("POST", "/v1/keystore/unlock", w.Operator, members{"passphrase": second, "identity": "AGE-SECRET-KEY-1"}).Must(400)
	do("GET", "/v1/wallets?limit="+second, w.Operator, nil).Must(400)
	do("GET", "/v1/"+notes.Token, notes.Token+"x", nil).Must(404)
	do("GET", "/v1/approvals", notes.Token, nil).Must(403)
	answers = append(answers, stranger.AskSigned(notesKey).Must(403))
	for _, path := range []string{"/v1/keystore", "/v1/audit", "/v1/audit/export", "/v1/tokens", "/v1/wallets", "/metrics"} {
		do("GET", path, w.Operator, nil).Must(200)
	}
	for _, path := range []string{"/audit", "/audit/export", "/accounts", "/apps", "/grants", "/policy", ""} {
		do("GET", w.Path(path), w.Owner, nil).Must(200)
	}
	for _, path := range []string{"/v1/approvals?status=all", "/v1/tokens"} {
		do("GET", path, w.Owner, nil).Must(200)
	}
	w.Restart()
	w.UnlockKeystore()
	w.LockKeystore()
	w.Stop()

	places := map[string][]byte{"the log": []byte(w.Log.String())}
	for _, a := range answers {
		places["an answer: "+string(a.Body[:min(60, len(a.Body))])] = a.Body
	}
	files, err := os.ReadDir(w.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		content, err := os.ReadFile(filepath.Join(w.Dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		places["the file "+f.Name()] = content
	}
	// What is no secret is found where it is, so that secrets would be.
	for where, known := range map[string]string{"the file walletd.db": w.Address, "the log": "heads of the audit logs"} {
		if !bytes.Contains(places[where], []byte(known)) {
			t.Fatalf("%q is not in %s; there is nothing to look at", known, where)
		}
	}
	for what, secret := range secrets {
		if len(secret) < 12 {
			t.Fatalf("%s is too short to be looked for", what)
		}
		forms := [][]byte{
			secret, []byte(hex.EncodeToString(secret)), []byte(did.EncodeBase58(secret)[1:]),
			[]byte(base64.RawStdEncoding.EncodeToString(secret)), []byte(base64.RawURLEncoding.EncodeToString(secret)),
		}
		for where, content := range places {
			for _, form := range forms {
				if bytes.Contains(content, form) {
					t.Errorf("%s is in %s", what, where)
				}
			}
		}
	}
}
