package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"walletd/internal/wallettest/needs"
)

// TestCompletionInAShell types at each shell's own prompt, with the script loaded as completion --help
// says, and wants the whole word from TAB.
func TestCompletionInAShell(t *testing.T) {
	for shell, start := range map[string]struct {
		args []string
		load string
	}{
		"bash": {[]string{"--norc", "--noprofile", "-i"}, "source <(walletd completion bash)"},
		"zsh":  {[]string{"-f", "-i"}, "autoload -U compinit && compinit -u -D && source <(walletd completion zsh)"},
		"fish": {[]string{"--no-config", "-i"}, "walletd completion fish | source"},
	} {
		t.Run(shell, func(t *testing.T) {
			if _, err := exec.LookPath(shell); err != nil {
				needs.Missing(t, shell, err)
			}
			dir := t.TempDir()
			if err := os.WriteFile(dir+"/passphrase-of-mine", nil, 0o600); err != nil {
				t.Fatal(err)
			}
			t.Chdir(dir)
			t.Setenv("HOME", dir)
			t.Setenv("TERM", "dumb")
			term := onTerminal(t, shell, start.args...)
			// A line is done when its number comes back: the typed text holds it in two parts.
			done := 0
			line := func(text, want string) {
				t.Helper()
				done++
				n := strings.Repeat("x", done)
				term.write(text + "; echo en''d" + n + "\n")
				term.until("the line "+text+" is done", func() bool { return strings.Contains(term.shown(), "end"+n) })
				if !strings.Contains(term.shown(), want) {
					t.Errorf("the terminal does not show %q:\n%s", want, term.shown())
				}
			}
			line(start.load, "")
			line("walletd vers\t", "runtime secret")
			line("walletd keyst\t stat\t --he\t", "Show whether it is locked")
			line("walletd token create --role=operat\t --he\t", "Create a token")
			line("walletd doctor --data passph\t", "passphrase-of-mine cannot be looked at")
		})
	}
}
