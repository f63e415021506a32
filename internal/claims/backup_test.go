package claims

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"walletd/internal/did"
	"walletd/internal/keystore"
	"walletd/internal/ledger"
	"walletd/internal/policy"
	"walletd/internal/secretstorage"
	"walletd/internal/store"
)

// place is a store with a keystore and an operator, and no wallet yet.
func place(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, path: filepath.Join(t.TempDir(), "data", "walletd.db"), clock: time.Now().Truncate(time.Second)}
	h.open(true)
	t.Cleanup(func() { h.store.Close() })
	text, row := FirstToken(h.clock)
	h.operator = text
	slot := keystore.NewSlot{Name: "first", Recipient: opener().recipient}
	if err := h.keystore.Init(t.Context(), []keystore.NewSlot{slot}, row); err != nil {
		t.Fatal(err)
	}
	h.unlock()
	return h
}

// furnished is a house whose wallet holds one of everything.
func furnished(t *testing.T) *house {
	t.Helper()
	h := newHouse(t)
	ctx, owner := t.Context(), h.as(h.owner)
	application := did.Type{Role: did.RoleApplication, Key: did.Ed25519, Hash: did.SHA3}
	h.account(another, application)
	h.account(notes, did.Type{Role: did.RoleAccount, Key: did.Secp256k1, Hash: did.SHA3})
	for _, typ := range []did.KeyType{did.Ed25519, did.Secp256k1, did.Ethereum} {
		key, err := did.SecretKeyFromSeed(typ, bytes.Repeat([]byte{7}, 32))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.door.ImportAccount(ctx, owner, key.Reveal(), did.Type{Role: did.RoleApplication, Key: typ, Hash: did.SHA3}); err != nil {
			t.Fatal(typ, err)
		}
	}
	h.policy(policy.Rule{App: notes, Claim: "encryptionKey", Decision: policy.Allow}, policy.Rule{App: policy.Any, Claim: "profile", Decision: policy.Deny})
	h.profile(wholeProfile())
	if _, err := h.door.PutAsset(ctx, h.as(h.owner), NewAsset{Asset: parsed(t, ticket), Owner: parsed(t, h.wallet), Issuer: parsed(t, demoIssuer), Tag: "Ticket"}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.door.NameApp(ctx, h.as(h.owner), app(t, notes), "My notes"); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		h.keep(notes, fmt.Sprint("secret ", i), fmt.Sprint("value ", i, " é"))
	}
	token := h.appToken(notes)
	h.answer(token, keyClaim("diary"))

	from, fromDID := secret(t, another, application)
	good := delegate(t, from, fromDID, app(t, notes), h.clock, nil)
	p := h.pending(token, delegatedClaim(fromDID.Address(), good))
	if err := h.approve(p.ID, Choice{Remember: &Remember{Until: "withdrawn"}}); err != nil {
		t.Fatal(err)
	}
	list, _, err := h.door.Delegations(ctx, h.as(h.owner), store.Page{})
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	if err := h.door.RevokeDelegation(ctx, h.as(h.owner), list[0].Hash); err != nil {
		t.Fatal(err)
	}
	if err := h.door.Ledger().SignHeads(ctx); err != nil {
		t.Fatal(err)
	}
	return h
}

// keep keeps a secret for an app, as the owner.
func (h *house) keep(asker, name, value string) {
	h.t.Helper()
	if _, err := h.door.WriteSecret(h.t.Context(), h.as(h.owner), app(h.t, asker), NewSecret{Name: name, Value: []byte(value)}); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) backup() Backup {
	h.t.Helper()
	b, err := h.door.CreateBackup(h.t.Context(), h.as(h.owner), false)
	if err != nil {
		h.t.Fatal(err)
	}
	return b
}

func (h *house) restore(file []byte) (RestoredWallet, error) {
	h.t.Helper()
	return h.door.RestoreWallet(h.t.Context(), h.as(h.operator), Restoration{Words: []byte(words), File: file})
}

// own makes a token for the owner of a wallet that was restored.
func (h *house) own() {
	h.t.Helper()
	h.owner = h.token(h.operator, NewToken{Role: Owner, Wallet: h.wallet}).Text
}

// contents is all that the wallet holds, as text, without its record and the time.
// contentsOf is what a backup of the wallet holds, as text.
func contentsOf(h *house) string {
	h.t.Helper()
	c := h.as(h.owner)
	b, err := h.door.gather(h.t.Context(), c, h.releases(c), 0)
	if err != nil {
		h.t.Fatal(err)
	}
	b.Created = time.Time{}
	slices.SortFunc(b.Secrets, func(a, b storedSecret) int { return strings.Compare(a.Content.Name, b.Content.Name) }) // tags are the key's
	text, err := json.MarshalIndent(b, "", " ")
	if err != nil {
		h.t.Fatal(err)
	}
	return string(text)
}

func (h *house) verified() ledger.Verification {
	h.t.Helper()
	v, err := h.door.VerifyRecord(h.t.Context(), h.as(h.owner))
	if err != nil || v.Bad != nil {
		h.t.Fatalf("the record: %+v, %v", v.Bad, err)
	}
	return v
}

func TestAWalletIsRestoredIntoAnEmptyStore(t *testing.T) {
	h := furnished(t)
	b := h.backup()
	if b.Secrets != 3 || b.KeyPairs != 3 || b.Accounts < 3 || b.Rules != 2 || !b.Profile || b.Apps == 0 || b.Credentials == 0 || b.LeftOut != 0 {
		t.Errorf("the backup holds %+v", b.BackupView)
	}
	if kind, e := h.lastEvent(); kind != "backup.created" || e.By != "owner" {
		t.Errorf("on record: %s %+v", kind, e)
	}
	entries, err := h.door.Record(t.Context(), h.as(h.owner), 0, 200)
	if err != nil {
		t.Fatal(err)
	}
	shown, err := h.door.InspectBackup(t.Context(), h.as(h.owner), b.File)
	if diff := cmp.Diff(b.BackupView, shown); err != nil || diff != "" {
		t.Errorf("inspecting it: %v %s", err, diff)
	}
	shown, err = ReadBackup(b.File, words)
	if diff := cmp.Diff(b.BackupView, shown); err != nil || diff != "" {
		t.Errorf("inspecting it with the words: %v %s", err, diff)
	}
	if kind, e := h.lastEvent(); kind != "backup.inspected" || e.By != "owner" {
		t.Errorf("on record: %s %+v", kind, e)
	}
	before := contentsOf(h)

	n := place(t)
	n.wallet = h.wallet
	restored, err := n.restore(b.File)
	if err != nil {
		t.Fatal(err)
	}
	if restored.RulesOff != 1 || restored.Wallet != h.wallet {
		t.Errorf("restored %+v", restored)
	}
	n.own()
	after := strings.Replace(contentsOf(n), `"decision": "allow",
    "off": true`, `"decision": "allow"`, 1)
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("(-before +after)\n%s", diff)
	}

	t.Run("says what its record said, on a chain that holds", func(t *testing.T) {
		again, err := n.door.Record(t.Context(), n.as(n.owner), 0, 200)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(entries, again[:len(entries)]); diff != "" {
			t.Error(diff)
		}
		if next := again[len(entries)]; next.Kind != "wallet.restored" || next.Seq != int64(len(entries))+1 {
			t.Errorf("goes on with %+v", next)
		}
		if err := n.door.Ledger().SignHeads(t.Context()); err != nil {
			t.Fatal(err)
		}
		v := n.verified()
		if v.Heads < 2 || v.Head.Seq <= int64(len(entries)) || !strings.Contains(v.Unknown, "made again") {
			t.Errorf("verified %+v", v)
		}
		var export bytes.Buffer
		if err := n.door.ExportRecord(t.Context(), n.as(n.owner), &export); err != nil {
			t.Fatal(err)
		}
		old, err := h.store.Heads(t.Context(), h.wallet, 0, 10)
		if err != nil || len(old) == 0 {
			t.Fatal(old, err)
		}
		for what, head := range map[string]*store.Head{"the old head": &old[0], "the new head": v.Head, "no head": nil} {
			if v, err := ledger.VerifyExport(bytes.NewReader(export.Bytes()), head); err != nil || v.Bad != nil {
				t.Errorf("with %s: %+v, %v", what, v.Bad, err)
			}
		}
	})
	t.Run("gives the secrets to the apps", func(t *testing.T) {
		out, err := n.door.ReadSecret(t.Context(), n.as(n.owner), app(t, notes), "secret 1", false)
		if err != nil || !strings.Contains(string(out.Answer.Own), "value 1 é") {
			t.Errorf("%+v, %v", out, err)
		}
	})
	t.Run("asks where it allowed until the owner confirms", func(t *testing.T) {
		token := n.appToken(notes)
		n.pending(token, keyClaim("diary"))
		p, err := n.door.Policy(t.Context(), n.as(n.owner))
		if err != nil || !p.Rules[0].Off || p.Rules[1].Off {
			t.Fatalf("%+v, %v", p, err)
		}
		p.Rules[0].Off = false
		n.policy(p.Rules...)
		n.answer(token, keyClaim("diary"))
	})
	t.Run("refuses what was withdrawn, and knows no old token", func(t *testing.T) {
		list, _, err := n.door.Delegations(t.Context(), n.as(n.owner), store.Page{})
		if err != nil || len(list) != 1 || list[0].Revoked.IsZero() {
			t.Errorf("%+v, %v", list, err)
		}
		if grants, _, err := n.door.Grants(t.Context(), n.as(n.owner), store.Page{}); err != nil || len(grants) != 0 {
			t.Errorf("grants: %v, %v", grants, err)
		}
		_, err = n.door.Authenticate(t.Context(), h.owner)
		wantErr(t, err, ErrUnauthorized)
	})
	t.Run("is backed up and restored again", func(t *testing.T) {
		again := n.backup()
		third := place(t)
		third.wallet = h.wallet
		if _, err := third.restore(again.File); err != nil {
			t.Fatal(err)
		}
		third.own()
		if err := third.door.Ledger().SignHeads(t.Context()); err != nil {
			t.Fatal(err)
		}
		third.verified()
		old, err := third.door.Record(t.Context(), third.as(third.owner), 0, 200)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(entries, old[:len(entries)]); diff != "" {
			t.Error(diff)
		}
	})
}

// A row of the old store, with its MAC, is nobody's in the new one.
func TestARestoredWalletHasAKeyOfItsOwn(t *testing.T) {
	h := furnished(t)
	b := h.backup()
	old, _, err := h.store.Tokens(t.Context(), h.wallet, store.Page{})
	if err != nil {
		t.Fatal(err)
	}
	n := place(t)
	n.wallet = h.wallet
	if _, err := n.restore(b.File); err != nil {
		t.Fatal(err)
	}
	n.own()
	for _, row := range old {
		if row.Role == string(Owner) {
			if _, err := n.store.Commit(t.Context(), store.Change{Chain: "x", Entries: []store.Entry{{ID: "x", Kind: "x"}}, Epoch: -1, Writes: []store.Write{store.InsertToken(row)}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	_, err = n.door.Authenticate(t.Context(), h.owner)
	wantErr(t, err, ErrUnauthorized)
}

func TestARestoreIsRefused(t *testing.T) {
	h := furnished(t)
	b := h.backup()
	t.Run("while the wallet is there", func(t *testing.T) {
		_, err := h.restore(b.File)
		wantErr(t, err, ErrExists)
	})
	n := place(t)
	as := func() *Caller { return n.as(n.operator) }
	try := func(r Restoration) error {
		_, err := n.door.RestoreWallet(t.Context(), as(), r)
		return err
	}
	zoo := strings.Repeat("zoo ", 11) + "wrong"
	flipped := bytes.Clone(b.File)
	flipped[len(flipped)/2] ^= 1
	renamed := bytes.Replace(b.File, []byte(h.wallet), []byte("z1muQ3xqHQK2uiACHyChikobsiY5kLqtShA"), 1)
	for name, tt := range map[string]struct {
		r    Restoration
		want error
		says string
	}{
		"with other words":         {Restoration{Words: []byte(zoo), File: b.File}, ErrBackupWallet, h.wallet},
		"with no words":            {Restoration{File: b.File}, ErrInput, "words"},
		"with words that are none": {Restoration{Words: []byte("zoo"), File: b.File}, ErrInput, ""},
		"cut":                      {Restoration{Words: []byte(words), File: b.File[:len(b.File)/2]}, ErrBackup, "cut off"},
		"empty":                    {Restoration{Words: []byte(words), File: nil}, ErrBackup, "no backup"},
		"changed":                  {Restoration{Words: []byte(words), File: flipped}, ErrBackup, "changed"},
		"under another name":       {Restoration{Words: []byte(words), File: renamed}, ErrBackupWallet, ""},
		"some other secret":        {Restoration{Words: []byte(words), File: []byte(`{"encrypted":{"k":{"iv":"a","ciphertext":"a","mac":"a"}}}`)}, ErrBackup, "no backup of a wallet"},
	} {
		t.Run(name, func(t *testing.T) {
			err := try(tt.r)
			wantErr(t, err, tt.want)
			if err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v does not say %q", err, tt.says)
			}
		})
	}
	t.Run("for an owner", func(t *testing.T) {
		_, err := h.door.RestoreWallet(t.Context(), h.as(h.owner), Restoration{Words: []byte(words), File: b.File})
		wantErr(t, err, ErrForbidden)
	})
	t.Run("from the future", func(t *testing.T) {
		late := newHouseAt(t, n.clock.Add(time.Hour)).backup()
		wantErr(t, try(Restoration{Words: []byte(words), File: late.File}), ErrBackup)
	})
	if all, _, err := n.store.Wallets(t.Context(), store.Page{}); err != nil || len(all) != 0 {
		t.Errorf("wallets: %v, %v", all, err)
	}
	if end, err := n.store.ChainEnd(t.Context(), h.wallet); err != nil || end.Seq != 0 {
		t.Errorf("entries: %+v, %v", end, err)
	}
	t.Run("beside another record of the wallet, unless the old one is left out", func(t *testing.T) {
		o := newHouse(t)
		if err := o.door.DeleteWallet(t.Context(), o.as(o.owner), o.wallet); err != nil {
			t.Fatal(err)
		}
		_, err := o.restore(b.File)
		wantErr(t, err, store.ErrOtherRecord)
		if _, err := o.door.RestoreWallet(t.Context(), o.as(o.operator), Restoration{Words: []byte(words), File: b.File, WithoutRecord: true}); err != nil {
			t.Fatal(err)
		}
		o.own()
		o.verified()
	})
}

// What is deleted and restored in the same store goes on with the record that is there.
func TestAWalletIsRestoredWhereItWas(t *testing.T) {
	h := furnished(t)
	b := h.backup()
	before := contentsOf(h)
	if err := h.door.Ledger().SignHeads(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := h.door.DeleteWallet(t.Context(), h.as(h.owner), h.wallet); err != nil {
		t.Fatal(err)
	}
	if _, err := h.restore(b.File); err != nil {
		t.Fatal(err)
	}
	h.own()
	if after := contentsOf(h); strings.ReplaceAll(after, ",\n    \"off\": true", "") != before {
		t.Error(cmp.Diff(before, after))
	}
	if err := h.door.Ledger().SignHeads(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.verified()
}

// policy.Any client that has the key opens the file: it is a Matrix secret.
func TestABackupIsAMatrixSecret(t *testing.T) {
	h := newHouse(t)
	b := h.backup()
	c := h.as(h.owner)
	key, err := backupKey(h.releases(c), c.Wallet.Keys())
	if err != nil {
		t.Fatal(err)
	}
	s, err := secretstorage.ParseSecret(b.File, MaxBackup)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := s.Open(BackupName, h.wallet, key)
	if err != nil || string(plain[:digestSize]) != b.Digest {
		t.Errorf("%v", err)
	}
	_, err = h.door.Derive(t.Context(), h.as(h.owner), []byte(backupSalt))
	wantCode(t, err, "salt_reserved")
}

func TestABackupIsOfOneMoment(t *testing.T) {
	h := newHouse(t)
	token := h.appToken(notes)
	h.policy(policy.Rule{App: notes, Claim: "encryptionKey", Decision: policy.Allow})
	h.answer(token, keyClaim("a"))
	end := func() int64 {
		e, err := h.store.ChainEnd(t.Context(), h.wallet)
		if err != nil {
			t.Fatal(err)
		}
		return e.Seq
	}
	unchanged := func(c *Caller, since int64) bool {
		is, err := h.door.unchangedSince(t.Context(), c, since)
		if err != nil {
			t.Fatal(err)
		}
		return is
	}
	c, since := h.as(h.owner), end()
	h.answer(token, keyClaim("b"))
	if !unchanged(c, since) {
		t.Error("a key that was given changed the wallet")
	}
	h.keep(notes, "s", "v")
	if unchanged(c, since) {
		t.Error("a secret that was kept changed nothing")
	}
	c, since = h.as(h.owner), end()
	h.policy()
	if unchanged(c, since) {
		t.Error("a policy that was set changed nothing")
	}
}

// A row that somebody else wrote is no reason to have no backup: it is left out, and said so.
func TestABackupLeavesOutWhatIsForged(t *testing.T) {
	h := newHouse(t)
	h.keep(notes, "mine", "value")
	genuine, _, err := h.store.Secrets(t.Context(), h.wallet, "", store.Page{})
	if err != nil {
		t.Fatal(err)
	}
	forged := genuine[0]
	forged.Tag, forged.Revision = bytes.Repeat([]byte{9}, 32), "forged"
	put := store.Change{Chain: h.wallet, Entries: []store.Entry{{ID: "x", Kind: "x"}}, Epoch: -1, Writes: []store.Write{store.PutRestoredSecret(forged)}}
	if _, err := h.store.Commit(t.Context(), put); err != nil {
		t.Fatal(err)
	}
	b := h.backup()
	if b.Secrets != 1 || b.LeftOut != 1 {
		t.Errorf("the backup holds %+v", b.BackupView)
	}
	if kind, _ := h.lastEvent(); kind != "row.forged" {
		t.Errorf("the last event is %s", kind)
	}
}

func TestABackupIsTheOwnersAlone(t *testing.T) {
	h := newHouse(t)
	b := h.backup()
	for _, token := range []string{h.operator, h.appToken(notes)} {
		_, err := h.door.CreateBackup(t.Context(), h.as(token), false)
		wantErr(t, err, ErrForbidden)
		_, err = h.door.InspectBackup(t.Context(), h.as(token), b.File)
		wantErr(t, err, ErrForbidden)
	}
	h.door.backups.Lock()
	defer h.door.backups.Unlock()
	_, err := h.door.CreateBackup(t.Context(), h.as(h.owner), false)
	wantErr(t, err, ErrBusy)
	_, err = h.restore(b.File)
	wantErr(t, err, ErrBusy)
}
