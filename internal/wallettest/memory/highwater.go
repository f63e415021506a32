package memory

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

// HighWater returns by how many bytes the heap that is in use was larger at its largest, while f ran, than before it.
// It collects garbage often meanwhile, so that only what somebody holds counts. Nothing else may run at the same time:
// the test that calls it is not parallel.
func HighWater(t testing.TB, f func()) int64 {
	t.Helper()
	defer debug.SetGCPercent(debug.SetGCPercent(10))
	runtime.GC()
	before := live()
	largest := before
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				largest = max(largest, live())
			}
		}
	}()
	f()
	close(done)
	<-ended
	return max(largest, live()) - before
}

// live is the heap that the last collection found to be in use, in bytes.
func live() int64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64())
}
