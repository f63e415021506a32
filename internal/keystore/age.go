package keystore

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"filippo.io/age"
	"filippo.io/age/armor"
	"filippo.io/age/plugin"

	"walletd/internal/secret"
)

// maxIdentities bounds the identities of one file.
const maxIdentities = 16

// errNobody is what a plugin gets to hear when it asks something.
var errNobody = errors.New("there is nobody to ask")

// parseIdentities reads an identity file. Errors are ErrIdentity.
func parseIdentities(text []byte) ([]age.Identity, error) {
	switch {
	case len(text) > maxSecret:
		return nil, fmt.Errorf("%w: it has more than %d bytes", ErrIdentity, maxSecret)
	case secret.IsUTF16(text):
		return nil, fmt.Errorf("%w: %w", ErrIdentity, secret.ErrUTF16)
	case bytes.HasPrefix(text, utf8.AppendRune(nil, secret.Mark)):
		return nil, fmt.Errorf("%w: it begins with a byte order mark: save it as UTF-8 without one", ErrIdentity)
	case isAgeFile(text):
		return nil, fmt.Errorf("%w: it is itself encrypted: decrypt it with age, and give what comes out", ErrIdentity)
	}
	var ids []age.Identity
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		id, err := parseIdentity(line)
		if err != nil || len(ids) == maxIdentities {
			return nil, ErrIdentity // without the cause, which may quote the line
		}
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		return nil, ErrIdentity
	}
	return ids, nil
}

// isAgeFile tells a file that age encrypted, in either of its forms.
func isAgeFile(text []byte) bool {
	text = bytes.TrimSpace(text)
	return bytes.HasPrefix(text, []byte("age-encryption.org/")) || bytes.HasPrefix(text, []byte(armor.Header))
}

func parseIdentity(line string) (age.Identity, error) {
	switch {
	case strings.HasPrefix(line, "AGE-PLUGIN-"):
		return plugin.NewIdentity(line, silentUI())
	case strings.HasPrefix(line, "AGE-SECRET-KEY-PQ-1"):
		return age.ParseHybridIdentity(line)
	default:
		return age.ParseX25519Identity(line)
	}
}

// parseRecipient reads one recipient. The order of tries is by prefix: those of
// age itself are age1… and age1pq1…, those of plugins age1NAME1….
func parseRecipient(text string) (age.Recipient, error) {
	var r age.Recipient
	var err error
	switch {
	case len(text) > maxParams/2:
		err = errors.New("too long")
	case strings.HasPrefix(text, "age1pq1"):
		r, err = age.ParseHybridRecipient(text)
	case strings.HasPrefix(text, "age1") && strings.Count(text, "1") > 1:
		r, err = plugin.NewRecipient(text, silentUI())
	default:
		r, err = age.ParseX25519Recipient(text)
	}
	if err != nil {
		return nil, ErrRecipient // without the cause: an identity given by mistake is a secret
	}
	return r, nil
}

func silentUI() *plugin.ClientUI {
	return &plugin.ClientUI{
		DisplayMessage: func(string, string) error { return nil },
		RequestValue:   func(string, string, bool) (string, error) { return "", errNobody },
		Confirm:        func(string, string, string, string) (bool, error) { return false, errNobody },
	}
}

// sealToRecipient makes an age file that holds label ‖ key.
func sealToRecipient(recipient string, label, key []byte) (file []byte, err error) {
	r, err := parseRecipient(recipient)
	if err != nil {
		return nil, err
	}
	secret.Do(func() {
		var out bytes.Buffer
		var w io.WriteCloser
		if w, err = age.Encrypt(&out, r); err != nil {
			return
		}
		if _, err = w.Write(label); err != nil {
			return
		}
		if _, err = w.Write(key); err != nil {
			return
		}
		err = w.Close()
		file = out.Bytes()
	})
	if err != nil {
		return nil, fmt.Errorf("sealing to the age recipient: %w", err)
	}
	return file, nil
}

// openWithIdentity opens what sealToRecipient made, and gives the key of
// keySize bytes. errUnsealed: the identity is another's, the file was changed,
// or it was made for another place.
func openWithIdentity(identity, label, file []byte) (key *[keySize]byte, err error) {
	secret.Do(func() {
		var ids []age.Identity
		if ids, err = parseIdentities(identity); err != nil {
			return
		}
		var r io.Reader
		if r, err = age.Decrypt(bytes.NewReader(file), ids...); err != nil {
			return
		}
		// One byte more than there should be, so that a longer file is noticed.
		payload := make([]byte, len(label)+keySize+1)
		defer clear(payload)
		var n int
		if n, err = io.ReadFull(r, payload); !errors.Is(err, io.ErrUnexpectedEOF) || n != len(label)+keySize {
			err = errUnsealed
			return
		}
		err = nil
		if !bytes.Equal(payload[:len(label)], label) {
			err = errUnsealed
			return
		}
		key = new([keySize]byte)
		copy(key[:], payload[len(label):])
	})
	if err != nil {
		return nil, errUnsealed
	}
	return key, nil
}
