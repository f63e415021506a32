package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// many returns n members, separated by commas.
func many(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"member %d":{"a":%[1]d}`, i)
	}
	return b.String()
}

func TestParseRefuses(t *testing.T) {
	nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for _, c := range []struct {
		name, text string
		want       error
	}{
		{"nothing", ``, ErrNotObject},
		{"white space", ` `, ErrNotObject},
		{"an array", `[]`, ErrNotObject},
		{"a string", `"{}"`, ErrNotObject},
		{"null", `null`, ErrNotObject},
		{"an object cut short", `{"a":1`, ErrNotObject},
		{"a second value", `{} {}`, ErrNotObject},
		{"a comma at the end", `{"a":1,}`, ErrNotObject},
		{"a comment", `{} // x`, ErrNotObject},
		{"a byte order mark", "\ufeff{}", ErrNotObject},
		{"a NUL behind", "{}\x00", ErrNotObject},
		{"NaN", `{"a":NaN}`, ErrNotObject},
		{"a name that is not UTF-8", "{\"\xff\":1}", ErrNotObject},
		{"text that is not UTF-8", "{\"a\":\"\xed\xa0\x80\"}", ErrNotObject},
		{"a duplicate name", `{"a":1,"b":2,"a":1}`, ErrDuplicateName},
		{"a duplicate spelt with an escape", `{"iss":1,"\u0069ss":2}`, ErrDuplicateName},
		{"a duplicate spelt with a surrogate pair", `{"😀":1,"\ud83d\ude00":2}`, ErrDuplicateName},
		{"a duplicate inside", `{"a":{"b":1,"b":2}}`, ErrDuplicateName},
		{"a duplicate inside arrays", `{"a":[1,[{"b":{"c":0,"c":0}}]]}`, ErrDuplicateName},
		{"names that differ in case", `{"iss":1,"ISS":2}`, ErrCaseVariant},
		{"names that differ by a long s", `{"iss":1,"iſs":2}`, ErrCaseVariant},
		{"names that differ by a Kelvin sign", `{"k":1,"\u212a":2}`, ErrCaseVariant},
		{"names of lone surrogates, which a reader that folds case mistakes for each other", `{"\ud800":1,"\ud801":2}`, ErrCaseVariant},
		{"a duplicate among many", `{` + many(100) + `,"member 7":1}`, ErrDuplicateName},
		{"a duplicate after as many as are compared", `{` + many(16) + `,"member 15":1}`, ErrDuplicateName},
		{"a case variant among many", `{` + many(100) + `,"MEMBER 99":1}`, ErrCaseVariant},
		{"a case variant after as many as are compared", `{` + many(16) + `,"Member 0":1}`, ErrCaseVariant},
		{"a case variant among many, beyond ASCII", `{` + many(100) + `,"\u017f":1,"S":2}`, ErrCaseVariant},
		{"a duplicate inside many", `{"a":[{` + many(40) + `,"member 39":1}]}`, ErrDuplicateName},
		{"33 levels", `{"a":` + nested(32) + `}`, ErrTooDeep},
		{"ten thousand levels", `{"a":` + nested(9998) + `}`, ErrTooDeep},
	} {
		t.Run("refuses "+c.name, func(t *testing.T) {
			object, err := Parse([]byte(c.text))
			if !errors.Is(err, c.want) || object != nil {
				t.Errorf("got %v, %v, want %v", object, err, c.want)
			}
		})
	}
}

func TestParse(t *testing.T) {
	text := "\t{ \"a\" : [ 1 , {\"x\":1,\"X\":2} ] ,\n\"b\":\"q\\\"\\\\\",\"\\u0063\":1e999, \"d\":{} }\r\n"
	got, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	want := Object{
		{Name: "a", Value: json.RawMessage(`[ 1 , {"x":1,"X":2} ]`)},
		{Name: "b", Value: json.RawMessage(`"q\"\\"`)},
		{Name: "c", Value: json.RawMessage("1e999"), spelled: `"\u0063"`},
		{Name: "d", Value: json.RawMessage("{}")},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(Member{})); diff != "" {
		t.Error(diff)
	}
	if text, ok := got.Text("b"); !ok || text != `q"\` {
		t.Errorf("got %q, %t", text, ok)
	}
	for _, name := range []string{"a", "c", "d", "B", "none"} {
		if text, ok := got.Text(name); ok {
			t.Errorf("member %s is said to be the string %q", name, text)
		}
	}
	if string(got.Get("c")) != "1e999" || !got.Has("a") || got.Has("A") || got.Get("A") != nil {
		t.Error("a member is not where it was written")
	}
	if _, err := Parse([]byte(`{"a":` + strings.Repeat("[", 31) + strings.Repeat("]", 31) + `}`)); err != nil {
		t.Errorf("refuses 32 levels: %v", err)
	}
	if got, err := Parse([]byte(`{` + many(1000) + `}`)); err != nil || len(got) != 1000 {
		t.Errorf("of 1000 members it reads %d, %v", len(got), err)
	}
	if got, err := Parse([]byte(`{}`)); err != nil || got == nil || len(got) != 0 {
		t.Errorf("of {} it reads %v, %v", got, err)
	}
}

func TestParseCompact(t *testing.T) {
	text := []byte(" { \"a\" : [ 1 , { \"x\" : \" <&> \" } ],\n\"\\u0062\":\"\\ud800\" , \"é\":1E0 } ")
	got, err := ParseCompact(text)
	if err != nil {
		t.Fatal(err)
	}
	clear(text) // a copy
	if want := `{"a":[1,{"x":" <&> "}],"\u0062":"\ud800","é":1E0}`; string(got.JSON()) != want {
		t.Errorf("it is written %s, want %s", got.JSON(), want)
	}
	for name, text := range map[string]string{
		"half of a surrogate pair": `{"\ud800":1}`, "half of one within": `{"a":[{"\udc00":1}]}`,
		"U+FFFD": "{\"\ufffd\":1}", "U+FFFD with an escape": `{"a\ufffdb":1}`,
	} {
		if got, err := ParseCompact([]byte(text)); !errors.Is(err, ErrName) || got != nil {
			t.Errorf("a name with %s gives %v, %v", name, got, err)
		}
		if _, err := Parse([]byte(text)); err != nil {
			t.Errorf("Parse refuses a name with %s: %v", name, err)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		text  string
		depth int
		want  error
	}{
		{` [{"a":1,"A":2},"\ud800"] `, 1, nil},
		{`"text"`, 33, nil},
		{strings.Repeat("[", 32) + strings.Repeat("]", 32), 1, nil},
		{strings.Repeat("[", 32) + strings.Repeat("]", 32), 2, ErrTooDeep},
		{strings.Repeat(`{"a":`, 33) + "1" + strings.Repeat("}", 33), 1, ErrTooDeep},
		{`[{"a":1,"a":2}]`, 1, ErrDuplicateName},
		{``, 1, ErrNotJSON},
		{`[1] 2`, 1, ErrNotJSON},
		{"\"\xff\"", 1, ErrNotJSON},
	} {
		if err := Check([]byte(c.text), c.depth); !errors.Is(err, c.want) {
			t.Errorf("%.40s at depth %d: %v, want %v", c.text, c.depth, err, c.want)
		}
	}
}

func TestNested(t *testing.T) {
	o, err := Parse([]byte(`{"o":{"x":{ "y" : 1 },"z":[]},"cases":{"k":1,"K":{"a":"}"}},"list":[ 1 , "]" ,{"a":[2]},[] ],"none":[],"text":"{}"}`))
	if err != nil {
		t.Fatal(err)
	}
	inner, err := o.Object("o")
	if err != nil || string(inner.Get("x")) != `{ "y" : 1 }` || string(inner.Get("z")) != "[]" || len(inner) != 2 {
		t.Errorf("the members of an object are %s, %v", inner.JSON(), err)
	}
	for _, name := range []string{"list", "text", "missing"} {
		if got, err := o.Object(name); !errors.Is(err, ErrNotObject) || got != nil {
			t.Errorf("%s is read as an object: %v, %v", name, got, err)
		}
		if got, err := Entries(o.Get(name)); !errors.Is(err, ErrNotObject) || got != nil {
			t.Errorf("%s is read as a map: %v, %v", name, got, err)
		}
	}
	if got, err := o.Object("cases"); !errors.Is(err, ErrCaseVariant) || got != nil {
		t.Errorf("names that differ in case give %v, %v", got, err)
	}
	if got, err := Entries(o.Get("cases")); err != nil || string(got.Get("k")) != "1" || string(got.Get("K")) != `{"a":"}"}` {
		t.Errorf("the entries of a map are %s, %v", got.JSON(), err)
	}
	want := []json.RawMessage{json.RawMessage(`1`), json.RawMessage(`"]"`), json.RawMessage(`{"a":[2]}`), json.RawMessage(`[]`)}
	if diff := cmp.Diff(want, Elements(o.Get("list"))); diff != "" {
		t.Error(diff)
	}
	if got := Elements(o.Get("none")); got == nil || len(got) != 0 {
		t.Errorf("the elements of [] are %v", got)
	}
	if Elements(o.Get("text")) != nil || Elements(nil) != nil {
		t.Error("what is no array has elements")
	}
}

func TestObjectsAreChangedByCopy(t *testing.T) {
	o, err := ParseCompact([]byte(`{"a":1,"\u0062":2,"c":3}`))
	if err != nil {
		t.Fatal(err)
	}
	before := string(o.JSON())
	for _, c := range []struct {
		got  Object
		want string
	}{
		{o.With("b", []byte(`"x"`)), `{"a":1,"\u0062":"x","c":3}`},
		{o.With("d\u2028\"", []byte(`[]`)), `{"a":1,"\u0062":2,"c":3,"d` + "\u2028" + `\"":[]}`},
		{o.Without("b"), `{"a":1,"c":3}`},
		{o.Without("none"), before},
		{Object{}.With("x", []byte("1")).With("y", []byte("2")).With("x", []byte("3")), `{"x":3,"y":2}`},
		{nil, `{}`},
	} {
		if string(c.got.JSON()) != c.want {
			t.Errorf("got %s, want %s", c.got.JSON(), c.want)
		}
		if marshalled, err := json.Marshal(c.got); err != nil || c.got != nil && !json.Valid(marshalled) {
			t.Errorf("json.Marshal gives %s, %v", marshalled, err)
		}
	}
	if string(o.JSON()) != before {
		t.Errorf("it became %s", o.JSON())
	}
}

func TestText(t *testing.T) {
	for _, c := range []struct{ value, text, unquoted, again string }{
		{`""`, "", "", `""`},
		{`"plain é"`, "plain é", "plain é", `"plain é"`},
		{`"\u0041\"\\\/\b\f\n\r\t\u0000\u001f\u2028<"`, "A\"\\/\b\f\n\r\t\x00\x1f\u2028<", "A\"\\/\b\f\n\r\t\x00\x1f\u2028<",
			`"A\"\\/\b\f\n\r\t\u0000\u001f` + "\u2028" + `<"`},
		{`"\uD83D\uDE00"`, "😀", "😀", `"😀"`},
		{`"\ud83d"`, "\ufffd", "\xed\xa0\xbd", `"\ud83d"`},
		{`"\ude00\ud83d"`, "\ufffd\ufffd", "\xed\xb8\x80\xed\xa0\xbd", `"\ude00\ud83d"`},
		{`"\ud83dx\ude00"`, "\ufffdx\ufffd", "\xed\xa0\xbdx\xed\xb8\x80", `"\ud83dx\ude00"`},
		{`"\ud83d\ud83d\ude00"`, "\ufffd😀", "\xed\xa0\xbd😀", `"\ud83d😀"`},
		{`"\ufffd"`, "\ufffd", "\ufffd", "\"\ufffd\""},
	} {
		if text, ok := Text(json.RawMessage(c.value)); !ok || text != c.text {
			t.Errorf("the text of %s is %q, %t, want %q", c.value, text, ok, c.text)
		}
		if _, whole := WholeText(json.RawMessage(c.value)); whole != (c.text == c.unquoted) {
			t.Errorf("%s is said to be whole: %t", c.value, whole)
		}
		if got := string(Unquote([]byte(c.value))); got != c.unquoted {
			t.Errorf("%s is decoded as %q, want %q", c.value, got, c.unquoted)
		}
		if got := string(AppendText(nil, c.unquoted)); got != c.again {
			t.Errorf("%s is written again as %s, want %s", c.value, got, c.again)
		}
	}
	for _, value := range []string{``, `"`, `1`, `null`, `{}`, `["a"]`, `"a`, `a"`, `"\"`, `"\x"`} {
		if text, ok := Text(json.RawMessage(value)); ok {
			t.Errorf("%s is said to be the text %q", value, text)
		}
		if text, ok := WholeText(json.RawMessage(value)); ok {
			t.Errorf("%s is said to be the whole text %q", value, text)
		}
	}
}

// FuzzParse holds the reader to encoding/json, and to itself read another way.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"iss":1,"ISS":2}`, `{"a":[{"b":"\ud800\"\\"},1e9]}`, `{"a":{"a":{}}, "b" : null}`,
		`{"name":"a"}`, `{"name":"a","many":[{"salt":"x"}],"any":[{}]}`, `{"name":"a","hidden":"\u0000"}`, `{"Name":"a"}`,
		`{"algorithm":"m.secret_storage.v1.aes-hmac-sha2","passphrase":{"algorithm":"m.pbkdf2","salt":"s","iterations":1},"x":[{"a":{}}]}`,
		`{"encrypted":{"a.b/c \u00e9":{"iv":"","x":"\ud800"},"K":1,"k":[]}, "y":1e999 }`, `{"key":"a.b"}`,
		`{"\ud800":1,"😀":[1e21,1e-7,-0],"b":"\u2028\u0001"}`, `{` + many(20) + `}`,
	} {
		f.Add([]byte(seed))
	}
	for _, value := range []string{ // of which some are none
		"0", "-0", "10", "01", "-", "+1", "1.5", "1.", ".5", "1e5", "1E+05", "1e", "1e-", "0x1", "1_0", "true", "tru", "truex", "null", "NaN", "[1,]", "[,1]", "[1 2]", "{,}",
		`{"a":1,}`, `{"a" 1}`, `{1:2}`, `"a`, `"a\"`, `"\x"`, `"\u12g4"`, `"\u123"`, "\"\x1f\"", "\"\x7f\"", "\"a tab\t far from the start\"", `"sixteen or more, then a \n\\\""`, "\xff", "\"\xff\"", "\v1",
	} {
		f.Add([]byte(`{"a":` + value + `}`))
		f.Add([]byte(` {"a":1, "a":[` + value + "\r\n\t] } "))
		f.Add([]byte(value))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		checked := Check(raw, 1)
		if valid := utf8.Valid(raw) && json.Valid(raw); valid == errors.Is(checked, ErrNotJSON) {
			t.Fatalf("%q: Check says %v, and of JSON encoding/json says %v", raw, checked, valid)
		}
		o, err := Parse(raw)
		compact, compactErr := ParseCompact(raw)
		switch {
		case err == nil && checked != nil, err == nil && compactErr != nil && !errors.Is(compactErr, ErrName), err != nil && compactErr == nil:
			t.Fatalf("%s: Parse says %v, ParseCompact %v, Check %v", raw, err, compactErr, checked)
		case err != nil:
			if !slices.ContainsFunc([]error{ErrNotObject, ErrDuplicateName, ErrCaseVariant, ErrTooDeep}, func(e error) bool { return errors.Is(err, e) }) {
				t.Fatalf("%s: %v", raw, err)
			}
			return
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(raw, &members); err != nil || len(members) != len(o) {
			t.Fatalf("%s: got %d members, encoding/json %d, %v", raw, len(o), len(members), err)
		}
		for name, value := range members {
			// A name with a lone surrogate is no UTF-8 and has another spelling.
			if got := o.Get(name); got != nil && !bytes.Equal(got, value) {
				t.Fatalf("member %q: got %s, encoding/json %s", name, got, value)
			}
		}
		for _, m := range o {
			var want string
			text, ok := Text(m.Value)
			if isText := m.Value[0] == '"'; ok != isText || ok && (json.Unmarshal(m.Value, &want) != nil || text != want) {
				t.Fatalf("member %q: got text %q, want %q", m.Name, text, want)
			}
			if plain := ok && string(Unquote(m.Value)) == text; ok && plain != utf8.Valid(Unquote(m.Value)) {
				t.Fatalf("%s is decoded as %q", m.Value, Unquote(m.Value))
			}
			compare(t, m.Value)
		}
		if compactErr != nil {
			return
		}
		var want bytes.Buffer
		if err := json.Compact(&want, raw); err != nil || !bytes.Equal(compact.JSON(), want.Bytes()) {
			t.Fatalf("%s is written %s, %v", raw, compact.JSON(), err)
		}
	})
}

// compare holds what is read of a checked value to what encoding/json makes of it.
func compare(t *testing.T, value json.RawMessage) {
	t.Helper()
	switch value[0] {
	case '[':
		var want []json.RawMessage
		if err := json.Unmarshal(value, &want); err != nil {
			t.Fatal(err)
		}
		got := Elements(value)
		if len(got) != len(want) {
			t.Fatalf("%s has elements %s", value, got)
		}
		for i := range got {
			if !bytes.Equal(got[i], want[i]) {
				t.Fatalf("element %d of %s is %s", i, value, got[i])
			}
			compare(t, got[i])
		}
	case '{':
		again, parsed := Parse(value)
		nested, err := Nested(value)
		if !errors.Is(err, parsed) || !slices.EqualFunc(nested, again, func(a, b Member) bool { return a.Name == b.Name && bytes.Equal(a.Value, b.Value) }) {
			t.Fatalf("of %s are read %s, %v, and %s, %v", value, nested.JSON(), err, again.JSON(), parsed)
		}
		entries, err := Entries(value)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range entries {
			compare(t, m.Value)
		}
	}
}
