package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// console is where a command reads and writes. Everything for people goes through out and err,
// which let no control character through: what apps call themselves must not drive a terminal.
type console struct {
	in       *os.File
	raw      io.Writer // bytes as they are: exports
	out, err io.Writer

	json        bool // --json
	allowShared bool // --allow-shared-secret-files
}

func newConsole() *console {
	return &console{in: os.Stdin, raw: os.Stdout, out: escaper{os.Stdout}, err: escaper{os.Stderr}}
}

// escaper writes what cannot be printed, but for line ends and tabs, as \u and four digits,
// which inside JSON says the same as before.
type escaper struct{ w io.Writer }

func (e escaper) Write(p []byte) (int, error) {
	if _, err := io.WriteString(e.w, escape(string(p), "\n\t")); err != nil {
		return 0, err
	}
	return len(p), nil
}

// escape replaces every rune of s that cannot be printed, but for those of keep. What is not
// UTF-8 becomes U+FFFD.
func escape(s, keep string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == utf8.RuneError:
			b.WriteRune(r)
		case unicode.IsPrint(r) || strings.ContainsRune(keep, r):
			b.WriteRune(r)
		case r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, hi, lo)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// shown is text of somebody else as part of a line: it cannot begin a line of its own.
func shown(s string) string { return escape(s, "") }

// prompt asks for a line, which is shown as it is typed.
func (con *console) prompt(question string) (string, error) {
	con.notef("%s", question)
	var line []byte
	for b := make([]byte, 1); len(line) < 4096; { // a byte at a time: what follows is for the next prompt
		n, err := con.in.Read(b)
		if n == 1 && b[0] != '\n' {
			line = append(line, b[0])
			continue
		}
		if err != nil && len(line) == 0 {
			return "", withHint(errors.New("nobody answered"), "at a terminal it is asked; in a script give --yes")
		}
		break
	}
	return strings.TrimSpace(string(line)), nil
}

// printf writes for people.
func (con *console) printf(format string, args ...any) {
	fmt.Fprintf(con.out, format, args...)
}

// notef writes beside the output: what a script that reads the output must not find there.
func (con *console) notef(format string, args ...any) {
	if !con.json {
		fmt.Fprintf(con.err, format, args...)
	}
}

// printJSON writes one line of JSON.
func (con *console) printJSON(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encoding the output: %w", err)
	}
	var line bytes.Buffer
	if err := json.Compact(&line, b); err != nil {
		return fmt.Errorf("encoding the output: %w", err)
	}
	line.WriteByte('\n')
	_, err = con.out.Write(line.Bytes())
	return err
}

// show writes an answer of the service: with --json as it came, else through human.
func show[T any](con *console, answer json.RawMessage, human func(v T)) error {
	if con.json {
		if len(answer) == 0 {
			answer = json.RawMessage(`{}`)
		}
		return con.printJSON(answer)
	}
	var v T
	if len(answer) > 0 {
		if err := json.Unmarshal(answer, &v); err != nil {
			return fmt.Errorf("reading the answer of the service: %w", err)
		}
	}
	human(v)
	return nil
}

// table writes rows under their headings. Cells may be anybody's text.
func (con *console) table(headings string, rows [][]string) {
	w := tabwriter.NewWriter(con.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(strings.Fields(headings), "\t"))
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			if cells[i] = shown(cell); cell == "" {
				cells[i] = "-"
			}
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	w.Flush()
}
