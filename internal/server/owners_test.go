package server_test

import (
	"testing"

	"walletd/internal/wallettest"
)

func TestAPersonIsInvitedAndApprovesWithATouch(t *testing.T) {
	t.Parallel()
	w := wallettest.New(t)
	alice := w.Person("Alice")
	alice.SignIn().Must(201)

	notes := w.App("Notes")
	asked := notes.Ask(notesKey...).Must(202)
	id := asked.Text("id")
	alice.Do("POST", "/v1/approvals/"+id+"/approve", members{}).Refused(403, "passkey_required")
	if got := alice.Approve(id, members{"remember": members{"times": 2}}).Must(200); got.Text("status") != "approved" {
		t.Errorf("approved: %s", got.Body)
	}
	notes.Collect(id).Must(200)
}
