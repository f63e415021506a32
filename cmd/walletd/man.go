package main

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// manCmd prints manual pages, which are made from the same grammar as the help.
type manCmd struct {
	Command string `arg:"" optional:"" help:"The command whose page is wanted, as in walletd man wallet. Without it: the page of walletd itself."`
	Out     string `type:"path" placeholder:"DIR" help:"Write every page into this directory instead: walletd.1, walletd-wallet.1 and so on."`
}

// Help is what man --help says besides.
func (manCmd) Help() string {
	return `To read one, or to install them all:

    walletd man keystore | man -l -
    walletd man --out /usr/local/share/man/man1`
}

// Run prints a page, or writes all.
func (cmd manCmd) Run(app *kong.Kong, out *console) error {
	root := app.Model.Node
	if cmd.Out != "" {
		return writePages(root, cmd.Out)
	}
	node := root
	if cmd.Command != "" {
		if node = childNamed(root, cmd.Command); node == nil || node.Hidden {
			return withHint(usagef("there is no command %s", shown(cmd.Command)), "walletd --help lists them")
		}
	}
	out.printf("%s", manPage(root, node))
	return nil
}

func writePages(root *kong.Node, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, node := range append([]*kong.Node{root}, visibleChildren(root)...) {
		if err := os.WriteFile(filepath.Join(dir, pageName(node)+".1"), []byte(manPage(root, node)), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func visibleChildren(node *kong.Node) []*kong.Node {
	return slices.DeleteFunc(slices.Clone(node.Children), func(n *kong.Node) bool { return n.Hidden })
}

// pageName is walletd, or walletd-wallet.
func pageName(node *kong.Node) string { return strings.ReplaceAll(node.FullPath(), " ", "-") }

// manPage is the page of walletd itself (node is root) or of one of its commands, in man(7).
func manPage(root, node *kong.Node) string {
	var p roff
	b := readBuild()
	p.macro("TH", strings.ToUpper(pageName(node)), "1", b.Time[:min(len(b.Time), len(time.DateOnly))], "walletd "+b.Version, "walletd")
	p.macro("SH", "NAME")
	p.line(pageName(node) + ` \- ` + escapeRoff(lowerFirst(strings.TrimSuffix(firstSentence(node.Help), "."))))
	p.macro("SH", "SYNOPSIS")
	if node == root {
		p.line(`\fBwalletd\fR \fIcommand\fR [\fIflags\fR]`)
		p.ofItself(root)
		return p.String()
	}
	leaves := node.Leaves(true)
	if len(leaves) == 0 {
		leaves = []*kong.Node{node}
	}
	for i, leaf := range leaves {
		if i > 0 {
			p.macro("br")
		}
		p.line(synopsis(leaf))
	}
	p.macro("SH", "DESCRIPTION")
	p.text(node.Help)
	p.detail(node)
	shared := sharedFlags(leaves)
	for _, leaf := range leaves {
		if leaf != node {
			p.macro("SS", leaf.FullPath())
			p.text(leaf.Help)
			p.detail(leaf)
		}
		p.arguments(leaf)
		p.flags(leaf.Flags, shared)
	}
	if len(shared) > 0 {
		p.macro("SH", "FLAGS OF EACH OF THESE COMMANDS")
		p.flags(leaves[0].Flags, exceptFlags(leaves[0].Flags, shared))
	}
	p.macro("SH", "SEE ALSO")
	p.line(`\fBwalletd\fR(1), which has the flags of every command, the environment and the exit codes`)
	return p.String()
}

// ofItself writes what walletd(1) alone has.
func (p *roff) ofItself(root *kong.Node) {
	p.macro("SH", "DESCRIPTION")
	p.text(root.Help)
	p.macro("SH", "COMMANDS")
	for _, n := range visibleChildren(root) {
		p.macro("TP")
		p.line(`\fB` + escapeRoff(pageName(n)) + `\fR(1)`)
		p.text(n.Help)
	}
	p.macro("SH", "FLAGS OF EVERY COMMAND")
	p.flags(root.Flags, nil)
	p.macro("SH", "ENVIRONMENT")
	variables := environment(root)
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		p.macro("TP")
		p.line(`\fB` + escapeRoff(name) + `\fR`)
		p.text(variables[name])
	}
	p.macro("SH", "EXIT STATUS")
	for _, e := range []struct {
		code int
		what string
	}{
		{exitOK, "It is done."},
		{exitFailed, "It failed, or the service refused it. The standard error says why, and what to try next; with --json as one JSON object."},
		{exitUsage, "The command line is not valid."},
		{exitPending, "The owner has been asked and has not answered yet."},
	} {
		p.macro("TP")
		p.line(fmt.Sprintf(`\fB%d\fR`, e.code))
		p.text(e.what)
	}
	p.macro("SH", "FILES")
	p.macro("TP")
	p.line(`\fI` + escapeRoff("./"+devDir) + `\fR`)
	p.text("What walletd serve --dev leaves for the other commands, in the directory where it runs: its address and its tokens. It removes them when it stops.")
}

// environment says what each variable is for: in the words of the flag that it stands for, or here.
func environment(root *kong.Node) map[string]string {
	variables := map[string]string{
		"WALLETD_TOKEN":      "The token to speak to the service with.",
		"WALLETD_TOKEN_FILE": "A file with the token, which only its owner may read.",
	}
	for _, node := range append(root.Leaves(true), root) {
		for _, f := range node.Flags {
			for _, name := range f.Envs {
				if variables[name] == "" {
					variables[name] = "Stands for --" + f.Name + ". " + f.Help
				}
			}
		}
	}
	return variables
}

// synopsis is one command line.
func synopsis(leaf *kong.Node) string {
	var b strings.Builder
	fmt.Fprintf(&b, `\fB%s\fR`, escapeRoff(leaf.FullPath()))
	for _, f := range leaf.Flags {
		if f.Required {
			fmt.Fprintf(&b, ` \fB\-\-%s\fR \fI%s\fR`, escapeRoff(f.Name), escapeRoff(f.FormatPlaceHolder()))
		}
	}
	for _, a := range leaf.Positional {
		name := `\fI` + escapeRoff(a.Name) + `\fR`
		if a.IsCumulative() {
			name += " ..."
		}
		if !a.Required {
			name = "[" + name + "]"
		}
		b.WriteString(" " + name)
	}
	b.WriteString(` [\fIflags\fR]`)
	return b.String()
}

// sharedFlags names the flags that all of several commands have alike.
func sharedFlags(leaves []*kong.Node) map[string]bool {
	shared := map[string]bool{}
	if len(leaves) < 2 {
		return shared
	}
	for _, f := range leaves[0].Flags {
		shared[f.Name] = !slices.ContainsFunc(leaves[1:], func(n *kong.Node) bool {
			return !slices.ContainsFunc(n.Flags, func(g *kong.Flag) bool { return g.Name == f.Name && g.Help == f.Help })
		})
	}
	maps.DeleteFunc(shared, func(_ string, is bool) bool { return !is })
	return shared
}

func exceptFlags(flags []*kong.Flag, shared map[string]bool) map[string]bool {
	rest := map[string]bool{}
	for _, f := range flags {
		rest[f.Name] = !shared[f.Name]
	}
	return rest
}

// roff is a page that is being written.
type roff struct{ strings.Builder }

func (p *roff) line(s string) { p.WriteString(s + "\n") }

func (p *roff) macro(name string, args ...string) {
	p.WriteString("." + name)
	for _, a := range args {
		p.WriteString(` "` + escapeRoff(a) + `"`)
	}
	p.WriteString("\n")
}

// text is a paragraph's worth of plain text.
func (p *roff) text(s string) {
	if s != "" {
		p.line(`\&` + escapeRoff(s))
	}
}

// detail writes what a command's --help says besides: paragraphs, and lines that are indented.
func (p *roff) detail(node *kong.Node) {
	for paragraph := range strings.SplitSeq(strings.TrimSpace(node.Detail), "\n\n") {
		if paragraph == "" {
			continue
		}
		p.macro("PP")
		if !strings.HasPrefix(paragraph, "    ") {
			p.text(strings.ReplaceAll(paragraph, "\n", " "))
			continue
		}
		p.macro("nf")
		for line := range strings.SplitSeq(paragraph, "\n") {
			p.text(line)
		}
		p.macro("fi")
	}
}

func (p *roff) arguments(node *kong.Node) {
	for _, a := range node.Positional {
		p.macro("TP")
		p.line(`\fI` + escapeRoff(a.Name) + `\fR`)
		p.text(a.Help)
	}
}

// flags writes flags, but for those that are left out: first those of no group, then each group
// under its title.
func (p *roff) flags(flags []*kong.Flag, leftOut map[string]bool) {
	flags = slices.Clone(flags)
	slices.SortStableFunc(flags, func(a, b *kong.Flag) int {
		grouped := func(f *kong.Flag) int { return min(1, len(groupTitle(f))) }
		return grouped(a) - grouped(b)
	})
	title := ""
	for _, f := range flags {
		if f.Hidden || leftOut[f.Name] {
			continue
		}
		if t := groupTitle(f); t != title {
			title = t
			p.macro("PP")
			p.text(title)
		}
		p.macro("TP")
		name := `\fB\-\-` + escapeRoff(f.Name) + `\fR`
		if f.Short != 0 {
			name = `\fB\-` + string(f.Short) + `\fR, ` + name
		}
		if !f.IsBool() {
			name += ` \fI` + escapeRoff(f.FormatPlaceHolder()) + `\fR`
		}
		p.line(name)
		p.text(cmp.Or(f.Help, "See above."))
		if len(f.Envs) > 0 {
			p.text("Environment: " + strings.Join(f.Envs, ", ") + ".")
		}
	}
}

func groupTitle(f *kong.Flag) string {
	if f.Group == nil {
		return ""
	}
	return f.Group.Title
}

// escapeRoff makes text mean itself in a page, in ASCII.
func escapeRoff(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\\':
			b.WriteString(`\e`)
		case r == '-':
			b.WriteString(`\-`)
		case r == '"':
			b.WriteString(`\(dq`)
		case r == '\'':
			b.WriteString(`\(aq`)
		case r == '`':
			b.WriteString(`\(ga`)
		case r == '^':
			b.WriteString(`\(ha`)
		case r == '~':
			b.WriteString(`\(ti`)
		case r > 126:
			fmt.Fprintf(&b, `\[u%04X]`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func firstSentence(s string) string {
	sentence, _, _ := strings.Cut(s, ". ")
	return sentence
}

func lowerFirst(s string) string {
	if len(s) > 1 && s[1] >= 'a' && s[1] <= 'z' || strings.HasPrefix(s, "A ") {
		return strings.ToLower(s[:1]) + s[1:]
	}
	return s
}
