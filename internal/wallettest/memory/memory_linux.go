// Package memory looks into the memory of a process from outside, for tests.
package memory

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"walletd/internal/wallettest/needs"
)

// largest is the largest region that is looked at, in bytes. Larger ones are address space that the race detector
// keeps for itself.
const largest = 4 << 30

// Count returns how often each of some texts is in the memory that a process can write to; texts that are not there
// are left out. Where this user may not read the memory of another process the test is skipped, and fails if CI=true.
func Count(t testing.TB, pid int, texts map[string][]byte) map[string]int {
	t.Helper()
	proc := fmt.Sprintf("/proc/%d/", pid)
	regions, err := os.ReadFile(proc + "maps")
	if err != nil {
		t.Fatal(err)
	}
	open := func(name string) *os.File {
		t.Helper()
		file, err := os.Open(proc + name)
		if err != nil {
			needs.Missing(t, "the right to read another process's memory", err)
		}
		t.Cleanup(func() { file.Close() })
		return file
	}
	mem, pages := open("mem"), open("pagemap")
	page := uint64(os.Getpagesize())
	found := map[string]int{}
	var entries, b []byte
	for line := range strings.Lines(string(regions)) {
		var from, to uint64
		var mode string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &mode); err != nil {
			t.Fatalf("reading %q: %v", line, err)
		}
		if !strings.HasPrefix(mode, "rw") || to-from > largest {
			continue
		}
		// Of each page it is told whether there is one: most of a region is address space alone.
		entries = grown(entries, (to-from)/page*8)
		if _, err := pages.ReadAt(entries, int64(from/page*8)); err != nil {
			t.Fatalf("reading which pages of %q there are: %v", line, err)
		}
		for at := from; at < to; {
			end := at
			for end < to && isThere(entries[(end-from)/page*8:]) {
				end += page
			}
			if end == at {
				at += page
				continue
			}
			b = grown(b, end-at)
			n, _ := mem.ReadAt(b, int64(at)) // the kernel keeps some regions to itself
			for name, text := range texts {
				if c := bytes.Count(b[:n], text); c > 0 {
					found[name] += c
				}
			}
			at = end
		}
	}
	return found
}

// isThere reports whether a page is in memory or swapped out, by its entry in pagemap.
func isThere(entry []byte) bool { return binary.NativeEndian.Uint64(entry)>>62 != 0 }

func grown(b []byte, n uint64) []byte { return slices.Grow(b[:0], int(n))[:n] }
