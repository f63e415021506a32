package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"walletd/internal/wallettest/fixture"
)

// Of several files those are named that do not fit, or between which something is missing, and no others.
func TestVerifyNamesTheFilesThatDoNotFit(t *testing.T) {
	const season = 100 * 24 * time.Hour
	f := fixture.NewAt(t, time.Now().Add(-2*season).Truncate(time.Second))
	var archives []string
	for range 2 {
		f.Grow(20)
		if err := f.Ledger.SignHeads(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.Clock = f.Clock.Add(season)
		made, err := f.Archives.Create(t.Context(), f.As(f.Operator), f.Wallet, f.Clock.Add(-season/2))
		if err != nil || made.Archive == nil {
			t.Fatal(made, err)
		}
		archives = append(archives, filepath.Join(f.ArchiveDir(), made.Archive.File))
	}
	f.Grow(3)
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	first, second := archives[0], archives[1]
	export := file("export", strings.Join(f.Export(), "\n")+"\n")
	var service strings.Builder
	if err := f.Wallets.ExportAuditLog(t.Context(), f.As(f.Operator), &service); err != nil {
		t.Fatal(err)
	}
	of, err := os.ReadFile(second)
	if err != nil {
		t.Fatal(err)
	}
	text := string(of)
	lines := strings.SplitAfter(text, "\n")
	changed := file("changed", strings.Replace(text, `"time":1`, `"time":2`, 1))
	longer := file("longer", text+lines[len(lines)-2])
	cut := file("cut", strings.Join(lines[:9], ""))
	empty := file("empty", "")
	note := file("note", "these are my archives\n")
	others := file("service", service.String())

	all := []string{first, second, export, changed, longer, cut, empty, note, others}
	for name, c := range map[string]struct {
		files, named []string
		says         string
		fits         bool
	}{
		"all":                         {[]string{export, first, second}, nil, "entries follow from each other", true},
		"an archive between is not":   {[]string{export, first}, []string{export, first}, "verify " + filepath.Base(second) + " with these", false},
		"an archive before is not":    {[]string{export, second}, nil, "verify " + filepath.Base(first) + " with these", true},
		"one was changed":             {[]string{first, changed, export}, []string{changed}, "does not fit", false},
		"one is another than it says": {[]string{first, longer, export}, []string{longer, export}, "is another file than", false},
		"one was cut":                 {[]string{first, export, cut}, []string{cut}, "the archive ends with entry", false},
		"one has no entry":            {[]string{first, second, empty}, []string{empty}, "does not begin with an entry", false},
		"one is no export":            {[]string{export, first, note, second}, []string{note}, "does not begin with an entry", false},
		"one is of another":           {[]string{first, others}, []string{first, others}, "the files are of different ones", false},
		"one is there twice":          {[]string{first, second, second}, []string{second}, "leave one of them out", false},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := command(t, append([]string{"audit", "verify"}, c.files...)...)
			out, err := cmd.CombinedOutput()
			if c.fits != (err == nil) || !strings.Contains(string(out), c.says) {
				t.Errorf("%v: %s", err, out)
			}
			_, hint, _ := strings.Cut(string(out), "walletd: hint: ")
			for _, path := range all {
				want := slices.Contains(c.named, path)
				if strings.Contains(string(out), path) != want || strings.Contains(hint, path) != want {
					t.Errorf("that it names %s should be %v:\n%s", filepath.Base(path), want, out)
				}
			}
		})
	}
}
