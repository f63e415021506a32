package interop_test

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// launchEphemeral makes an application whose key is with nobody but the app afterwards.
func launchEphemeral(t *testing.T, s *service, d *dapp) {
	p := d.open(t, "server", "launch", nil)
	c := s.begin(t, p.link, "--yes", "--ephemeral")
	n := p.number(t)
	c.say(t, strconv.Itoa(n))
	v := c.end(t)
	d.saw(t, seen{Event: "auth", Action: "launch", Step: 1, Own: true, Sealed: true, Claims: []told{{Type: "keyPair", MFACode: []int{n}, Bytes: 64}}})
	ended(t, v, session{State: "done"}, p, "succeed")
}

// hangUp has nobody answer: the app is not left waiting.
func hangUp(t *testing.T, s *service, d *dapp) {
	for _, how := range []struct {
		name string
		end  func(connecting) error
	}{
		{"the end of the input", func(c connecting) error { return c.in.Close() }},
		{"an interrupt", func(c connecting) error { return c.cmd.Process.Signal(os.Interrupt) }},
	} {
		t.Run(how.name, func(t *testing.T) {
			p := d.open(t, "demo", "mfa", nil)
			c := s.begin(t, p.link, "--yes", "--ephemeral")
			p.number(t)
			if err := how.end(c); err != nil {
				t.Fatal(err)
			}
			if err := c.cmd.Wait(); err == nil {
				t.Errorf("walletd connect is content with %s", c.out)
			}
			d.saw(t, seen{Event: "declined", Action: "mfa", Step: 1, Own: true, Claims: []told{}})
			if got := p.status(t); got.Status != "error" {
				t.Errorf("the page shows %+v", got)
			}
		})
	}
}

// followEphemeral goes on to the second session in the same wallet.
func followEphemeral(t *testing.T, s *service, d *dapp) {
	second := d.open(t, "demo", "second", nil)
	first := d.open(t, "demo", "first", url.Values{"nw": {second.link}})
	v := s.connect(t, first.link, "--yes", "--ephemeral")
	whole := d.saw(t,
		seen{Event: "auth", Action: "first", Step: 1, Own: true, Claims: []told{text}},
		seen{Event: "auth", Action: "second", Step: 1, Own: true, Claims: []told{text}, Previous: map[string][]int{"basket": {1, 2}}},
	)
	ended(t, v, session{State: "done", Text: "Welcome " + v.Account}, second, "succeed")
	if whole[0].User != whole[1].User {
		t.Errorf("%s began and %s went on", whole[0].User, whole[1].User)
	}
}

// inNode runs the end-to-end test that docs/dapp.md shows to developers of dApps.
func inNode(t *testing.T, s *service, d *dapp, p peers) {
	node := exec.CommandContext(t.Context(), p.node, "--test", filepath.Join(p.dir, "didconnect", "login.test.mjs"))
	node.Env = append(s.environ(""), "WALLETD="+s.bin, "DAPP="+d.url)
	if out, err := node.CombinedOutput(); err != nil {
		t.Errorf("node --test: %v\n%s", err, out)
	}
	var got [][2]string
	for range 3 {
		select {
		case e := <-d.events:
			got = append(got, [2]string{e.Event, e.Action})
		case <-time.After(patience):
			t.Fatalf("the dApp saw only %q", got)
		}
	}
	if diff := cmp.Diff([][2]string{{"auth", "login"}, {"declined", "login"}, {"auth", "mfa"}}, got); diff != "" {
		t.Errorf("what the dApp saw (-want +got):\n%s", diff)
	}
}
