package backup_test

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

	"walletd/internal/approvals"
	"walletd/internal/auth"
	"walletd/internal/backup"
	"walletd/internal/did"
	"walletd/internal/keystore"
	"walletd/internal/ledger"
	"walletd/internal/policy"
	"walletd/internal/secret"
	"walletd/internal/secrets"
	"walletd/internal/secretstorage"
	"walletd/internal/store"
	"walletd/internal/wallets"
	"walletd/internal/wallettest/fixture"
	"walletd/internal/wallettest/matrix"
)

// place is a store with a keystore and an operator, and no wallet yet.
func place(t *testing.T) *fixture.Fixture {
	t.Helper()
	f := &fixture.Fixture{T: t, Path: filepath.Join(t.TempDir(), "data", "walletd.db"), Clock: time.Now().Truncate(time.Second)}
	f.Open(true)
	t.Cleanup(func() { f.Store.Close() })
	text, row := auth.FirstToken(f.Clock)
	f.Operator = text
	slot := keystore.NewSlot{Name: "first", Recipient: fixture.RecoveryIdentity().Recipient}
	if err := f.Keystore.Init(t.Context(), []keystore.NewSlot{slot}, row); err != nil {
		t.Fatal(err)
	}
	f.Unlock()
	return f
}

// furnished is a fixture whose wallet holds one of everything.
func furnished(t *testing.T) *fixture.Fixture {
	t.Helper()
	f := fixture.New(t)
	ctx, owner := t.Context(), f.As(f.Owner)
	application := did.Type{Role: did.RoleApplication, Key: did.Ed25519, Hash: did.SHA3}
	f.Account(fixture.Another, application)
	f.Account(fixture.Notes, did.Type{Role: did.RoleAccount, Key: did.Secp256k1, Hash: did.SHA3})
	for _, typ := range []did.KeyType{did.Ed25519, did.Secp256k1, did.Ethereum} {
		key, err := did.SecretKeyFromSeed(typ, bytes.Repeat([]byte{7}, 32))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Wallets.ImportAccount(ctx, owner, key.Reveal(), did.Type{Role: did.RoleApplication, Key: typ, Hash: did.SHA3}); err != nil {
			t.Fatal(typ, err)
		}
	}
	f.SetPolicy(policy.Rule{App: fixture.Notes, Claim: "encryptionKey", Decision: policy.Allow}, policy.Rule{App: policy.Any, Claim: "profile", Decision: policy.Deny})
	f.SetProfile(fixture.WholeProfile())
	if _, err := f.Wallets.PutAsset(ctx, f.As(f.Owner), wallets.NewAsset{Asset: fixture.ParseDID(t, fixture.Ticket), Owner: fixture.ParseDID(t, f.Wallet), Issuer: fixture.ParseDID(t, fixture.DemoIssuer), Tag: "Ticket"}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Auth.NameApp(ctx, f.As(f.Owner), fixture.ParseDID(t, fixture.Notes), "My notes"); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		f.StoreSecret(fixture.Notes, fmt.Sprint("secret ", i), fmt.Sprint("value ", i, " é"))
	}
	token := f.AppToken(fixture.Notes)
	f.Answer(token, fixture.KeyClaim("diary"))

	from, fromDID := fixture.Secret(t, fixture.Another, application)
	good := fixture.Delegate(t, from, fromDID, fixture.ParseDID(t, fixture.Notes), f.Clock, nil)
	p := f.Pending(token, fixture.DelegatedClaim(fromDID.Address(), good))
	if err := f.Approve(p.ID, approvals.Choice{Remember: &approvals.Remember{Until: "withdrawn"}}); err != nil {
		t.Fatal(err)
	}
	list, _, err := f.Auth.Delegations(ctx, f.As(f.Owner), store.Page{})
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	if err := f.Pipeline.RevokeDelegation(ctx, f.As(f.Owner), list[0].Hash); err != nil {
		t.Fatal(err)
	}
	if err := f.Ledger.SignHeads(ctx); err != nil {
		t.Fatal(err)
	}
	return f
}

// contentsOf is what a backup of the wallet holds, as text, without its record and the time.
func contentsOf(f *fixture.Fixture) string {
	f.T.Helper()
	c := f.As(f.Owner)
	var written bytes.Buffer
	if err := f.Backups.Gather(f.T.Context(), c, f.ReleasingReceipt(c), 0, &written); err != nil {
		f.T.Fatal(err)
	}
	b, err := backup.ReadContents(written.Bytes())
	if err != nil {
		f.T.Fatal(err)
	}
	b.Created = ""
	slices.SortFunc(b.Secrets, func(a, b backup.FileSecret) int { return strings.Compare(a.Content.Name, b.Content.Name) }) // tags are the key's
	text, err := json.MarshalIndent(b, "", " ")
	if err != nil {
		f.T.Fatal(err)
	}
	return string(text)
}

func TestAWalletIsRestoredIntoAnEmptyStore(t *testing.T) {
	f := furnished(t)
	b := f.Backup()
	if b.Secrets != 3 || b.KeyPairs != 3 || b.Accounts < 3 || b.Rules != 2 || !b.Profile || b.Apps == 0 || b.Credentials == 0 || b.LeftOut != 0 {
		t.Errorf("the backup holds %+v", b.View)
	}
	if kind, e := f.LastEvent(); kind != "backup.created" || e.By != "owner" {
		t.Errorf("recorded: %s %+v", kind, e)
	}
	entries, err := f.Wallets.AuditEntries(t.Context(), f.As(f.Owner), 0, 200)
	if err != nil {
		t.Fatal(err)
	}
	shown, err := f.Backups.Inspect(t.Context(), f.As(f.Owner), bytes.NewReader(b.File))
	if diff := cmp.Diff(b.View, shown); err != nil || diff != "" {
		t.Errorf("inspecting it: %v %s", err, diff)
	}
	shown, err = backup.ReadBackup(bytes.NewReader(b.File), []byte(fixture.Words))
	if diff := cmp.Diff(b.View, shown); err != nil || diff != "" {
		t.Errorf("inspecting it with the words: %v %s", err, diff)
	}
	if kind, e := f.LastEvent(); kind != "backup.inspected" || e.By != "owner" {
		t.Errorf("recorded: %s %+v", kind, e)
	}
	before := contentsOf(f)

	n := place(t)
	n.Wallet = f.Wallet
	restored, err := n.Restore(b.File)
	if err != nil {
		t.Fatal(err)
	}
	if restored.RulesOff != 1 || restored.Wallet != f.Wallet {
		t.Errorf("restored %+v", restored)
	}
	n.NewOwner()
	after := strings.Replace(contentsOf(n), `"decision": "allow",
    "off": true`, `"decision": "allow"`, 1)
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("(-before +after)\n%s", diff)
	}

	t.Run("says what its record said, on a chain that holds", func(t *testing.T) {
		again, err := n.Wallets.AuditEntries(t.Context(), n.As(n.Owner), 0, 200)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(entries, again[:len(entries)]); diff != "" {
			t.Error(diff)
		}
		if next := again[len(entries)]; next.Kind != "wallet.restored" || next.Seq != int64(len(entries))+1 {
			t.Errorf("goes on with %+v", next)
		}
		if err := n.Ledger.SignHeads(t.Context()); err != nil {
			t.Fatal(err)
		}
		v := n.VerifyAuditLog()
		if v.Heads < 2 || v.Head.Seq <= int64(len(entries)) || !strings.Contains(v.Unknown, "was restored") {
			t.Errorf("verified %+v", v)
		}
		var export bytes.Buffer
		if err := n.Wallets.ExportAuditLog(t.Context(), n.As(n.Owner), &export); err != nil {
			t.Fatal(err)
		}
		old, err := f.Store.Heads(t.Context(), f.Wallet, 0, 10)
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
		out, err := n.Secrets.Read(t.Context(), n.As(n.Owner), fixture.ParseDID(t, fixture.Notes), "secret 1", false)
		if err != nil || !strings.Contains(string(out.Answer.Own), "value 1 é") {
			t.Errorf("%+v, %v", out, err)
		}
	})
	t.Run("asks where it allowed until the owner confirms", func(t *testing.T) {
		token := n.AppToken(fixture.Notes)
		n.Pending(token, fixture.KeyClaim("diary"))
		p, err := n.Pipeline.Policy(t.Context(), n.As(n.Owner))
		if err != nil || !p.Rules[0].Off || p.Rules[1].Off {
			t.Fatalf("%+v, %v", p, err)
		}
		p.Rules[0].Off = false
		n.SetPolicy(p.Rules...)
		n.Answer(token, fixture.KeyClaim("diary"))
	})
	t.Run("refuses what was revoked, and knows no old token", func(t *testing.T) {
		list, _, err := n.Auth.Delegations(t.Context(), n.As(n.Owner), store.Page{})
		if err != nil || len(list) != 1 || list[0].Revoked.IsZero() {
			t.Errorf("%+v, %v", list, err)
		}
		if grants, _, err := n.Approvals.ListGrants(t.Context(), n.As(n.Owner), store.Page{}); err != nil || len(grants) != 0 {
			t.Errorf("grants: %v, %v", grants, err)
		}
		_, err = n.Auth.Authenticate(t.Context(), f.Owner)
		fixture.WantErr(t, err, auth.ErrUnauthorized)
	})
	t.Run("is backed up and restored again", func(t *testing.T) {
		again := n.Backup()
		third := place(t)
		third.Wallet = f.Wallet
		if _, err := third.Restore(again.File); err != nil {
			t.Fatal(err)
		}
		third.NewOwner()
		if err := third.Ledger.SignHeads(t.Context()); err != nil {
			t.Fatal(err)
		}
		third.VerifyAuditLog()
		old, err := third.Wallets.AuditEntries(t.Context(), third.As(third.Owner), 0, 200)
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
	f := furnished(t)
	b := f.Backup()
	old, _, err := f.Store.Tokens(t.Context(), f.Wallet, store.Page{})
	if err != nil {
		t.Fatal(err)
	}
	n := place(t)
	n.Wallet = f.Wallet
	if _, err := n.Restore(b.File); err != nil {
		t.Fatal(err)
	}
	n.NewOwner()
	for _, row := range old {
		if row.Role == string(auth.Owner) {
			if _, err := n.Store.Commit(t.Context(), store.Change{Chain: "x", Entries: []store.Entry{{ID: "x", Kind: "x"}}, Epoch: -1, Writes: []store.Write{store.InsertToken(row)}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	_, err = n.Auth.Authenticate(t.Context(), f.Owner)
	fixture.WantErr(t, err, auth.ErrUnauthorized)
}

func TestARestoreIsRefused(t *testing.T) {
	f := furnished(t)
	b := f.Backup()
	t.Run("while the wallet is there", func(t *testing.T) {
		_, err := f.Restore(b.File)
		fixture.WantErr(t, err, auth.ErrExists)
	})
	n := place(t)
	as := func() *auth.Caller { return n.As(n.Operator) }
	try := func(r backup.Restoration) error {
		_, err := n.Backups.Restore(t.Context(), as(), r)
		return err
	}
	zoo := strings.Repeat("zoo ", 11) + "wrong"
	flipped := bytes.Clone(b.File)
	flipped[len(flipped)/2] ^= 1
	renamed := bytes.Replace(b.File, []byte(f.Wallet), []byte("z1muQ3xqHQK2uiACHyChikobsiY5kLqtShA"), 1)
	for name, tt := range map[string]struct {
		r    backup.Restoration
		want error
		says string
	}{
		"with other words":         {backup.Restoration{Words: []byte(zoo), File: bytes.NewReader(b.File)}, backup.ErrWallet, f.Wallet},
		"with no words":            {backup.Restoration{File: bytes.NewReader(b.File)}, auth.ErrInput, "words"},
		"with words that are none": {backup.Restoration{Words: []byte("zoo"), File: bytes.NewReader(b.File)}, auth.ErrInput, ""},
		"cut":                      {backup.Restoration{Words: []byte(fixture.Words), File: bytes.NewReader(b.File[:len(b.File)/2])}, backup.ErrInvalid, "truncated"},
		"empty":                    {backup.Restoration{Words: []byte(fixture.Words), File: nil}, backup.ErrInvalid, "not a backup"},
		"changed":                  {backup.Restoration{Words: []byte(fixture.Words), File: bytes.NewReader(flipped)}, backup.ErrInvalid, "changed"},
		"under another name":       {backup.Restoration{Words: []byte(fixture.Words), File: bytes.NewReader(renamed)}, backup.ErrWallet, ""},
		"some other secret":        {backup.Restoration{Words: []byte(fixture.Words), File: bytes.NewReader([]byte(`{"encrypted":{"k":{"iv":"a","ciphertext":"a","mac":"a"}}}`))}, backup.ErrInvalid, "not a backup of a wallet"},
	} {
		t.Run(name, func(t *testing.T) {
			err := try(tt.r)
			fixture.WantErr(t, err, tt.want)
			if err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v does not say %q", err, tt.says)
			}
		})
	}
	t.Run("for an owner", func(t *testing.T) {
		_, err := f.Backups.Restore(t.Context(), f.As(f.Owner), backup.Restoration{Words: []byte(fixture.Words), File: bytes.NewReader(b.File)})
		fixture.WantErr(t, err, auth.ErrForbidden)
	})
	t.Run("from the future", func(t *testing.T) {
		late := fixture.NewAt(t, n.Clock.Add(time.Hour)).Backup()
		fixture.WantErr(t, try(backup.Restoration{Words: []byte(fixture.Words), File: bytes.NewReader(late.File)}), backup.ErrInvalid)
	})
	if all, _, err := n.Store.Wallets(t.Context(), store.Page{}); err != nil || len(all) != 0 {
		t.Errorf("wallets: %v, %v", all, err)
	}
	if end, err := n.Store.ChainEnd(t.Context(), f.Wallet); err != nil || end.Seq != 0 {
		t.Errorf("entries: %+v, %v", end, err)
	}
	t.Run("beside another record of the wallet, unless the old one is left out", func(t *testing.T) {
		o := fixture.New(t)
		if err := o.Wallets.Delete(t.Context(), o.As(o.Owner), o.Wallet); err != nil {
			t.Fatal(err)
		}
		_, err := o.Restore(b.File)
		fixture.WantErr(t, err, store.ErrOtherRecord)
		if _, err := o.Backups.Restore(t.Context(), o.As(o.Operator), backup.Restoration{Words: []byte(fixture.Words), File: bytes.NewReader(b.File), WithoutRecord: true}); err != nil {
			t.Fatal(err)
		}
		o.NewOwner()
		o.VerifyAuditLog()
	})
}

// What is deleted and restored in the same store goes on with the audit log that is there.
func TestAWalletIsRestoredWhereItWas(t *testing.T) {
	f := furnished(t)
	b := f.Backup()
	before := contentsOf(f)
	if err := f.Ledger.SignHeads(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := f.Wallets.Delete(t.Context(), f.As(f.Owner), f.Wallet); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Restore(b.File); err != nil {
		t.Fatal(err)
	}
	f.NewOwner()
	if after := contentsOf(f); strings.ReplaceAll(after, ",\n    \"off\": true", "") != before {
		t.Error(cmp.Diff(before, after))
	}
	if err := f.Ledger.SignHeads(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.VerifyAuditLog()
}

// policy.Any client that has the key opens the file: it is a Matrix secret.
func TestABackupIsAMatrixSecret(t *testing.T) {
	f := fixture.New(t)
	b := f.Backup()
	c := f.As(f.Owner)
	key, err := backup.BackupKey(f.ReleasingReceipt(c), c.Wallet.Keys())
	if err != nil {
		t.Fatal(err)
	}
	s, err := secretstorage.ParseSecret(b.File, backup.MaxPlaintext)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := s.Open(backup.Name, f.Wallet, key)
	if err != nil || string(plain[:backup.DigestSize]) != b.Digest {
		t.Errorf("%v", err)
	}
	_, err = f.Wallets.Derive(t.Context(), f.As(f.Owner), []byte(backup.BackupSalt))
	fixture.WantCode(t, err, "salt_reserved")
}

func TestABackupIsOfOneMoment(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	f.SetPolicy(policy.Rule{App: fixture.Notes, Claim: "encryptionKey", Decision: policy.Allow})
	f.Answer(token, fixture.KeyClaim("a"))
	end := func() int64 {
		e, err := f.Store.ChainEnd(t.Context(), f.Wallet)
		if err != nil {
			t.Fatal(err)
		}
		return e.Seq
	}
	unchanged := func(c *auth.Caller, since int64) bool {
		is, err := f.Backups.UnchangedSince(t.Context(), c, since)
		if err != nil {
			t.Fatal(err)
		}
		return is
	}
	c, since := f.As(f.Owner), end()
	f.Answer(token, fixture.KeyClaim("b"))
	if !unchanged(c, since) {
		t.Error("a key that was given changed the wallet")
	}
	f.StoreSecret(fixture.Notes, "s", "v")
	if unchanged(c, since) {
		t.Error("a secret that was kept changed nothing")
	}
	c, since = f.As(f.Owner), end()
	f.SetPolicy()
	if unchanged(c, since) {
		t.Error("a policy that was set changed nothing")
	}
}

// A row that somebody else wrote is no reason to have no backup: it is left out, and said so.
func TestABackupLeavesOutWhatIsForged(t *testing.T) {
	f := fixture.New(t)
	f.StoreSecret(fixture.Notes, "mine", "value")
	genuine, _, err := f.Store.Secrets(t.Context(), f.Wallet, "", store.Page{})
	if err != nil {
		t.Fatal(err)
	}
	forged := genuine[0]
	forged.Tag, forged.Revision = bytes.Repeat([]byte{9}, 32), "forged"
	put := store.Change{Chain: f.Wallet, Entries: []store.Entry{{ID: "x", Kind: "x"}}, Epoch: -1, Writes: []store.Write{store.PutRestoredSecret(forged)}}
	if _, err := f.Store.Commit(t.Context(), put); err != nil {
		t.Fatal(err)
	}
	b := f.Backup()
	if b.Secrets != 1 || b.LeftOut != 1 {
		t.Errorf("the backup holds %+v", b.View)
	}
	if kind, _ := f.LastEvent(); kind != "row.forged" {
		t.Errorf("the last event is %s", kind)
	}
}

func TestABackupIsTheOwnersAlone(t *testing.T) {
	f := fixture.New(t)
	b := f.Backup()
	for _, token := range []string{f.Operator, f.AppToken(fixture.Notes)} {
		_, err := f.Backups.Create(t.Context(), f.As(token), false)
		fixture.WantErr(t, err, auth.ErrForbidden)
		_, err = f.Backups.Inspect(t.Context(), f.As(token), bytes.NewReader(b.File))
		fixture.WantErr(t, err, auth.ErrForbidden)
	}
	held, err := f.Backups.Create(t.Context(), f.As(f.Owner), false)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Backups.Create(t.Context(), f.As(f.Owner), false)
	fixture.WantErr(t, err, backup.ErrBusy)
	held.Release()
	f.Backup()
	if err := held.Close(); err != nil {
		t.Error(err)
	}
	f.Backup()
	defer f.Backups.Hold()()
	_, err = f.Backups.Create(t.Context(), f.As(f.Owner), false)
	fixture.WantErr(t, err, backup.ErrBusy)
	_, err = f.Restore(b.File)
	fixture.WantErr(t, err, backup.ErrBusy)
}

func TestABackupHoldsStorageKeysThatWereMadeElsewhere(t *testing.T) {
	f := fixture.New(t)
	app, err := did.Parse(fixture.Notes)
	if err != nil {
		t.Fatal(err)
	}
	key, err := secretstorage.NewKey(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	description := matrix.Description(key.Reveal(), "Element")
	given := secrets.ImportedKey{RecoveryKey: secret.New(key.RecoveryKey())}
	if err := f.Secrets.ImportKey(t.Context(), f.As(f.Owner), app, "id", description, given); err != nil {
		t.Fatal(err)
	}
	n := place(t)
	n.Wallet = f.Wallet
	if _, err := n.Restore(f.Backup().File); err != nil {
		t.Fatal(err)
	}
	n.NewOwner()
	out, err := n.FindKey(n.AppToken(fixture.Notes), map[string]secretstorage.Key{"another id": key})
	if err != nil || out.Pending == nil {
		t.Fatal(out, err)
	}
	out, err = n.Secrets.FindKey(t.Context(), n.As(n.Owner), app, secrets.Question{Keys: fixture.Offer(t, map[string]secretstorage.Key{"id": key})})
	if found := fixture.StorageKey(t, fixture.OwnRouteBody(t, out, err)["key"]); !found.Equal(key.Bytes) {
		t.Error("it is another key")
	}
}
