package strictjson

import (
	"encoding/json"
	"testing"
)

// BenchmarkParse is the body of a signed request read strictly, beside encoding/json checking it.
func BenchmarkParse(b *testing.B) {
	body := []byte(`{"action":"responseAuth","appInfo":{"description":"Notes of a house","icon":"https://notes.example/icon.png","name":"Notes"},` +
		`"aud":"did:abt:z1ccYXDVfjzncLuiG2perr39Y63KUDUoL5G","chainInfo":{"host":"none","id":"none","type":"arcblock"},"exp":"1767225900",` +
		`"iat":"1767225600","iss":"did:abt:zNKas8JX55W6pfRJ7KUSiqZpYum11A1Npv4C","jti":"GQ6ZYB2JWXVBJ6C2LSRWIPMQ5E","nbf":"1767225600",` +
		`"requestedClaims":[{"description":"Unlock your \"notes\".","meta":{"purpose":"backup"},"salt":"the salt of some notes","type":"encryptionKey"}],"version":"1.1.0"}`)
	for _, c := range []struct {
		name string
		do   func() error
	}{
		{"valid", func() error {
			if !json.Valid(body) {
				return ErrNotJSON
			}
			return nil
		}},
		{"check", func() error { return Check(body, 1) }},
		{"parse", func() error { _, err := Parse(body); return err }},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if err := c.do(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
