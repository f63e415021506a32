package pages

import (
	"strings"
	"testing"
	"time"

	"walletd/internal/approvals"
)

func TestWhatWasDecidedBeforeIsAPlainSentence(t *testing.T) {
	all := readAll(t)
	since := time.Date(2026, 3, 9, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		h    approvals.History
		want string
	}{
		{approvals.History{}, "You have decided nothing about this app before."},
		{approvals.History{Approved: 14, Since: since}, "You approved it 14 times since 9 March 2026, never with this salt."},
		{approvals.History{Approved: 14, SameSalts: 2, Since: since}, "You approved it 14 times since 9 March 2026, never for what it asks now."},
		{approvals.History{Approved: 14, SameSalts: 2, Same: 1, Since: since}, "You approved it 14 times since 9 March 2026, once for what it asks now."},
		{approvals.History{Approved: 14, SameSalts: 3, Same: 2, Since: since}, "You approved it 14 times since 9 March 2026, 2 times for what it asks now."},
		{approvals.History{Approved: 1, SameSalts: 1, Same: 1, Since: since}, "You approved it once since 9 March 2026, for what it asks now."},
		{approvals.History{Approved: 2, SameSalts: 2, Same: 2, Rejected: 1, Since: since}, "You approved it 2 times since 9 March 2026, for what it asks now. You rejected it once."},
		{approvals.History{Approved: 190, SameSalts: 190, Same: 190, Rejected: 9, Since: since, More: true},
			"You approved it 190 times since 9 March 2026, for what it asks now. You rejected it 9 times. Of its requests the latest 200 are counted."},
		{approvals.History{Rejected: 1, Since: since}, "You have approved nothing of this app before. You rejected it once since 9 March 2026."},
		{approvals.History{Rejected: 2, Since: since}, "You have approved nothing of this app before. You rejected it 2 times since 9 March 2026."},
	} {
		for _, l := range all {
			said, err := l.history(approvals.View{History: &c.h})
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Join(said, " ")
			if l.tag == "en" && got != c.want {
				t.Errorf("%+v is %q, want %q", c.h, got, c.want)
			}
			if strings.Contains(got, "{") || l.tag != "en" && !c.h.Since.IsZero() && !strings.Contains(got, "2026年3月9日") {
				t.Errorf("%s: %+v is %q", l.tag, c.h, got)
			}
		}
	}
}
