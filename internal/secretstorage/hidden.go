package secretstorage

import (
	"fmt"
	"io"

	"github.com/rs/zerolog"
)

const hiddenText = "[secret]"

// hidden is embedded in secret types so that no way of printing, encoding or logging them shows
// what they hold. Their bytes stand behind two pointers besides: in an unexported member of
// somebody else's struct fmt calls no methods, and follows one pointer for a verb that does not
// fit, but not two.
type hidden struct{}

func (hidden) String() string                         { return hiddenText }
func (hidden) GoString() string                       { return hiddenText }
func (hidden) Format(f fmt.State, _ rune)             { _, _ = io.WriteString(f, hiddenText) }
func (hidden) MarshalText() ([]byte, error)           { return []byte(hiddenText), nil }
func (hidden) MarshalJSON() ([]byte, error)           { return []byte(`"` + hiddenText + `"`), nil }
func (hidden) MarshalZerologObject(ev *zerolog.Event) { ev.Bool("secret", true) }
