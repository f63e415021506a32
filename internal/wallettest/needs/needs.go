// Package needs says what becomes of a test on a machine that lacks something.
package needs

import (
	"os"
	"testing"
)

// Missing skips a test for want of something. With CI=true it fails the test, because nothing is skipped there.
func Missing(t testing.TB, what string, err error) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is needed here: %v", what, err)
	}
	t.Skipf("SKIPPED for want of %s: %v", what, err)
}
