package keystore

import (
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"golang.org/x/crypto/argon2"

	"walletd/internal/secret"
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

// What new slots cost unless Options says otherwise. The memory is the floor and
// the ceiling: it must be there at each unlock, also in a small container.
const (
	newMemoryKiB = 64 << 10
	newThreads   = 4
	fewestPasses = 3
	unlockTime   = 500 * time.Millisecond
)

func (p Argon2Params) within() bool {
	return p.MemoryKiB >= minMemoryKiB && p.MemoryKiB <= maxMemoryKiB &&
		p.Time >= 1 && p.Time <= maxPasses && p.Threads >= 1 && p.Threads <= maxThreads
}

// weak tells whether a guess costs less than the least that calibrate gives.
func (p Argon2Params) weak() bool {
	return p.MemoryKiB < newMemoryKiB || p.Time < fewestPasses
}

// stretch gives the key of a passphrase. The params must be within bounds.
func (p Argon2Params) stretch(passphrase, salt []byte) *[keySize]byte {
	var key []byte
	secret.Do(func() { key = argon2.IDKey(passphrase, salt, p.Time, p.MemoryKiB, p.Threads, keySize) })
	return (*[keySize]byte)(key)
}

// calibrate finds how many passes over 64 MiB take about half a second here.
//
// Fresh memory costs more than a pass over it, since the system clears each page
// when it is first touched; whoever guesses pays that once for all guesses. So
// the passes are timed over memory that is mapped: a first one maps it, and what
// was used is collected before each of the others, which then take it again.
func calibrate() Argon2Params {
	p := Argon2Params{MemoryKiB: newMemoryKiB, Time: 1, Threads: uint8(min(newThreads, runtime.GOMAXPROCS(0)))}
	defer debug.FreeOSMemory()
	pass := func() time.Duration {
		runtime.GC()
		start := time.Now()
		p.stretch(nil, make([]byte, saltSize))
		return time.Since(start)
	}
	pass()
	p.Time = passesFor(pass(), pass(), pass())
	return p
}

// passesFor says how many passes a slot costs where one took so long. The
// shortest counts, since whatever else the machine does only adds to it.
func passesFor(measured ...time.Duration) uint32 {
	passes := unlockTime / max(slices.Min(measured), time.Millisecond)
	return uint32(min(max(passes, fewestPasses), maxPasses))
}
