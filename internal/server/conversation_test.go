package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"walletd/internal/wallettest"
)

// The files of testdata/conversations are what was said, in order, to a fresh wallet with the
// app Notes; the name of a file is the behaviour. A part "owner POST /path" is a request with a
// token of that role (or of "nobody", or with a variable: "$TOKEN POST /path") and its body; header
// lines may come first. The part after it, named by a status, is the answer: JSON whose strings may be "*"
// (any value) or hold a $VARIABLE, which the first time takes what stands there. An answer with
// the member "…" may have others than those shown. Requests and answers are as api/openapi.yaml
// describes them, but for a request that is refused because it is not.
func TestConversations(t *testing.T) {
	files, err := filepath.Glob("testdata/conversations/*.txtar")
	if err != nil || len(files) < 8 {
		t.Fatalf("found %d conversations: %v", len(files), err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			parts := partsOf(string(text))
			w := wallettest.New(t)
			notes := w.App("Notes")
			talk := &talk{t: t, w: w, known: map[string]string{
				"$WALLET": w.Address, "$APP": notes.DID.String(), "$PASSPHRASE": wallettest.Passphrase,
				"operator": w.Operator, "owner": w.Owner, "app": notes.Token, "nobody": "",
			}}
			if len(parts) == 0 || len(parts)%2 != 0 {
				t.Fatalf("%d parts are no requests and answers", len(parts))
			}
			for two := range slices.Chunk(parts, 2) {
				talk.turn(two[0], two[1])
			}
		})
	}
}

// part is one part of a text archive: a line "-- name --" and what follows it.
type part struct{ name, text string }

func partsOf(archive string) []part {
	var parts []part
	for line := range strings.Lines(archive) {
		name, begins := strings.CutPrefix(line, "-- ")
		name, ends := strings.CutSuffix(name, " --\n")
		switch {
		case begins && ends:
			parts = append(parts, part{name: name})
		case len(parts) > 0:
			parts[len(parts)-1].text += line
		}
	}
	return parts
}

type talk struct {
	t     *testing.T
	w     *wallettest.Wallet
	known map[string]string
}

var variable = regexp.MustCompile(`\$[A-Z]+`)

// fill puts known variables into a text.
func (k *talk) fill(text string) string {
	return variable.ReplaceAllStringFunc(text, func(name string) string {
		value, ok := k.known[name]
		if !ok {
			k.t.Fatalf("%s is not known yet", name)
		}
		return value
	})
}

func (k *talk) turn(said, answered part) {
	k.t.Helper()
	words := strings.Fields(said.name)
	if len(words) != 3 {
		k.t.Fatalf("%q is not WHO METHOD PATH", said.name)
	}
	token, ok := k.known[words[0]]
	if !ok {
		k.t.Fatalf("nobody is called %q", words[0])
	}
	text := k.fill(said.text)
	headers := map[string]string{}
	for !strings.HasPrefix(text, "{") && text != "" {
		line, rest, _ := strings.Cut(text, "\n")
		if name, value, ok := strings.Cut(line, ": "); ok {
			headers[name] = value
		}
		text = rest
	}
	var body any
	if text != "" {
		body = []byte(text)
	}
	r := k.w.Request(words[1], k.fill(words[2]), body)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	got := k.w.Send(r) // which holds the answer to the contract
	if err := wallettest.CheckRequest(r); err != nil && !refusedForItsShape(got) {
		k.t.Errorf("%s: %v", said.name, err)
	}
	if want, _ := strconv.Atoi(answered.name); got.Status != want {
		k.t.Fatalf("%s: got %d, want %s: %s", said.name, got.Status, answered.name, got.Body)
	}
	if len(strings.TrimSpace(answered.text)) == 0 {
		if len(got.Body) != 0 {
			k.t.Fatalf("%s: got %s, want nothing", said.name, got.Body)
		}
		return
	}
	var want, is any
	if err := json.Unmarshal([]byte(answered.text), &want); err != nil {
		k.t.Fatalf("%s: the answer expected is not JSON: %v", said.name, err)
	}
	got.Into(&is)
	if where := k.differs("answer", want, is); where != "" {
		k.t.Fatalf("%s: %s\ngot %s", said.name, where, got.Body)
	}
}

// refusedForItsShape reports whether a request is answered that it is not one the contract describes.
func refusedForItsShape(got *wallettest.Response) bool {
	switch got.Status {
	case http.StatusBadRequest, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return true
	case http.StatusForbidden:
		code := got.Text("code")
		return code == "claim_unsupported" || code == "blind_signature"
	}
	return false
}

// differs says where an answer is not as expected, or "".
func (k *talk) differs(at string, want, is any) string {
	switch want := want.(type) {
	case string:
		text, isText := is.(string)
		switch {
		case want == "*":
			return ""
		case strings.HasPrefix(want, "$") && variable.FindString(want) == want && k.known[want] == "" && isText:
			k.known[want] = text
			return ""
		case isText && text == k.fill(want):
			return ""
		}
	case map[string]any:
		object, ok := is.(map[string]any)
		if !ok {
			break
		}
		_, more := want["…"]
		for name := range object {
			if _, expected := want[name]; !expected && !more {
				return fmt.Sprintf("%s has the member %q", at, name)
			}
		}
		for name, value := range want {
			if name == "…" {
				continue
			}
			if _, there := object[name]; !there {
				return fmt.Sprintf("%s has no member %q", at, name)
			}
			if where := k.differs(at+"."+name, value, object[name]); where != "" {
				return where
			}
		}
		return ""
	case []any:
		list, ok := is.([]any)
		if !ok || len(list) != len(want) {
			return fmt.Sprintf("%s has %d items, want %d", at, len(list), len(want))
		}
		for i := range want {
			if where := k.differs(fmt.Sprintf("%s[%d]", at, i), want[i], list[i]); where != "" {
				return where
			}
		}
		return ""
	default:
		if want == is {
			return ""
		}
	}
	return fmt.Sprintf("%s is %v, want %v", at, is, want)
}
