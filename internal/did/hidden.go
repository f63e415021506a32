package did

import (
	"fmt"
	"io"

	"github.com/rs/zerolog"
)

const hiddenText = "[secret]"

// hidden is embedded in secret types so that no way of printing, encoding or
// logging them shows what they hold.
type hidden struct{}

func (hidden) String() string                         { return hiddenText }
func (hidden) GoString() string                       { return hiddenText }
func (hidden) Format(f fmt.State, _ rune)             { io.WriteString(f, hiddenText) }
func (hidden) MarshalText() ([]byte, error)           { return []byte(hiddenText), nil }
func (hidden) MarshalJSON() ([]byte, error)           { return []byte(`"` + hiddenText + `"`), nil }
func (hidden) MarshalZerologObject(ev *zerolog.Event) { ev.Bool("secret", true) }

// behind keeps a value two pointers away. The package fmt does not call methods
// on unexported members of other structs, where a secret type would stand bare;
// one pointer it follows there, for a verb that does not fit, two it does not.
type behind[T any] struct{ box **T }

func putBehind[T any](value T) behind[T] {
	p := &value
	return behind[T]{&p}
}

// get gives the value, nil if there never was one.
func (b behind[T]) get() *T {
	if b.box == nil {
		return nil
	}
	return *b.box
}
