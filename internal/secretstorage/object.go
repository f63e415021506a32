package secretstorage

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxDepth is how deep JSON may nest.
const maxDepth = 32

// object is a JSON object with its members in the order and spelling they were read, without white
// space. encoding/json would match names without regard to case, let the last of two members win,
// and lose order and unknown members.
type object []member

type member struct {
	name   string
	quoted string // the name as it was spelled
	value  string // JSON
}

// parseObject reads one JSON object in UTF-8 with nothing after it. Refused as malformed are two
// members of one name, at any depth, names that are no text (a lone surrogate), and nesting beyond
// 32. Callers bound raw, which is not kept.
func parseObject(raw []byte) (object, error) {
	var compact bytes.Buffer
	if !utf8.Valid(raw) || json.Compact(&compact, raw) != nil || compact.Bytes()[0] != '{' {
		return nil, refuse("malformed", "not a JSON object in UTF-8")
	}
	return split(compact.String())
}

// parseNamed is parseObject for objects whose names mean something: names that differ only in case
// are refused besides, because a reader that folds case would take either.
func parseNamed(raw []byte) (object, error) {
	o, err := parseObject(raw)
	if err != nil {
		return nil, err
	}
	return o, o.checkFolded()
}

// splitNamed is split for such objects.
func splitNamed(compact string) (object, error) {
	o, err := split(compact)
	if err != nil {
		return nil, err
	}
	return o, o.checkFolded()
}

func (o object) checkFolded() error {
	folded := make(map[string]bool, len(o))
	for _, m := range o {
		fold := foldName(m.name)
		if folded[fold] {
			return refuse("malformed", "two members have names that differ only in case")
		}
		folded[fold] = true
	}
	return nil
}

// split reads a member that must be an object; compact is valid JSON without white space, or "" for
// a member that is not there.
func split(compact string) (object, error) {
	if compact == "" || compact[0] != '{' {
		return nil, refuse("malformed", "a member that must be an object is none")
	}
	w := walker{text: compact}
	return w.object(1)
}

// get gives a member's value, "" if there is none.
func (o object) get(name string) string {
	for _, m := range o {
		if m.name == name {
			return m.value
		}
	}
	return ""
}

// has tells whether there is such a member.
func (o object) has(name string) bool { return o.get(name) != "" }

// text gives a member that is a string.
func (o object) text(name string) (string, bool) { return unquote(o.get(name)) }

// with gives a copy that has the member, in its old place if there was one.
func (o object) with(name, value string) object {
	o = slices.Clone(o)
	if i := slices.IndexFunc(o, func(m member) bool { return m.name == name }); i >= 0 {
		o[i].value = value
		return o
	}
	return append(o, member{name: name, quoted: quote(name), value: value})
}

// without gives a copy that lacks the member.
func (o object) without(name string) object {
	return slices.DeleteFunc(slices.Clone(o), func(m member) bool { return m.name == name })
}

func (o object) String() string {
	var b strings.Builder
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(m.quoted)
		b.WriteByte(':')
		b.WriteString(m.value)
	}
	b.WriteByte('}')
	return b.String()
}

// quote writes a JSON string as JavaScript does, without escapes for HTML.
func quote(text string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(text) // a string always encodes, a Builder always takes it
	return strings.TrimSuffix(b.String(), "\n")
}

// unquote reads a JSON value that is a string. A lone surrogate becomes U+FFFD.
func unquote(value string) (string, bool) {
	if value == "" || value[0] != '"' {
		return "", false
	}
	if !strings.Contains(value, `\`) {
		return value[1 : len(value)-1], true
	}
	var text string
	err := json.Unmarshal([]byte(value), &text)
	return text, err == nil
}

// foldName maps names that are equal under simple case folding to one text.
func foldName(name string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			least = min(least, next)
		}
		return least
	}, name)
}
