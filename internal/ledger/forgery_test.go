package ledger

import (
	"fmt"
	"testing"
)

func TestWhatIsRememberedOfForgeriesIsBounded(t *testing.T) {
	var f forgeries
	for i := range 3 * maxForgeries {
		if one := (forgery{row: fmt.Sprint(i)}); !f.note(one) || f.note(one) {
			t.Fatalf("forgery %d is not noted once", i)
		}
		if len(f.seen) > maxForgeries {
			t.Fatalf("%d are remembered", len(f.seen))
		}
	}
}
