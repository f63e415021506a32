package did

import (
	"bytes"
	"encoding/json"
	"testing"
)

func FuzzParse(f *testing.F) {
	vectors := loadVectors[didVectors](f, "did.json")
	for _, v := range vectors.Check {
		f.Add(v.Input)
	}
	for _, v := range vectors.Derive {
		f.Add(v.DID)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := Parse(text)
		if err != nil {
			if CodeOf(err) != "did_invalid" || !d.IsZero() {
				t.Fatalf("got %v, %v", d, err)
			}
			return
		}
		if again, err := Parse(d.String()); err != nil || again != d {
			t.Fatalf("%s reads back as %s, %v", d, again, err)
		}
		if n := len(d.Bytes()); n != 26 && n != 20 {
			t.Fatalf("%s has %d bytes", d, n)
		}
		if typ, err := ParseTypeName(d.Type().String()); err != nil || typ != d.Type() {
			t.Fatalf("type %s reads back as %s, %v", d.Type(), typ, err)
		}
	})
}

func FuzzDecodeBase58(f *testing.F) {
	vectors := loadVectors[encodingVectors](f, "encodings.json")
	for _, v := range vectors.Base58 {
		f.Add(v.Base58btc, 32)
	}
	for _, v := range vectors.BadBase58 {
		f.Add(v.Text, 32)
	}
	f.Fuzz(func(t *testing.T, text string, maxBytes int) {
		maxBytes &= 0xfff
		b, err := DecodeBase58(text, maxBytes)
		if err != nil {
			return
		}
		if len(b) > maxBytes {
			t.Fatalf("got %d bytes where %d are allowed", len(b), maxBytes)
		}
		if EncodeBase58(b) != text {
			t.Fatalf("%q is written %q", text, EncodeBase58(b))
		}
	})
}

func FuzzLooseBytes(f *testing.F) {
	for _, v := range loadVectors[encodingVectors](f, "encodings.json").Loose {
		f.Add(v.Input)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := LooseBytes(text)
		if len(got) > len(text) {
			t.Fatalf("%d bytes of text became %d", len(text), len(got))
		}
		// The same bytes written in the least ambiguous way are the same.
		if again := LooseBytes(EncodeBase58(got)); len(text) < 4096 && !bytes.Equal(got, again) {
			t.Fatalf("got %x, then %x", got, again)
		}
	})
}

func FuzzStable(f *testing.F) {
	for _, v := range loadVectors[encodingVectors](f, "encodings.json").Stable {
		f.Add([]byte(v.Input))
	}
	f.Add([]byte(`{"\ud800":1,"😀":[1e21,1e-7,-0],"b":"\u2028\u0001"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		stable, err := Stable(raw)
		if err != nil {
			return
		}
		again, err := Stable(stable)
		if err != nil || !bytes.Equal(again, stable) {
			t.Fatalf("%s becomes %s, %v", stable, again, err)
		}
		var before, after any
		if err := json.Unmarshal(raw, &before); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(stable, &after); err != nil {
			t.Fatal(err)
		}
		want, _ := json.Marshal(before)
		if got, _ := json.Marshal(after); !bytes.Equal(got, want) {
			// -0 is the one value that JavaScript does not write back.
			if !bytes.Contains(want, []byte("-0")) {
				t.Fatalf("%s means %s, not %s", stable, got, want)
			}
		}
	})
}

func FuzzVerifyToken(f *testing.F) {
	vectors := loadVectors[tokenVectors](f, "jwt.json")
	for _, v := range vectors.Valid {
		f.Add(v.Token, unhex(f, v.Pk))
	}
	for _, v := range vectors.Cases {
		if pk, err := DecodePublicKey(v.Pk); err == nil {
			f.Add(v.Token, pk)
		}
	}
	known := map[string]bool{} // good tokens of the vectors; others are forged
	for _, v := range vectors.Valid {
		known[v.Token] = true
	}
	for _, v := range vectors.Cases {
		known[v.Token] = true
	}
	f.Fuzz(func(t *testing.T, token string, pk []byte) {
		read, readErr := ReadToken(token)
		got, err := VerifyToken(token, Check{PublicKey: pk, Now: vectorTime})
		if err == nil {
			if readErr != nil || read.Signer != got.Signer {
				t.Fatalf("verified what cannot be read: %v", readErr)
			}
			if !known[token] {
				t.Fatalf("forged %s", token)
			}
			return
		}
		if CodeOf(err) == "" {
			t.Fatalf("%v has no code", err)
		}
	})
}

func FuzzOpen(f *testing.F) {
	for _, v := range loadVectors[channelVectors](f, "channel.json").AES {
		f.Add(v.CipherBase58)
	}
	key, err := ParseChannelKey([]byte("0123456789ABCDEF0123456789ABCDEF"))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		plain, err := key.Open(text)
		if err == nil && key.Seal(plain) != text {
			t.Fatalf("%q is sealed as %q", text, key.Seal(plain))
		}
	})
}
