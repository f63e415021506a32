package interop_test

import (
	"path/filepath"
	"testing"
)

// TestMatrixStorage is secret storage of matrix-js-sdk alone: keys that were replaced, accounts that
// share a token, and wallets that have nothing but their words.
func TestMatrixStorage(t *testing.T) {
	p := installMatrix(t)
	s := newService(t, build(t), "--data", filepath.Join(t.TempDir(), "data"))

	t.Run("opens the copy under the account's default key, where the Rust SDK left an older one", func(t *testing.T) {
		m := matrix{s, newHomeserver(t, alice, "ONLY"), p, s.newApp(t, "Matrix client", ""), map[string]string{}}
		got, _ := m.device(t, "moved-key.mjs", "ONLY", nil, m.approve)
		if !got.OK || got.Message != "new" {
			t.Errorf("outcome %+v", got)
		}
	})
}
