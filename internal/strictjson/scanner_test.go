package strictjson

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// scans says whether a Scanner passes a text whole, and copies it.
func scans(text []byte, read func(io.Reader) io.Reader) (copied []byte, err error) {
	s := NewScanner(read(bytes.NewReader(text)))
	var out bytes.Buffer
	if err = s.Copy(&out); err == nil {
		err = s.End()
	}
	return out.Bytes(), err
}

func whole(r io.Reader) io.Reader { return r }

// FuzzScanner holds that a Scanner passes what encoding/json takes, wherever its window ends.
func FuzzScanner(f *testing.F) {
	for _, s := range []string{
		`{}`, `[]`, ` {"a":[1,-2.5e+3,true,false,null,"\u00e9\n\"\\"],"b":{}} `, `"`, `{"a"}`, `[1,]`, `{,}`, `tru`, `01`, `"\x"`, "\"\x01\"", `"\u12g4"`, `[}`, `1 2`,
		strings.Repeat("[", MaxDepth+1) + strings.Repeat("]", MaxDepth+1),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		copied, err := scans(text, whole)
		slow, slowErr := scans(text, iotest.OneByteReader)
		if (err == nil) != (slowErr == nil) || err == nil && !bytes.Equal(copied, slow) {
			t.Fatalf("%q: %v, and a byte at a time %v", text, err, slowErr)
		}
		if err == nil && (!json.Valid(text) || !bytes.Equal(copied, bytes.Trim(text, " \t\n\r"))) {
			t.Fatalf("%q is passed as %q", text, copied)
		}
		if err != nil && !errors.Is(err, ErrNotJSON) && !errors.Is(err, ErrTooDeep) {
			t.Fatalf("%q: %v", text, err)
		}
		if errors.Is(err, ErrNotJSON) && json.Valid(text) && len(text) < maxScannedLiteral {
			t.Fatalf("%q is refused", text)
		}
	})
}

func TestAScannerReadsBase64InItsSpellings(t *testing.T) {
	plain := bytes.Repeat([]byte{0xfb, 0xef, 0xbe, 0xff, 1}, 30_000) // more than a window, and full of + and /
	padded := base64.StdEncoding.EncodeToString(plain[:149_999])
	for name, c := range map[string]struct {
		spelled string
		want    []byte
	}{
		"padded":              {`"` + padded + `"`, plain[:149_999]},
		"without padding":     {`"` + strings.TrimRight(padded, "=") + `"`, plain[:149_999]},
		"for URLs":            {`"` + base64.URLEncoding.EncodeToString(plain) + `"`, plain},
		"with escaped slash":  {`"` + strings.ReplaceAll(padded, "/", `\/`) + `"`, plain[:149_999]},
		"with escapes in hex": {`"\u002b\u002F\u003d="`, []byte{0xfb}},
		"of nothing":          {`""`, nil},
		"with a newline":      {`"AAAA\nAAAA"`, nil},
		"cut off":             {`"AAAA`, nil},
		"padded too much":     {`"AA==="`, nil},
		"padded too little":   {`"AA="`, nil},
		"going on after that": {`"AA==AAAA"`, nil},
		"of other characters": {`"AAA*"`, nil},
		"a number":            {`7`, nil},
	} {
		for _, read := range []func(io.Reader) io.Reader{whole, iotest.OneByteReader} {
			got, err := io.ReadAll(base64.NewDecoder(base64.RawStdEncoding, NewScanner(read(strings.NewReader(c.spelled))).Base64()))
			if c.want == nil && name != "of nothing" {
				if err == nil {
					t.Errorf("%s: read as %x", name, got)
				}
				continue
			}
			if err != nil || !bytes.Equal(got, c.want) {
				t.Errorf("%s: %d bytes, %v, want %d", name, len(got), err, len(c.want))
			}
		}
	}
}

func TestAScannerBoundsWhatItHolds(t *testing.T) {
	long := `"` + strings.Repeat("x", 3000) + `"`
	if _, err := NewScanner(strings.NewReader(long)).Text(3001); !errors.Is(err, ErrNotJSON) {
		t.Errorf("a long text: %v", err)
	}
	if _, err := NewScanner(strings.NewReader(long)).Text(3002); err != nil {
		t.Errorf("one that is not too long: %v", err)
	}
	s := NewScanner(strings.NewReader(`{` + long + `:1}`))
	if err := s.Object(func([]byte) error { return s.Skip() }); !errors.Is(err, ErrNotJSON) {
		t.Errorf("a long name: %v", err)
	}
	if _, err := scans([]byte(strings.Repeat("1", 100)), whole); !errors.Is(err, ErrNotJSON) {
		t.Errorf("a long number: %v", err)
	}
	if err := NewScanner(strings.NewReader("7")).Object(nil); !errors.Is(err, ErrNotObject) {
		t.Errorf("what is no object: %v", err)
	}
	broken := errors.New("broken")
	if _, err := scans([]byte(`[1`), func(r io.Reader) io.Reader { return io.MultiReader(r, iotest.ErrReader(broken)) }); !errors.Is(err, broken) {
		t.Errorf("a stream that breaks: %v", err)
	}
}

func TestAScannerReadsElements(t *testing.T) {
	s := NewScanner(strings.NewReader("[ \"a\",\n\"b\" ]"))
	for i, want := range []string{`"a"`, `"b"`} {
		got, last, err := s.Element(nil, i == 0, 10)
		if err != nil || string(got) != want || last != (i == 1) {
			t.Errorf("%q, %v, %v", got, last, err)
		}
	}
	for _, text := range []string{`[]`, `["a"`, `["a";"b"]`, `[1]`, `{}`} {
		if _, _, err := NewScanner(strings.NewReader(text)).Element(nil, true, 10); !errors.Is(err, ErrNotJSON) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
