package keystore

import (
	"fmt"
	"io"

	"github.com/rs/zerolog"
)

const hiddenText = "[secret]"

// hidden is embedded in secret types so that no way of printing, encoding or
// logging them shows what they hold.
//
// Their bytes stand behind two pointers besides. fmt calls no methods on
// unexported members of other structs; it prints the address of a pointer
// there, but follows it one step with a verb that is wrong for pointers (%s).
type hidden struct{}

func (hidden) String() string                         { return hiddenText }
func (hidden) GoString() string                       { return hiddenText }
func (hidden) Format(f fmt.State, _ rune)             { io.WriteString(f, hiddenText) }
func (hidden) MarshalText() ([]byte, error)           { return []byte(hiddenText), nil }
func (hidden) MarshalJSON() ([]byte, error)           { return []byte(`"` + hiddenText + `"`), nil }
func (hidden) MarshalZerologObject(ev *zerolog.Event) { ev.Bool("secret", true) }
