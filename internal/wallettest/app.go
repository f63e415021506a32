package wallettest

import (
	"crypto/rand"
	"encoding/json"
	"maps"
	"net/http"
	"time"

	"walletd/internal/did"
)

// App is the far side: an application with a key of its own, which asks, signs and delegates.
type App struct {
	w     *Wallet
	Name  string
	Key   did.SecretKey
	DID   did.DID
	Token string // for the wallet; "" of an app that has none
}

// App makes an application and its token in the wallet. Its key is that of its name, always.
func (w *Wallet) App(name string) *App {
	w.t.Helper()
	a := w.Stranger(name, did.Ed25519)
	made := w.Do("POST", "/v1/tokens", w.Owner, Members{"role": "app", "wallet": w.Address, "app": a.DID.String(), "name": name})
	a.Token = made.Must(http.StatusCreated).Text("token")
	return a
}

// Stranger makes an application that the wallet does not know, with a key of a type.
func (w *Wallet) Stranger(name string, t did.KeyType) *App {
	w.t.Helper()
	key, err := did.SecretKeyFromSeed(t, did.SHA3.Sum([]byte("wallettest "+name)))
	if err != nil {
		w.t.Fatalf("making the key of %s: %v", name, err)
	}
	id, err := did.FromPublicKey(key.Public(), did.Type{Role: did.RoleApplication, Key: t, Hash: did.SHA3})
	if err != nil {
		w.t.Fatalf("naming %s: %v", name, err)
	}
	return &App{w: w, Name: name, Key: key, DID: id}
}

// On is the same application, that speaks to another replica.
func (a *App) On(replica *Wallet) *App {
	other := *a
	other.w = replica
	return &other
}

// EncryptionKey is an encryptionKey claim for a salt, with other members if given.
func EncryptionKey(salt string, more ...Members) Members {
	claim := Members{"type": "encryptionKey", "salt": salt}
	for _, m := range more {
		maps.Copy(claim, m)
	}
	return claim
}

// Ask asks for claims with the app's token.
func (a *App) Ask(claims ...Members) *Response {
	a.w.t.Helper()
	return a.w.Do("POST", "/v1/claims", a.Token, Members{"requestedClaims": claims})
}

// Collect collects an answer with the app's token.
func (a *App) Collect(id string) *Response {
	a.w.t.Helper()
	return a.w.Do("GET", "/v1/claims/"+id, a.Token, nil)
}

// AskSigned asks for claims with a signed request; changes are as in AuthInfo.
func (a *App) AskSigned(claims []Members, changes ...Members) *Response {
	a.w.t.Helper()
	return a.w.Do("POST", "/v1/claims", "", a.Signed(claims, changes...))
}

// Signed is the body of a signed request of the app itself.
func (a *App) Signed(claims []Members, changes ...Members) Members {
	a.w.t.Helper()
	return Members{"appPk": a.PK(), "authInfo": a.AuthInfo(claims, changes...)}
}

// PK is the app's public key, in base58btc.
func (a *App) PK() string { return did.EncodeBase58(a.Key.Public()) }

// AuthInfo signs a request for the wallet that is good in every way. Members of changes replace
// those of the body; nil takes one out.
func (a *App) AuthInfo(claims []Members, changes ...Members) string {
	a.w.t.Helper()
	now := a.w.Store.Now().Unix()
	body := Members{
		"action": "responseAuth", "aud": a.w.Address, "jti": rand.Text(), "iss": a.DID.String(), "iat": now, "nbf": now, "exp": now + 300,
		"version": "1.1.0", "requestedClaims": claims, "appInfo": Members{"name": a.Name},
	}
	return a.sign(body, changes)
}

// Delegate signs a delegation by which the app lets another ask for the key of the app's own
// account (reference g.ii.2). It lasts an hour.
func (a *App) Delegate(to did.DID, changes ...Members) string {
	a.w.t.Helper()
	now := a.w.Store.Now()
	return a.sign(Members{
		"iss": a.DID.String(), "from": a.DID.Address(), "to": to.String(), "userPk": a.PK(),
		"permissions": []Members{{"role": "DIDConnectAgent", "claims": []string{"encryptionKey"}}},
		"iat":         now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix(), "version": "1.1.0",
	}, changes)
}

// Certify signs a certificate by which an agent speaks for the app (reference g.i).
func (a *App) Certify(agent *App, claims []string, changes ...Members) string {
	a.w.t.Helper()
	now := a.w.Store.Now()
	return a.sign(Members{
		"iss": a.DID.String(), "agentDid": agent.DID.String(), "permissions": []Members{{"role": "DIDConnectAgent", "claims": claims}},
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix(), "version": "1.1.0",
	}, changes)
}

// SignedBy is the body of a signed request that an agent makes in the app's name.
func (a *App) SignedBy(agent *App, certificate string, claims []Members, changes ...Members) Members {
	a.w.t.Helper()
	changes = append([]Members{{
		"iss": a.DID.String(), "agentDid": agent.DID.String(),
		"verifiableClaims": []Members{{"type": "certificate", "content": certificate}},
	}}, changes...)
	return Members{"appPk": a.PK(), "agentPk": agent.PK(), "authInfo": agent.AuthInfo(claims, changes...)}
}

// sign makes a token by hand, so that it can be wrong in any way.
func (a *App) sign(body Members, changes []Members) string {
	a.w.t.Helper()
	for _, change := range changes {
		for name, value := range change {
			if body[name] = value; value == nil {
				delete(body, name)
			}
		}
	}
	text, err := json.Marshal(body)
	if err != nil {
		a.w.t.Fatalf("writing a token: %v", err)
	}
	alg := map[did.KeyType]string{did.Ed25519: "Ed25519", did.Secp256k1: "ES256K", did.Ethereum: "Ethereum"}[a.Key.Type()]
	unsigned := did.EncodeBase64URL([]byte(`{"alg":"`+alg+`","type":"JWT"}`)) + "." + did.EncodeBase64URL(text)
	signature, err := did.SignUnsigned(a.Key, unsigned)
	if err != nil {
		a.w.t.Fatalf("signing a token: %v", err)
	}
	return unsigned + "." + did.EncodeBase64URL(signature)
}

// Import has the wallet keep the app's own key, so that it holds the app's account.
func (a *App) Import() {
	a.w.t.Helper()
	a.w.Do("POST", a.w.Path("/accounts"), a.w.Owner, Members{
		"secret": did.EncodeBase58(a.Key.Reveal()), "targetType": Members{"role": "application", "key": a.Key.Type().String()},
	}).Must(http.StatusCreated)
}
