package ledger

import (
	"bytes"
	"encoding/json"
	"testing"
)

// FuzzVerifyExport holds that a line is read only as it would be written.
func FuzzVerifyExport(f *testing.F) {
	f.Add([]byte(`{"record":{"chain":"service","seq":1,"id":"a","time":2,"kind":"init","sealed":"e30=","prev":"00","hash":"ab"}}`))
	f.Add([]byte(`{"head":{"chain":"service","seq":1,"hash":"ab","time":2,"publicKey":"cd","signature":"ef"}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		line, ok := readExported(text)
		if !ok {
			return
		}
		again, err := json.Marshal(line)
		if err != nil || !bytes.Equal(again, text) {
			t.Errorf("%q is written as %q, %v", text, again, err)
		}
		if _, err := VerifyExport(bytes.NewReader(text), nil); err != nil && !bytes.ContainsAny(text, "\r\n") {
			t.Errorf("%q: %v", text, err)
		}
	})
}
