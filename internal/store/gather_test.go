package store

import (
	"testing"
	"time"

	"walletd/internal/wallettest/postgres"
)

// gatherer is a committer that gathers, and writes nothing, after a group of so many whose writing took long enough for
// others to wait.
func gatherer(t *testing.T, last int) *committer {
	s := mustOpen(t, postgres.Start(t), Options{Create: true})
	return &committer{store: s, queue: make(chan *job, maxQueue), last: last, took: time.Second, followed: true}
}

// Nearly all whom a group may be of came: the next waits for all again.
func TestAGroupIsOfThoseWhoWaitedAndWhoComeBack(t *testing.T) {
	c := gatherer(t, 3)
	for range 3 {
		for range 15 {
			c.queue <- new(job)
		}
		if jobs := c.gather(new(job)); len(jobs) != 16 || !c.merged || c.apart != 0 {
			t.Errorf("it has %d, and the next %d do not wait", len(jobs), c.apart)
		}
	}
}

// The callers of the last group stay away: fewer and fewer groups wait for them.
func TestAGroupDoesNotWaitForWhoStaysAway(t *testing.T) {
	c := gatherer(t, 8)
	waited := 0
	for range 200 {
		if c.apart == 0 {
			waited++
		}
		c.last, c.followed = 8, true
		c.queue <- new(job)
		if jobs := c.gather(new(job)); len(jobs) != 2 {
			t.Fatalf("it has %d", len(jobs))
		}
	}
	if waited > 10 {
		t.Errorf("%d of 200 waited", waited)
	}
}
