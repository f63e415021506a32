package strictjson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// Text returns a value that is a string, false for another or none. Half of a surrogate pair becomes
// U+FFFD.
func Text(value json.RawMessage) (string, bool) {
	n := len(value)
	if n < 2 || value[0] != '"' || value[n-1] != '"' {
		return "", false
	}
	if bytes.IndexByte(value, '\\') < 0 {
		return string(value[1 : n-1]), true
	}
	var text string
	err := json.Unmarshal(value, &text)
	return text, err == nil
}

// WholeText is Text for a value that two texts must not share, such as a name or a salt: it returns
// false for half of a surrogate pair, instead of replacing it.
func WholeText(value json.RawMessage) (string, bool) {
	text, ok := Text(value)
	return text, ok && utf8.Valid(Unquote(value))
}

// Unquote decodes a string with its quotes, which was checked before. Half of a surrogate pair, for
// which there is no UTF-8, comes out as the three bytes its number would have (WTF-8), so that
// strings which JavaScript tells apart stay different. What it returns may alias the value.
func Unquote(quoted []byte) []byte {
	in := quoted[1 : len(quoted)-1]
	at := bytes.IndexByte(in, '\\')
	if at < 0 {
		return in
	}
	out := append(make([]byte, 0, len(in)), in[:at]...)
	for i := at; i < len(in); {
		if in[i] != '\\' {
			out = append(out, in[i])
			i++
			continue
		}
		if in[i+1] != 'u' {
			out = append(out, unescape(in[i+1]))
			i += 2
			continue
		}
		r := hex4(in[i+2:])
		i += 6
		if utf16.IsSurrogate(r) {
			if i+1 < len(in) && in[i] == '\\' && in[i+1] == 'u' {
				if pair := utf16.DecodeRune(r, hex4(in[i+2:])); pair != utf8.RuneError {
					out = utf8.AppendRune(out, pair)
					i += 6
					continue
				}
			}
			out = append(out, 0xe0|byte(r>>12), 0x80|byte(r>>6&0x3f), 0x80|byte(r&0x3f))
			continue
		}
		out = utf8.AppendRune(out, r)
	}
	return out
}

func unescape(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c // " \ /
}

func hex4(digits []byte) rune {
	var r rune
	for _, c := range digits[:4] {
		switch {
		case c >= 'a':
			c -= 'a' - 10
		case c >= 'A':
			c -= 'A' - 10
		default:
			c -= '0'
		}
		r = r<<4 | rune(c)
	}
	return r
}

// AppendText writes a string as JSON.stringify of JavaScript does, which escapes quotes, backslashes,
// control characters and halves of surrogate pairs alone. The string is as Unquote decodes it.
func AppendText(out []byte, text string) []byte {
	out = append(out, '"')
	for {
		n := plain([]byte(text))
		if part := text[:n]; utf8.ValidString(part) {
			out = append(out, part...)
		} else {
			out = appendUnits(out, part)
		}
		if n == len(text) {
			return append(out, '"')
		}
		switch c := text[n]; c {
		case '"', '\\':
			out = append(out, '\\', c)
		case '\b':
			out = append(out, `\b`...)
		case '\f':
			out = append(out, `\f`...)
		case '\n':
			out = append(out, `\n`...)
		case '\r':
			out = append(out, `\r`...)
		case '\t':
			out = append(out, `\t`...)
		default:
			out = fmt.Appendf(out, `\u%04x`, c)
		}
		text = text[n+1:]
	}
}

// appendUnits writes what needs no escape but for halves of surrogate pairs.
func appendUnits(out []byte, text string) []byte {
	for i := 0; i < len(text); {
		r, size := DecodeUnit(text[i:])
		if utf16.IsSurrogate(r) {
			out = fmt.Appendf(out, `\u%04x`, r)
		} else {
			out = append(out, text[i:i+size]...)
		}
		i += size
	}
	return out
}

// DecodeUnit returns the first character of what Unquote decoded and its length in bytes: a surrogate
// if it is half of a pair.
func DecodeUnit(text string) (rune, int) {
	r, size := utf8.DecodeRuneInString(text)
	if r == utf8.RuneError && size == 1 && len(text) >= 3 {
		return rune(text[0]&0x0f)<<12 | rune(text[1]&0x3f)<<6 | rune(text[2]&0x3f), 3
	}
	return r, size
}
