package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"walletd/internal/secret"
)

func TestSecretDoesNotPrint(t *testing.T) {
	s := secret.New([]byte("correct horse"))
	encoded, err := json.Marshal(map[string]any{"s": s})
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range []string{
		fmt.Sprintf("%v %+v %#v %s %q %x %d", s, s, s, s, s, s, s), fmt.Sprint(&s), fmt.Sprintf("%v", struct{ S secret.Bytes }{s}), string(encoded),
		fmt.Sprintf("%v", devService{OwnerToken: "correct horse"}),
	} {
		if strings.Contains(got, "correct") || strings.Contains(got, "636f7272") || strings.Contains(got, "99 111") {
			t.Errorf("it printed %q", got)
		}
	}
}

func TestReadSecret(t *testing.T) {
	for name, c := range map[string]struct {
		form               form
		content, want, err string
	}{
		"cuts one line's end":                {verbatim, "correct horse\n", "correct horse", ""},
		"cuts one of Windows":                {verbatim, "correct horse\r\n", "correct horse", ""},
		"cuts no more than one":              {verbatim, "correct\n\n", "correct\n", ""},
		"keeps blanks":                       {verbatim, " correct ", " correct ", ""},
		"takes as many bytes as are allowed": {verbatim, strings.Repeat("x", 64) + "\n", strings.Repeat("x", 64), ""},
		"refuses one more":                   {verbatim, strings.Repeat("x", 65), "", "more than 64 bytes"},
		"refuses many more":                  {verbatim, strings.Repeat("x", 6500), "", "more than 64 bytes"},
		"refuses an empty file":              {verbatim, "", "", "is empty"},
		"refuses an empty line":              {verbatim, "\n", "", "is empty"},
		"cuts all that is around a line":     {oneLine, "\ufeff \tcorrect horse \r\n\n", "correct horse", ""},
		"refuses a second line":              {oneLine, "correct\nxx\n", "", "more than one line"},
		"refuses UTF-16":                     {oneLine, "\xff\xfex\x00x\x00", "", "UTF-16"},
		"refuses blanks alone":               {oneLine, " \n\n", "", "is empty"},
		"cuts the mark before words":         {phrase, "\ufeffzoo\nzoo", "zoo\nzoo", ""},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "secret")
			if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := readSecretFile(path, 64, false, c.form)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), "xx") {
					t.Errorf("error %v, want %q and nothing of the content", err, c.err)
				}
				return
			}
			if err != nil || string(got.Reveal()) != c.want {
				t.Errorf("got %q, %v, want %q", got.Reveal(), err, c.want)
			}
		})
	}
}

func TestSecretFileMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "it's secret")
	if err := os.WriteFile(path, []byte("correct horse"), 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, refused := range map[os.FileMode]bool{0o600: false, 0o400: false, 0o640: true, 0o604: true, 0o620: true, 0o444: true} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := readSecretFile(path, 64, false, verbatim); (err != nil) != refused {
			t.Errorf("mode %04o: error %v", mode, err)
		}
		if _, err := readSecretFile(path, 64, true, verbatim); err != nil {
			t.Errorf("mode %04o, allowed: error %v", mode, err)
		}
	}
}

// TestCredential holds systemd's directory to what systemd does there: its files show the mask of an
// access control list in the group's bits.
func TestCredential(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	if _, found, err := credential("passphrase", 64); found || err != nil {
		t.Errorf("without the file: %t, %v", found, err)
	}
	path := filepath.Join(dir, "passphrase")
	if err := os.WriteFile(path, []byte("correct horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, refused := range map[os.FileMode]bool{0o400: false, 0o440: false, 0o444: true} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		s, found, err := credential("passphrase", 64)
		if (err != nil) != refused || found == refused || !refused && string(s.Reveal()) != "correct horse" {
			t.Errorf("mode %04o: %t, %v", mode, found, err)
		}
	}
}
