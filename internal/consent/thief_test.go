package consent_test

import (
	"bytes"
	"database/sql"
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/crypto/sha3"
	_ "modernc.org/sqlite"

	"walletd/internal/approvals"
	"walletd/internal/auth"
	"walletd/internal/did"
	"walletd/internal/keystore"
	"walletd/internal/ledger"
	"walletd/internal/policy"
	"walletd/internal/store"
	"walletd/internal/wallets"
	"walletd/internal/wallettest/fixture"
)

func TestTheDatabaseCannotApprove(t *testing.T) {
	t.Run("by turning a request into an approval", func(t *testing.T) {
		f := fixture.New(t)
		token := f.AppToken(fixture.Notes)
		p := f.Pending(token, fixture.KeyClaim("diary"))
		f.Exec(`update approvals set state = 'approved', decided = created`)
		_, err := f.Collect(token, p.ID)
		fixture.WantErr(t, err, ledger.ErrForged)
		f.WantForgeryRecorded()
	})
	t.Run("by turning a rejection into an approval", func(t *testing.T) {
		f := fixture.New(t)
		token := f.AppToken(fixture.Notes)
		p := f.Pending(token, fixture.KeyClaim("diary"))
		if _, err := f.Pipeline.Reject(t.Context(), f.As(f.Owner), p.ID); err != nil {
			t.Fatal(err)
		}
		f.Exec(`update approvals set state = 'approved'`)
		_, err := f.Collect(token, p.ID)
		fixture.WantErr(t, err, ledger.ErrForged)
	})
	t.Run("by letting an approval live longer", func(t *testing.T) {
		f := fixture.New(t)
		token := f.AppToken(fixture.Notes)
		p := f.Pending(token, fixture.KeyClaim("diary"))
		if err := f.Approve(p.ID, approvals.Choice{}); err != nil {
			t.Fatal(err)
		}
		f.Exec(`update approvals set decided = decided + 3600`)
		_, err := f.Collect(token, p.ID)
		fixture.WantErr(t, err, ledger.ErrForged)
	})
	t.Run("by putting another request under an approval", func(t *testing.T) {
		f := fixture.New(t)
		token := f.AppToken(fixture.Notes)
		p, other := f.Pending(token, fixture.KeyClaim("diary")), f.Pending(token, fixture.KeyClaim("letters"))
		if err := f.Approve(p.ID, approvals.Choice{}); err != nil {
			t.Fatal(err)
		}
		f.Exec(`update approvals set sealed = (select sealed from approvals where id = ?) where id = ?`, other.ID, p.ID)
		if out, err := f.Collect(token, p.ID); err == nil || out.Answer != nil {
			t.Errorf("got %v, %v", out, err)
		}
	})
	for name, change := range map[string]string{
		"by adding uses to a grant":        `update grants set uses = 1000`,
		"by giving a grant to another app": `update grants set app = '` + fixture.Another + `', uses = 3`,
		"by letting a grant never end":     `update grants set ends = 0, uses = -1`,
		"by taking a grant's revocation":   `update grants set revoked = 0, uses = 5`,
	} {
		t.Run(name, func(t *testing.T) {
			f := fixture.New(t)
			token, other := f.AppToken(fixture.Notes), f.AppToken(fixture.Another)
			p := f.Pending(token, fixture.KeyClaim("diary"))
			if err := f.Approve(p.ID, approvals.Choice{Remember: &approvals.Remember{Times: 1}}); err != nil {
				t.Fatal(err)
			}
			f.Answer(token, fixture.KeyClaim("diary"))
			f.Exec(change)
			f.Pending(token, fixture.KeyClaim("diary"))
			f.Pending(other, fixture.KeyClaim("diary"))
			found := false
			for _, kind := range f.EventKinds() {
				found = found || kind == "row.forged"
			}
			if !found {
				t.Error("the forged grant is not recorded")
			}
		})
	}
	t.Run("by writing a rule", func(t *testing.T) {
		f := fixture.New(t)
		token := f.AppToken(fixture.Notes)
		f.SetPolicy(policy.Rule{App: fixture.Notes, Claim: policy.Any, Decision: policy.Deny})
		f.Exec(`update policies set sealed = ?`, []byte(`{"rules":[{"app":"*","claim":"*","decision":"allow"}]}`))
		_, err := f.Ask(token, fixture.KeyClaim("diary"))
		fixture.WantErr(t, err, ledger.ErrForged)
		f.SetPolicy(fixture.AllowAll) // the owner can set it right
		f.Answer(token, fixture.KeyClaim("diary"))
	})
	t.Run("by moving a rule of another wallet here", func(t *testing.T) {
		f := fixture.New(t)
		token := f.AppToken(fixture.Notes)
		w, err := f.Wallets.Create(t.Context(), f.As(f.Operator), wallets.NewWallet{Name: "mallory"})
		if err != nil {
			t.Fatal(err)
		}
		mallory := f.Token(f.Operator, auth.NewToken{Role: auth.Owner, Wallet: w.Wallet}).Text
		if _, err := f.Pipeline.SetPolicy(t.Context(), f.As(mallory), policy.Policy{Rules: []policy.Rule{fixture.AllowAll}}); err != nil {
			t.Fatal(err)
		}
		f.Exec(`update policies set wallet = ?`, f.Wallet)
		_, err = f.Ask(token, fixture.KeyClaim("diary"))
		fixture.WantErr(t, err, ledger.ErrForged)
		f.WantForgeryRecorded()
	})
	t.Run("by making an app's token an owner's", func(t *testing.T) {
		f := fixture.New(t)
		token := f.AppToken(fixture.Notes)
		f.Exec(`update tokens set role = 'owner', app = '' where role = 'app'`)
		_, err := f.Auth.Authenticate(t.Context(), strings.Replace(token, "_app_", "_owner_", 1))
		fixture.WantErr(t, err, auth.ErrUnauthorized)
	})
	t.Run("by writing an owner's token", func(t *testing.T) {
		f := fixture.New(t)
		text, hash := forgedToken("forged")
		f.Exec(`insert into tokens select 'forged', role, wallet, app, name, origins, ?, created, 0, 0, 0, mac, thumbprint, owner, passkey from tokens where role = 'owner'`, hash)
		_, err := f.Auth.Authenticate(t.Context(), text)
		fixture.WantErr(t, err, auth.ErrUnauthorized)
		f.WantForgeryRecorded()
	})
	t.Run("by putting another hash under an owner's token", func(t *testing.T) {
		f := fixture.New(t)
		id := f.As(f.Owner).Token
		text, hash := forgedToken(id)
		f.Steal(func(db *sql.DB) {
			if _, err := db.Exec(`update tokens set hash = ? where id = ?`, hash, id); err != nil {
				t.Fatal(err)
			}
		})
		_, err := f.Auth.Authenticate(t.Context(), text)
		fixture.WantErr(t, err, auth.ErrUnauthorized)
	})
	t.Run("by bringing a revoked token back", func(t *testing.T) {
		f := fixture.New(t)
		token := f.AppToken(fixture.Notes)
		if err := f.Pipeline.RevokeToken(t.Context(), f.As(f.Owner), f.As(token).Token); err != nil {
			t.Fatal(err)
		}
		f.Exec(`update tokens set revoked = 0`)
		_, err := f.Auth.Authenticate(t.Context(), token)
		fixture.WantErr(t, err, auth.ErrUnauthorized)
	})
	t.Run("by taking away a wallet's owner", func(t *testing.T) {
		f := fixture.New(t)
		f.Exec(`delete from tokens where role = 'owner'`)
		_, err := f.Auth.CreateToken(t.Context(), f.As(f.Operator), auth.NewToken{Role: auth.Owner, Wallet: f.Wallet})
		fixture.WantErr(t, err, auth.ErrForbidden)
	})
	t.Run("by making an app known", func(t *testing.T) {
		f := fixture.New(t)
		p := fixture.NewPeer(t, 7)
		if _, err := f.Auth.NameApp(t.Context(), f.As(f.Owner), fixture.ParseDID(t, fixture.Notes), "Notes"); err != nil {
			t.Fatal(err)
		}
		f.SetPolicy(fixture.AllowAll)
		f.Exec(`update apps set app = ?`, p.DID.Address())
		_, err := f.AskSigned(f.SignedRequest(p, "1", nil))
		fixture.WantCode(t, err, "aud_mismatch")
		f.WantForgeryRecorded()
	})
	t.Run("by approving a delegation", func(t *testing.T) {
		f := fixture.New(t)
		token := f.AppToken(fixture.Notes)
		f.Account(fixture.Notes, did.AccountType())
		from, account := fixture.Secret(t, fixture.Notes, did.AccountType())
		f.SetPolicy(fixture.AllowAll)
		first := fixture.Delegate(t, from, account, fixture.ParseDID(t, fixture.Notes), f.Clock, nil)
		p := f.Pending(token, fixture.DelegatedClaim(account.Address(), first))
		if err := f.Approve(p.ID, approvals.Choice{}); err != nil {
			t.Fatal(err)
		}
		f.Exec(`update delegations set approved = approved + 1`)
		_, err := f.Ask(token, fixture.DelegatedClaim(account.Address(), first))
		fixture.WantErr(t, err, ledger.ErrForged)
	})
	t.Run("by moving an account to another app", func(t *testing.T) {
		f := fixture.New(t)
		token := f.AppToken(fixture.Notes)
		f.AppToken(fixture.Another)
		f.SetPolicy(fixture.AllowAll)
		f.Steal(func(db *sql.DB) {
			if _, err := db.Exec(`delete from accounts where app = ?`, fixture.Notes); err != nil {
				t.Fatal(err)
			}
			if _, err := db.Exec(`update accounts set app = ? where app = ?`, fixture.Notes, fixture.Another); err != nil {
				t.Fatal(err)
			}
		})
		_, err := f.Ask(token, fixture.KeyClaim("diary"))
		var damaged *keystore.DamagedError
		if !errors.As(err, &damaged) || damaged.Table != "accounts" {
			t.Errorf("got %v, want the account's row to be named", err)
		}
	})
}

func TestSealedRowsAreNotMoved(t *testing.T) {
	for name, change := range map[string]string{
		"cut":               `update accounts set sealed = substr(sealed, 1, 20)`,
		"emptied":           `update accounts set sealed = x''`,
		"with a bit turned": `update accounts set sealed = cast(substr(sealed, 1, 30) || x'00' || substr(sealed, 32) as blob)`,
		"swapped":           `update accounts set sealed = (select sealed from accounts where app = '` + fixture.Another + `') where app = '` + fixture.Notes + `'`,
	} {
		t.Run(name, func(t *testing.T) {
			f := fixture.New(t)
			token := f.AppToken(fixture.Notes)
			f.AppToken(fixture.Another)
			f.SetPolicy(fixture.AllowAll)
			f.Exec(change)
			out, err := f.Ask(token, fixture.KeyClaim("diary"))
			var damaged *keystore.DamagedError
			if !errors.As(err, &damaged) || damaged.Table != "accounts" || out.Answer != nil {
				t.Errorf("got %v, %v, want the row to be named", out, err)
			}
		})
	}
}

func TestAStolenDatabaseHoldsNoSecret(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	f.SetPolicy(fixture.AllowAll)
	answered := fixture.Member(t, f.Answer(token, fixture.KeyClaim("diary of a canary")), 0, "key")
	sk, _ := fixture.Secret(t, fixture.Notes, did.AccountType())
	if err := f.Ledger.SignHeads(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.Store.Close()
	var disk []byte
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(f.Path + suffix)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		disk = append(disk, b...)
	}
	if len(disk) < 4096 {
		t.Fatal("no database was read")
	}
	for name, canary := range map[string][]byte{
		"the words":              []byte("abandon"),
		"an account's secret":    sk.Reveal(),
		"half of it":             sk.Reveal()[:32],
		"the key that was given": []byte(answered),
		"its bytes":              did.SHA3.Sum(sk.Reveal(), []byte("diary of a canary")),
		"the salt":               []byte("diary of a canary"),
		"the salt in hex":        []byte(hexString([]byte("diary of a canary"))),
		"an app's token":         []byte(token),
		"an owner's token":       []byte(f.Owner),
		"what opens it":          fixture.RecoveryIdentity().Identity.Reveal(),
		"the wallet's name":      []byte("alice"),
		"the seed":               fixture.MustHex(t, "5eb00bbddcf069084889a8ab9155568165f5c453ccb85e70811aaed6f6da5fc1"),
	} {
		if bytes.Contains(disk, canary) {
			t.Errorf("the database holds %s", name)
		}
	}
}

func TestTheAuditLogIsAChain(t *testing.T) {
	setup := func(t *testing.T) (*fixture.Fixture, string) {
		f := fixture.New(t)
		token := f.AppToken(fixture.Notes)
		f.SetPolicy(fixture.AllowAll)
		for range 5 {
			f.Answer(token, fixture.KeyClaim("diary"))
		}
		if err := f.Ledger.SignHeads(t.Context()); err != nil {
			t.Fatal(err)
		}
		return f, token
	}
	verify := func(t *testing.T, f *fixture.Fixture) (live, offline ledger.Verification) {
		t.Helper()
		live, err := f.Wallets.VerifyAuditLog(t.Context(), f.As(f.Owner))
		if err != nil {
			t.Fatal(err)
		}
		var export bytes.Buffer
		if err := f.Wallets.ExportAuditLog(t.Context(), f.As(f.Owner), &export); err != nil {
			t.Fatal(err)
		}
		if offline, err = ledger.VerifyExport(bytes.NewReader(export.Bytes()), nil); err != nil {
			t.Fatal(err)
		}
		return live, offline
	}
	t.Run("that holds", func(t *testing.T) {
		f, _ := setup(t)
		live, offline := verify(t, f)
		if live.Bad != nil || offline.Bad != nil || live.Heads != 1 || offline.Heads != 1 || live.Entries != offline.Entries || live.Unknown == "" {
			t.Errorf("%+v %+v", live, offline)
		}
	})
	for name, c := range map[string]struct {
		change string
		seq    int64
	}{
		"and notices an entry that was changed":   {`update records set time = time + 1 where seq = 3 and chain <> 'service'`, 3},
		"and notices an entry of another content": {`update records set sealed = x'00' where seq = 4 and chain <> 'service'`, 4},
		"and notices an entry taken out":          {`delete from records where seq = 5 and chain <> 'service'`, 5},
		"and notices the end cut off":             {`delete from records where seq > 6 and chain <> 'service'`, 7},
		"and notices a head that was changed":     {`update heads set time = time + 1 where chain <> 'service'`, 10},
	} {
		t.Run(name, func(t *testing.T) {
			f, _ := setup(t)
			f.Exec(c.change)
			live, offline := verify(t, f)
			for where, v := range map[string]ledger.Verification{"asking the service": live, "offline": offline} {
				if v.Bad == nil || v.Bad.Seq != c.seq {
					t.Errorf("%s: got %+v, want entry %d named", where, v.Bad, c.seq)
				}
			}
		})
	}
	t.Run("and a chain made again does not fit a head that was logged", func(t *testing.T) {
		f, token := setup(t)
		heads, err := f.Store.Heads(t.Context(), f.Wallet, 0, 10)
		if err != nil || len(heads) != 1 {
			t.Fatal(heads, err)
		}
		f.Exec(`delete from heads`)
		f.Exec(`delete from records where seq > 6 and chain <> 'service'`)
		f.Exec(`update chains set seq = 6, hash = (select hash from records r where r.chain = chains.chain and r.seq = 6) where chain <> 'service'`)
		f.Answer(token, fixture.KeyClaim("again"))
		var export bytes.Buffer
		if err := f.Wallets.ExportAuditLog(t.Context(), f.As(f.Owner), &export); err != nil {
			t.Fatal(err)
		}
		without, err := ledger.VerifyExport(bytes.NewReader(export.Bytes()), nil)
		if err != nil || without.Bad != nil {
			t.Errorf("without the head: %+v, %v", without, err)
		}
		with, err := ledger.VerifyExport(bytes.NewReader(export.Bytes()), &heads[0])
		if err != nil || with.Bad == nil {
			t.Errorf("with the head: %+v, %v, want it not to fit", with, err)
		}
	})
	t.Run("also of the service, while locked", func(t *testing.T) {
		f, _ := setup(t)
		if err := f.Wallets.Lock(t.Context(), f.As(f.Operator)); err != nil {
			t.Fatal(err)
		}
		v, err := f.Wallets.VerifyAuditLog(t.Context(), f.As(f.Operator))
		if err != nil || v.Bad != nil || v.Entries == 0 || v.Heads == 0 {
			t.Errorf("%+v, %v", v, err)
		}
	})
}

func TestAFullDiskGivesNothing(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	f.SetPolicy(fixture.AllowAll)
	f.Answer(token, fixture.KeyClaim("diary"))
	lift := f.FillDisk()
	var refusal error
	given := 0
	for range 1000 {
		out, err := f.Ask(token, fixture.KeyClaim("diary"))
		if err != nil {
			refusal = err
			if out.Answer != nil {
				t.Error("a key was given without its record")
			}
			break
		}
		given++
	}
	if refusal == nil {
		t.Fatal("the disk was never full")
	}
	fixture.WantErr(t, refusal, store.ErrFull)
	lift()
	recorded := 0
	for _, kind := range f.EventKinds() {
		if kind == "claim.allowed" {
			recorded++
		}
	}
	if recorded != given+1 {
		t.Errorf("%d keys were given, %d are recorded", given+1, recorded)
	}
	f.Answer(token, fixture.KeyClaim("diary"))
}

// forgedToken is an owner's token as an attacker makes it who has read the source: its text, and the
// hash that the store would keep.
func forgedToken(id string) (text string, hash []byte) {
	text = "wd_owner_" + id + "_" + strings.Repeat("a", 52)
	sum := sha3.Sum256([]byte("walletd token v1\x00" + text))
	return text, sum[:]
}
