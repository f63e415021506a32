package pages

import (
	"regexp"
	"slices"
	"strings"
)

// notes returns sentences that the wallet wrote about a request in the language of the page. They are kept in English,
// since the digest of an approval covers them; the messages of a language have a translation for each, under note and
// the sentence, in which {1} stands for what is filled in. A sentence without one stays as it is.
func (l *language) notes(sentences []string) []string {
	all := make([]string, len(sentences))
	for i, sentence := range sentences {
		all[i] = l.note(sentence)
	}
	return all
}

func (l *language) note(sentence string) string {
	for _, n := range l.sentences() {
		if words := n.english.FindStringSubmatch(sentence); words != nil {
			text := n.here
			for i, word := range words[1:] {
				text = strings.ReplaceAll(text, "{"+string(rune('1'+i))+"}", word)
			}
			return text
		}
	}
	return sentence
}

// noted is one sentence that the wallet writes, and what it is in a language.
type noted struct {
	english *regexp.Regexp
	here    string
}

const notePrefix = "note: "

// readNotes finds the sentences among the messages.
func readNotes(messages map[string]string) []noted {
	var all []noted
	for key, text := range messages {
		sentence, is := strings.CutPrefix(key, notePrefix)
		if !is {
			continue
		}
		pattern := regexp.QuoteMeta(sentence)
		for _, place := range []string{"1", "2", "3"} {
			pattern = strings.ReplaceAll(pattern, `\{`+place+`\}`, `(.+)`)
		}
		all = append(all, noted{regexp.MustCompile("^" + pattern + "$"), text})
	}
	// Of two that fit, the longer says more.
	slices.SortFunc(all, func(a, b noted) int { return len(b.english.String()) - len(a.english.String()) })
	return all
}
