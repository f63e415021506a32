package main

import (
	"bytes"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/term"
)

// Bounds of secrets that are read, in bytes.
const (
	maxPassphrase = 1024
	maxIdentity   = 16 << 10
	maxWords      = 512
	maxKeyText    = 256
	maxTokenText  = 160
)

// secret is what must not be shown. It does not print itself; wipe it when it was used.
type secret struct{ b []byte }

func (secret) String() string               { return "[secret]" }
func (secret) GoString() string             { return "[secret]" }
func (secret) Format(f fmt.State, _ rune)   { io.WriteString(f, "[secret]") }
func (secret) MarshalText() ([]byte, error) { return []byte("[secret]"), nil }

// reveal gives a copy of the secret as text, to be sent.
func (s secret) reveal() string { return string(s.b) }

func (s secret) wipe() { clear(s.b) }

// secretFlags are the two ways besides a terminal by which a secret comes in. Embed them with a
// prefix that names the secret ("passphrase-").
type secretFlags struct {
	File string `name:"file" placeholder:"FILE" type:"path" help:"Read it from this file, which only its owner may read."`
	FD   int    `name:"fd" placeholder:"N" default:"-1" help:"Read it from this open descriptor."`
}

func (f secretFlags) given() bool { return f.File != "" || f.FD >= 0 }

// read gets the secret from where the flags say.
func (f secretFlags) read(con *console, max int) (secret, error) {
	switch {
	case f.File != "" && f.FD >= 0:
		return secret{}, usagef("a file and a descriptor were given for one secret: choose one")
	case f.File != "":
		return readSecretFile(f.File, max, con.allowShared)
	case f.FD == 1 || f.FD == 2:
		return secret{}, usagef("descriptor %d is for output", f.FD)
	default:
		file := os.NewFile(uintptr(f.FD), fmt.Sprintf("descriptor %d", f.FD))
		if file == nil {
			return secret{}, usagef("descriptor %d is not open", f.FD)
		}
		defer file.Close()
		return readSecret(file, file.Name(), max)
	}
}

// orAsk is read, or the terminal when no flag was given.
func (f secretFlags) orAsk(ctx context.Context, con *console, flag, prompt string, max int) (secret, error) {
	if f.given() {
		return f.read(con, max)
	}
	s, err := con.ask(ctx, prompt, max)
	if errors.Is(err, errNoTerminal) {
		return secret{}, withHint(err, fmt.Sprintf("give it with --%s-file FILE or --%s-fd N", flag, flag))
	}
	return s, err
}

// readSecretFile reads a secret from a file that others cannot read, unless shared allows it.
func readSecretFile(path string, max int, shared bool) (secret, error) {
	file, err := os.Open(path)
	if err != nil {
		return secret{}, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return secret{}, err
	}
	if mode := info.Mode(); mode.Perm()&0o066 != 0 && mode.Type()&os.ModeCharDevice == 0 && !shared {
		return secret{}, withHint(fmt.Errorf("%s can be read or written by others (mode %04o)", path, mode.Perm()),
			"chmod 600 "+shellQuote(path),
			"if its mode cannot be changed, as in a container's mount, say --allow-shared-secret-files")
	}
	return readSecret(file, path, max)
}

// readSecret reads all there is, without the line's end.
func readSecret(r io.Reader, name string, max int) (secret, error) {
	// Room for a line's end of two bytes, and one byte that must not be there.
	b := make([]byte, max+3)
	n, err := io.ReadFull(r, b)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		clear(b)
		return secret{}, fmt.Errorf("reading %s: %w", name, err)
	}
	text := bytes.TrimSuffix(bytes.TrimSuffix(b[:n], []byte("\n")), []byte("\r"))
	switch {
	case len(text) == 0:
		return secret{}, fmt.Errorf("%s is empty", name)
	case len(text) > max:
		clear(b)
		return secret{}, fmt.Errorf("%s holds more than %d bytes", name, max)
	}
	return secret{text}, nil
}

var errNoTerminal = errors.New("there is no terminal to ask for the secret")

// ask reads a secret from the terminal without showing it.
func (con *console) ask(ctx context.Context, prompt string, max int) (secret, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err == nil {
		defer tty.Close()
	} else if tty = con.in; !term.IsTerminal(int(tty.Fd())) {
		return secret{}, errNoTerminal
	}
	fd := int(tty.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return secret{}, errNoTerminal
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
		return secret{}, ctx.Err()
	case l := <-read:
		if l.err != nil {
			return secret{}, fmt.Errorf("reading from the terminal: %w", l.err)
		}
		return readSecret(bytes.NewReader(l.b), "what was typed", max)
	}
}

// askNew asks for a new secret twice.
func (con *console) askNew(ctx context.Context, prompt string, max int) (secret, error) {
	first, err := con.ask(ctx, prompt, max)
	if err != nil {
		return secret{}, err
	}
	second, err := con.ask(ctx, prompt+" again", max)
	if err != nil {
		first.wipe()
		return secret{}, err
	}
	defer second.wipe()
	if subtle.ConstantTimeCompare(first.b, second.b) != 1 {
		first.wipe()
		return secret{}, errors.New("the two do not match")
	}
	return first, nil
}

// credential reads a secret that systemd hands to the service (LoadCredential=). The directory is
// closed to others by systemd; where it gives access by an access control list, the mode of the file
// shows the list's mask in the group's bits, which therefore say nothing here.
func credential(name string, max int) (secret, bool, error) {
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if dir == "" {
		return secret{}, false, nil
	}
	path := filepath.Join(dir, name)
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return secret{}, false, nil
	} else if err != nil {
		return secret{}, false, err
	}
	s, err := readSecretFile(path, max, info.Mode().Perm()&0o006 == 0)
	return s, err == nil, err
}
