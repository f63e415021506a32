// Package show makes untrusted text safe to display. Every text of an app or an issuer is hostile until it has
// passed one of these functions: the reader must see what the text holds, and two texts that differ only in
// invisible characters must not look the same.
package show

import (
	"crypto/sha256"
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

// maxMarks is how many combining marks may stand on one letter. More than the languages need would cover the lines
// around it.
const maxMarks = 4

// Seen returns a function that is called with each rune of one text, in their order, and reports whether the rune
// shows as something of its own. Those that do not are controls, changes of direction, blanks other than the space,
// letters without a shape (Unicode's Default_Ignorable_Code_Point, the fillers of Hangul, the empty pattern of
// Braille), selectors of variants, and combining marks that have no letter before them or more than four of them.
func Seen() func(rune) bool {
	marks := maxMarks // none may come first
	return func(r rune) bool {
		switch {
		case !unicode.IsPrint(r) || r == '\u2800' || unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector):
			return false
		case unicode.Is(unicode.M, r):
			marks++
			return marks <= maxMarks
		case r == ' ':
			marks = maxMarks
		default:
			marks = 0
		}
		return true
	}
}

// Plain returns a text as one line: it removes what is not seen (Seen), folds white space to single spaces, and cuts
// what is longer than limit runes with an ellipsis.
func Plain(text string, limit int) string {
	seen := Seen()
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			seen(' ')
			return ' '
		case !seen(r) || r == utf8.RuneError:
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

// Escape returns a text with every character that is not seen (Seen) written as an escape, so that two texts that
// differ only in such characters do not look the same.
func Escape(text string) string {
	var b strings.Builder
	seen := Seen()
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
		case seen(r):
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, `\u{%x}`, r)
		}
	}
	return b.String()
}

// Exact is Escape for a name that something is found by. Where the name is not printable ASCII, its bytes follow in
// hexadecimal, since letters of different scripts, and composed and combining ones, look the same. Of a name of more
// than 64 bytes it is their SHA-256.
func Exact(name string) string {
	switch {
	case !strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r > '~' }):
		return Escape(name)
	case len(name) > 64:
		return fmt.Sprintf("%s (SHA-256 of its bytes %x)", Escape(name), sha256.Sum256([]byte(name)))
	}
	return fmt.Sprintf("%s (bytes %x)", Escape(name), name)
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
