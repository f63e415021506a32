package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"walletd/internal/secret"
)

// The child of TestAPlaceMoreThanProcessors says how many goroutines may run at once: at first, when a lock has emptied
// memory, and when the processors were counted again.
const envProcessorsChild = "WALLETD_TEST_PROCESSORS"

func TestProcessorsChild(t *testing.T) {
	if os.Getenv(envProcessorsChild) == "" {
		t.Skip("the child of TestAPlaceMoreThanProcessors")
	}
	useProcessors()
	first := runtime.GOMAXPROCS(0)
	secret.Sweep()
	swept := runtime.GOMAXPROCS(0)
	useProcessors()
	fmt.Printf("places: %d %d %d\n", first, swept, runtime.GOMAXPROCS(0))
}

func TestAPlaceMoreThanProcessors(t *testing.T) {
	for _, c := range []struct {
		name, set, want string
		processors      int
	}{
		{"gives one processor two places, one for whoever waits for the disk", "", "places: 2 2 2", 1},
		{"leaves alone what GOMAXPROCS says", "3", "places: 3 3 3", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.run=^TestProcessorsChild$", "-test.v")
			cmd.Env = append(os.Environ(), envProcessorsChild+"=1", "GOMAXPROCS="+c.set)
			out, err := onProcessors(t, c.processors, cmd)
			if err != nil || !strings.Contains(string(out), c.want+"\n") {
				t.Errorf("got %s, %v; want %s", out, err, c.want)
			}
		})
	}
}

// onProcessors runs a command on the first so many processors that this process has.
func onProcessors(t *testing.T, n int, cmd *exec.Cmd) ([]byte, error) {
	t.Helper()
	runtime.LockOSThread() // a child inherits what the thread may use that starts it
	defer runtime.UnlockOSThread()
	var before, some unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		t.Fatal(err)
	}
	for cpu := 0; some.Count() < n; cpu++ {
		if before.IsSet(cpu) {
			some.Set(cpu)
		}
	}
	if err := unix.SchedSetaffinity(0, &some); err != nil {
		t.Fatal(err)
	}
	defer unix.SchedSetaffinity(0, &before)
	return cmd.CombinedOutput()
}
