package archive_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"walletd/internal/ledger"
	"walletd/internal/store"
	"walletd/internal/wallettest/fixture"
)

// archived returns a fixture whose audit log has an archive of entries 1 to 42, and the entry that recorded it under a head.
func archived(t *testing.T) (*fixture.Fixture, *ledger.Archive) {
	t.Helper()
	f := old(t)
	a := create(t, f).Archive
	sign(t, f)
	f.Grow(2)
	return f, a
}

// Who can write to the database hides no entry by an archive: neither by one that they make up, nor by one that there was.
func TestAThiefHidesNothingInAnArchive(t *testing.T) {
	forge := func(f *fixture.Fixture, seq int) {
		f.Exec(`insert into archives select chain, 1, seq, hash, '{"chain":"' || chain || '","first":1,"last":' || seq || ',"hash":"' || lower(hex(hash)) || '"}', zeroblob(32)
			from records where chain <> 'service' and seq = $1`, seq)
		f.Exec(`delete from records where chain <> 'service' and seq <= $1`, seq)
	}
	for name, c := range map[string]struct {
		steal  func(f *fixture.Fixture)
		fresh  bool // there was no archive before
		forged bool // it is recorded
		bad    int64
	}{
		"one that is made up": {func(f *fixture.Fixture) { forge(f, 20) }, true, true, 1},
		"one that is gone":    {func(f *fixture.Fixture) { f.Exec(`delete from archives`) }, false, false, 1},
		"one that ends later": {func(f *fixture.Fixture) {
			f.Exec(`update archives set seq = 44, hash = (select hash from records where chain <> 'service' and seq = 44)`)
			f.Exec(`delete from records where chain <> 'service' and seq < 45`)
		}, false, true, 1},
		"one that names another file": {func(f *fixture.Fixture) {
			f.Exec(`update archives set statement = replace(statement, '"sha256":"', '"sha256":"00')`)
		}, false, true, 1},
		"one more, that is made up":                  {func(f *fixture.Fixture) { f.Exec(`update archives set first = 0`); forge(f, 44) }, false, true, 1},
		"another wallet's":                           {func(f *fixture.Fixture) { f.Exec(`update archives set chain = 'service'`) }, false, false, 1},
		"the entries after it":                       {func(f *fixture.Fixture) { f.Exec(`delete from records where chain <> 'service' and seq = 43`) }, false, false, 43},
		"the entry that recorded it and those since": {func(f *fixture.Fixture) { cut(f, 47) }, false, false, 43},
	} {
		t.Run(name, func(t *testing.T) {
			var f *fixture.Fixture
			if c.fresh {
				f = old(t)
			} else {
				f, _ = archived(t)
			}
			c.steal(f)
			live, err := f.Wallets.VerifyAuditLog(t.Context(), f.As(f.Owner))
			if err != nil || live.Bad == nil || live.Bad.Seq != c.bad {
				t.Errorf("the service says %+v, %+v, %v", live, live.Bad, err)
			}
			if offline, err := ledger.VerifyExport(export(f), nil); err == nil && offline.Bad == nil {
				t.Errorf("offline: %+v", offline)
			}
			if recorded := len(f.ForgedRows(f.Owner)) > 0; recorded != c.forged {
				t.Errorf("a forgery is recorded: %t", recorded)
			}
		})
	}
	t.Run("and deletes nothing by one that is made up", func(t *testing.T) {
		f, _ := archived(t)
		f.Exec(`insert into archives select chain, 43, 46, hash, statement, mac from archives`)
		later(f, 100*day)
		if made, err := f.Archives.Create(t.Context(), f.As(f.Operator), f.Wallet, f.Clock.Add(-150*day)); err != nil || made.Archive != nil || made.Deleted != 0 {
			t.Errorf("archived %+v, %v", made, err)
		}
		if first, _ := stored(t, f); first != 43 {
			t.Errorf("the store begins with entry %d", first)
		}
	})
	t.Run("and puts back what was archived in vain", func(t *testing.T) {
		f := old(t)
		f.Tamper(`create table kept as select * from records`)
		create(t, f)
		f.Exec(`insert into records select * from kept where chain <> 'service' and seq < 40`)
		if live := f.VerifyAuditLog(); live.Archived == nil {
			t.Errorf("%+v", live)
		}
		if entries, err := f.Wallets.AuditEntries(t.Context(), f.As(f.Owner), 0, 10); err != nil || entries[0].Seq != 43 {
			t.Errorf("the list begins with %+v, %v", entries, err)
		}
	})
}

// cut has the audit log of the wallet end with an entry.
func cut(f *fixture.Fixture, seq int) {
	f.Exec(`delete from records where chain <> 'service' and seq > $1`, seq)
	f.Tamper(`delete from heads where chain <> 'service' and seq > $1`, seq)
	f.Exec(`update chains set seq = $1, hash = (select hash from records r where r.chain = chains.chain and r.seq = $1) where chain <> 'service'`, seq)
}

// An entry that somebody appended to the database, and the service signed a head over, says nothing about an archive to who
// verifies an export: what it says is not signed by the keystore.
func TestAnEntryAloneMakesNoArchive(t *testing.T) {
	f := old(t)
	lines := f.Export()
	var last, head struct {
		Record struct {
			Seq  int64
			Hash string
		}
		Head json.RawMessage
	}
	for _, line := range lines {
		if strings.Contains(line, `{"record":`) {
			if err := json.Unmarshal([]byte(line), &last); err != nil {
				t.Fatal(err)
			}
		} else if strings.Contains(line, `"seq":42,`) {
			if err := json.Unmarshal([]byte(line), &head); err != nil {
				t.Fatal(err)
			}
		}
	}
	// The thief signs with a key of their own what only the keystore can say.
	var prev struct{ Record struct{ Hash string } }
	if err := json.Unmarshal([]byte(lines[41]), &prev); err != nil {
		t.Fatal(err)
	}
	public, secret, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	zeros := strings.Repeat("0", 64)
	said := fmt.Sprintf(`{"chain":%q,"first":1,"last":42,"prev":%q,"hash":%q,"time":%d,"file":"gone","size":1,"sha256":%q,"head":%s,"publicKey":"`, f.Wallet, zeros, prev.Record.Hash, time.Now().UnixMilli(), zeros, head.Head)
	message := said + `","signature":""}`
	signed := ed25519.Sign(secret, parts("walletd archive v1", message))
	statement := said + hex.EncodeToString(public) + `","signature":"` + hex.EncodeToString(signed) + `"}`
	disclosed := `{"archive":` + statement + `}`
	sum := sha256.Sum256([]byte(disclosed))
	hash, err := hex.DecodeString(last.Record.Hash)
	if err != nil {
		t.Fatal(err)
	}
	r := store.Record{Chain: f.Wallet, Seq: last.Record.Seq + 1, ID: "disclosed-" + hex.EncodeToString(sum[:]), Time: time.Now().UnixMilli(), Kind: "record.archived", Sealed: []byte("x"), Prev: hash}
	r.Hash = r.Sum(hash)
	f.Exec(`insert into records (chain, seq, id, time, kind, sealed, prev, hash) values ($1, $2, $3, $4, $5, $6, $7, $8)`, r.Chain, r.Seq, r.ID, r.Time, r.Kind, r.Sealed, r.Prev, r.Hash)
	f.Exec(`update chains set seq = $1, hash = $2, due = 1 where chain = $3`, r.Seq, r.Hash, r.Chain)
	sign(t, f)

	// What the service exports says that the entry does not show what it discloses. The thief mends that.
	made := []string{`{"archived":` + statement + `}`}
	mended := false
	for _, line := range f.Export()[42:] {
		if strings.Contains(line, r.ID) {
			line = strings.Replace(line, `"}}`, `","disclosed":`+disclosed+`}}`, 1)
			mended = true
		}
		if !strings.HasPrefix(line, `{"head":`) || !strings.Contains(line, `"seq":42,`) && !strings.Contains(line, `"seq":32,`) {
			made = append(made, line)
		}
	}
	v, err := ledger.VerifyFiles([]io.ReaderAt{strings.NewReader(strings.Join(made, "\n") + "\n")}, ledger.Given{})
	if err != nil || !mended || v.Bad == nil || !strings.Contains(v.Bad.Why, "another keystore") {
		t.Errorf("the thief's export: %+v, %+v, %v", v, v.Bad, err)
	}
}

// parts is what a signature covers: each part after its length.
func parts(texts ...string) (b []byte) {
	for _, text := range texts {
		b = append(b, 0, 0, 0, 0, byte(len(text)>>24), byte(len(text)>>16), byte(len(text)>>8), byte(len(text)))
		b = append(b, text...)
	}
	return b
}
