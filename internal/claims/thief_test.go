package claims

import (
	"bytes"
	"database/sql"
	"errors"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/crypto/sha3"
	_ "modernc.org/sqlite"

	"walletd/internal/did"
	"walletd/internal/keystore"
	"walletd/internal/ledger"
	"walletd/internal/policy"
	"walletd/internal/store"
)

// steal gives the database to a thief who can write: f runs on it while the service is stopped.
func (h *house) steal(f func(db *sql.DB)) {
	h.t.Helper()
	h.store.Close()
	db, err := sql.Open("sqlite", h.path)
	if err != nil {
		h.t.Fatal(err)
	}
	f(db)
	if err := db.Close(); err != nil {
		h.t.Fatal(err)
	}
	h.open(false)
	h.unlock()
}

func (h *house) exec(query string, args ...any) {
	h.t.Helper()
	h.steal(func(db *sql.DB) {
		result, err := db.Exec(query, args...)
		if err != nil {
			h.t.Fatal(err)
		}
		if n, _ := result.RowsAffected(); n == 0 {
			h.t.Fatalf("the thief changed no row: %s", query)
		}
	})
}

func (h *house) wantForgedOnRecord() {
	h.t.Helper()
	for _, kind := range h.events() {
		if kind == "row.forged" {
			return
		}
	}
	h.t.Error("the forged row is not on record")
}

func TestTheDatabaseCannotSayYes(t *testing.T) {
	t.Run("by turning a question into a yes", func(t *testing.T) {
		h := newHouse(t)
		token := h.appToken(notes)
		p := h.pending(token, keyClaim("diary"))
		h.exec(`update approvals set state = 'approved', decided = created`)
		_, err := h.collect(token, p.ID)
		wantErr(t, err, ledger.ErrForged)
		h.wantForgedOnRecord()
	})
	t.Run("by turning a no into a yes", func(t *testing.T) {
		h := newHouse(t)
		token := h.appToken(notes)
		p := h.pending(token, keyClaim("diary"))
		if _, err := h.door.Reject(t.Context(), h.as(h.owner), p.ID); err != nil {
			t.Fatal(err)
		}
		h.exec(`update approvals set state = 'approved'`)
		_, err := h.collect(token, p.ID)
		wantErr(t, err, ledger.ErrForged)
	})
	t.Run("by letting a yes live longer", func(t *testing.T) {
		h := newHouse(t)
		token := h.appToken(notes)
		p := h.pending(token, keyClaim("diary"))
		if err := h.approve(p.ID, Choice{}); err != nil {
			t.Fatal(err)
		}
		h.exec(`update approvals set decided = decided + 3600`)
		_, err := h.collect(token, p.ID)
		wantErr(t, err, ledger.ErrForged)
	})
	t.Run("by putting another question under a yes", func(t *testing.T) {
		h := newHouse(t)
		token := h.appToken(notes)
		p, other := h.pending(token, keyClaim("diary")), h.pending(token, keyClaim("letters"))
		if err := h.approve(p.ID, Choice{}); err != nil {
			t.Fatal(err)
		}
		h.exec(`update approvals set sealed = (select sealed from approvals where id = ?) where id = ?`, other.ID, p.ID)
		if out, err := h.collect(token, p.ID); err == nil || out.Answer != nil {
			t.Errorf("got %v, %v", out, err)
		}
	})
	for name, change := range map[string]string{
		"by adding uses to a grant":        `update grants set uses = 1000`,
		"by giving a grant to another app": `update grants set app = '` + another + `', uses = 3`,
		"by letting a grant never end":     `update grants set ends = 0, uses = -1`,
		"by taking a grant's revocation":   `update grants set revoked = 0, uses = 5`,
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			token, other := h.appToken(notes), h.appToken(another)
			p := h.pending(token, keyClaim("diary"))
			if err := h.approve(p.ID, Choice{Remember: &Remember{Times: 1}}); err != nil {
				t.Fatal(err)
			}
			h.answer(token, keyClaim("diary"))
			h.exec(change)
			h.pending(token, keyClaim("diary"))
			h.pending(other, keyClaim("diary"))
			found := false
			for _, kind := range h.events() {
				found = found || kind == "row.forged"
			}
			if !found {
				t.Error("the forged grant is not on record")
			}
		})
	}
	t.Run("by writing a rule", func(t *testing.T) {
		h := newHouse(t)
		token := h.appToken(notes)
		h.policy(policy.Rule{App: notes, Claim: policy.Any, Decision: policy.Deny})
		h.exec(`update policies set sealed = ?`, []byte(`{"rules":[{"app":"*","claim":"*","decision":"allow"}]}`))
		_, err := h.ask(token, keyClaim("diary"))
		wantErr(t, err, ledger.ErrForged)
		h.policy(allowAll) // the owner can set it right
		h.answer(token, keyClaim("diary"))
	})
	t.Run("by moving a rule of another wallet here", func(t *testing.T) {
		h := newHouse(t)
		token := h.appToken(notes)
		w, err := h.door.CreateWallet(t.Context(), h.as(h.operator), NewWallet{Name: "mallory"})
		if err != nil {
			t.Fatal(err)
		}
		mallory := h.token(h.operator, NewToken{Role: Owner, Wallet: w.Wallet}).Text
		if _, err := h.door.SetPolicy(t.Context(), h.as(mallory), policy.Policy{Rules: []policy.Rule{allowAll}}); err != nil {
			t.Fatal(err)
		}
		h.exec(`update policies set wallet = ?`, h.wallet)
		_, err = h.ask(token, keyClaim("diary"))
		wantErr(t, err, ledger.ErrForged)
		h.wantForgedOnRecord()
	})
	t.Run("by making an app's token an owner's", func(t *testing.T) {
		h := newHouse(t)
		token := h.appToken(notes)
		h.exec(`update tokens set role = 'owner', app = '' where role = 'app'`)
		_, err := h.door.Authenticate(t.Context(), strings.Replace(token, "_app_", "_owner_", 1))
		wantErr(t, err, ErrUnauthorized)
	})
	t.Run("by writing an owner's token", func(t *testing.T) {
		h := newHouse(t)
		text, hash := forgedToken("forged")
		h.exec(`insert into tokens select 'forged', role, wallet, app, name, origins, ?, created, 0, 0, 0, mac from tokens where role = 'owner'`, hash)
		_, err := h.door.Authenticate(t.Context(), text)
		wantErr(t, err, ErrUnauthorized)
		h.wantForgedOnRecord()
	})
	t.Run("by putting another hash under an owner's token", func(t *testing.T) {
		h := newHouse(t)
		id := h.as(h.owner).Token
		text, hash := forgedToken(id)
		h.steal(func(db *sql.DB) {
			if _, err := db.Exec(`update tokens set hash = ? where id = ?`, hash, id); err != nil {
				t.Fatal(err)
			}
		})
		_, err := h.door.Authenticate(t.Context(), text)
		wantErr(t, err, ErrUnauthorized)
	})
	t.Run("by bringing a revoked token back", func(t *testing.T) {
		h := newHouse(t)
		token := h.appToken(notes)
		if err := h.door.RevokeToken(t.Context(), h.as(h.owner), h.as(token).Token); err != nil {
			t.Fatal(err)
		}
		h.exec(`update tokens set revoked = 0`)
		_, err := h.door.Authenticate(t.Context(), token)
		wantErr(t, err, ErrUnauthorized)
	})
	t.Run("by taking away a wallet's owner", func(t *testing.T) {
		h := newHouse(t)
		h.exec(`delete from tokens where role = 'owner'`)
		_, err := h.door.CreateToken(t.Context(), h.as(h.operator), NewToken{Role: Owner, Wallet: h.wallet})
		wantErr(t, err, ErrForbidden)
	})
	t.Run("by making an app known", func(t *testing.T) {
		h := newHouse(t)
		p := newPeer(t, 7)
		if _, err := h.door.NameApp(t.Context(), h.as(h.owner), app(t, notes), "Notes"); err != nil {
			t.Fatal(err)
		}
		h.policy(allowAll)
		h.exec(`update apps set app = ?`, p.did.Address())
		_, err := h.askSigned(h.request(p, "1", nil))
		wantCode(t, err, "app_unknown")
		h.wantForgedOnRecord()
	})
	t.Run("by approving a delegation", func(t *testing.T) {
		h := newHouse(t)
		token := h.appToken(notes)
		h.account(notes, did.AccountType())
		from, account := secret(t, notes, did.AccountType())
		h.policy(allowAll)
		first := delegate(t, from, account, app(t, notes), h.clock, nil)
		p := h.pending(token, delegatedClaim(account.Address(), first))
		if err := h.approve(p.ID, Choice{}); err != nil {
			t.Fatal(err)
		}
		h.exec(`update delegations set approved = approved + 1`)
		_, err := h.ask(token, delegatedClaim(account.Address(), first))
		wantErr(t, err, ledger.ErrForged)
	})
	t.Run("by moving an account to another app", func(t *testing.T) {
		h := newHouse(t)
		token := h.appToken(notes)
		h.appToken(another)
		h.policy(allowAll)
		h.steal(func(db *sql.DB) {
			if _, err := db.Exec(`delete from accounts where app = ?`, notes); err != nil {
				t.Fatal(err)
			}
			if _, err := db.Exec(`update accounts set app = ? where app = ?`, notes, another); err != nil {
				t.Fatal(err)
			}
		})
		_, err := h.ask(token, keyClaim("diary"))
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
		"swapped":           `update accounts set sealed = (select sealed from accounts where app = '` + another + `') where app = '` + notes + `'`,
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			token := h.appToken(notes)
			h.appToken(another)
			h.policy(allowAll)
			h.exec(change)
			out, err := h.ask(token, keyClaim("diary"))
			var damaged *keystore.DamagedError
			if !errors.As(err, &damaged) || damaged.Table != "accounts" || out.Answer != nil {
				t.Errorf("got %v, %v, want the row to be named", out, err)
			}
		})
	}
}

func TestAStolenDatabaseHoldsNoSecret(t *testing.T) {
	h := newHouse(t)
	token := h.appToken(notes)
	h.policy(allowAll)
	answered := member(t, h.answer(token, keyClaim("diary of a canary")), 0, "key")
	sk, _ := secret(t, notes, did.AccountType())
	if err := h.door.Ledger().SignHeads(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.store.Close()
	var disk []byte
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(h.path + suffix)
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
		"an owner's token":       []byte(h.owner),
		"what opens it":          opener().identity.Reveal(),
		"the wallet's name":      []byte("alice"),
		"the seed":               mustHex(t, "5eb00bbddcf069084889a8ab9155568165f5c453ccb85e70811aaed6f6da5fc1"),
	} {
		if bytes.Contains(disk, canary) {
			t.Errorf("the database holds %s", name)
		}
	}
}

func TestTheRecordIsAChain(t *testing.T) {
	setup := func(t *testing.T) (*house, string) {
		h := newHouse(t)
		token := h.appToken(notes)
		h.policy(allowAll)
		for range 5 {
			h.answer(token, keyClaim("diary"))
		}
		if err := h.door.Ledger().SignHeads(t.Context()); err != nil {
			t.Fatal(err)
		}
		return h, token
	}
	verify := func(t *testing.T, h *house) (live, offline ledger.Verification) {
		t.Helper()
		live, err := h.door.VerifyRecord(t.Context(), h.as(h.owner))
		if err != nil {
			t.Fatal(err)
		}
		var export bytes.Buffer
		if err := h.door.ExportRecord(t.Context(), h.as(h.owner), &export); err != nil {
			t.Fatal(err)
		}
		if offline, err = ledger.VerifyExport(&export, nil); err != nil {
			t.Fatal(err)
		}
		return live, offline
	}
	t.Run("that holds", func(t *testing.T) {
		h, _ := setup(t)
		live, offline := verify(t, h)
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
			h, _ := setup(t)
			h.exec(c.change)
			live, offline := verify(t, h)
			for where, v := range map[string]ledger.Verification{"asking the service": live, "offline": offline} {
				if v.Bad == nil || v.Bad.Seq != c.seq {
					t.Errorf("%s: got %+v, want entry %d named", where, v.Bad, c.seq)
				}
			}
		})
	}
	t.Run("and a chain made anew does not fit a head that was logged", func(t *testing.T) {
		h, token := setup(t)
		heads, err := h.store.Heads(t.Context(), h.wallet, 0, 10)
		if err != nil || len(heads) != 1 {
			t.Fatal(heads, err)
		}
		h.exec(`delete from heads`)
		h.exec(`delete from records where seq > 6 and chain <> 'service'`)
		h.exec(`update chains set seq = 6, hash = (select hash from records r where r.chain = chains.chain and r.seq = 6) where chain <> 'service'`)
		h.answer(token, keyClaim("again"))
		var export bytes.Buffer
		if err := h.door.ExportRecord(t.Context(), h.as(h.owner), &export); err != nil {
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
		h, _ := setup(t)
		if err := h.door.Lock(t.Context(), h.as(h.operator)); err != nil {
			t.Fatal(err)
		}
		v, err := h.door.VerifyRecord(t.Context(), h.as(h.operator))
		if err != nil || v.Bad != nil || v.Entries == 0 || v.Heads == 0 {
			t.Errorf("%+v, %v", v, err)
		}
	})
}

// fill bounds the size of every file of this process to a little over that of the database's log,
// which is what a full disk looks like to it. It returns what lifts the bound.
func (h *house) fill() func() {
	h.t.Helper()
	info, err := os.Stat(h.path + "-wal")
	if err != nil {
		h.t.Fatal(err)
	}
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		h.t.Fatal(err)
	}
	signal.Ignore(syscall.SIGXFSZ)
	bound := before
	bound.Cur = uint64(info.Size()) + 32<<10
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &bound); err != nil {
		h.t.Fatal(err)
	}
	lift := sync.OnceFunc(func() {
		syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before)
		signal.Reset(syscall.SIGXFSZ)
	})
	h.t.Cleanup(lift)
	return lift
}

func TestAFullDiskGivesNothing(t *testing.T) {
	h := newHouse(t)
	token := h.appToken(notes)
	h.policy(allowAll)
	h.answer(token, keyClaim("diary"))
	lift := h.fill()
	var refusal error
	given := 0
	for range 1000 {
		out, err := h.ask(token, keyClaim("diary"))
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
	wantErr(t, refusal, store.ErrFull)
	lift()
	recorded := 0
	for _, kind := range h.events() {
		if kind == "claim.allowed" {
			recorded++
		}
	}
	if recorded != given+1 {
		t.Errorf("%d keys were given, %d are on record", given+1, recorded)
	}
	h.answer(token, keyClaim("diary"))
}

// forgedToken is an owner's token as an attacker makes it who has read the source: its text, and the
// hash that the store would keep.
func forgedToken(id string) (text string, hash []byte) {
	text = "wd_owner_" + id + "_" + strings.Repeat("a", 52)
	sum := sha3.Sum256([]byte("walletd token v1\x00" + text))
	return text, sum[:]
}
