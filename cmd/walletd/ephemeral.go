package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/rs/zerolog"

	"walletd/internal/connect"
	"walletd/internal/store"
)

// ephemeral runs a service with a new wallet for as long as do takes, and keeps nothing of it. do
// speaks to it as to any other, as the wallet's owner.
func ephemeral(ctx context.Context, out connect.ClientConfig, do func(*client) error) error {
	dir, err := os.MkdirTemp("", "walletd-")
	if err != nil {
		return fmt.Errorf("making a place for the wallet: %w", err)
	}
	defer os.RemoveAll(dir)
	plan, err := listenFlags{Listen: "127.0.0.1:0"}.plan()
	if err != nil {
		return err
	}
	url := "sqlite:" + filepath.Join(dir, "data", storeFile)
	s, err := openService(ctx, url, store.Options{Create: true, Dev: true}, plan, loopbackToo(out), zerolog.Nop())
	if err != nil {
		return err
	}
	defer s.close()
	v, err := s.devWallet(ctx)
	if err != nil {
		return fmt.Errorf("making the wallet: %w", err)
	}
	listeners, err := plan.listen(ctx)
	if err != nil {
		return err
	}
	serving, stop := context.WithCancel(context.WithoutCancel(ctx)) // until do has ended, which may have an app to tell
	var service sync.WaitGroup
	service.Go(func() { err = s.serve(serving, listeners, func(context.Context) {}) })
	failed := do(newClient("http://"+listeners[0].Addr().String(), secret{b: []byte(v.OwnerToken)}))
	stop()
	service.Wait()
	if failed != nil {
		return failed
	}
	return err
}
