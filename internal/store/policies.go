package store

import "context"

// Policy is a wallet's rules.
type Policy struct {
	Wallet  string
	Version int64 // 1 at first, then one more each time
	Sealed  []byte
	Updated int64
}

func (p *Policy) columns() []column {
	return []column{
		plain("wallet", &p.Wallet),
		plain("version", &p.Version),
		plain("sealed", &p.Sealed),
		plain("updated", &p.Updated),
	}
}

func (Policy) Table() string { return "policies" }
func (p Policy) Key() string { return p.Wallet }

// Content is the sealed field of the row, and its name in the associated data.
func (p Policy) Content() (field string, sealed []byte) { return "rules", p.Sealed }

var (
	getPolicy    = reads[Policy]("policy")
	insertPolicy = writes[Policy]("insert policy")
	updatePolicy = writes[Policy]("update policy")
)

// Policy reads a wallet's policy, or ErrNotFound.
func (s *Store) Policy(ctx context.Context, wallet string) (Policy, error) {
	return one(ctx, s, getPolicy, wallet)
}

// PutPolicy replaces the wallet's policy if p.Version is one more than that of
// the policy there (1 if there is none); else ErrChanged. Raises.
func PutPolicy(p Policy) Write {
	if p.Version == 1 {
		return raising(p.Wallet, insertPolicy.row(p, ErrChanged))
	}
	return raising(p.Wallet, updatePolicy.row(p, ErrChanged))
}
