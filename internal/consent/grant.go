package consent

import (
	"encoding/hex"
	"time"

	"walletd/internal/approvals"
	"walletd/internal/policy"
	"walletd/internal/store"
)

// grant returns the row of a grant for one claim. The grant ends at the earliest of its own end, the
// certificate's and the delegation's.
func (req *Request) grant(c *Claim, r approvals.Remember, approval string) (store.Grant, error) {
	content := policy.GrantContent{Claim: c.kind.Name, Account: c.Account.Address, SaltText: c.saltText, RequesterID: req.Caller.RequesterID, About: c.About}
	content.Bound = req.Caller.Bound && c.fact(req).OpensStorage()
	if c.Items != nil {
		content.Items = &c.Items
	}
	if c.hasSalt {
		salt := hex.EncodeToString(c.salt)
		content.Salt = &salt
	}
	row := store.Grant{
		ID: store.NewID(), Wallet: req.Caller.WalletID, App: req.Caller.App.Address(), Agent: req.Caller.Agent.Address(),
		Approval: approval, Created: req.Now.Unix(), Uses: -1,
	}
	if r.Times > 0 {
		row.Uses = r.Times
	}
	if r.Seconds > 0 {
		row.Ends = req.Now.Unix() + r.Seconds
	}
	if c.delegation != nil {
		content.Delegation = hex.EncodeToString(c.delegation.Hash[:])
		row.Ends = earliest(row.Ends, c.delegation.Expires)
	}
	if req.Caller.CertificateEnds != 0 {
		row.Ends = earliest(row.Ends, time.Unix(req.Caller.CertificateEnds, 0))
	}
	var err error
	if row.Sealed, err = req.Caller.Wallet.Seal(row, content); err != nil {
		return store.Grant{}, err
	}
	row.MAC = req.Caller.Wallet.MAC(row)
	return row, nil
}

// earliest returns the earlier of an end in unix seconds (zero: none) and t.
func earliest(end int64, t time.Time) int64 {
	if end == 0 || t.Unix() < end {
		return t.Unix()
	}
	return end
}
