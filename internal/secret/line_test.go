package secret

import (
	"bytes"
	"errors"
	"testing"
)

func TestLine(t *testing.T) {
	for name, c := range map[string]struct {
		text, want string
		err        error
	}{
		"takes a line as it is":                  {"correct horse", "correct horse", nil},
		"leaves out a line's end":                {"correct horse\n", "correct horse", nil},
		"leaves out one of Windows":              {"correct horse\r\n", "correct horse", nil},
		"leaves out empty lines and blanks":      {"\n \tcorrect horse \t\r\n\n", "correct horse", nil},
		"leaves out blanks of other widths":      {"\u00a0correct horse\u3000", "correct horse", nil},
		"leaves out a byte order mark":           {"\ufeffcorrect horse\n", "correct horse", nil},
		"keeps blanks within":                    {"correct  horse", "correct  horse", nil},
		"makes nothing of blanks":                {" \n\n", "", nil},
		"refuses a second line":                  {"correct\nhorse", "", ErrLines},
		"refuses one after a carriage return":    {"correct\rhorse", "", ErrLines},
		"refuses one of Unicode":                 {"correct\u2028horse", "", ErrLines},
		"refuses a control character":            {"correct\thorse", "", ErrControl},
		"refuses NUL":                            {"correct\x00horse", "", ErrControl},
		"refuses UTF-16 with its mark":           {"\xff\xfec\x00o\x00", "", ErrUTF16},
		"refuses UTF-16 with the other mark":     {"\xfe\xff\x00c\x00o", "", ErrUTF16},
		"refuses UTF-16 without a mark":          {"c\x00o\x00", "", ErrUTF16},
		"refuses the other order without a mark": {"\x00c\x00o", "", ErrUTF16},
		"refuses what is not UTF-8":              {"caf\xe9", "", ErrNotText},
	} {
		got, err := Line([]byte(c.text))
		if string(got) != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: got %q, %v, want %q, %v", name, got, err, c.want, c.err)
		}
	}
}

func FuzzLine(f *testing.F) {
	for _, seed := range []string{"correct horse", "\ufeff \ufeff x", " \u3000x\u00a0\n", "a\nb"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		line, err := Line(b)
		if !bytes.Equal(b, before) {
			t.Fatal("it changed what it was given")
		}
		if err != nil {
			return
		}
		if bytes.ContainsAny(line, "\r\n\x00\t") || len(line) > 0 && (line[0] == ' ' || line[len(line)-1] == ' ') {
			t.Errorf("%q gives %q", b, line)
		}
		if again, err := Line(line); err != nil || !bytes.Equal(again, line) {
			t.Errorf("%q gives %q, and that %q, %v", b, line, again, err)
		}
	})
}
