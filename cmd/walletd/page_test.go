package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/rogpeppe/go-internal/testscript"
)

// page begins a pairing as a page in a browser does, and puts its code into a variable:
//
//	page NAME FILE ORIGIN TEXT    of the service whose address is in the file; the page calls itself by the text
func page(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 4 {
		ts.Fatalf("usage: page NAME FILE ORIGIN TEXT")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	point, err := key.PublicKey.Bytes()
	ts.Check(err)
	encode := base64.RawURLEncoding.EncodeToString
	url := strings.TrimSpace(ts.ReadFile(args[1])) + "/v1/pairings"
	body, err := json.Marshal(map[string]string{"name": args[3]})
	ts.Check(err)
	for nonce, try := "", 0; try < 2; try++ {
		proof := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
			"jti": fmt.Sprint(time.Now().UnixNano()), "htm": "POST", "htu": url, "iat": time.Now().Unix(), "nonce": nonce,
		})
		proof.Header["typ"] = "dpop+jwt"
		proof.Header["jwk"] = map[string]string{"kty": "EC", "crv": "P-256", "x": encode(point[1:33]), "y": encode(point[33:])}
		signed, err := proof.SignedString(key)
		ts.Check(err)
		r, err := http.NewRequest("POST", url, bytes.NewReader(body))
		ts.Check(err)
		for name, value := range map[string]string{"Content-Type": "application/json", "Origin": args[2], "DPoP": signed} {
			r.Header.Set(name, value)
		}
		answer, err := http.DefaultClient.Do(r)
		ts.Check(err)
		var got struct{ Code string }
		ts.Check(json.NewDecoder(answer.Body).Decode(&got))
		ts.Check(answer.Body.Close())
		if answer.StatusCode == http.StatusCreated {
			ts.Setenv(args[0], got.Code)
			return
		}
		if nonce = answer.Header.Get("DPoP-Nonce"); nonce == "" {
			ts.Fatalf("beginning a pairing: %s %s", answer.Status, got.Code)
		}
	}
	ts.Fatalf("beginning a pairing: the nonce did not serve")
}
