package push

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"walletd/internal/keystore"
)

// tokenLife is how long a push service may take a token for, of at most a day.
const tokenLife = time.Hour

// authorization is the header by which a push service knows who pushes (RFC 8292): a token for its origin alone,
// signed by the key that the browser subscribed with.
func authorization(k *keystore.Keystore, endpoint *url.URL, contact string, now time.Time) (string, error) {
	claims, err := json.Marshal(struct {
		Audience string `json:"aud"`
		Expires  int64  `json:"exp"`
		Contact  string `json:"sub"`
	}{endpoint.Scheme + "://" + endpoint.Host, now.Add(tokenLife).Unix(), contact})
	if err != nil {
		return "", err
	}
	key, err := k.VAPIDKey()
	if err != nil {
		return "", err
	}
	b64 := base64.RawURLEncoding
	text := b64.EncodeToString([]byte(`{"typ":"JWT","alg":"ES256"}`)) + "." + b64.EncodeToString(claims)
	signature, err := k.SignVAPID(sha256.Sum256([]byte(text)))
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("vapid t=%s.%s, k=%s", text, b64.EncodeToString(signature), b64.EncodeToString(key)), nil
}
