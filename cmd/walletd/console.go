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
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/term"

	"walletd/api"
	untrusted "walletd/internal/show"
)

// console is where a command reads and writes. What is written through it cannot drive a terminal:
// text of apps is shown with every character in it that is not seen as an escape.
type console struct {
	in       *os.File
	raw      io.Writer // bytes as they are: files that go to the standard output
	out, err io.Writer

	json        bool // --json
	allowShared bool // --allow-shared-secret-files
}

func newConsole() *console {
	return &console{in: os.Stdin, raw: os.Stdout, out: escaper{os.Stdout}, err: escaper{os.Stderr}}
}

// show prints what a call returned: as JSON, or by human. An error is passed on.
func show[T any](out *console, v T, err error, human func(T)) error {
	if err != nil {
		return err
	}
	if out.json {
		return out.JSON(v)
	}
	human(v)
	return nil
}

// table prints a page of a list: as JSON, or a line for each item. An error is passed on.
func table[T any](out *console, l api.List[T], err error, headings string, row func(T) []string) error {
	return show(out, l, err, func(l api.List[T]) {
		rows := make([][]string, len(l.Items))
		for i, item := range l.Items {
			rows[i] = row(item)
		}
		out.Table(headings, rows)
		if l.Next != "" {
			out.notef("There are more: --cursor %s\n", shellQuote(l.Next))
		}
	})
}

// done says that something was done that has no answer: as {}, or in words.
func (con *console) done(err error, format string, args ...any) error {
	return show(con, api.Empty{}, err, func(api.Empty) { con.printf(format+"\n", args...) })
}

// printf writes for people.
func (con *console) printf(format string, args ...any) {
	fmt.Fprintf(con.out, format, args...)
}

// notef writes for people beside the output, where a script does not read.
func (con *console) notef(format string, args ...any) {
	if !con.json {
		fmt.Fprintf(con.err, format, args...)
	}
}

// fields writes a name and a value on each line; what is empty is left out.
func (con *console) fields(pairs ...[2]string) {
	for _, p := range pairs {
		if p[1] != "" {
			con.printf("%-12s %s\n", p[0], shown(p[1]))
		}
	}
}

// JSON writes one line of JSON.
func (con *console) JSON(v any) error {
	var line bytes.Buffer
	e := json.NewEncoder(&line)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("encoding the output: %w", err)
	}
	_, err := con.out.Write(line.Bytes())
	return err
}

// Table writes rows under their headings. Cells may be anybody's text.
func (con *console) Table(headings string, rows [][]string) {
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

// bytesOut is where bytes go that are not for people: as they are into a file or a pipe, escaped on a
// terminal.
func (con *console) bytesOut() io.Writer {
	if con.onTerminal() {
		return con.out
	}
	return con.raw
}

// onTerminal reports whether the standard output is a terminal.
func (con *console) onTerminal() bool {
	file, ok := con.raw.(*os.File)
	return ok && isTerminal(file)
}

func isTerminal(file *os.File) bool { return term.IsTerminal(int(file.Fd())) }

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

// saysYes tells whether the answer to a prompt that ends with [y/N] is a yes.
func saysYes(line string) bool { return line == "y" || line == "Y" || line == "yes" }

// day shows a time in this machine's zone; a zero one is "".
func day(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format(time.DateTime)
}

// yesNo shows a truth in a table.
func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// escaper writes what is not seen, but for line ends and tabs, as \u and four digits, which inside
// JSON says the same as before.
type escaper struct{ w io.Writer }

// Write writes p, escaped.
func (e escaper) Write(p []byte) (int, error) {
	if _, err := io.WriteString(e.w, escape(string(p), "\n\t")); err != nil {
		return 0, err
	}
	return len(p), nil
}

// shown is text of somebody else as part of a line: it cannot begin a line of its own.
func shown(s string) string { return escape(s, "") }

// escape replaces every rune of s that is not seen (show.Seen), but for those of keep. What is not
// UTF-8 becomes U+FFFD.
func escape(s, keep string) string {
	var b strings.Builder
	seen := untrusted.Seen()
	for _, r := range s {
		switch {
		case r == utf8.RuneError:
			b.WriteRune(r)
		case seen(r) || strings.ContainsRune(keep, r):
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
