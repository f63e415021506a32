package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestWhatIsShown(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"leaves words as they are":            {"Öffne «Notizen» ✓ 🔑", "Öffne «Notizen» ✓ 🔑"},
		"shows an escape sequence as text":    {"a\x1b[31mb", `a\u001b[31mb`},
		"shows a line's end as text":          {"a\nstatus approved", `a\u000astatus approved`},
		"shows a change of direction as text": {"abc\u202edef", `abc\u202edef`},
		"shows a C1 control as text":          {"a\u009b31mb", `a\u009b31mb`},
		"shows an invisible one as text":      {"a\U000e0041b", `a\udb40\udc41b`},
		"shows a letter without a shape":      {"a\u3164\u2800\ufe0fb", `a\u3164\u2800\ufe0fb`},
		"shows a mark that is one too many":   {"a\u0301\u0301\u0301\u0301\u0301", "a\u0301\u0301\u0301\u0301" + `\u0301`},
		"replaces what is not UTF-8":          {"a\xffb", "a\ufffdb"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := shown(c.in); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// FuzzShown holds that nothing that is shown can drive a terminal, and that JSON which went through
// says what it said before.
func FuzzShown(f *testing.F) {
	for _, seed := range []string{"", "notes", "a\x1b[2J\n\tb", "\u202e\U000e0041\u009b", "\xff\xfe"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, r := range shown(s) {
			if r != utf8.RuneError && !unicode.IsPrint(r) {
				t.Errorf("%q was let through", r)
			}
		}
		before, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if _, err := (escaper{&out}).Write(before); err != nil {
			t.Fatal(err)
		}
		var after string
		if err := json.Unmarshal(out.Bytes(), &after); err != nil {
			t.Fatal(err)
		}
		if want := strings.ToValidUTF8(s, "\ufffd"); !utf8.ValidString(s) {
			// Each bad byte becomes one replacement in JSON, a run of them in ToValidUTF8.
			if strings.ReplaceAll(after, "\ufffd", "") != strings.ReplaceAll(want, "\ufffd", "") {
				t.Errorf("got %q, want %q", after, want)
			}
		} else if after != s {
			t.Errorf("got %q, want %q", after, s)
		}
	})
}
