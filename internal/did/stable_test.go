package did

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"walletd/internal/strictjson"
)

func TestStable(t *testing.T) {
	for _, v := range some(t, loadVectors[encodingVectors](t, "encodings.json").Stable) {
		got, err := Stable(v.Input)
		if err != nil || string(got) != v.Stable {
			t.Errorf("got %s, %v, want %s", got, err, v.Stable)
		}
	}
	for _, c := range []struct{ name, in, want string }{
		{"drops white space", " [ 1 , { } , [ ] ] ", `[1,{},[]]`},
		{"keeps literals", `[true,false,null]`, `[true,false,null]`},
		{"sorts by UTF-16 unit", `{"\uffff":1,"😀":2,"\ud800":3,"a":4}`, `{"a":4,"\ud800":3,"😀":2,"` + "\uffff" + `":1}`},
		{"escapes as JSON.stringify", `"\u0000\u0007\b\t\n\u000b\f\r\u001f\"\\\/\u007f<>&\u2028\u2029é"`,
			`"\u0000\u0007\b\t\n\u000b\f\r\u001f\"\\/` + "\x7f<>&\u2028\u2029é" + `"`},
		{"keeps lone surrogates apart", `"\uD800\uDBFF\uDC00\uDE00x\udfff"`, `"\ud800` + "\U0010fc00" + `\ude00x\udfff"`},
		{"keeps a replacement character", `"\ufffd"`, "\"\ufffd\""},
		{"prints whole numbers", `[1.0,-0,0e5,1e2,100000000000000000000]`, `[1,0,0,100,100000000000000000000]`},
		{"prints large numbers", `[1e21,-1.5e300,123456789012345680000000]`, `[1e+21,-1.5e+300,1.2345678901234569e+23]`},
		{"prints small numbers", `[0.000001,1e-7,1.25e-10,5e-324]`, `[0.000001,1e-7,1.25e-10,5e-324]`},
		{"rounds as JavaScript", `[0.1,12345678901234567890,9007199254740993]`, `[0.1,12345678901234567000,9007199254740992]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Stable([]byte(c.in))
			if err != nil || string(got) != c.want {
				t.Errorf("got  %s, %v\nwant %s", got, err, c.want)
			}
		})
	}
	for _, c := range []struct {
		name, in string
		want     error
	}{
		{"an infinite number", `[1e999]`, ErrNumber},
		{"a duplicate name", `[{"a":1,"a":2}]`, strictjson.ErrDuplicateName},
		{"33 levels", strings.Repeat("[", 33) + strings.Repeat("]", 33), strictjson.ErrTooDeep},
		{"text that is not UTF-8", "\"\xff\"", strictjson.ErrNotJSON},
		{"no JSON", `{`, strictjson.ErrNotJSON},
		{"nothing", ``, strictjson.ErrNotJSON},
	} {
		t.Run("refuses "+c.name, func(t *testing.T) {
			if got, err := Stable([]byte(c.in)); !errors.Is(err, c.want) {
				t.Errorf("got %s, %v, want %v", got, err, c.want)
			}
		})
	}
}

func TestMarshalStable(t *testing.T) {
	got, err := MarshalStable(map[string]any{
		"raw":  json.RawMessage(`{"b": 1.50, "a": "\u2028<"}`),
		"text": "\u2028<>&",
		"n":    1e21,
	})
	want := `{"n":1e+21,"raw":{"a":"` + "\u2028" + `<","b":1.5},"text":"` + "\u2028" + `<>&"}`
	if err != nil || string(got) != want {
		t.Errorf("got  %s, %v\nwant %s", got, err, want)
	}
	if _, err := MarshalStable(json.RawMessage(`{"a":1,"a":2}`)); !errors.Is(err, strictjson.ErrDuplicateName) {
		t.Errorf("got %v, want ErrDuplicateName", err)
	}
}
