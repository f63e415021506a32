package show

import "testing"

func TestPlain(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"leaves ordinary text":                  {"Notes — 笔记 👍", "Notes — 笔记 👍"},
		"removes what turns the text around":    {"pay\u202ednob", "paydnob"},
		"removes control characters":            {"a\x00b\x1b[31mc", "ab[31mc"},
		"removes what cannot be seen":           {"a\u200bb\u00adc\ufeff", "abc"},
		"folds white space":                     {"  a \r\n\t b  ", "a b"},
		"removes what is not UTF-8":             {"a\xffb", "ab"},
		"cuts what is too long":                 {"abcdefghijk", "abcdefgh…"},
		"does not cut what is just long enough": {"abcdefgh", "abcdefgh"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Plain(c.in, 8+len([]rune(c.in))*btoi(c.in != "abcdefghijk" && c.in != "abcdefgh")); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestEscaped(t *testing.T) {
	for in, want := range map[string]string{
		"diary":         "diary",
		"a b":           "a b",
		"a\x00":         `a\u{0}`,
		"\u202eabc":     `\u{202e}abc`,
		"a\u00a0b":      `a\u{a0}b`,
		`a\u{0}`:        `a\\u{0}`,
		"\xff":          `\xff`,
		"盐🧂":            "盐🧂",
		"\u2028":        `\u{2028}`,
		"\ufffd is one": "\ufffd is one",
	} {
		if got := Escape(in); got != want {
			t.Errorf("Escape(%q) = %q, want %q", in, got, want)
		}
	}
}
