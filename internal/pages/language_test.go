package pages

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"walletd/internal/claims"
	"walletd/internal/secrets"
	"walletd/internal/wallets"
	"walletd/web"
)

func readAll(t *testing.T) languages {
	t.Helper()
	files, err := readAssets()
	if err != nil {
		t.Fatal(err)
	}
	all, err := readLanguages(files, Brand{})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestEveryPageIsReadInEveryLanguage(t *testing.T) {
	for _, l := range readAll(t) {
		if len(l.pages) < 20 {
			t.Errorf("%s has %d pages; were they moved?", l.tag, len(l.pages))
		}
		for name, page := range l.pages {
			if _, err := page(); err != nil {
				t.Errorf("the page %s in %s: %v", name, l.tag, err)
			}
		}
	}
}

// place is where a message is filled in.
var place = regexp.MustCompile(`\{\d\}`)

func TestEveryLanguageHasEveryMessage(t *testing.T) {
	all := readAll(t)
	ours := func(l *language) []string {
		return slices.Sorted(maps.Keys(maps.Collect(func(yield func(string, string) bool) {
			for key, text := range l.messages {
				if !strings.HasPrefix(key, notePrefix) && !yield(key, text) {
					return
				}
			}
		})))
	}
	for _, l := range all[1:] {
		if diff := cmp.Diff(ours(all[0]), ours(l)); diff != "" {
			t.Errorf("%s (-en +%s)\n%s", l.tag, l.tag, diff)
		}
	}
	for _, l := range all {
		for key, text := range l.messages {
			want := all[0].messages[key]
			if sentence, is := strings.CutPrefix(key, notePrefix); is {
				want = sentence
			}
			places := func(text string) []string { return slices.Sorted(slices.Values(place.FindAllString(text, -1))) }
			if text == "" || !slices.Equal(places(text), places(want)) {
				t.Errorf("%s: %q is %q, and in English %q", l.tag, key, text, want)
			}
		}
	}
}

// called finds the messages that templates and the program name.
var called = regexp.MustCompile(`(?:\bt|has|text\() ?"([a-zA-Z]+\.[A-Za-z.]+)"|"((?:approval|open|problem|done|signIn)\.[A-Za-z]+)"`)

func TestEveryMessageThatIsCalledIsThere(t *testing.T) {
	messages := readAll(t)[0].messages
	found := 0
	look := func(name, text string) {
		for _, m := range called.FindAllStringSubmatch(text, -1) {
			found++
			if key := m[1] + m[2]; messages[key] == "" && !strings.HasSuffix(key, ".") {
				t.Errorf("%s calls %q, which no language has", name, key)
			}
		}
	}
	err := fs.WalkDir(web.Templates, ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			var text []byte
			text, err = web.Templates.ReadFile(name)
			look(name, string(text))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range sources {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(name, "_test.go") {
			look(name, string(text))
		}
	}
	if found < 100 {
		t.Errorf("%d messages are called; were the templates moved?", found)
	}
	for _, kind := range append(claims.Types(secrets.KeyInUse), secrets.Types()...) {
		if messages["claim."+kind.Name] == "" || messages["gives."+kind.Name] == "" {
			t.Errorf("no message says what the claim %s is, and what it gives", kind.Name)
		}
	}
	for _, item := range wallets.ProfileItems() {
		if messages["item."+item] == "" {
			t.Errorf("no message names the item %s", item)
		}
	}
	for _, state := range []string{"asked", "waiting", "answering", "done", "declined", "refused", "failed", "expired", "unknown"} {
		if messages["session."+state] == "" || messages["outcome."+state] == "" {
			t.Errorf("no message says that a session is %s", state)
		}
	}
}

func TestALanguageIsChosen(t *testing.T) {
	all := readAll(t)
	for name, c := range map[string]struct{ target, cookie, accept, want string }{
		"by what the browser prefers":           {"/", "", "fr, ja;q=0.8, en;q=0.5", "ja"},
		"by the language of a dialect":          {"/", "", "zh-Hant-TW", "zh"},
		"by the address of a web wallet":        {"/?action=login&locale=zh", "", "ja", "zh"},
		"by the person before all":              {"/?locale=zh", "ja", "en", "ja"},
		"as English where none is known":        {"/?locale=tlh", "xx", "fr", "en"},
		"as English where none can be read":     {"/", "", ";;q=,,;q=x", "en"},
		"not by what the browser does not want": {"/", "", "ja;q=0, en;q=0.1", "en"},
	} {
		t.Run(name, func(t *testing.T) {
			r := request(t, "GET", c.target, "")
			r.Header.Set("Accept-Language", c.accept)
			if c.cookie != "" {
				r.Header.Set("Cookie", languageCookie+"="+c.cookie)
			}
			if got := all.of(r).tag; got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// written finds the sentences that the wallet writes about requests: literals that are added to what is unusual. What is
// filled in stands between two of them.
var written = regexp.MustCompile(`(?:nusual = append\([^"\n]*|oteUntilApproved\(|Reason: +|RequireAsk\(|Once = |AlwaysAsk(?: =|:) +)("(?:[^"\\]|\\.)*"(?:\+(?:[^",)]*(?:\([^)]*\))*[^",)]*\+)?\s*"(?:[^"\\]|\\.)*")*)`)

func TestSentencesAboutRequestsAreTranslated(t *testing.T) {
	all := readAll(t)
	literal := regexp.MustCompile(`"((?:[^"\\]|\\.)*)"`)
	found := 0
	for _, dir := range []string{"claims", "consent", "secrets", "policy"} {
		files, err := filepath.Glob("../" + dir + "/*.go")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			for _, m := range written.FindAllStringSubmatch(string(text), -1) {
				var sentence strings.Builder
				end := 0
				for _, at := range literal.FindAllStringSubmatchIndex(m[1], -1) {
					if strings.Trim(m[1][end:at[0]], "+ \t\n") != "" {
						sentence.WriteString("zSomething")
					}
					sentence.WriteString(strings.ReplaceAll(m[1][at[2]:at[3]], "%d", "7"))
					end = at[1]
				}
				if strings.Contains(sentence.String(), "%w") { // of an error
					continue
				}
				for _, l := range all[1:] {
					found++
					text := sentence.String()
					begins := strings.HasSuffix(text, " ") // what goes on with a call
					for key := range l.messages {
						begins = begins && !strings.HasPrefix(key, notePrefix+text)
					}
					if got := l.note(text); got == text && (begins || !strings.HasSuffix(text, " ")) {
						t.Errorf("%s: %s has no translation of %q", name, l.tag, text)
					}
				}
			}
		}
	}
	if found < 40 {
		t.Errorf("%d sentences are found; were they moved?", found)
	}
}
