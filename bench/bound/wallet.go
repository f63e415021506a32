package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/mr-tron/base58"
	"golang.org/x/crypto/chacha20poly1305"
	"golang.org/x/crypto/sha3"
)

// Lengths of what walletd has in the same place, in bytes.
const (
	tokenRow   = 420
	place      = 140
	walletKey  = 32
	accountRow = 80
)

// wallet is the one there is. Its rows are sealed as walletd's are, and opened for each claim.
type wallet struct {
	facts     Facts
	record    *record
	tokenHash [32]byte
	tokenRow  []byte
	macKey    []byte
	sum       []byte // of tokenRow
	key       sealed
	account   sealed // its last 64 bytes are the secret key
	userPK    string
	userDID   string
}

// sealed are bytes under XChaCha20-Poly1305.
type sealed struct{ key, place, nonce, cipher []byte }

func seal(plain []byte) sealed {
	s := sealed{key: random(32), place: random(place), nonce: random(chacha20poly1305.NonceSizeX)}
	s.cipher = cipher(s.key).Seal(nil, s.nonce, plain, s.place)
	return s
}

func (s sealed) open() ([]byte, error) { return cipher(s.key).Open(nil, s.nonce, s.cipher, s.place) }

type aead interface {
	Seal(dst, nonce, plaintext, additionalData []byte) []byte
	Open(dst, nonce, ciphertext, additionalData []byte) ([]byte, error)
}

func cipher(key []byte) aead {
	c, err := chacha20poly1305.NewX(key)
	if err != nil {
		panic(err) // 32 bytes
	}
	return c
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func newWallet(facts Facts, r *record) *wallet {
	secret := ed25519.NewKeyFromSeed(random(ed25519.SeedSize))
	w := &wallet{
		facts: facts, record: r, tokenHash: sha3.Sum256([]byte(facts.Token)), tokenRow: random(tokenRow), macKey: random(32),
		key: seal(random(walletKey)), account: seal(append(random(accountRow-len(secret)), secret...)),
		userPK: "z" + base58.Encode(secret.Public().(ed25519.PublicKey)), userDID: "z1" + base58.Encode(random(25)),
	}
	w.sum = w.mac()
	return w
}

func (w *wallet) mac() []byte {
	h := hmac.New(sha256.New, w.macKey)
	h.Write(w.tokenRow)
	return h.Sum(nil)
}

// claim is one claim, and what its answer adds.
type claim struct {
	Type       string `json:"type"`
	Salt       string `json:"salt"`
	Delegation string `json:"delegation,omitempty"`
	Key        string `json:"key,omitempty"`
}

var errRefused = errors.New("refused")

func (w *wallet) answer(rw http.ResponseWriter, r *http.Request) {
	w.record.asking.Add(1)
	defer w.record.asking.Add(-1)
	out, err := w.claim(r)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	var text bytes.Buffer
	if err := json.NewEncoder(&text).Encode(out); err != nil {
		http.Error(rw, err.Error(), http.StatusInternalServerError)
		return
	}
	rw.Header().Set("Content-Type", "application/json")
	rw.Header().Set("Content-Length", strconv.Itoa(text.Len()))
	rw.Write(text.Bytes())
}

// claim answers a request of one claim.
func (w *wallet) claim(r *http.Request) (any, error) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var asked struct {
		RequestedClaims []claim `json:"requestedClaims"`
		AuthInfo        string  `json:"authInfo"`
		JTI             string  `json:"jti"`
	}
	if err := json.Unmarshal(text, &asked); err != nil {
		return nil, err
	}
	signed := asked.AuthInfo != ""
	if signed {
		err = verify(asked.AuthInfo, w.facts.App, &asked)
	} else {
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		hash := sha3.Sum256([]byte(token))
		if subtle.ConstantTimeCompare(hash[:], w.tokenHash[:]) != 1 || !hmac.Equal(w.mac(), w.sum) {
			err = errRefused
		}
	}
	if err != nil || len(asked.RequestedClaims) != 1 {
		return nil, errRefused
	}
	c := &asked.RequestedClaims[0]
	if c.Delegation != "" {
		var grants struct {
			To string `json:"to"`
		}
		if err := verify(c.Delegation, w.facts.Delegator, &grants); err != nil {
			return nil, err
		}
	}
	if _, err := w.key.open(); err != nil {
		return nil, err
	}
	event, err := json.Marshal(map[string]any{
		"by": "app", "app": w.userDID, "jti": asked.JTI, "claims": []claim{*c}, "decision": "allow", "reason": "rule 1 allows it", "rule": 1,
	})
	if err != nil {
		return nil, err
	}
	e := seal(event)
	if err := w.record.append(append(e.nonce, e.cipher...)); err != nil {
		return nil, err
	}
	account, err := w.account.open()
	if err != nil {
		return nil, err
	}
	secret := ed25519.PrivateKey(account[len(account)-ed25519.PrivateKeySize:])
	h := sha3.New256()
	h.Write(secret)
	h.Write([]byte(c.Salt))
	c.Key = "z" + base58.Encode(h.Sum(nil))
	if !signed {
		return map[string]any{"requestedClaims": asked.RequestedClaims, "userDid": w.userDID, "userPk": w.userPK, "reason": "rule 1 allows it"}, nil
	}
	info, err := sign(secret, map[string]any{
		"action": "responseAuth", "challenge": "", "aud": w.userDID, "jti": asked.JTI, "iss": w.userDID, "requestedClaims": asked.RequestedClaims,
		"iat": time.Now().Unix(), "exp": time.Now().Unix() + 300, "version": "1.1.0",
	})
	if err != nil {
		return nil, err
	}
	return map[string]string{"userPk": w.userPK, "userInfo": info}, nil
}

// verify checks the signature of a token (DID Connect reference c) and reads its body.
func verify(token string, key ed25519.PublicKey, body any) error {
	end := strings.LastIndexByte(token, '.')
	begin := strings.IndexByte(token, '.')
	if begin < 0 || begin == end {
		return errRefused
	}
	signature, err := base64.RawURLEncoding.DecodeString(token[end+1:])
	if err != nil {
		return err
	}
	digest := sha3.Sum256([]byte(token[:end]))
	if !ed25519.Verify(key, digest[:], signature) {
		return errRefused
	}
	text, err := base64.RawURLEncoding.DecodeString(token[begin+1 : end])
	if err != nil {
		return err
	}
	return json.Unmarshal(text, body)
}

func sign(key ed25519.PrivateKey, body any) (string, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return "", err
	}
	unsigned := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"Ed25519","type":"JWT"}`)) + "." + base64.RawURLEncoding.EncodeToString(text)
	digest := sha3.Sum256([]byte(unsigned))
	return unsigned + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(key, digest[:])), nil
}
