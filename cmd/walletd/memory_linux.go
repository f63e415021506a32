package main

import (
	"bufio"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// returnBinary takes the pages of the binary out of this process's memory: code and tables that only the start
// needed, or work that is over. Their content is the file's, and those that are used again are mapped again, from
// the system's cache. What it cannot return stays.
func returnBinary() {
	binary, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	maps, err := os.Open("/proc/self/smaps")
	if err != nil {
		return
	}
	defer maps.Close()
	var from, to uintptr // the mapping that the lines are about, if its pages are of the binary and are not written; else 0
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 {
			continue
		}
		switch name := fields[0]; {
		case name == "Anonymous:" || name == "Swap:":
			if len(fields) < 2 || fields[1] != "0" { // as where addresses were filled in before it became read-only
				from, to = 0, 0
			}
		case name == "VmFlags:": // the last of its lines
			if from < to {
				_, _, _ = unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_DONTNEED)
			}
			from, to = 0, 0
		case !strings.HasSuffix(name, ":"):
			from, to = 0, 0
			if len(fields) >= 6 && (fields[1] == "r-xp" || fields[1] == "r--p") && strings.Join(fields[5:], " ") == binary {
				first, last, _ := strings.Cut(name, "-")
				from, to = address(first), address(last)
			}
		}
	}
}

// address reads an address; 0 if it is none.
func address(hexadecimal string) uintptr {
	n, err := strconv.ParseUint(hexadecimal, 16, strconv.IntSize)
	if err != nil {
		return 0
	}
	return uintptr(n)
}
