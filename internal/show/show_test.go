package show

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
)

func TestPlain(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"leaves ordinary text":                  {"Notes — 笔记 👍", "Notes — 笔记 👍"},
		"removes what turns the text around":    {"pay\u202ednob", "paydnob"},
		"removes control characters":            {"a\x00b\x1b[31mc", "ab[31mc"},
		"removes what cannot be seen":           {"a\u200bb\u00adc\ufeff", "abc"},
		"folds white space":                     {"  a \r\n\t b  ", "a b"},
		"removes what is not UTF-8":             {"a\xffb", "ab"},
		"removes letters without a shape":       {"a\u3164\u2800\ufe0f\u034f\u115f\U000e0100b", "ab"},
		"bounds the marks on a letter":          {"a" + strings.Repeat("\u0301", 9) + "b", "a" + strings.Repeat("\u0301", 4) + "b"},
		"removes marks without a letter":        {"\u0301a \u0301b", "a b"},
		"leaves the marks of a language":        {"שָׁלוֹם น้ำ क्षि", "שָׁלוֹם น้ำ क्षि"},
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
		"diary":                           "diary",
		"a b":                             "a b",
		"a\x00":                           `a\u{0}`,
		"\u202eabc":                       `\u{202e}abc`,
		"a\u00a0b":                        `a\u{a0}b`,
		`a\u{0}`:                          `a\\u{0}`,
		"\xff":                            `\xff`,
		"盐🧂":                              "盐🧂",
		"\u2028":                          `\u{2028}`,
		"\ufffd is one":                   "\ufffd is one",
		"a\u3164b\u2800c":                 `a\u{3164}b\u{2800}c`,
		"a\ufe0f\u034f\u115f":             `a\u{fe0f}\u{34f}\u{115f}`,
		"\u0301":                          `\u{301}`,
		"é é":                             "é é",
		"a" + strings.Repeat("\u0301", 5): "a" + strings.Repeat("\u0301", 4) + `\u{301}`,
	} {
		if got := Escape(in); got != want {
			t.Errorf("Escape(%q) = %q, want %q", in, got, want)
		}
	}
}

// Two names that look alike are told apart.
func TestExact(t *testing.T) {
	long := strings.Repeat("ж", 40)
	sum := sha256.Sum256([]byte(long))
	for in, want := range map[string]string{
		"m.cross_signing.master": "m.cross_signing.master",
		"é":                      "é (bytes c3a9)",
		"e\u0301":                "e\u0301 (bytes 65cc81)",
		"а":                      "а (bytes d0b0)",
		long:                     long + " (SHA-256 of its bytes " + hex.EncodeToString(sum[:]) + ")",
	} {
		if got := Exact(in); got != want {
			t.Errorf("Exact(%q) = %q, want %q", in, got, want)
		}
	}
}
