package store

import "context"

// End is where a chain ends: its newest entry. Seq is 0 when it has none.
type End struct {
	Chain string
	Seq   int64
	Hash  []byte
	Time  int64 // milliseconds; the newest of the chain
	Grown int64 // Time in steps of growthStep
	Due   int64 // Grown of the first entry, at least 1, since the chain's last signed head; 0: that is of the end
}

// growthStep is the step of Grown, in milliseconds. The chains that have grown, and those without a head, are found by
// Grown and Due, which have indexes and change seldom: not with each entry, as Time does.
const growthStep = 4096

// moveTo moves the end to an entry that follows.
func (e *End) moveTo(r Record) {
	e.Seq, e.Hash, e.Time = r.Seq, r.Hash, max(e.Time, r.Time)
	e.Grown = e.Time / growthStep
	if e.Due == 0 {
		e.Due = max(1, e.Grown)
	}
}

func (e *End) columns() []column {
	return []column{
		plain("chain", &e.Chain),
		plain("seq", &e.Seq),
		plain("hash", &e.Hash),
		plain("time", &e.Time),
		plain("grown", &e.Grown),
		plain("due", &e.Due),
	}
}

func (End) Table() string { return "chains" }

var (
	chainEnd       = reads[End]("chain end")
	unsignedChains = reads[End]("unsigned chains")
	grownChains    = reads[End]("grown chains")
	moveChain      = writes[End]("move chain")
	moveChainTime  = writes[End]("move chain and time")
	takeChain      = statement("take chain")
	insertChain    = writes[End]("insert chain")
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

// Unsigned reads up to limit chains whose end has no head yet, after the one given, those that have waited longest
// first. The zero End is before all of them.
func (s *Store) Unsigned(ctx context.Context, after End, limit int) ([]End, error) {
	return many(ctx, s, unsignedChains, after.Due, after.Chain, limit)
}

// GrownAtOnce is how many chains Grown returns at most.
const GrownAtOnce = 1000

// Grown reads the chains that grew at the time since (milliseconds) or later, at most GrownAtOnce,
// those that grew first first.
func (s *Store) Grown(ctx context.Context, since int64) ([]End, error) {
	return many(ctx, s, grownChains, since/growthStep, since)
}
