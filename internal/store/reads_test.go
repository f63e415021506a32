package store

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// made opens a store with a keystore of epoch 0 and a wallet "w" of version 1.
func made(t testing.TB, s *Store) *Store {
	t.Helper()
	k := Keystore{ID: "k", Generation: 1, SealedService: []byte("service"), Check: []byte("check")}
	slots := []Slot{{ID: "s1", Kind: SlotPassphrase, Generation: 1}}
	op := Token{ID: "op", Role: RoleOperator, Hash: make([]byte, 32)}
	if err := s.InitKeystore(t.Context(), k, slots, op, entry("init")[0]); err != nil {
		t.Fatal(err)
	}
	must(t, s, ServiceChain, InsertWallet(Wallet{ID: "w", Generation: 1, SealedKey: []byte("key"), Sealed: []byte("content"), Created: 5}))
	return s
}

// must commits writes on a chain.
func must(t testing.TB, s *Store, chain string, writes ...Write) {
	t.Helper()
	if _, err := s.Commit(t.Context(), change(chain, writes...)); err != nil {
		t.Fatal(err)
	}
}

func TestReadsGiveWhatWasWritten(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := made(t, open())
		ctx := t.Context()
		var (
			slot       Slot
			account    Account
			policy     Policy
			token      Token
			app        App
			approval   Approval
			grant      Grant
			delegation Delegation
		)
		for i, r := range []any{&slot, &account, &policy, &token, &app, &approval, &grant, &delegation} {
			fill(r, 10*i)
			if f := reflect.ValueOf(r).Elem().FieldByName("Wallet"); f.IsValid() {
				f.SetString("w")
			}
		}
		policy.Version, approval.State, grant.Uses, grant.Ends, grant.Revoked = 1, Pending, -1, 0, 0
		approval.Expires = 1000
		token.Role, token.Expires, token.Revoked = RoleApp, 0, 0
		account.App, token.App = app.App, app.App
		must(t, s, ServiceChain, PutSlot(slot))
		must(t, s, "w", InsertAccount(account), PutPolicy(policy), InsertToken(token), PutApp(App{}, app),
			InsertApproval(approval, Budget{PerApp: 1, PerWallet: 1}), InsertGrant(grant), PutDelegation(Delegation{}, delegation))
		head := Head{Chain: "w", Seq: 1, Hash: []byte("h"), Time: 3, PublicKey: []byte("p"), Signature: []byte("s")}
		if err := s.PutHeads(ctx, head); err != nil {
			t.Error(err)
		}

		check := func(what string, want any, got any, err error) {
			t.Helper()
			if err != nil {
				t.Errorf("%s: %v", what, err)
			} else if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
				t.Errorf("%s (-want +got):\n%s", what, d)
			}
		}
		slots, err := s.Slots(ctx)
		check("Slots", []Slot{{ID: "s1", Kind: SlotPassphrase, Generation: 1}, slot}, slots, err)
		k, err := s.Keystore(ctx)
		check("Keystore", Keystore{ID: "k", Generation: 1, SealedService: []byte("service"), Check: []byte("check")}, k, err)
		wallet := Wallet{ID: "w", Generation: 1, SealedKey: []byte("key"), Sealed: []byte("content"), Created: 5, Version: 7}
		w, err := s.Wallet(ctx, "w")
		check("Wallet", wallet, w, err)
		ws, _, err := s.Wallets(ctx, Page{})
		check("Wallets", []Wallet{wallet}, ws, err)
		ws, err = s.StaleWallets(ctx, 2, 10)
		check("StaleWallets", []Wallet{wallet}, ws, err)
		a, err := s.Account(ctx, "w", account.Address)
		check("Account", account, a, err)
		a, err = s.AccountOf(ctx, "w", account.App, account.Type)
		check("AccountOf", account, a, err)
		as, _, err := s.Accounts(ctx, "w", Page{})
		check("Accounts", []Account{account}, as, err)
		owner, err := s.PathOwner(ctx, "w", account.Path)
		check("PathOwner", account.App, owner, err)
		p, err := s.Policy(ctx, "w")
		check("Policy", policy, p, err)
		tok, err := s.Token(ctx, token.ID)
		check("Token", token, tok, err)
		toks, _, err := s.Tokens(ctx, "w", Page{})
		check("Tokens", []Token{token}, toks, err)
		ap, err := s.App(ctx, "w", app.App)
		check("App", app, ap, err)
		aps, _, err := s.Apps(ctx, "w", Page{})
		check("Apps", []App{app}, aps, err)
		q, err := s.Approval(ctx, approval.ID)
		check("Approval", approval, q, err)
		q, err = s.FindApproval(ctx, "w", approval.App, approval.Digest, approval.Created)
		check("FindApproval", approval, q, err)
		qs, _, err := s.Approvals(ctx, "w", Page{})
		check("Approvals", []Approval{approval}, qs, err)
		qs, _, err = s.PendingApprovals(ctx, "w", 999, Page{})
		check("PendingApprovals", []Approval{approval}, qs, err)
		qs, _, err = s.PendingApprovals(ctx, "w", 1000, Page{})
		check("PendingApprovals when it expired", []Approval(nil), qs, err)
		of, all, err := s.Waiting(ctx, "w", approval.App, 999)
		check("Waiting", []int64{1, 1}, []int64{of, all}, err)
		of, all, err = s.Waiting(ctx, "w", "another", 999)
		check("Waiting of another", []int64{0, 1}, []int64{of, all}, err)
		g, err := s.Grant(ctx, grant.ID)
		check("Grant", grant, g, err)
		gs, err := s.Grants(ctx, "w", grant.App, 5)
		check("Grants", []Grant{grant}, gs, err)
		gs, _, err = s.GrantsPage(ctx, "w", Page{})
		check("GrantsPage", []Grant{grant}, gs, err)
		d, err := s.Delegation(ctx, "w", delegation.Hash)
		check("Delegation", delegation, d, err)
		ds, _, err := s.Delegations(ctx, "w", Page{})
		check("Delegations", []Delegation{delegation}, ds, err)
		hs, err := s.Heads(ctx, "w", 0, 10)
		check("Heads", []Head{head}, hs, err)
		un, err := s.Unsigned(ctx, End{}, 10)
		check("Unsigned", []string{ServiceChain}, chainsOf(un), err)
		c, err := s.Caller(ctx, token.ID, "another type")
		check("Caller", CallerRow{Token: token, Wallet: wallet, Newest: 1_700_000_000_000}, c, err)
		c, err = s.Caller(ctx, "op", "")
		check("Caller, an operator", CallerRow{Token: Token{ID: "op", Role: RoleOperator, Hash: make([]byte, 32)}}, c, err)
		c, err = s.Caller(ctx, token.ID, account.Type)
		check("Caller, with the app's account", CallerRow{Token: token, Wallet: wallet, Newest: 1_700_000_000_000, Account: account}, c, err)
		c, err = s.SignedCaller(ctx, "w", app.App, account.Type, 0)
		check("SignedCaller", CallerRow{Token: token, Wallet: wallet, Newest: 1_700_000_000_000, Account: account, App: app}, c, err)
		c, err = s.SignedCaller(ctx, "w", "stranger", account.Type, 0)
		check("SignedCaller, a stranger", CallerRow{Wallet: wallet, Newest: 1_700_000_000_000}, c, err)
		c, err = s.CallerWallet(ctx, "w")
		check("CallerWallet", CallerRow{Wallet: wallet, Newest: 1_700_000_000_000}, c, err)

		must(t, s, "w", DeleteWallet("w"))
		for name, read := range map[string]func() error{
			"Wallet":       func() error { _, err := s.Wallet(ctx, "w"); return err },
			"Account":      func() error { _, err := s.Account(ctx, "w", account.Address); return err },
			"PathOwner":    func() error { _, err := s.PathOwner(ctx, "w", account.Path); return err },
			"Policy":       func() error { _, err := s.Policy(ctx, "w"); return err },
			"Caller":       func() error { _, err := s.Caller(ctx, token.ID, ""); return err },
			"CallerWallet": func() error { _, err := s.CallerWallet(ctx, "w"); return err },
			"SignedCaller": func() error { _, err := s.SignedCaller(ctx, "w", "app", "", 0); return err },
			"App":          func() error { _, err := s.App(ctx, "w", app.App); return err },
			"Approval":     func() error { _, err := s.Approval(ctx, approval.ID); return err },
			"Grant":        func() error { _, err := s.Grant(ctx, grant.ID); return err },
			"Delegation":   func() error { _, err := s.Delegation(ctx, "w", delegation.Hash); return err },
			"Request":      func() error { _, err := s.Request(ctx, "t", "r", "k"); return err },
		} {
			if err := read(); !errors.Is(err, ErrNotFound) {
				t.Errorf("%s of a deleted wallet: %v", name, err)
			}
		}
		rs, err := s.Records(ctx, "w", 0, 10)
		check("the wallet's chain stays", 2, len(rs), err)
	})
}

func chainsOf(ends []End) []string {
	var names []string
	for _, e := range ends {
		names = append(names, e.Chain)
	}
	return names
}

func TestGrantsLeavesOutWhatNoLongerHolds(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := made(t, open())
		for _, g := range []Grant{
			{ID: "holds", Uses: -1}, {ID: "some left", Uses: 2, Ends: 101}, {ID: "used up", Uses: 0},
			{ID: "ended", Uses: -1, Ends: 100}, {ID: "revoked", Uses: -1, Revoked: 7},
		} {
			g.Wallet, g.App = "w", "a"
			must(t, s, "w", InsertGrant(g))
		}
		gs, err := s.Grants(t.Context(), "w", "a", 100)
		if err != nil || len(gs) != 2 || gs[0].ID != "some left" || gs[1].ID != "holds" {
			t.Errorf("Grants = %v, %v", gs, err)
		}
	})
}

func TestListsCanBeReadPageByPage(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := made(t, open())
		for i := range 7 {
			must(t, s, "w", InsertToken(Token{ID: fmt.Sprintf("t%d", i), Wallet: "w", Created: int64(i / 3)}))
			must(t, s, "w", PutDelegation(Delegation{}, Delegation{Wallet: "w", Hash: []byte{byte(i), 0xff}, Expires: 9}))
		}
		var got []string
		p := Page{Limit: 2}
		for {
			rows, next, err := s.Tokens(t.Context(), "w", p)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range rows {
				got = append(got, r.ID)
			}
			if p.Cursor = next; next == "" {
				break
			}
		}
		if d := cmp.Diff([]string{"t6", "t5", "t4", "t3", "t2", "t1", "t0"}, got); d != "" {
			t.Error(d)
		}
		n := 0
		for p := (Page{Limit: 3}); ; {
			rows, next, err := s.Delegations(t.Context(), "w", p)
			if err != nil {
				t.Fatal(err)
			}
			n += len(rows)
			if p.Cursor = next; next == "" {
				break
			}
		}
		if n != 7 {
			t.Errorf("%d delegations", n)
		}
		for _, cursor := range []string{"x", "AAAAAAAAAAB", "AAAAAAA\nAAAA", "/////", position{0, "\xff\x00"}.cursor()} {
			if _, _, err := s.Tokens(t.Context(), "w", Page{Cursor: cursor}); !errors.Is(err, ErrInvalid) {
				t.Errorf("cursor %q: %v", cursor, err)
			}
		}
	})
}

func TestParseCursor(t *testing.T) {
	p := position{42, "id"}
	got, err := parseCursor(p.cursor())
	if err != nil || got != p {
		t.Errorf("%v, %v", got, err)
	}
}

func FuzzParseCursor(f *testing.F) {
	f.Add(position{42, "id"}.cursor())
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parseCursor(text)
		if err == nil && p.cursor() != text {
			t.Errorf("%q is read as %v, which is written %q", text, p, p.cursor())
		}
	})
}

func TestReadsOfASignedRequest(t *testing.T) {
	each(t, func(t *testing.T, open func() *Store) {
		s := made(t, open())
		for _, tok := range []Token{{ID: "holds"}, {ID: "ends", Expires: 101}, {ID: "ended", Expires: 100}, {ID: "revoked", Revoked: 1}, {ID: "another's", App: "b"}} {
			tok.Wallet, tok.Role = "w", RoleApp
			if tok.App == "" {
				tok.App = "a"
			}
			must(t, s, "w", InsertToken(tok))
		}
		must(t, s, "w", InsertAccount(Account{Wallet: "w", Address: "z1", App: "a"}))
		tokens, err := s.AppTokens(t.Context(), "w", "a", 100)
		if err != nil || len(tokens) != 2 || tokens[0].ID != "holds" || tokens[1].ID != "ends" {
			t.Errorf("AppTokens = %v, %v", tokens, err)
		}
		if c, err := s.SignedCaller(t.Context(), "w", "a", "", 100); err != nil || c.Token.ID != "holds" {
			t.Errorf("SignedCaller has the token %q, %v", c.Token.ID, err)
		}
		if a, err := s.AppAccount(t.Context(), "a", "z1"); err != nil || a.Wallet != "w" {
			t.Errorf("AppAccount = %v, %v", a, err)
		}
		if _, err := s.AppAccount(t.Context(), "b", "z1"); !errors.Is(err, ErrNotFound) {
			t.Errorf("another app's AppAccount: %v", err)
		}
	})
}
