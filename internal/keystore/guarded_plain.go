//go:build !goexperiment.runtimesecret

package keystore

// guarded runs f. Built with GOEXPERIMENT=runtimesecret it also erases the
// registers, stack and heap that f used (guarded.go); here what the package
// allocates itself is wiped by hand, and copies inside libraries stay until
// their memory is used again.
func guarded(f func()) { f() }
