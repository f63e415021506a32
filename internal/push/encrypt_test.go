package push

import (
	"bytes"
	"crypto/ecdh"
	"encoding/base64"
	"errors"
	"testing"
)

func unbase64(t *testing.T, text string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The example of RFC 8291, section 5 and appendix A.
func TestSealIsAsTheRFCHasIt(t *testing.T) {
	once, err := ecdh.P256().NewPrivateKey(unbase64(t, "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"))
	if err != nil {
		t.Fatal(err)
	}
	to := Keys{
		P256DH: unbase64(t, "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"),
		Auth:   unbase64(t, "BTBZMqHH6r4Tts7J_aSIgg"),
	}
	message := []byte("When I grow up, I want to be a watermelon")
	got, err := seal(to, once, unbase64(t, "DGv6ra1nlYgDCS1FRnbzlw"), message, len(message))
	if err != nil {
		t.Fatal(err)
	}
	want := unbase64(t, "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN")
	if !bytes.Equal(got, want) {
		t.Errorf("sealed %x, want %x", got, want)
	}
}

func TestMessagesHaveOneLength(t *testing.T) {
	k, err := ecdh.P256().GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	to := Keys{P256DH: k.PublicKey().Bytes(), Auth: make([]byte, authSize)}
	short, err := encrypt(to, []byte("a"))
	if err != nil {
		t.Fatal(err)
	}
	long, err := encrypt(to, make([]byte, paddedSize))
	if err != nil {
		t.Fatal(err)
	}
	if len(short) != len(long) || len(long) > recordSize {
		t.Errorf("%d and %d bytes", len(short), len(long))
	}
	if bytes.Equal(short[:saltSize], long[:saltSize]) || bytes.Equal(short[21:86], long[21:86]) {
		t.Error("a salt or a key is used twice")
	}
	if _, err := encrypt(to, make([]byte, paddedSize+1)); !errors.Is(err, errTooLong) {
		t.Errorf("a message without room: %v", err)
	}
	for name, point := range map[string][]byte{"no point": make([]byte, publicSize), "infinity": {0}, "compressed": append([]byte{2}, to.P256DH[1:33]...), "none": nil} {
		if _, err := encrypt(Keys{P256DH: point, Auth: to.Auth}, nil); err == nil {
			t.Errorf("%s is taken for a key", name)
		}
	}
}
