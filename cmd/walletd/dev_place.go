package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
)

// devDir is where serve --dev keeps its throw-away store and what other commands need to find it,
// under the current directory.
const devDir = ".walletd-dev"

// The mark tells a directory that serve --dev made from any other; whoever runs there holds its lock.
const (
	devMark     = "made-by-walletd-serve-dev"
	devMarkText = "walletd serve --dev made this directory, and removes it.\n"
)

// devPlace is the directory while serve --dev runs.
type devPlace struct {
	dir  string
	mark *os.File
}

// makeDevPlace makes the directory anew. One that an earlier serve --dev left is removed; any
// other is refused.
func makeDevPlace() (*devPlace, error) {
	dir, err := filepath.Abs(devDir)
	if err != nil {
		return nil, err
	}
	if err := removeStale(dir); err != nil {
		return nil, err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	p := &devPlace{dir: dir}
	if p.mark, err = os.OpenFile(p.file(devMark), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600); err == nil {
		if err = lockFile(p.mark); err == nil {
			_, err = p.mark.WriteString(devMarkText)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("marking %s: %w", devDir, err)
	}
	return p, nil
}

// removeStale removes what an earlier serve --dev left.
func removeStale(dir string) error {
	switch info, err := os.Lstat(dir); {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.IsDir() && os.Remove(dir) == nil:
		return nil // empty: nothing is lost, and a start cut short leaves it so
	}
	foreign := withHint(fmt.Errorf("%s is there, and serve --dev did not make it", devDir), "move it away, or work in another directory")
	mark, err := os.OpenFile(filepath.Join(dir, devMark), os.O_RDWR|unix.O_NOFOLLOW, 0)
	if err != nil {
		return foreign
	}
	defer mark.Close()
	text, err := io.ReadAll(io.LimitReader(mark, int64(len(devMarkText))+1))
	if info, statErr := os.Lstat(dir); err != nil || statErr != nil || !info.IsDir() || !ownedByMe(info) || string(text) != devMarkText {
		return foreign
	}
	if err := lockFile(mark); err != nil {
		return withHint(errors.New("serve --dev runs in this directory already"), "stop it first, or work in another directory")
	}
	return os.RemoveAll(dir)
}

// lockFile takes a file for this process, until it is closed.
func lockFile(f *os.File) error {
	return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
}

func (p *devPlace) file(name string) string { return filepath.Join(p.dir, name) }

// write leaves the files by which other commands find the service; the address last, so that
// who waits for it finds all.
func (p *devPlace) write(v devService) error {
	for _, f := range [][2]string{
		{"owner.token", v.OwnerToken}, {"app.token", v.AppToken}, {"operator.token", v.OperatorToken}, {"url.new", v.URL},
	} {
		if err := os.WriteFile(p.file(f[0]), []byte(f[1]+"\n"), 0o600); err != nil {
			return err
		}
	}
	return os.Rename(p.file("url.new"), p.file("url"))
}

// remove throws everything away; the store must be closed.
func (p *devPlace) remove(log zerolog.Logger) {
	if err := os.RemoveAll(p.dir); err != nil {
		log.Error().Err(err).Msg("removing the throw-away store")
	}
	p.mark.Close()
}
