package server

import (
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// bitesEvery is how often the log says that a limit bites.
const bitesEvery = 10 * time.Second

// limits counts when a limit bites, and says so in the log, each limit once in a while.
type limits struct {
	metrics *Metrics
	log     zerolog.Logger

	mu   sync.Mutex
	last map[string]bitten
}

// bitten is when the log last said that a limit bites, and how often it has since.
type bitten struct {
	said time.Time
	more int
}

// bite notes that a limit was reached. Its name is one of ours.
func (l *limits) bite(limit string) {
	l.metrics.limited(limit)
	if times := l.due(limit); times > 0 {
		l.log.Warn().Str("limit", limit).Int("times", times).Msg("a limit is reached")
	}
}

// due returns how often a limit was reached since the log last said so, or 0 if it said so lately.
func (l *limits) due(limit string) (times int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.last[limit]
	if b.more++; time.Since(b.said) >= bitesEvery {
		times, b = b.more, bitten{said: time.Now()}
	}
	if l.last == nil {
		l.last = map[string]bitten{}
	}
	l.last[limit] = b
	return times
}
