package secret

import (
	"bytes"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/rs/zerolog"
)

// key is a type whose secret may be read, lock one that only works with it.
type (
	key  struct{ Bytes }
	lock struct {
		Redacted
		b Bytes
	}
)

func TestSecretsDoNotPrint(t *testing.T) {
	raw := []byte("0123456789abcdefghijklmnopqrstuv")
	k, l, b := key{New(bytes.Clone(raw))}, lock{b: New(bytes.Clone(raw))}, New(bytes.Clone(raw))
	type exported struct {
		Key   key
		Lock  lock
		Bytes Bytes
	}
	type unexported struct {
		key   key
		lock  lock
		bytes Bytes
		all   *exported
	}
	shown := exported{k, l, b}
	values := []any{
		k, &k, l, &l, b, &b, shown, &shown, []key{k}, map[string]lock{"x": l}, [1]Bytes{b},
		unexported{k, l, b, &shown}, &unexported{k, l, b, &shown}, fmt.Errorf("with %v, %v and %v", k, l, b),
	}
	var out bytes.Buffer
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%#x", "%d", "%o", "%c", "%U", "%e", "%p", "%t", "%T", "%!"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		fmt.Fprintln(&out, v)
		if text, err := json.Marshal(v); err == nil {
			out.Write(text)
		}
		if text, err := xml.Marshal(v); err == nil {
			out.Write(text)
		}
		_ = gob.NewEncoder(&out).Encode(v)
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", v)
		logger := zerolog.New(&out)
		logger.Info().Interface("v", v).Any("w", v).Fields(map[string]any{"x": v}).Send()
	}
	logger := zerolog.New(&out)
	logger.Info().Stringer("k", k).Stringer("l", l).Stringer("b", b).Send()
	digits := hex.EncodeToString(raw[:8])
	for _, leak := range []string{
		string(raw), string(raw[:8]), digits, strings.ToUpper(digits), "30 31 32 33", "48 49 50 51", "48,49,50", "0x30, 0x31", "60 61 62",
		"U+0030 U+0031", "MDEyMzQ1Njc4",
	} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("%q is shown", leak)
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t"} {
		if got := fmt.Sprintf(verb+verb+verb, k, l, b); got != strings.Repeat(Redaction, 3) {
			t.Errorf("%s gives %s", verb, got)
		}
	}
	text, err := json.Marshal(shown)
	if want := `{"Key":"[secret]","Lock":"[secret]","Bytes":"[secret]"}`; err != nil || string(text) != want {
		t.Errorf("JSON is %s, %v, want %s", text, err, want)
	}
	out.Reset()
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "key", k, "lock", l, "bytes", b)
	if want := "key=[secret] lock=[secret] bytes=[secret]"; !strings.Contains(out.String(), want) {
		t.Errorf("slog writes %s, want %s", out.String(), want)
	}
}

func TestWipeEmptiesEveryCopy(t *testing.T) {
	raw := bytes.Repeat([]byte{0xa5}, 32)
	b := New(raw)
	copied, embedded := b, key{b}
	if b.IsZero() || !bytes.Equal(copied.Reveal(), bytes.Repeat([]byte{0xa5}, 32)) {
		t.Fatalf("it holds %x", copied.Reveal())
	}
	embedded.Wipe()
	if !bytes.Equal(raw, make([]byte, 32)) {
		t.Error("the bytes are still there")
	}
	for _, c := range []Bytes{b, copied, embedded.Bytes, {}, New(nil)} {
		if c.Wipe(); !c.IsZero() || c.Reveal() != nil {
			t.Errorf("it holds %x", c.Reveal())
		}
	}
}

func TestEqualComparesBytes(t *testing.T) {
	b := New([]byte("correct"))
	if !b.Equal(b) || !b.Equal(New([]byte("correct"))) || !(Bytes{}).Equal(New(nil)) {
		t.Error("equal bytes are not")
	}
	for _, other := range []Bytes{{}, New(nil), New([]byte("correcT")), New([]byte("correct horse")), New([]byte("cor"))} {
		if b.Equal(other) || other.Equal(b) {
			t.Errorf("%q is equal to it", other.Reveal())
		}
	}
}
