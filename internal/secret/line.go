package secret

import (
	"bytes"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What Line refuses. The texts go on from the name of what holds the secret, and hold nothing of it.
var (
	// ErrLines says that there is a second line.
	ErrLines = errors.New("it has more than one line: blanks, line ends and a byte order mark around a secret do not count, but a second line is refused")
	// ErrUTF16 says that the text is in UTF-16, as some editors of Windows write it.
	ErrUTF16 = errors.New("it is in UTF-16: save it as UTF-8")
	// ErrNotText says that the bytes are not UTF-8.
	ErrNotText = errors.New("it is not text in UTF-8")
	// ErrControl says that a character is within it that no keyboard and no page shows.
	ErrControl = errors.New("it has a control character within, as a tab")
)

// Mark is the byte order mark, which some editors put before a text in UTF-8.
const Mark = '\ufeff'

// Line is the one rule for a secret that is a line of text, from wherever it comes: a byte order mark
// before it and white space around it, line ends among it, do not count; what is left is UTF-8
// without control characters. It returns a part of b, or one of the errors above.
func Line(b []byte) ([]byte, error) {
	if IsUTF16(b) {
		return nil, ErrUTF16
	}
	if !utf8.Valid(b) {
		return nil, ErrNotText
	}
	line := bytes.TrimLeftFunc(bytes.TrimSpace(b), func(r rune) bool { return r == Mark || unicode.IsSpace(r) })
	if at := bytes.IndexFunc(line, func(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }); at >= 0 {
		if r, _ := utf8.DecodeRune(line[at:]); strings.ContainsRune("\n\v\f\r\u0085\u2028\u2029", r) {
			return nil, ErrLines
		}
		return nil, ErrControl
	}
	return line, nil
}

// IsUTF16 reports whether bytes look like text in UTF-16: they begin with its mark, or a letter of
// ASCII does in it.
func IsUTF16(b []byte) bool {
	return len(b) >= 2 && (b[0] == 0xff && b[1] == 0xfe || b[0] == 0xfe && b[1] == 0xff || (b[0] == 0) != (b[1] == 0))
}
