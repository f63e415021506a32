package store

import "context"

// Restored is what an entry says that was put on its chain by Restore. The
// entry's own Sealed is what its hash covers, and was sealed in another store.
type Restored struct {
	Chain  string
	Seq    int64
	Sealed []byte
}

func (r *Restored) columns() []column {
	return []column{
		plain("chain", &r.Chain),
		plain("seq", &r.Seq),
		plain("sealed", &r.Sealed),
	}
}

func (Restored) Table() string { return "restored" }

var (
	restoredRecord       = reads[Restored]("restored record")
	insertRestoredRecord = writes[Restored]("insert restored record")
)

// RestoredRecord reads what up to limit restored entries of a chain say, after
// the number given, in order.
func (s *Store) RestoredRecord(ctx context.Context, chain string, after int64, limit int) ([]Restored, error) {
	return many(ctx, s, restoredRecord, chain, after, min(limit, 1000))
}

// RestoredPage is RestoredRecord of fewer, but at least one, where they are long.
func (s *Store) RestoredPage(ctx context.Context, chain string, after int64, limit int) ([]Restored, error) {
	rows, _, err := page(ctx, s, restoredRecord, func(r Restored) int { return len(r.Sealed) }, chain, after, min(limit, walkRows))
	return rows, err
}
