package interop_test

import (
	"errors"
	"log"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"walletd/internal/wallettest/needs"
)

// shared is a directory for what is made once for all tests.
var shared string

func TestMain(m *testing.M) {
	var err error
	if shared, err = os.MkdirTemp("", "walletd-interop-"); err != nil {
		log.Fatal(err)
	}
	code := m.Run()
	os.RemoveAll(shared)
	os.Exit(code)
}

// installed is what all tests with Matrix clients share: a quarter of a gigabyte.
var installed struct {
	sync.Mutex
	peers
}

// installMatrix installs walletd-matrix as it is in sdk/matrix, matrix-js-sdk, and the Node.js that
// this needs: the machine's may be older. Tests only read what it returns.
func installMatrix(t *testing.T) peers {
	t.Helper()
	needNode(t)
	installed.Lock()
	defer installed.Unlock()
	if installed.dir != "" {
		return installed.peers
	}
	p := peers{filepath.Join(shared, "interop"), "node"}
	err := p.copy("lib/run.mjs", "matrix/package.json", "matrix/package-lock.json", "matrix/.npmrc", "matrix/*.mjs", "matrix/lib/*.mjs",
		"matrix/types/*", "../sdk/matrix/package.json", "../sdk/matrix/README.md", "../sdk/matrix/LICENSE", "../sdk/matrix/src/*", "../sdk/matrix/test/*")
	if err != nil {
		t.Fatal(err)
	}
	p.ci(t, "matrix")
	locked := filepath.Join(p.dir, "matrix", "node_modules", ".bin", "node")
	if _, err := os.Stat(locked); err == nil {
		p.node = locked
	}
	if major, err := majorOf(t, p.node); err != nil || major < 22 {
		needs.Missing(t, "Node.js 22 or newer", errors.Join(err, errors.New("the lock file has none for this machine")))
	}
	installed.peers = p
	return p
}
