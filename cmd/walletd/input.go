package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"unicode/utf8"

	"golang.org/x/term"

	"walletd/internal/secret"
)

// Bounds of secrets that are read, in bytes.
const (
	maxPassphrase = 1024
	maxIdentity   = 16 << 10
	maxWords      = 512
	maxKeyText    = 256
	maxTokenText  = 160
)

// form says what of a text is the secret in it.
type form int

const (
	// verbatim is all of it but a line's end: of values, and of what has a rule of its own, as an
	// identity or a passphrase, which the keystore reads as oneLine.
	verbatim form = iota
	// oneLine is what secret.Line leaves.
	oneLine
	// phrase is words, with any white space between, after a byte order mark.
	phrase
)

// secretFlags are the two ways besides a terminal by which a secret comes in. Embed them with a
// prefix that names the secret ("passphrase-").
type secretFlags struct {
	File string `name:"file" placeholder:"FILE" type:"path" help:"Read it from this file, which only its owner may read."`
	FD   int    `name:"fd" placeholder:"N" default:"-1" help:"Read it from this open descriptor."`
}

func (f secretFlags) given() bool { return f.File != "" || f.FD >= 0 }

// read gets the secret from where the flags say.
func (f secretFlags) read(con *console, max int, form form) (secret.Bytes, error) {
	switch {
	case f.File != "" && f.FD >= 0:
		return secret.Bytes{}, usagef("a file and a descriptor were given for one secret: choose one")
	case f.File != "":
		return readSecretFile(f.File, max, con.allowShared, form)
	case f.FD == 1 || f.FD == 2:
		return secret.Bytes{}, usagef("descriptor %d is for output", f.FD)
	default:
		file := os.NewFile(uintptr(f.FD), fmt.Sprintf("descriptor %d", f.FD))
		if file == nil {
			return secret.Bytes{}, usagef("descriptor %d is not open", f.FD)
		}
		defer file.Close()
		return readSecret(file, file.Name(), max, form)
	}
}

// orAsk is read, or the terminal when no flag was given.
func (f secretFlags) orAsk(ctx context.Context, con *console, flag, prompt string, max int, form form) (secret.Bytes, error) {
	if f.given() {
		return f.read(con, max, form)
	}
	s, err := con.ask(ctx, prompt, max, form)
	if errors.Is(err, errNoTerminal) {
		return secret.Bytes{}, withHint(err, fmt.Sprintf("give it with --%s-file FILE or --%s-fd N", flag, flag))
	}
	return s, err
}

// readSecretFile reads a secret from a file that others cannot read, unless shared allows it.
func readSecretFile(path string, max int, shared bool, form form) (secret.Bytes, error) {
	file, err := os.Open(path)
	if err != nil {
		return secret.Bytes{}, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return secret.Bytes{}, err
	}
	if mode := info.Mode(); mode.Perm()&0o066 != 0 && mode.Type()&os.ModeCharDevice == 0 && !shared {
		return secret.Bytes{}, withHint(fmt.Errorf("%s can be read or written by others (mode %04o)", path, mode.Perm()),
			"chmod 600 "+shellQuote(path),
			"if its mode cannot be changed, as in a container's mount, say --allow-shared-secret-files")
	}
	return readSecret(file, path, max, form)
}

// readSecret reads all there is, and gives what counts of it.
func readSecret(r io.Reader, name string, max int, form form) (secret.Bytes, error) {
	// Room for a line's end of two bytes, and one byte that must not be there.
	b := make([]byte, max+3)
	n, err := io.ReadFull(r, b)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		clear(b)
		return secret.Bytes{}, fmt.Errorf("reading %s: %w", name, err)
	}
	text := bytes.TrimSuffix(bytes.TrimSuffix(b[:n], []byte("\n")), []byte("\r"))
	if len(text) > max {
		clear(b)
		return secret.Bytes{}, fmt.Errorf("%s holds more than %d bytes", name, max)
	}
	switch form {
	case oneLine:
		if text, err = secret.Line(text); err != nil {
			clear(b)
			return secret.Bytes{}, fmt.Errorf("%s cannot be used: %w", name, err)
		}
	case phrase:
		text = bytes.TrimPrefix(text, utf8.AppendRune(nil, secret.Mark))
	}
	if len(text) == 0 {
		return secret.Bytes{}, fmt.Errorf("%s is empty", name)
	}
	return secret.New(text), nil
}

var errNoTerminal = errors.New("there is no terminal to ask for the secret")

// ask reads a secret from the terminal without showing it.
func (con *console) ask(ctx context.Context, prompt string, max int, form form) (secret.Bytes, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err == nil {
		defer tty.Close()
	} else if tty = con.in; !term.IsTerminal(int(tty.Fd())) {
		return secret.Bytes{}, errNoTerminal
	}
	fd := int(tty.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return secret.Bytes{}, errNoTerminal
	}
	fmt.Fprintf(tty, "%s: ", prompt)
	defer fmt.Fprintln(tty)

	type line struct {
		b   []byte
		err error
	}
	read := make(chan line, 1)
	go func() {
		b, err := term.ReadPassword(fd)
		read <- line{b, err}
	}()
	select {
	case <-ctx.Done(): // an interrupt must not leave the terminal without echo
		term.Restore(fd, before)
		return secret.Bytes{}, ctx.Err()
	case l := <-read:
		if l.err != nil {
			return secret.Bytes{}, fmt.Errorf("reading from the terminal: %w", l.err)
		}
		return readSecret(bytes.NewReader(l.b), "what was typed", max, form)
	}
}

// askNew asks for a new secret twice.
func (con *console) askNew(ctx context.Context, prompt string, max int, form form) (secret.Bytes, error) {
	first, err := con.ask(ctx, prompt, max, form)
	if err != nil {
		return secret.Bytes{}, err
	}
	second, err := con.ask(ctx, prompt+" again", max, form)
	if err != nil {
		first.Wipe()
		return secret.Bytes{}, err
	}
	defer second.Wipe()
	if !first.Equal(second) {
		first.Wipe()
		return secret.Bytes{}, errors.New("the two do not match")
	}
	return first, nil
}

// credential reads a secret that systemd hands to the service (LoadCredential=). The directory is
// closed to others by systemd; where it gives access by an access control list, the mode of the file
// shows the list's mask in the group's bits, which therefore say nothing here.
func credential(name string, max int) (secret.Bytes, bool, error) {
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if dir == "" {
		return secret.Bytes{}, false, nil
	}
	path := filepath.Join(dir, name)
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return secret.Bytes{}, false, nil
	} else if err != nil {
		return secret.Bytes{}, false, err
	}
	s, err := readSecretFile(path, max, info.Mode().Perm()&0o006 == 0, verbatim)
	return s, err == nil, err
}

// readJSON reads a file of JSON, or the standard input for "-"; what names it and hint shows one
// in errors.
func readJSON(con *console, name, what, hint string) (json.RawMessage, error) {
	in := con.in
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		in = file
	}
	const most = 256 << 10 // a credential has up to 128 KiB
	b, err := io.ReadAll(io.LimitReader(in, most+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading %s: %w", what, err)
	case len(b) > most:
		return nil, fmt.Errorf("%s is longer than %d bytes", what, most)
	case !json.Valid(b):
		return nil, withHint(errors.New(what+" is not JSON"), hint)
	}
	return b, nil
}

// outFlag is where a file goes.
type outFlag struct {
	Out string `placeholder:"FILE" type:"path" help:"Write to this new file, closed to others, instead of the standard output."`
}

// write writes a file whole or not at all, and has it on disk. Without --out it is the standard
// output.
func (f outFlag) write(con *console, from io.Reader) (err error) {
	if f.Out == "" {
		_, err := io.Copy(con.bytesOut(), from)
		return err
	}
	file, err := os.OpenFile(f.Out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, file.Close()); err != nil {
			os.Remove(f.Out) // half a file looks like one that was cut
		}
	}()
	if _, err = io.Copy(file, from); err == nil {
		err = file.Sync()
	}
	return err
}
