// Package show makes the texts of others fit to be shown. Whatever an app or an issuer sends is
// hostile until it has passed one of these functions: a person must see what is there, and two
// texts that differ must not look the same for a reason that can't be seen.
package show

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Longest texts of an app that are shown, in runes.
const (
	MaxName        = 80
	MaxDescription = 500
)

// Plain returns a text as one line that does nothing: control, bidirectional and other invisible
// characters are removed, white space is folded to single blanks, and what is longer than limit
// runes is cut with an ellipsis.
func Plain(text string, limit int) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsGraphic(r) || unicode.Is(unicode.Cf, r) || r == utf8.RuneError:
			return -1
		}
		return r
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > limit {
		return string(runes[:limit]) + "…"
	}
	return text
}

// Escape returns a salt or a name as it is: what a person could not see is written as an escape, so
// that two that differ never look the same for that reason.
func Escape(text string) string {
	var b strings.Builder
	for i, r := range text {
		switch {
		case r == utf8.RuneError:
			if _, size := utf8.DecodeRuneInString(text[i:]); size == 1 {
				fmt.Fprintf(&b, `\x%02x`, text[i])
				continue
			}
			b.WriteRune(r)
		case r == '\\':
			b.WriteString(`\\`)
		case r == ' ' || unicode.IsGraphic(r) && !unicode.IsSpace(r) && !unicode.Is(unicode.Cf, r):
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, `\u{%x}`, r)
		}
	}
	return b.String()
}

// IsShowable reports whether a text can be shown whole: it is valid UTF-8 without control
// characters other than tabs and ends of lines.
func IsShowable(text string) bool {
	if !utf8.ValidString(text) {
		return false
	}
	return !strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && !strings.ContainsRune("\t\n\r", r) })
}

// EscapeLines is Escape for a text of several lines, such as one that is to be signed: ends of
// lines and tabs stay as they are.
func EscapeLines(text string) string {
	var b strings.Builder
	for rest := text; rest != ""; {
		i := strings.IndexAny(rest, "\t\n")
		if i < 0 {
			b.WriteString(Escape(rest))
			break
		}
		b.WriteString(Escape(rest[:i]))
		b.WriteByte(rest[i])
		rest = rest[i+1:]
	}
	return b.String()
}
