package interop_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestMatrixPackage is walletd-matrix by itself: its own tests, its types beside those of the SDK,
// and what npm would publish.
func TestMatrixPackage(t *testing.T) {
	p := installMatrix(t)
	sdk := filepath.Join(p.dir, "..", "sdk", "matrix")

	t.Run("passes its own tests", func(t *testing.T) {
		tests, err := filepath.Glob(filepath.Join(sdk, "test", "*.test.js"))
		if err != nil || len(tests) == 0 {
			t.Fatalf("there are no tests: %v", err)
		}
		out, err := exec.CommandContext(t.Context(), p.node, append([]string{"--test", "--test-reporter=tap"}, tests...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("node --test: %v\n%s", err, out)
		}
		counts := regexp.MustCompile(`(?m)^# (pass|skipped|todo) (\d+)$`).FindAllStringSubmatch(string(out), -1)
		if len(counts) != 3 || counts[0][2] == "0" || counts[1][2] != "0" || counts[2][2] != "0" {
			t.Errorf("node --test counted %q", counts)
		}
	})
	tsc := func(args ...string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), p.node, append([]string{filepath.Join("node_modules", "typescript", "bin", "tsc")}, args...)...)
		cmd.Dir = filepath.Join(p.dir, "matrix")
		return cmd
	}
	t.Run("has types that are sound", func(t *testing.T) {
		types, err := filepath.Glob(filepath.Join(sdk, "src", "*.d.ts"))
		if err != nil || len(types) == 0 {
			t.Fatalf("there are no types: %v", err)
		}
		flags := []string{"--noEmit", "--strict", "--target", "es2023", "--module", "nodenext"}
		if out, err := tsc(append(flags, types...)...).CombinedOutput(); err != nil {
			t.Errorf("tsc: %v\n%s", err, out)
		}
	})
	for _, version := range []string{"matrix-js-sdk-34", "matrix-js-sdk-old", "matrix-js-sdk-38", "matrix-js-sdk"} {
		t.Run("fits the types of "+version, func(t *testing.T) {
			config := `{"extends": "./tsconfig.json", "compilerOptions": {"paths": {"matrix-js-sdk/*": ["../node_modules/` + version + `/*"]}}}`
			name := filepath.Join("types", "tsconfig."+version+".json")
			if err := os.WriteFile(filepath.Join(p.dir, "matrix", name), []byte(config), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := tsc("-p", name).CombinedOutput(); err != nil {
				t.Errorf("tsc: %v\n%s", err, out)
			}
		})
	}
	t.Run("is a package that others can import", func(t *testing.T) {
		packed := exec.CommandContext(t.Context(), "npm", "pack", "--ignore-scripts", "--pack-destination", t.TempDir())
		packed.Dir = sdk
		out, err := packed.Output()
		if err != nil {
			t.Fatalf("npm pack: %v", err)
		}
		tarball := filepath.Join(packed.Args[len(packed.Args)-1], strings.TrimSpace(string(out)))
		bin := filepath.Join(p.dir, "matrix", "node_modules")
		for _, args := range [][]string{
			{filepath.Join(bin, "publint", "src", "cli.js"), "--strict", "--pack", "npm", sdk},
			// It has ES modules alone, as the SDK has.
			{filepath.Join(bin, "@arethetypeswrong", "cli", "dist", "index.js"), "--profile", "esm-only", tarball},
		} {
			if out, err := exec.CommandContext(t.Context(), p.node, args...).CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", args[0], err, out)
			}
		}
	})
	t.Run("is published whole, and nothing else", func(t *testing.T) {
		npm := exec.CommandContext(t.Context(), "npm", "pack", "--dry-run", "--json", "--ignore-scripts")
		npm.Dir = sdk
		out, err := npm.Output()
		if err != nil {
			t.Fatalf("npm pack: %v", err)
		}
		var packed []struct{ Files []struct{ Path string } }
		if err := json.Unmarshal(out, &packed); err != nil || len(packed) != 1 {
			t.Fatalf("npm pack said %v: %s", err, out)
		}
		var got []string
		for _, file := range packed[0].Files {
			got = append(got, file.Path)
		}
		want := []string{"LICENSE", "README.md", "package.json"}
		sources, err := filepath.Glob(filepath.Join(sdk, "src", "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, source := range sources {
			want = append(want, strings.TrimPrefix(filepath.ToSlash(source), filepath.ToSlash(sdk)+"/"))
		}
		slices.Sort(got)
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("files (-want +got):\n%s", diff)
		}
	})
}
