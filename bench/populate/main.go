// Command populate makes a store of many wallets, to measure walletd by. Each wallet is made as the service makes it:
// its keys sealed, its audit log begun. Some of them, drawn at random from all, have an owner, an app with a token,
// and a rule that allows the app's encryption keys.
//
//	populate -wallets 1000000 -asked 10000 -store sqlite:big/walletd.db -tokens tokens -identity identity
//
// It writes the apps' tokens to one file, one a line, and the age identity that unlocks the store to the other.
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	"math/big"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"walletd/internal/auth"
	"walletd/internal/core"
	"walletd/internal/keystore"
	"walletd/internal/policy"
	"walletd/internal/store"
	"walletd/internal/wallets"
)

// atOnce is how many wallets are made at the same time: as many share a transaction.
const atOnce = 512

func main() {
	n := flag.Int("wallets", 100_000, "how many wallets the store is to have")
	asked := flag.Int("asked", 10_000, "how many of them have an app that a rule allows its keys; at most -wallets")
	url := flag.String("store", "", "URL of the store: sqlite:PATH or postgres://…; it must not exist, or be empty")
	tokens := flag.String("tokens", "tokens", "file for the tokens of the apps")
	identity := flag.String("identity", "identity", "file for the age identity that unlocks the store")
	flag.Parse()
	if err := run(context.Background(), *url, *n, min(*asked, *n), *tokens, *identity); err != nil {
		fmt.Fprintln(os.Stderr, "populate:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, url string, n, asked int, tokens, identity string) error {
	st, err := store.Open(ctx, url, store.Options{Create: true, Patience: time.Minute})
	if err != nil {
		return err
	}
	defer st.Close()
	m, err := newMaker(ctx, st, identity)
	if err != nil {
		return err
	}
	began := time.Now()
	wallets := make([]string, n)
	if err := m.each(n, func(i int) (err error) {
		wallets[i], err = m.wallet(ctx)
		return err
	}); err != nil {
		return fmt.Errorf("making the wallets: %w", err)
	}
	fmt.Fprintf(os.Stderr, "%d wallets in %v\n", n, time.Since(began).Round(time.Second))
	began = time.Now()
	texts := make([]string, asked)
	if err := m.each(asked, func(i int) error {
		draw, err := rand.Int(rand.Reader, big.NewInt(int64(n/asked)))
		if err == nil {
			texts[i], err = m.app(ctx, wallets[i*(n/asked)+int(draw.Int64())])
		}
		return err
	}); err != nil {
		return fmt.Errorf("making the apps: %w", err)
	}
	fmt.Fprintf(os.Stderr, "%d apps in %v\n", asked, time.Since(began).Round(time.Second))
	var out bytes.Buffer
	for _, text := range texts {
		fmt.Fprintln(&out, text)
	}
	if err := os.WriteFile(tokens, out.Bytes(), 0o600); err != nil {
		return err
	}
	return m.Ledger.SignHeads(ctx)
}

// maker makes wallets in a store that is unlocked.
type maker struct {
	*core.Core
	operator string // a token
}

// newMaker makes the keystore, which one age identity opens, and unlocks it.
func newMaker(ctx context.Context, st *store.Store, identity string) (*maker, error) {
	key, recipient, err := keystore.GenerateRecovery()
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(identity, append(key.Reveal(), '\n'), 0o600); err != nil {
		return nil, err
	}
	m := &maker{Core: core.New(st, core.Options{})}
	var row store.Token
	m.operator, row = auth.FirstToken(time.Now())
	if err := m.Keystore.Init(ctx, []keystore.NewSlot{{Name: "populate", Recipient: recipient}}, row); err != nil {
		return nil, err
	}
	return m, m.Keystore.Unlock(ctx, "walletd", key)
}

// each calls make with each number below n, some at once. The error is the first.
func (m *maker) each(n int, make func(i int) error) error {
	var next atomic.Int64
	var work sync.WaitGroup
	failed := new(atomic.Pointer[error])
	for range atOnce {
		work.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && failed.Load() == nil; i = int(next.Add(1)) - 1 {
				if err := make(i); err != nil {
					failed.CompareAndSwap(nil, &err)
				}
			}
		})
	}
	work.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

// as calls f with the caller that a token names.
func (m *maker) as(ctx context.Context, token string, f func(*auth.Caller) error) error {
	c, err := m.Auth.Authenticate(ctx, token)
	if err != nil {
		return err
	}
	defer c.Close()
	return f(c)
}

// wallet makes a wallet of a random seed, and returns its name.
func (m *maker) wallet(ctx context.Context) (name string, err error) {
	seed := make([]byte, 64)
	rand.Read(seed) // never fails
	err = m.as(ctx, m.operator, func(c *auth.Caller) error {
		made, err := m.Wallets.Create(ctx, c, wallets.NewWallet{Name: "somebody", Seed: seed})
		name = made.Wallet
		return err
	})
	return name, err
}

// app gives a wallet an owner, a rule that allows all encryption keys, and an app; it returns the app's token.
func (m *maker) app(ctx context.Context, wallet string) (token string, err error) {
	create := func(by string, n auth.NewToken) (text string, err error) {
		err = m.as(ctx, by, func(c *auth.Caller) error {
			created, err := m.Auth.CreateToken(ctx, c, n)
			text = created.Text
			return err
		})
		return text, err
	}
	owner, err := create(m.operator, auth.NewToken{Role: auth.Owner, Wallet: wallet, Name: "owner"})
	if err != nil {
		return "", err
	}
	if token, err = create(owner, auth.NewToken{Role: auth.App, Wallet: wallet, Name: "Notes"}); err != nil {
		return "", err
	}
	return token, m.as(ctx, owner, func(c *auth.Caller) error {
		_, err := m.Pipeline.SetPolicy(ctx, c, policy.Policy{Rules: []policy.Rule{{App: policy.Any, Claim: "encryptionKey", Decision: policy.Allow}}})
		return err
	})
}
