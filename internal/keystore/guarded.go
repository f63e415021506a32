//go:build goexperiment.runtimesecret

package keystore

import "runtime/secret"

// guarded runs f and erases what it left behind: registers and stack at once,
// heap as soon as the collector finds it unused.
func guarded(f func()) { secret.Do(f) }
