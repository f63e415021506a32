package derive

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"walletd/internal/secret"
)

const (
	newEntropy   = 32 // bytes behind the words of a new wallet: 24 words
	maxWords     = 24
	maxWordsText = 4 << 10 // bytes read of a phrase; 24 words with one blank are at most 215
	wordBits     = 11      // each word stands for 11 bits: 2048 words
	seedRounds   = 2048    // of PBKDF2, from BIP-39
)

var (
	// ErrWordCount says that a phrase has neither 12, 15, 18, 21 nor 24 words.
	ErrWordCount = errors.New("a phrase has 12, 15, 18, 21 or 24 words")
	// ErrChecksum says that all words exist but do not belong together: one was
	// mistaken for another, or two were exchanged.
	ErrChecksum = errors.New("the words do not belong together. Check their order and each spelling")
)

// ErrUnknownWord says which word of a phrase is not in the list. It names the
// place and never the word, because a mistyped secret is still a secret.
type ErrUnknownWord struct{ Position int } // from 1

func (e ErrUnknownWord) Error() string {
	return fmt.Sprintf("word %d is not in the English word list of BIP-39", e.Position)
}

// Words is the phrase a person keeps on paper: BIP-39, English, in lower case and
// with one blank between words. It never is a string, which could not be wiped.
type Words struct{ secret.Bytes }

// NewWords draws the 24 words of a new wallet from crypto/rand.
func NewWords() (Words, error) {
	entropy := make([]byte, newEntropy)
	defer clear(entropy)
	if _, err := rand.Read(entropy); err != nil {
		return Words{}, fmt.Errorf("drawing the words: %w", err)
	}
	return wordsOf(entropy), nil
}

// ParseWords reads a phrase as a person types it: any white space between and
// around the words, ASCII letters of either case. The list is ASCII, so the
// normalisation that BIP-39 asks for changes nothing in what passes. Errors are
// ErrWordCount, ErrUnknownWord and ErrChecksum. The text stays the caller's to wipe.
func ParseWords(text []byte) (Words, error) {
	if len(text) > maxWordsText {
		return Words{}, ErrWordCount
	}
	fields := bytes.Fields(text)
	if len(fields) < 12 || len(fields) > maxWords || len(fields)%3 != 0 {
		return Words{}, ErrWordCount
	}
	canonical := make([]byte, 0, len(text)+1)
	defer func() { clear(canonical) }()
	bits := make([]byte, (len(fields)*wordBits+7)/8)
	defer clear(bits)
	for i, field := range fields {
		at := len(canonical)
		canonical = appendLower(canonical, field)
		index, found := slices.BinarySearchFunc(wordList(), canonical[at:], func(known string, word []byte) int {
			return bytes.Compare([]byte(known), word)
		})
		if !found {
			return Words{}, ErrUnknownWord{Position: i + 1}
		}
		canonical = append(canonical, ' ')
		for b := range wordBits {
			if index>>(wordBits-1-b)&1 == 1 {
				at := i*wordBits + b
				bits[at/8] |= 0x80 >> (at % 8)
			}
		}
	}
	// 33 bits for every three words: 32 of entropy and one of checksum.
	w := wordsOf(bits[:len(fields)/3*4])
	if subtle.ConstantTimeCompare(w.Reveal(), canonical[:len(canonical)-1]) != 1 {
		w.Wipe()
		return Words{}, ErrChecksum
	}
	return w, nil
}

// wordsOf writes entropy of 16, 20, 24, 28 or 32 bytes as words.
func wordsOf(entropy []byte) Words {
	sum := sha256.Sum256(entropy)
	bits := append(slices.Clone(entropy), sum[0]) // never more than 8 bits of checksum
	defer clear(bits)
	text := make([]byte, 0, maxWords*9) // never grown: no copy stays behind
	for i := range len(entropy) / 4 * 3 {
		index := 0
		for at := i * wordBits; at < (i+1)*wordBits; at++ {
			index = index<<1 | int(bits[at/8]>>(7-at%8)&1)
		}
		if i > 0 {
			text = append(text, ' ')
		}
		text = append(text, wordList()[index]...)
	}
	return Words{secret.New(text)}
}

// Seed stretches the words into the wallet's seed, with BIP-39's empty
// passphrase. Words that are zero or wiped give the zero Seed, since the seed of
// an empty phrase is known to everybody.
func (w Words) Seed() Seed { return w.seed("") }

func (w Words) seed(passphrase string) Seed {
	if w.IsZero() {
		return Seed{}
	}
	var seed []byte
	secret.Do(func() { seed = stretch(w.Reveal(), "mnemonic"+passphrase) })
	return Seed{secret.New(seed)}
}

// stretch is PBKDF2 with HMAC-SHA512, for a key of one block (RFC 8018, section
// 5.2). That of crypto/pbkdf2 takes the password as a string, and copies it.
func stretch(password []byte, salt string) []byte {
	h := hmac.New(sha512.New, password)
	h.Write([]byte(salt))
	h.Write([]byte{0, 0, 0, 1}) // the number of the block
	u := h.Sum(nil)
	defer clear(u)
	key := bytes.Clone(u)
	for range seedRounds - 1 {
		h.Reset()
		h.Write(u)
		u = h.Sum(u[:0])
		subtle.XORBytes(key, key, u)
	}
	return key
}

// appendLower folds A to Z alone: bytes.ToLower would also fold the Kelvin sign to
// a k.
func appendLower(b, word []byte) []byte {
	for _, c := range word {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		b = append(b, c)
	}
	return b
}

//go:embed english.txt
var english string

// wordList is BIP-39's English list, 2048 words in alphabetical order.
var wordList = sync.OnceValue(func() []string {
	return strings.Fields(english)
})
