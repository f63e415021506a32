package claims

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Longest texts of a dApp that are shown, in runes. A dApp's words are hostile until read.
const (
	maxName        = 80
	maxDescription = 500
)

// Plain makes a dApp's text fit to be shown: control, bidirectional and other invisible
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

// escaped shows a salt as it is: what a person could not see is written as an escape, so that
// two salts that differ never look the same for that reason.
func escaped(text string) string {
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

// isShowable reports whether a text holds nothing that a person could not be shown: valid UTF-8
// without control characters but tabs and ends of lines.
func isShowable(text string) bool {
	if !utf8.ValidString(text) {
		return false
	}
	return !strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && !strings.ContainsRune("\t\n\r", r) })
}

// shownWhole shows a text that is to be signed, all of it: lines and tabs as they are, and what a
// person could not see as an escape.
func shownWhole(text string) string {
	var b strings.Builder
	for rest := text; rest != ""; {
		i := strings.IndexAny(rest, "\t\n")
		if i < 0 {
			b.WriteString(escaped(rest))
			break
		}
		b.WriteString(escaped(rest[:i]))
		b.WriteByte(rest[i])
		rest = rest[i+1:]
	}
	return b.String()
}
