// Package show makes untrusted text safe to display. Every text of an app or an issuer is hostile until it has
// passed one of these functions: the reader must see what the text holds, and two texts that differ only in
// invisible characters must not look the same.
package show

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The length at which a text of an app is cut, in runes.
const (
	MaxName        = 80
	MaxDescription = 500
)

// Plain returns a text as one line: it removes control, bidirectional and other invisible characters, folds white
// space to single spaces, and cuts what is longer than limit runes with an ellipsis.
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

// Escape returns a text with every invisible character written as an escape, so that two texts that differ only in
// such characters do not look the same.
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

// IsShowable reports whether a text can be displayed as it is: it is valid UTF-8, without control characters
// other than tabs and ends of lines.
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
