// Command bound answers the claims that walletd's benchmark asks, with the work that no such service
// can do without and nothing else: chi, net/http and JSON, the token or the signatures, the keys, and
// one durable entry of the record. It has one wallet, whose facts are in memory, and one file that it
// appends to. It is what BenchmarkBound measures walletd against, and good for nothing else: it checks
// no rule, keeps no secret, and answers whoever asks.
package main

import (
	"encoding/gob"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/go-chi/chi/v5"
)

// Facts are what the wallet knows of who asks: made by the benchmark, read from standard input.
type Facts struct {
	Token     string // of the app
	App       []byte // its public key
	Delegator []byte // the public key of whoever delegates
	File      string // that the record is appended to
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bound:", err)
		os.Exit(1)
	}
}

func run() error {
	var facts Facts
	if err := gob.NewDecoder(os.Stdin).Decode(&facts); err != nil {
		return fmt.Errorf("reading the facts: %w", err)
	}
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1) // one for whoever waits for the disk
	debug.SetGCPercent(400)
	record, err := openRecord(facts.File)
	if err != nil {
		return err
	}
	w := newWallet(facts, record)
	router := chi.NewRouter()
	router.Post("/v1/claims", w.answer)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	return http.Serve(l, router)
}
