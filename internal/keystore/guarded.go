//go:build goexperiment.runtimesecret

package keystore

import "runtime/secret"

// guarded runs f and erases what it left behind: registers and stack at once,
// heap as soon as the collector finds it unused. Within another guarded it just
// runs f, because erasing costs microseconds and the outer one does it.
func guarded(f func()) {
	if secret.Enabled() {
		f()
		return
	}
	secret.Do(f)
}
