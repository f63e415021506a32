package derive

import (
	"fmt"
	"io"

	"github.com/rs/zerolog"
)

const hiddenText = "[secret]"

// hidden, embedded, makes a type say hiddenText wherever a value is printed:
// with any verb of fmt, in JSON, in a log line.
//
// It does not help a value that sits in an unexported field of somebody else's
// struct, because fmt calls no methods there, and with a verb such as %s it
// even follows a pointer. Of a function it shows the address, so the types that
// embed hidden keep their bytes in one, made by enclose.
type hidden struct{}

func (hidden) String() string                         { return hiddenText }
func (hidden) GoString() string                       { return hiddenText }
func (hidden) Format(s fmt.State, _ rune)             { _, _ = io.WriteString(s, hiddenText) }
func (hidden) MarshalText() ([]byte, error)           { return []byte(hiddenText), nil }
func (hidden) MarshalJSON() ([]byte, error)           { return []byte(`"` + hiddenText + `"`), nil }
func (hidden) MarshalZerologObject(ev *zerolog.Event) { ev.Bool("secret", true) }

// enclose puts b, not a copy, out of the reach of fmt.
func enclose(b []byte) func() []byte { return func() []byte { return b } }
