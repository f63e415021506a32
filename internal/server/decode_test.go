package server

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"walletd/api"
	"walletd/internal/strictjson"
)

type form struct {
	Name    string            `json:"name" form:"name"`
	Count   *int              `json:"count" min:"1" max:"3"`
	On      *bool             `json:"on"`
	Words   []string          `json:"words,omitempty" max:"2"`
	Inner   *inner            `json:"inner"`
	Many    []inner           `json:"many,omitempty"`
	Any     json.RawMessage   `json:"any,omitempty"`
	Claims  []json.RawMessage `json:"claims,omitempty"`
	Hidden  api.SecretText    `json:"hidden,omitzero" min:"1" max:"16384"`
	Short   *string           `json:"short" min:"2" max:"4"`
	Decimal int64             `json:"decimal,omitempty"`
}

type inner struct {
	Salt string `json:"salt"`
}

func TestDecodeReads(t *testing.T) {
	var got form
	text := `{"name":"Alice","count":2,"on":false,"words":["a","b"],"inner":{"salt":""},"many":[{"salt":"x"}],
		"any": {"anything":[1, null]},"claims":[{"a":1},2],"hidden":"p\u0061ss","short":"two"}`
	if err := decode([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	count, on, short := 2, false, "two"
	want := form{
		Name: "Alice", Count: &count, On: &on, Words: []string{"a", "b"}, Inner: &inner{}, Many: []inner{{"x"}},
		Any: json.RawMessage(`{"anything":[1, null]}`), Claims: []json.RawMessage{json.RawMessage(`{"a":1}`), json.RawMessage(`2`)},
		Short: &short,
	}
	if string(got.Hidden.Reveal()) != "pass" {
		t.Errorf("the secret is read as %q", got.Hidden.Reveal())
	}
	got.Hidden = api.SecretText{}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b api.SecretText) bool { return a.Equal(b.Bytes) })); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, c := range []struct{ name, body, code, says string }{
		{"no object", `[]`, "json_malformed", ""},
		{"nothing", ``, "json_malformed", ""},
		{"two objects", `{"name":"a"}{}`, "json_malformed", ""},
		{"bytes that are not UTF-8", "{\"name\":\"\xff\"}", "json_malformed", ""},
		{"what is nested too deep", `{"name":"a","any":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`, "json_malformed", ""},
		{"a member twice", `{"name":"a","name":"b"}`, "json_duplicate_member", ""},
		{"a member twice by an escape", `{"name":"a","n\u0061me":"b"}`, "json_duplicate_member", ""},
		{"a member of a member twice", `{"name":"a","inner":{"salt":"a","salt":"b"}}`, "json_duplicate_member", ""},
		{"a member of an echoed value twice", `{"name":"a","any":{"b":{"c":1,"c":2}}}`, "json_duplicate_member", ""},
		{"a case variant", `{"name":"a","Name":"b"}`, "json_case_variant", ""},
		{"a case variant with a long s", `{"name":"a","inner":{"salt":"a","\u017falt":"b"}}`, "json_case_variant", ""},
		{"a name in another case", `{"Name":"a"}`, "member_invalid", "Name is missing."},
		{"a name in another case beside", `{"name":"a","On":true}`, "json_unknown_member", "The request has a member that is not known here. Remove it."},
		{"an unknown member", `{"name":"a","x":1}`, "json_unknown_member", ""},
		{"an unknown member within", `{"name":"a","many":[{"salt":"a","x":1}]}`, "json_unknown_member", "Many[0] has a member that is not known here. Remove it."},
		{"what is missing", `{}`, "member_invalid", "Name is missing."},
		{"what is missing within", `{"name":"a","many":[{"salt":"a"},{}]}`, "member_invalid", "Many[1].salt is missing."},
		{"null", `{"name":null}`, "member_invalid", "Name must be a string."},
		{"half of a surrogate pair", `{"name":"a\ud800"}`, "member_invalid", "Name must not hold half of a surrogate pair."},
		{"null for a bool", `{"name":"a","on":null}`, "member_invalid", "On must be true or false."},
		{"null for a list", `{"name":"a","words":null}`, "member_invalid", "Words must be a list."},
		{"null for an object", `{"name":"a","inner":null}`, "member_invalid", "Inner must be an object."},
		{"null for a number", `{"name":"a","count":null}`, "member_invalid", "Count must be a whole number."},
		{"a number for a string", `{"name":7}`, "member_invalid", "Name must be a string."},
		{"a fraction", `{"name":"a","count":1.0}`, "member_invalid", "Count must be a whole number."},
		{"a number in a string", `{"name":"a","count":"1"}`, "member_invalid", "Count must be a whole number."},
		{"a number too great", `{"name":"a","count":4}`, "member_invalid", "Count must be at most 3."},
		{"a number too small", `{"name":"a","count":0}`, "member_invalid", "Count must be at least 1."},
		{"a number no int64 holds", `{"name":"a","decimal":9223372036854775808}`, "member_invalid", ""},
		{"a list too long", `{"name":"a","words":["a","b","c"]}`, "member_invalid", "Words must be at most 2 items."},
		{"a list of others", `{"name":"a","words":["a",1]}`, "member_invalid", "Words[1] must be a string."},
		{"a text too long", `{"name":"a","short":"12345"}`, "member_invalid", "Short must be at most 4 bytes."},
		{"a text too short", `{"name":"a","short":"1"}`, "member_invalid", "Short must be at least 2 bytes."},
		{"an empty secret", `{"name":"a","hidden":""}`, "member_invalid", ""},
		{"an empty name", `{"name":""}`, "member_invalid", "Name must be 1 to 100 characters that can be seen."},
		{"a name with a control", `{"name":"a\u0007b"}`, "member_invalid", ""},
		{"a name that turns round", `{"name":"a\u202eb"}`, "member_invalid", ""},
		{"a name too long", `{"name":"` + strings.Repeat("é", 101) + `"}`, "member_invalid", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := decode([]byte(c.body), new(form))
			if err == nil {
				t.Fatal("it was read")
			}
			p, expected := problemOf(err)
			if !expected || p.Code != api.Code(c.code) || p.Status != 400 {
				t.Errorf("got %d %s, want 400 %s: %v", p.Status, p.Code, c.code, err)
			}
			if c.says != "" && p.Detail != c.says {
				t.Errorf("it says %q, want %q", p.Detail, c.says)
			}
		})
	}
}

func TestDecodeQuery(t *testing.T) {
	type query struct {
		Status string `json:"status,omitempty" max:"16"`
		Limit  int    `json:"limit,omitempty" min:"1" max:"200"`
		After  int64  `json:"after,omitempty"`
	}
	read := func(text string, into any) error {
		return decodeQuery(httptest.NewRequest("GET", "/v1/approvals?"+text, nil), into)
	}
	var got query
	if err := read("status=7&limit=20&after=9007199254740991", &got); err != nil || got != (query{"7", 20, 1<<53 - 1}) {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, text := range []string{"limit=0", "limit=201", "limit=x", "limit=", "limit=+1", "limit=1.0", "limit=%201", "after=-1", "after=9007199254740992", "limit=1&limit=1", "status=%zz", "status=%ff", "status=" + strings.Repeat("x", 17)} {
		if p, _ := problemOf(read(text, new(query))); p.Code != "member_invalid" {
			t.Errorf("%s is refused with %s", text, p.Code)
		}
	}
	if p, _ := problemOf(read("limits=1", new(query))); p.Code != "json_unknown_member" {
		t.Errorf("an unknown name is refused with %s", p.Code)
	}
	if p, _ := problemOf(read("limit=1", nil)); p.Code != "member_invalid" {
		t.Errorf("a query where there is none is refused with %s", p.Code)
	}
}

func TestSecretsAreWiped(t *testing.T) {
	text := func() []byte { return []byte("hush-hush") }
	one, two, three, four := text(), text(), text(), []byte(`{"key":"hush-hush"}`)
	hidden := api.AddSlot{Auth: api.SlotSecret{Passphrase: api.NewSecretText(one)}, Slot: api.NewSlot{Passphrase: api.NewSecretText(two)}}
	list := api.Rotation{Secrets: []api.SlotSecret{{Identity: api.NewSecretText(three)}}}
	wipe(&hidden)
	wipe(list)
	wipe(any(api.Answered{RequestedClaims: []json.RawMessage{four}}))
	wipe(nil)
	for _, b := range [][]byte{one, two, three, four} {
		if !bytes.Equal(b, make([]byte, len(b))) {
			t.Errorf("%q is left", b)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{`{}`, `{"name":"a"}`, `{"name":"a","many":[{"salt":"x"}],"any":[{}]}`, `{"name":"a","hidden":"\u0000"}`, `{"Name":"a"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var in form
		err := decode(body, &in)
		if err != nil {
			if p, expected := problemOf(err); !expected || p.Status != 400 {
				t.Fatalf("got %d %s for %q", p.Status, p.Code, body)
			}
			return
		}
		// What was read is what every other strict reader would read.
		object, err := strictjson.Parse(body)
		if err != nil {
			t.Fatalf("read what is no object: %v", err)
		}
		if name, ok := object.Text("name"); !ok || name != in.Name {
			t.Fatalf("read the name %q as %q", name, in.Name)
		}
	})
}
