package store

import "context"

// End is where a chain ends: its newest entry. Seq is 0 when it has none.
type End struct {
	Chain string
	Seq   int64
	Hash  []byte
	Time  int64 // milliseconds; the newest of the chain
}

func (e *End) columns() []column {
	return []column{
		plain("chain", &e.Chain),
		plain("seq", &e.Seq),
		plain("hash", &e.Hash),
		plain("time", &e.Time),
	}
}

func (End) Table() string { return "chains" }

var (
	chainEnd       = reads[End]("chain end")
	unsignedChains = reads[End]("unsigned chains")
	grownChains    = reads[End]("grown chains")
	moveChain      = writes[End]("move chain")
	takeChain      = statement("take chain")
	newestTime     = statement("newest time")
	newestChain    = reads[End]("newest chain")
	lowerTimes     = statement("lower times")
)

// ChainEnd reads where a chain ends; the zero End of its name if it is empty.
func (s *Store) ChainEnd(ctx context.Context, chain string) (End, error) {
	ends, err := many(ctx, s, chainEnd, chain)
	if err != nil || len(ends) == 0 {
		return End{Chain: chain}, err
	}
	s.saw(ends[0].Time)
	return ends[0], nil
}

// Unsigned reads up to limit chains whose end has no head yet.
func (s *Store) Unsigned(ctx context.Context, limit int) ([]End, error) {
	return many(ctx, s, unsignedChains, limit)
}

// GrownAtOnce is how many chains Grown returns at most.
const GrownAtOnce = 1000

// Grown reads the chains that grew at the time since (milliseconds) or later, at most GrownAtOnce,
// those that grew first first.
func (s *Store) Grown(ctx context.Context, since int64) ([]End, error) {
	return many(ctx, s, grownChains, since)
}
