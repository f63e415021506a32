package backup

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"walletd/internal/ledger"
	"walletd/internal/policy"
	"walletd/internal/store"
	"walletd/internal/wallets"
)

// contentsWriter writes the JSON of a backup, a member or an element at a time.
type contentsWriter struct {
	to   *bufio.Writer
	text bytes.Buffer // of the value that is next
	json *json.Encoder
	some bool // the object or list has a member
	err  error
}

func newContentsWriter(to io.Writer) *contentsWriter {
	w := &contentsWriter{to: bufio.NewWriterSize(to, chunkSize)}
	w.json = json.NewEncoder(&w.text)
	w.json.SetEscapeHTML(false)
	w.begin("{")
	return w
}

func (w *contentsWriter) begin(bracket string) {
	w.to.WriteString(bracket)
	w.some = false
}

func (w *contentsWriter) end(bracket string) {
	w.to.WriteString(bracket)
	w.some = true
}

func (w *contentsWriter) comma() {
	if w.some {
		w.to.WriteByte(',')
	}
	w.some = true
}

// element writes an element of a list.
func (w *contentsWriter) element(v any) error {
	if w.err != nil {
		return w.err
	}
	w.comma()
	return w.value(v)
}

// member writes a member.
func (w *contentsWriter) member(name string, v any) error {
	w.name(name)
	return w.value(v)
}

func (w *contentsWriter) name(name string) {
	w.comma()
	fmt.Fprintf(w.to, "%q:", name)
}

func (w *contentsWriter) value(v any) error {
	w.text.Reset()
	if w.err = w.json.Encode(v); w.err == nil {
		_, w.err = w.to.Write(bytes.TrimRight(w.text.Bytes(), "\n"))
	}
	if w.err != nil {
		w.err = fmt.Errorf("writing the backup: %w", w.err)
	}
	return w.err
}

// list writes a member that is a list; f writes its elements.
func (w *contentsWriter) list(name string, f func() error) error {
	w.name(name)
	w.begin("[")
	if err := f(); err != nil {
		return err
	}
	w.end("]")
	return nil
}

func (w *contentsWriter) finish() error {
	w.end("}\n")
	return w.to.Flush()
}

// wipe overwrites what passed through.
func (w *contentsWriter) wipe() {
	w.text.Reset()
	clear(w.text.AvailableBuffer()[:w.text.Available()])
	clear(w.to.AvailableBuffer()[:w.to.Available()])
}

// header is what a backup says of the wallet itself.
type header struct {
	Created  time.Time
	Settings settings
	LeftOut  int
}

// visitor is called for what a backup holds, as it is read. What has no function is passed.
type visitor struct {
	account func(fileAccount) error
	policy  func(policy.Policy) error
	profile func(wallets.Profile) error
	app     func(fileApp) error
	revoked func(fileDelegation) error
	holding func(fileHolding) error
	key     func(fileSecretKey) error
	secret  func(fileSecret) error
	archive func(ledger.Archive) error
	head    func(store.Head) error
	heads   func() error // after the last head
	entry   func(fileEntry) error
}

// errStop is what a function of a visitor returns to end the reading.
var errStop = errors.New("no more is wanted")

// maxElement bounds a member or an element in the JSON of a backup, in bytes: a row has 4 MiB, which are written in base64.
const maxElement = 16 << 20

// members are the members of a backup in their order.
var members = []string{
	"format", "wallet", "createdAt", "settings", "accounts", "policy", "profile", "apps", "revokedDelegations", "credentials", "secretKeys", "secrets",
	"record", "leftOut",
}

// walk reads the JSON of a wallet's backup from its beginning to its end. Errors are ErrInvalid, ErrWallet, those of
// reading, and those of the visitor but for errStop.
func walk(from io.Reader, wallet string, v visitor) (header, error) {
	bounded := &elementReader{from: from}
	d := json.NewDecoder(bounded)
	d.DisallowUnknownFields()
	w := walker{json: d, bounded: bounded, wallet: wallet, visitor: v}
	err := w.walk()
	switch {
	case errors.Is(err, errStop):
		err = nil
	case errors.Is(err, errContents) && bounded.err != nil: // it was not the JSON
		err = bounded.err
	}
	return w.header, err
}

// errContents is returned for JSON that is not that of a backup.
var errContents = invalid("its contents are not those of a wallet")

// elementReader bounds how much is read for one element.
type elementReader struct {
	from io.Reader
	left int
	err  error // of from, but for io.EOF
}

func (r *elementReader) Read(b []byte) (int, error) {
	if r.left <= 0 {
		return 0, errContents
	}
	n, err := r.from.Read(b[:min(len(b), r.left)])
	r.left -= n
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}

type walker struct {
	json    *json.Decoder
	bounded *elementReader
	wallet  string
	visitor visitor
	header  header
}

// next allows for one more element.
func (w *walker) next() { w.bounded.left = maxElement }

func (w *walker) token() (json.Token, error) {
	w.next()
	t, err := w.json.Token()
	if err != nil && err != io.EOF {
		err = errContents
	}
	return t, err
}

func (w *walker) expect(want json.Delim) error {
	if t, err := w.token(); err != nil || t != want {
		return errContents
	}
	return nil
}

// members reads an object whose members are known and in order.
func (w *walker) members(names []string, member func(name string) error) error {
	if err := w.expect('{'); err != nil {
		return err
	}
	for w.next(); w.json.More(); w.next() {
		t, err := w.token()
		if err != nil {
			return errContents
		}
		name, _ := t.(string)
		at := slices.Index(names, name)
		if at < 0 {
			return errContents
		}
		names = names[at+1:]
		if err := member(name); err != nil {
			return err
		}
	}
	return w.expect('}')
}

func decodeNext[T any](w *walker, into *T) error {
	w.next()
	if err := w.json.Decode(into); err != nil {
		return errContents
	}
	return nil
}

// one reads a value for f, which may be nil.
func one[T any](w *walker, f func(T) error) error {
	if f == nil {
		var passed json.RawMessage
		return decodeNext(w, &passed)
	}
	var v T
	if err := decodeNext(w, &v); err != nil {
		return err
	}
	return f(v)
}

// each reads a list for f, which may be nil.
func each[T any](w *walker, f func(T) error) error {
	t, err := w.token()
	if t == nil && err == nil {
		return nil // null
	}
	if err != nil || t != json.Delim('[') {
		return errContents
	}
	for w.next(); w.json.More(); w.next() {
		if err := one(w, f); err != nil {
			return err
		}
	}
	return w.expect(']')
}

func (w *walker) walk() error {
	known := 0
	err := w.members(members, func(name string) error {
		if known++; known <= 2 && name != members[known-1] {
			return errContents // the format and the wallet come first
		}
		return w.member(name)
	})
	if err == nil && known < 2 {
		err = errContents
	}
	if err != nil {
		return err
	}
	if _, err := w.token(); err != io.EOF {
		return errContents
	}
	return nil
}

func (w *walker) member(name string) error {
	v := w.visitor
	switch name {
	case "format":
		var format int
		if err := decodeNext(w, &format); err != nil {
			return err
		}
		if format > backupFormatArchives {
			return invalid("a newer version of walletd created it; restore it with that version")
		}
		if format != backupFormat && format != backupFormatArchives {
			return errContents
		}
		return nil
	case "wallet":
		var wallet string
		if err := decodeNext(w, &wallet); err != nil {
			return err
		}
		if wallet != w.wallet {
			return ErrWallet
		}
		return nil
	case "createdAt":
		return decodeNext(w, &w.header.Created)
	case "settings":
		return decodeNext(w, &w.header.Settings)
	case "accounts":
		return each(w, v.account)
	case "policy":
		return one(w, v.policy)
	case "profile":
		return one(w, v.profile)
	case "apps":
		return each(w, v.app)
	case "revokedDelegations":
		return each(w, v.revoked)
	case "credentials":
		return each(w, v.holding)
	case "secretKeys":
		return each(w, v.key)
	case "secrets":
		return each(w, v.secret)
	case "record":
		return w.record()
	}
	return decodeNext(w, &w.header.LeftOut)
}

// record reads the audit log, in the order of either build.
func (w *walker) record() error {
	seen := map[string]bool{}
	return w.members([]string{"archives", "heads", "entries", "heads"}, func(name string) error {
		if seen[name] {
			return errContents
		}
		seen[name] = true
		switch name {
		case "archives":
			return each(w, w.visitor.archive)
		case "entries":
			return each(w, w.visitor.entry)
		}
		if err := each(w, w.visitor.head); err != nil {
			return err
		}
		if w.visitor.heads != nil {
			return w.visitor.heads()
		}
		return nil
	})
}
