package store

// Receipt proves that an entry is on record: only a Commit that succeeded makes one other than the
// zero Receipt, so whoever holds one knows that the entry is durable. What the entry is for, its
// kind says; the receipt says whether an entry of that kind releases something.
type Receipt struct {
	chain    string
	seq      int64
	releases bool
}

// Chain names the chain that the entry is on: a wallet, or ServiceChain. "" for the zero Receipt.
func (r Receipt) Chain() string { return r.chain }

// Seq is the number of the entry on its chain. 0 for the zero Receipt.
func (r Receipt) Seq() int64 { return r.seq }

// Releases reports whether the entry allows something secret to leave the wallet.
func (r Receipt) Releases() bool { return r.releases }
