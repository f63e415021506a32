package store

// Each row's columns, in the order in which every query names them.

func (k *Keystore) fields() []any {
	return []any{&k.ID, &k.Generation, &k.Epoch, &k.SealedOldRoot, &k.SealedService, &k.Failures, &k.LastFailure, &k.Dev, &k.Check}
}

func (s *Slot) fields() []any {
	return []any{&s.ID, &s.Kind, &s.Name, &s.Params, &s.Sealed, &s.Generation, &s.Created, &s.MAC}
}

func (w *Wallet) fields() []any {
	return []any{&w.ID, &w.Generation, &w.SealedKey, &w.Sealed, &w.Version, &w.Created}
}

func (a *Account) fields() []any {
	return []any{&a.Wallet, &a.Address, &a.App, &a.Path, &a.Type, &a.Sealed, &a.Created}
}

func (p *Policy) fields() []any {
	return []any{&p.Wallet, &p.Version, &p.Sealed, &p.Updated}
}

func (t *Token) fields() []any {
	return []any{&t.ID, &t.Role, &t.Wallet, &t.App, &t.Name, &t.Origins, &t.Hash, &t.Created, &t.Expires, &t.Revoked, &t.LastUsed, &t.MAC}
}

func (a *App) fields() []any {
	return []any{&a.Wallet, &a.App, &a.State, &a.Sealed, &a.Created, &a.MAC}
}

func (a *Approval) fields() []any {
	return []any{&a.ID, &a.Wallet, &a.App, &a.Agent, &a.Asker, &a.State, &a.Code, &a.Digest, &a.Created, &a.Expires,
		&a.Decided, &a.DecidedBy, &a.Sealed, &a.Answer, &a.MAC}
}

func (g *Grant) fields() []any {
	return []any{&g.ID, &g.Wallet, &g.App, &g.Agent, &g.Approval, &g.Created, &g.Ends, &g.Uses, &g.Revoked, &g.Sealed, &g.MAC}
}

func (d *Delegation) fields() []any {
	return []any{&d.Wallet, &d.Hash, &d.FromAddr, &d.ToAddr, &d.Expires, &d.Approved, &d.Revoked, &d.Sealed, &d.MAC}
}

func (r *Record) fields() []any {
	return []any{&r.Chain, &r.Seq, &r.ID, &r.Time, &r.Kind, &r.Sealed, &r.Prev, &r.Hash}
}

func (e *End) fields() []any {
	return []any{&e.Chain, &e.Seq, &e.Hash, &e.Time}
}

func (h *Head) fields() []any {
	return []any{&h.Chain, &h.Seq, &h.Hash, &h.Time, &h.PublicKey, &h.Signature}
}

func (n *Nonce) fields() []any {
	return []any{&n.Wallet, &n.Issuer, &n.JTI, &n.Until}
}

func (r *Request) fields() []any {
	return []any{&r.Token, &r.Route, &r.Key, &r.Digest, &r.Made, &r.Secret, &r.Created}
}

func (c *CallerRow) fields() []any {
	f := append(c.Token.fields(), &c.Epoch)
	f = append(f, c.Wallet.fields()...)
	f = append(f, &c.Newest)
	return append(f, c.Account.fields()...)
}

// values gives the columns as arguments of a query.
func values(fields []any) []any {
	args := make([]any, len(fields))
	for i, f := range fields {
		switch v := f.(type) {
		case *string:
			args[i] = *v
		case *int64:
			args[i] = *v
		case *[]byte:
			args[i] = *v
		case *bool:
			args[i] = *v
		}
	}
	return args
}
