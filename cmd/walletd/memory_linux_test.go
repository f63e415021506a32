package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestTheBinarysPagesAreReturned(t *testing.T) {
	before := ofFiles(t)
	returnBinary()
	if after := ofFiles(t); after > before/2 {
		t.Errorf("%d kB of files were in memory, and are %d", before, after)
	}
}

// ofFiles is how much of files is in this process's memory, in kB.
func ofFiles(t *testing.T) (kB int) {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "RssFile:")
	if _, err := fmt.Sscanf(rest, "%d kB", &kB); err != nil {
		t.Fatal(err)
	}
	return kB
}
