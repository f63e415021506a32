package store

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func TestSpool(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		t.Setenv("TMPDIR", t.TempDir())
		s := made(t, open())
		for name, size := range map[string]int{"that fits into memory": spoolMemory, "that does not": spoolMemory + 1, "that is long": 3*spoolMemory + 7} {
			t.Run("gives back what was written, "+name, func(t *testing.T) {
				p := s.NewSpool()
				defer p.Close()
				want := bytes.Repeat([]byte("0123456789abcde"), size/15+1)[:size]
				for rest := want; len(rest) > 0; {
					n, err := p.Write(rest[:min(len(rest), 100_003)])
					if err != nil {
						t.Fatal(err)
					}
					rest = rest[n:]
				}
				if _, err := p.WriteAt([]byte("changed"), 5); err != nil {
					t.Fatal(err)
				}
				copy(want[5:], "changed")
				if _, err := p.WriteAt([]byte("x"), int64(size)); err == nil {
					t.Error("it was written to behind its end")
				}
				got, err := io.ReadAll(io.NewSectionReader(p, 0, p.Size()))
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("%d bytes, %v, want %d", len(got), err, len(want))
				}
				if n, err := p.ReadAt(make([]byte, 10), int64(size)-3); n != 3 || err != io.EOF {
					t.Errorf("at the end: %d bytes, %v", n, err)
				}
				for _, dir := range []string{os.Getenv("TMPDIR"), filepath.Dir(s.where)} {
					if left, err := filepath.Glob(filepath.Join(dir, spoolName+"*")); err != nil || len(left) > 0 {
						t.Errorf("it has a name: %v, %v", left, err)
					}
				}
			})
		}
	})
}
