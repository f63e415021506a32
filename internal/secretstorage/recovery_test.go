package secretstorage

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"walletd/internal/did"
)

type recoveryVectors struct {
	Encode []struct {
		ID     string
		KeyHex string `json:"key_hex"`
		Text   string
	}
	EncodeOtherLengths []struct {
		Bytes int
		Text  string
	} `json:"encode_other_lengths"`
	Cases []struct {
		ID, Text string
		Walletd  want
	}
}

func TestRecoveryKeys(t *testing.T) {
	vectors := loadVectors[recoveryVectors](t, "recovery-key.json")
	for _, v := range some(t, vectors.Encode) {
		if got := string(mustKey(t, v.KeyHex).RecoveryKey()); got != v.Text {
			t.Errorf("%s: got %s, want %s", v.ID, got, v.Text)
		}
		if key, err := DecodeRecoveryKey([]byte(v.Text)); err != nil || hex.EncodeToString(key.Reveal()) != v.KeyHex {
			t.Errorf("%s: it reads back as %x, %v", v.ID, key.Reveal(), err)
		}
	}
	for _, v := range some(t, vectors.EncodeOtherLengths) {
		_, err := NewKey(make([]byte, v.Bytes))
		wantCode(t, err, "bad_key")
		_, err = DecodeRecoveryKey([]byte(v.Text))
		wantCode(t, err, "bad_length")
	}
	for _, v := range some(t, vectors.Cases) {
		t.Run(v.ID, func(t *testing.T) {
			key, err := DecodeRecoveryKey([]byte(v.Text))
			if v.Walletd.Error != "" {
				wantCode(t, err, v.Walletd.Error)
				return
			}
			if err != nil || hex.EncodeToString(key.Reveal()) != v.Walletd.KeyHex {
				t.Errorf("got %x, %v", key.Reveal(), err)
			}
		})
	}
}

func TestDecodeRecoveryKey(t *testing.T) {
	good := string(mustKey(t, strings.Repeat("a5", KeySize)).RecoveryKey())
	tests := []struct {
		it, text, code string
	}{
		{"disregards white space of every kind", "\v\u2003" + strings.ReplaceAll(good, " ", "\u3000\u0085") + "\r\n", ""},
		{"refuses a space without width, which is none", good + "\u200b", "bad_base58"},
		{"refuses bytes that are no text", good + "\xff", "bad_base58"},
		{"reports a wrong letter before the length", strings.Repeat("1", 1<<16) + "0", "bad_base58"},
		{"reports the length of a long text", strings.Repeat("z", 1<<20), "bad_length"},
		{"refuses the largest number of 48 digits", strings.Repeat("z", 48), "bad_length"},
		{"refuses 35 zero bytes for their prefix", strings.Repeat("1", 35), "bad_prefix"},
		{"refuses 34 zero bytes", strings.Repeat("1", 34), "bad_length"},
		{"refuses 36 zero bytes", strings.Repeat("1", 36), "bad_length"},
	}
	for _, test := range tests {
		t.Run(test.it, func(t *testing.T) {
			if _, err := DecodeRecoveryKey([]byte(test.text)); did.CodeOf(err) != test.code {
				t.Errorf("got %v, want %q", err, test.code)
			}
		})
	}
}

// Every single wrong letter is noticed, or is a key of its own: never the same key.
func TestDecodeRecoveryKeyHasOneTextForOneKey(t *testing.T) {
	key := mustKey(t, strings.Repeat("a5", KeySize))
	good := bytes.ReplaceAll(key.RecoveryKey(), []byte(" "), nil)
	noticed, total := 0, 0
	for i := range good {
		for _, c := range []byte(base58Alphabet) {
			if c == good[i] {
				continue
			}
			changed := bytes.Clone(good)
			changed[i] = c
			got, err := DecodeRecoveryKey(changed)
			if err != nil {
				noticed++
			} else if bytes.Equal(got.Reveal(), key.Reveal()) {
				t.Errorf("letter %d as %c gives the same key", i, c)
			}
			total++
		}
	}
	if noticed < total*98/100 {
		t.Errorf("only %d of %d wrong letters are noticed", noticed, total)
	}
}
