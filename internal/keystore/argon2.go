package keystore

import (
	"runtime"
	"runtime/debug"
	"time"

	"golang.org/x/crypto/argon2"
)

// Argon2Params is what it costs to open a passphrase slot (Argon2id, RFC 9106).
type Argon2Params struct {
	MemoryKiB uint32 // working memory in KiB
	Time      uint32 // passes over it
	Threads   uint8
}

// What may stand in a slot. The database may be anybody's, so the bounds are
// checked before a single pass is run; the lower one is under what we make, to
// open the slots of builds that made weaker ones.
const (
	minMemoryKiB = 8 << 10
	maxMemoryKiB = 1 << 20
	maxPasses    = 64
	maxThreads   = 16
)

// What new slots cost unless Options says otherwise.
const (
	newMemoryKiB = 64 << 10
	newThreads   = 4
	unlockTime   = 500 * time.Millisecond
)

func (p Argon2Params) within() bool {
	return p.MemoryKiB >= minMemoryKiB && p.MemoryKiB <= maxMemoryKiB &&
		p.Time >= 1 && p.Time <= maxPasses && p.Threads >= 1 && p.Threads <= maxThreads
}

// stretch gives the key of a passphrase. The params must be within bounds.
func (p Argon2Params) stretch(passphrase, salt []byte) *[keySize]byte {
	var key []byte
	guarded(func() { key = argon2.IDKey(passphrase, salt, p.Time, p.MemoryKiB, p.Threads, keySize) })
	return (*[keySize]byte)(key)
}

// calibrate finds how many passes over 64 MiB take about half a second here.
// Memory is not raised beyond that: it must be there at each unlock, also in a
// small container.
func calibrate() Argon2Params {
	p := Argon2Params{MemoryKiB: newMemoryKiB, Time: 1, Threads: uint8(min(newThreads, runtime.GOMAXPROCS(0)))}
	defer debug.FreeOSMemory()
	p.stretch(nil, make([]byte, saltSize)) // the first run pays for fresh memory
	start := time.Now()
	p.stretch(nil, make([]byte, saltSize))
	passes := unlockTime / max(time.Since(start), time.Millisecond)
	p.Time = uint32(min(max(passes, 1), maxPasses))
	return p
}
