//go:build !goexperiment.runtimesecret

package secret

// Do runs f. Built with GOEXPERIMENT=runtimesecret it also erases the registers, stack and heap that f
// used (do.go); here what a package allocates itself is wiped by hand, and copies inside libraries stay
// until their memory is used again, or swept (Sweep).
func Do(f func()) { f() }
