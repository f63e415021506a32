package derive

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type wordVectors struct {
	Vectors []struct{ Entropy, Words, Seed string }
}

func loadWords(t testing.TB) wordVectors {
	var v wordVectors
	load(t, "bip39-english.json", &v)
	if len(v.Vectors) != 24 {
		t.Fatalf("found %d BIP-39 vectors, want 24", len(v.Vectors))
	}
	return v
}

func TestWordsFollowTheOfficialVectors(t *testing.T) {
	for _, v := range loadWords(t).Vectors {
		entropy := unhex(t, v.Entropy)
		if got := string(wordsOf(entropy).Reveal()); got != v.Words {
			t.Errorf("entropy %s: words differ:\n%s", v.Entropy, cmp.Diff(v.Words, got))
		}
		words, err := ParseWords([]byte(v.Words))
		if err != nil {
			t.Errorf("entropy %s: %v", v.Entropy, err)
			continue
		}
		if got := hex.EncodeToString(words.seed("TREZOR").Reveal()); got != v.Seed {
			t.Errorf("entropy %s: seed %s, want %s", v.Entropy, got, v.Seed)
		}
	}
}

func TestParseWords(t *testing.T) {
	const about = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about"
	accept := map[string]string{
		"takes lines, tabs and wide blanks":  "\n\tabandon\u3000" + strings.ReplaceAll(about[len("abandon "):], " ", "\u00a0\r\n") + "  ",
		"takes the capitals of a phone":      "Abandon " + strings.ToUpper(about[len("abandon "):]),
		"takes the phrase as it is":          about,
		"takes 4 KiB that are mostly blanks": about + strings.Repeat(" ", maxWordsText-len(about)),
	}
	for name, text := range accept {
		t.Run(name, func(t *testing.T) {
			words, err := ParseWords([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			if got := string(words.Reveal()); got != about {
				t.Errorf("got another phrase: %q", got)
			}
		})
	}

	eleven := strings.Repeat("abandon ", 11)
	refuse := []struct {
		name, text string
		want       error
	}{
		{"refuses nothing", "", ErrWordCount},
		{"refuses blanks", " \n\t", ErrWordCount},
		{"refuses eleven words", eleven, ErrWordCount},
		{"refuses thirteen words", about + " abandon", ErrWordCount},
		{"refuses nine words whose checksum is right", string(wordsOf(make([]byte, 12)).Reveal()), ErrWordCount},
		{"refuses twenty-seven words", strings.Repeat("abandon ", 27), ErrWordCount},
		{"refuses a text over 4 KiB", about + strings.Repeat(" ", maxWordsText), ErrWordCount},
		{"refuses a wrong checksum", eleven + "abandon", ErrChecksum},
		{"refuses exchanged words", "about " + eleven, ErrChecksum},
		{"names the place of an unknown word", "abandon abandom " + about[len("abandon abandon "):], ErrUnknownWord{2}},
		{"refuses an abbreviation", eleven + "abou", ErrUnknownWord{12}},
		{"refuses a Kelvin sign for a k", eleven + "\u212aidney", ErrUnknownWord{12}},
		{"refuses a full-width letter", eleven + "\uff41bout", ErrUnknownWord{12}},
		{"refuses bytes that are no text", eleven + "\xff", ErrUnknownWord{12}},
	}
	for _, c := range refuse {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseWords([]byte(c.text))
			if !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if strings.Contains(err.Error(), "aband") {
				t.Errorf("the error quotes a word: %v", err)
			}
		})
	}
}

func TestNewWords(t *testing.T) {
	one, err := NewWords()
	if err != nil {
		t.Fatal(err)
	}
	two, err := NewWords()
	if err != nil {
		t.Fatal(err)
	}
	if n := len(bytes.Fields(one.Reveal())); n != 24 {
		t.Errorf("drew %d words, want 24", n)
	}
	if one.Equal(two.Bytes) {
		t.Error("drew the same words twice")
	}
	if _, err := ParseWords(one.Reveal()); err != nil {
		t.Errorf("cannot read back what was drawn: %v", err)
	}
	one.Wipe()
	if !one.IsZero() {
		t.Error("the words are still there after Wipe")
	}
	for _, none := range []Words{one, {}} {
		if none.Seed().Reveal() != nil {
			t.Error("made a seed of no words")
		}
	}
}

func FuzzParseWords(f *testing.F) {
	for _, v := range loadWords(f).Vectors {
		f.Add(v.Words)
	}
	f.Add("Zoo zoo\tzoo zoo zoo zoo zoo zoo zoo zoo zoo wrong\n")
	f.Fuzz(func(t *testing.T, text string) {
		words, err := ParseWords([]byte(text))
		if err != nil {
			return
		}
		again, err := ParseWords(words.Reveal())
		if err != nil || !again.Equal(words.Bytes) {
			t.Fatalf("%q does not survive a round trip: %v", text, err)
		}
		if want := strings.ToLower(strings.Join(strings.Fields(text), " ")); string(words.Reveal()) != want {
			t.Fatalf("%q became %q", text, words.Reveal())
		}
	})
}
