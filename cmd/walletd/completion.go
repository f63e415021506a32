package main

import (
	"embed"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

//go:embed completion
var completionScripts embed.FS

// completionCmd prints a script for a shell. The script knows nothing of the commands: at each TAB it
// asks this program (completeCmd), so it never goes stale.
type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help is what completion --help says besides.
func (completionCmd) Help() string {
	return `To load it in every new shell:

    bash:  echo 'source <(walletd completion bash)' >> ~/.bashrc
    zsh:   echo 'source <(walletd completion zsh)' >> ~/.zshrc
    fish:  walletd completion fish > ~/.config/fish/completions/walletd.fish`
}

// Run prints the script.
func (cmd completionCmd) Run(out *console) error {
	script, err := completionScripts.ReadFile("completion/walletd." + cmd.Shell)
	if err != nil {
		return err
	}
	out.printf("%s", script)
	return nil
}

// completeCmd answers a script: one candidate a line, each with a tab and what it is; or :file alone,
// where the name of a file may stand.
type completeCmd struct {
	Words []string `arg:"" optional:"" passthrough:"" help:"What was typed after walletd, up to the cursor."`
}

// Run prints the candidates. It reads the grammar and nothing else: no service is asked, no file is read.
func (cmd completeCmd) Run(app *kong.Kong, out *console) error {
	words := cmd.Words
	if len(words) > 0 && words[0] == "--" {
		words = words[1:]
	}
	for _, c := range complete(app.Model.Node, joinEquals(words)) {
		if c.help == "" {
			out.printf("%s\n", c.word)
			continue
		}
		out.printf("%s\t%s\n", c.word, strings.TrimSuffix(firstSentence(c.help), "."))
	}
	return nil
}

// joinEquals puts together what bash takes apart: --role=own comes as --role, = and own.
func joinEquals(words []string) []string {
	var joined []string
	for i, w := range words {
		last := len(joined) - 1
		switch {
		case last >= 0 && w == "=" && strings.HasPrefix(joined[last], "--") && !strings.Contains(joined[last], "="):
			joined[last] += w
		case last >= 0 && i > 0 && words[i-1] == "=" && strings.HasSuffix(joined[last], "="):
			joined[last] += w
		default:
			joined = append(joined, w)
		}
	}
	return joined
}

// candidate is a word that may stand at the cursor.
type candidate struct{ word, help string }

// fileCandidate asks the shell for names of files.
var fileCandidate = []candidate{{word: ":file"}}

// complete returns what may stand in the place of the last word, in the order of the help.
func complete(node *kong.Node, words []string) []candidate {
	if len(words) == 0 {
		words = []string{""}
	}
	before, word := words[:len(words)-1], words[len(words)-1]
	var wants *kong.Flag // a flag whose value comes next
	arguments, onlyArguments := 0, false
	for _, w := range before {
		child := childNamed(node, w)
		switch {
		case wants != nil:
			wants = nil
		case onlyArguments:
			arguments++
		case w == "--":
			onlyArguments = true
		case strings.HasPrefix(w, "--"):
			name, _, valued := strings.Cut(w[2:], "=")
			if f := flagNamed(node, name); f != nil && !valued && !f.IsBool() {
				wants = f
			}
		case arguments == 0 && child != nil:
			node = child
		default:
			arguments++
		}
	}
	name, _, valued := strings.Cut(word, "=")
	switch {
	case wants != nil:
		return valuesOf(wants.Value, "", word)
	case !onlyArguments && strings.HasPrefix(word, "--") && valued:
		if f := flagNamed(node, name[2:]); f != nil && !f.IsBool() {
			return valuesOf(f.Value, name+"=", word)
		}
		return nil
	case !onlyArguments && strings.HasPrefix(word, "-"):
		return flagsOf(node, word)
	}
	if found := childrenOf(node, word); len(found) > 0 && arguments == 0 {
		return found
	}
	if len(node.Positional) > 0 {
		at := min(arguments, len(node.Positional)-1)
		if at == arguments || node.Positional[at].IsCumulative() {
			return valuesOf(node.Positional[at], "", word)
		}
	}
	if word == "" && len(node.Children) == 0 && !onlyArguments {
		return flagsOf(node, word)
	}
	return nil
}

func childNamed(node *kong.Node, name string) *kong.Node {
	i := slices.IndexFunc(node.Children, func(n *kong.Node) bool { return n.Name == name })
	if i < 0 {
		return nil
	}
	return node.Children[i]
}

func childrenOf(node *kong.Node, prefix string) (found []candidate) {
	for _, n := range node.Children {
		if !n.Hidden && strings.HasPrefix(n.Name, prefix) {
			found = append(found, candidate{n.Name, n.Help})
		}
	}
	return found
}

// flagNamed finds a flag of a command or of those above it.
func flagNamed(node *kong.Node, name string) *kong.Flag {
	for _, group := range node.AllFlags(true) {
		for _, f := range group {
			if f.Name == name {
				return f
			}
		}
	}
	return nil
}

// flagsOf lists a command's own flags before those that every command has.
func flagsOf(node *kong.Node, prefix string) (found []candidate) {
	groups := node.AllFlags(true)
	slices.Reverse(groups)
	for _, group := range groups {
		for _, f := range group {
			if strings.HasPrefix("--"+f.Name, prefix) {
				found = append(found, candidate{"--" + f.Name, f.Help})
			}
		}
	}
	return found
}

// valuesOf lists the values that a flag or an argument may have, each with begin before it.
func valuesOf(v *kong.Value, begin, prefix string) (found []candidate) {
	if v.Tag.Type == "path" {
		return fileCandidate
	}
	if v.Enum == "" {
		return nil
	}
	for _, e := range v.EnumSlice() {
		if e != "" && strings.HasPrefix(begin+e, prefix) {
			found = append(found, candidate{word: begin + e})
		}
	}
	return found
}
