package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"walletd/internal/wallettest/needs"
)

// ioctlShutdown makes every write to an ext4 fail with EIO (EXT4_IOC_SHUTDOWN in fs/ext4/ext4.h).
const ioctlShutdown = 0x8004587d

const diskVariable = "WALLETD_STORE_TEST_DISK"

// A disk that is full and one that is broken are told apart; both are a file system of the test's own.
func TestDisks(t *testing.T) {
	if os.Getuid() != 0 {
		needs.Missing(t, "root", errors.New("only root mounts file systems"))
	}
	if _, err := exec.LookPath("mkfs.ext4"); err != nil {
		needs.Missing(t, "e2fsprogs", err)
	}
	dir := t.TempDir()
	image := filepath.Join(dir, "image")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 32<<20); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.ext4", "-q", "-O", "^has_journal", image).CombinedOutput(); err != nil {
		t.Fatalf("mkfs.ext4: %v\n%s", err, out)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestChildOnADisk$", "-test.v", "-test.timeout=2m")
	cmd.Env = append(os.Environ(), diskVariable+"="+image)
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS} // its mounts end with it
	out, err := cmd.CombinedOutput()
	if bytes.Contains(out, []byte("permission denied")) {
		needs.Missing(t, "a root that may mount", fmt.Errorf("%s", out))
	}
	if err != nil || !bytes.Contains(out, []byte("the broken disk was seen")) {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestChildOnADisk(t *testing.T) {
	image := os.Getenv(diskVariable)
	if image == "" {
		t.Skip("only a part of TestDisks")
	}
	mount := filepath.Join(filepath.Dir(image), "mount")
	if err := os.Mkdir(mount, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-o", "loop", image, mount).CombinedOutput(); err != nil {
		t.Fatalf("mount: %v\n%s", err, out)
	}
	root, err := os.Open(mount)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	s := made(t, mustOpen(t, "sqlite:"+filepath.Join(mount, "data", "walletd.db"), Options{Create: true}))
	must(t, s, "w")

	filler := filepath.Join(mount, "filler")
	if out, err := exec.Command("dd", "if=/dev/zero", "of="+filler, "bs=4k").CombinedOutput(); err == nil {
		t.Fatalf("the disk has no end:\n%s", out)
	}
	full := false
	for range 2000 {
		c := change("w")
		c.Entries[0].Sealed = make([]byte, 50_000)
		if _, err = s.Commit(t.Context(), c); err != nil {
			full = true
			break
		}
	}
	if !full || !errors.Is(err, ErrFull) {
		t.Errorf("Commit on a full disk = %v", err)
	}
	if err := s.Ping(t.Context()); !errors.Is(err, ErrFull) {
		t.Errorf("Ping on a full disk = %v", err)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	heals(t, s)

	if err := unix.IoctlSetPointerInt(int(root.Fd()), ioctlShutdown, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Commit(context.Background(), change("w")); !errors.Is(err, ErrUnavailable) {
		t.Errorf("Commit on a broken disk = %v", err)
	}
	if _, err := s.Commit(context.Background(), change("w")); err == nil || errors.Is(err, ErrFull) {
		t.Errorf("another Commit on a broken disk = %v", err)
	}
	t.Log("the broken disk was seen")
	os.Exit(map[bool]int{false: 0, true: 1}[t.Failed()]) // nothing can be closed on it
}
