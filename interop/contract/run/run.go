// Package run is how the programs start and end: one JSON object in, JSON lines out (../README.md).
package run

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/mr-tron/base58"
)

// Input is what a program reads from standard input.
type Input struct{ URL, Token, Salt string }

// Pending is the line that says that the person is asked.
type Pending struct {
	ID      string    `json:"pending"`
	Code    string    `json:"code"`
	Expires time.Time `json:"expiresAt"`
}

type outcome struct {
	OK    bool     `json:"ok"`
	Asked bool     `json:"asked"`
	Keys  []string `json:"keys,omitempty"` // SHA-256 of each, hex
	Error string   `json:"error,omitempty"`
}

// Main reads the input, asks for a key in base58, and says of it what may be printed.
func Main(ask func(context.Context, Input, func(Pending)) (key string, err error)) {
	var o outcome
	say := json.NewEncoder(os.Stdout)
	err := func() error {
		var in Input
		if err := json.NewDecoder(os.Stdin).Decode(&in); err != nil {
			return err
		}
		text, err := ask(context.Background(), in, func(p Pending) {
			o.Asked = true
			say.Encode(p)
		})
		if err != nil {
			return err
		}
		digits, ok := strings.CutPrefix(text, "z")
		if !ok {
			return errors.New("the key is not in base58btc with its z")
		}
		key, err := base58.Decode(digits)
		if err != nil {
			return err
		}
		digest := sha256.Sum256(key)
		o.OK, o.Keys = len(key) == 32, []string{hex.EncodeToString(digest[:])}
		return nil
	}()
	if err != nil {
		o.Error = err.Error()
	}
	say.Encode(o)
	if !o.OK {
		os.Exit(1)
	}
}
