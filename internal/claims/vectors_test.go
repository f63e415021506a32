package claims

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"walletd/internal/delegation"
	"walletd/internal/did"
)

// vectors reads a file of the reference's, which is never empty.
func vectors(t testing.TB, name string, into any) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatal(err)
	}
}

// step is one request that a recorded session's app made, and the token that answered it; the
// last of a session was answered with nothing or is the last reply.
type step struct {
	name  string
	reply delegation.Reply
	now   time.Time  // when it was answered
	token string     // of the answer, as the recorded wallet signed it
	last  did.Object // of a last reply: its body
	asked []json.RawMessage
	conn  delegation.Connect
}

// recorded reads the steps of a session file.
func recorded(t testing.TB, name string) []step {
	t.Helper()
	var file struct {
		Exchanges []struct {
			Name, Actor string
			Time        int64
			Request     struct {
				JSON struct{ UserInfo string }
			}
			Response struct {
				JSON struct{ AppPk, AgentPk, AuthInfo string }
			}
			Opened   struct{ AuthInfo string }
			UserInfo struct{ Token string }
		}
	}
	vectors(t, name, &file)
	var steps []step
	for _, e := range file.Exchanges {
		if e.Actor != "wallet" {
			continue
		}
		if len(steps) > 0 {
			steps[len(steps)-1].token = e.UserInfo.Token
			if e.UserInfo.Token == "" {
				steps[len(steps)-1].token = e.Request.JSON.UserInfo
			}
			steps[len(steps)-1].now = time.Unix(e.Time, 0)
		}
		s := step{name: e.Name, now: time.Unix(e.Time, 0), reply: delegation.Reply{AppPk: e.Response.JSON.AppPk, AgentPk: e.Response.JSON.AgentPk, AuthInfo: e.Response.JSON.AuthInfo}}
		if e.Opened.AuthInfo != "" {
			s.reply.AuthInfo = e.Opened.AuthInfo
		}
		conn, err := delegation.VerifyReply(s.reply, time.Unix(e.Time, 0))
		if err != nil {
			t.Fatalf("%s: %v", e.Name, err)
		}
		s.conn = conn
		if _, ended := conn.Token.Body["status"]; ended {
			s.last = conn.Token.Body
		} else if err := json.Unmarshal(conn.Token.Body["requestedClaims"], &s.asked); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, s)
	}
	if len(steps) == 0 {
		t.Fatalf("%s holds no step", name)
	}
	return steps
}

// enter brings a step to the door, as the session that has revealed an account or none.
func (h *house) enter(s step, account string) *Caller {
	h.t.Helper()
	h.clock = s.now
	challenge, _ := s.conn.Token.Body.Text("challenge")
	c, err := h.door.EnterSession(h.t.Context(), Session{
		ID: "s1", Wallet: h.wallet, Connect: s.conn, Challenge: challenge, Origin: "https://dapp.example.test", Account: account,
	})
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(c.Close)
	return c
}

// replay asks the person about a step and collects what is answered after a yes.
func (h *house) replay(s step, account string, choice Choice) (*Answer, error) {
	h.t.Helper()
	c := h.enter(s, account)
	out, err := h.door.Answer(h.t.Context(), c, s.asked)
	if err != nil {
		return nil, err
	}
	if out.Pending == nil {
		return out.Answer, nil
	}
	if err := h.approve(out.Pending.ID, choice); err != nil {
		return nil, err
	}
	out, err = h.door.Collect(h.t.Context(), h.enter(s, account), out.Pending.ID, 0)
	return out.Answer, err
}

// mustReplay checks that a step is answered with the very token that was recorded.
func (h *house) mustReplay(s step, account string, choice Choice) {
	h.t.Helper()
	a, err := h.replay(s, account, choice)
	if err != nil {
		h.t.Fatalf("%s: %v", s.name, err)
	}
	if a.Signed.UserInfo != s.token {
		h.t.Errorf("%s: answered\n%s\nwant\n%s", s.name, a.Signed.UserInfo, s.token)
	}
}

// atDawn is a house whose clock stands where the recorded sessions begin.
func atDawn(t *testing.T) *house {
	t.Helper()
	return newHouseAt(t, time.Unix(1767225600, 0))
}

// alice is the account of the recorded wallet at the demo app.
const alice = "z1WVwKnpPDpuGK4uupU2jgFow9dpZC3Ex3r"
