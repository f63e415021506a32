package secretstorage

import "strings"

// walker passes over valid JSON without white space: it looks for ends, not for mistakes.
type walker struct {
	text string
	pos  int
}

// object passes an object, which is depth deep, and gives its members.
func (w *walker) object(depth int) (object, error) {
	if depth > maxDepth {
		return nil, refuse("malformed", "the JSON is nested too deep")
	}
	o := object{}
	seen := map[string]bool{}
	for w.pos++; w.text[w.pos] != '}'; {
		if w.text[w.pos] == ',' {
			w.pos++
		}
		m := member{quoted: w.str()}
		m.name, _ = unquote(m.quoted)
		// Names with a lone surrogate all come out alike, and could not be offered by their name.
		if strings.Contains(m.name, "\ufffd") {
			return nil, refuse("malformed", "a member's name is not text")
		}
		if seen[m.name] {
			return nil, refuse("malformed", "a member is there twice")
		}
		seen[m.name] = true
		w.pos++ // :
		start := w.pos
		if err := w.value(depth + 1); err != nil {
			return nil, err
		}
		m.value = w.text[start:w.pos]
		o = append(o, m)
	}
	w.pos++ // }
	return o, nil
}

func (w *walker) array(depth int) error {
	if depth > maxDepth {
		return refuse("malformed", "the JSON is nested too deep")
	}
	for w.pos++; w.text[w.pos] != ']'; {
		if w.text[w.pos] == ',' {
			w.pos++
		}
		if err := w.value(depth + 1); err != nil {
			return err
		}
	}
	w.pos++ // ]
	return nil
}

func (w *walker) value(depth int) error {
	switch w.text[w.pos] {
	case '{':
		_, err := w.object(depth)
		return err
	case '[':
		return w.array(depth)
	case '"':
		w.str()
	default:
		if n := strings.IndexAny(w.text[w.pos:], ",]}"); n >= 0 {
			w.pos += n
		} else {
			w.pos = len(w.text)
		}
	}
	return nil
}

// str passes a string and gives it with its quotes. It ends at the first quote with an even number
// of backslashes before it.
func (w *walker) str() string {
	start := w.pos
	for {
		w.pos += 2 + strings.IndexByte(w.text[w.pos+1:], '"')
		quote := w.pos - 1
		backslashes := 0
		for w.text[quote-1-backslashes] == '\\' {
			backslashes++
		}
		if backslashes%2 == 0 {
			return w.text[start:w.pos]
		}
		w.pos = quote
	}
}
