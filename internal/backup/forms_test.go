package backup_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"walletd/internal/backup"
	"walletd/internal/store"
	"walletd/internal/wallettest/fixture"
	"walletd/internal/wallettest/memory"
)

// inChunks says whether a backup is sealed in chunks, and not as a Matrix secret.
func inChunks(file []byte) bool { return bytes.Contains(file, []byte(`"chunks":[`)) }

// Each of what TestAWalletIsRestoredIntoAnEmptyStore holds for one form holds for the other.
func TestABackupInChunksIsRestored(t *testing.T) {
	f := furnished(t)
	f.Grow(300)
	before := contentsOf(f)
	small := f.Backup()
	f.Backups.LimitSecrets(1)
	large := f.Backup()
	if inChunks(small.File) || !inChunks(large.File) {
		t.Fatal("the forms are not those that were asked for")
	}
	if !json.Valid(large.File) || bytes.Count(large.File, []byte("\n\"")) < 3 {
		t.Errorf("it is not JSON, or of few chunks: %.200s", large.File)
	}
	for what, view := range map[string]func() (backup.View, error){
		"with the words": func() (backup.View, error) {
			return backup.ReadBackup(bytes.NewReader(large.File), []byte(fixture.Words))
		},
		"by its owner": func() (backup.View, error) {
			return f.Backups.Inspect(t.Context(), f.As(f.Owner), bytes.NewReader(large.File))
		},
	} {
		got, err := view()
		if diff := cmp.Diff(large.View, got); err != nil || diff != "" {
			t.Errorf("inspected %s: %v %s", what, err, diff)
		}
	}
	if large.Entries < small.Entries || large.Secrets != small.Secrets || large.KeyPairs != small.KeyPairs || large.Credentials != small.Credentials || large.Digest == small.Digest {
		t.Errorf("the backup holds %+v, the other %+v", large.View, small.View)
	}
	n := place(t)
	n.Wallet = f.Wallet
	if _, err := n.Restore(large.File); err != nil {
		t.Fatal(err)
	}
	n.NewOwner()
	if after := strings.ReplaceAll(contentsOf(n), ",\n    \"off\": true", ""); after != before {
		t.Errorf("(-before +after)\n%s", cmp.Diff(before, after))
	}
	n.VerifyAuditLog()
	entries, err := n.Wallets.AuditEntries(t.Context(), n.As(n.Owner), int64(large.Entries)-1, 1)
	if err != nil || len(entries) != 1 || entries[0].Hash != large.Head || entries[0].Kind != "backup.created" {
		t.Errorf("the last entry is %+v, %v, want %s", entries, err, large.Head)
	}
}

// The longest plaintext that is a Matrix secret, and one byte less room.
func TestTheFormsMeet(t *testing.T) {
	f := fixture.New(t)
	f.StoreSecret(fixture.Notes, "mine", "value")
	c := f.As(f.Owner)
	key, err := backup.BackupKey(f.ReleasingReceipt(c), c.Wallet.Keys())
	if err != nil {
		t.Fatal(err)
	}
	create := func() (file, plain []byte) { // without the audit log, to which each backup adds an entry
		t.Helper()
		b, err := f.Backups.Create(t.Context(), f.As(f.Owner), true)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		file = make([]byte, b.File.Size())
		if _, err := b.File.ReadAt(file, 0); err != nil {
			t.Fatal(err)
		}
		opened, err := backup.OpenFile(b.File, f.Wallet, key)
		if err == nil {
			plain, err = opened.Read()
		}
		if err != nil {
			t.Fatal(err)
		}
		return file, plain
	}
	_, plain := create()
	for less := range int64(2) {
		f.Backups.LimitSecrets(int64(backup.DigestSize+1+len(plain)) - less)
		file, same := create()
		if inChunks(file) != (less == 1) || !bytes.Equal(same, plain) {
			t.Errorf("with %d bytes less room than it needs: in chunks is %v, and the same plaintext %v", less, inChunks(file), bytes.Equal(same, plain))
		}
		n := place(t)
		n.Wallet = f.Wallet
		if got, err := n.Restore(file); err != nil || got.Secrets != 1 {
			t.Errorf("with %d bytes less room: %+v, %v", less, got, err)
		}
	}
}

var chunk = regexp.MustCompile(`"[A-Za-z0-9+/=]{100,}"`)

// What is done to the chunks of a file restores the same, or nothing.
func TestChunksAreRefusedWhereTheyAreNotAsTheyWereSealed(t *testing.T) {
	f := furnished(t)
	f.Grow(500)
	f.Backups.LimitSecrets(1)
	b := f.Backup()
	again := f.Backup()
	chunks := chunk.FindAll(b.File, -1)
	others := chunk.FindAll(again.File, -1)
	if len(chunks) < 4 || len(others) < 4 {
		t.Fatalf("%d chunks", len(chunks))
	}
	last := len(chunks) - 1
	with := func(chunks [][]byte) []byte {
		at := chunk.FindAllIndex(b.File, -1)
		return slices.Concat(b.File[:at[0][0]], bytes.Join(chunks, []byte(",")), b.File[at[last][1]:])
	}
	flip := func(c []byte, at int) []byte {
		c = bytes.Clone(c)
		if c[at] == 'A' {
			c[at] = 'B'
		} else {
			c[at] = 'A'
		}
		return c
	}
	replaced := func(old, with string) []byte {
		changed := bytes.Replace(b.File, []byte(old), []byte(with), 1)
		if bytes.Equal(changed, b.File) {
			t.Fatalf("%s is not in the file", old)
		}
		return changed
	}
	nonce := regexp.MustCompile(`"nonce":"([^"]*)"`).FindSubmatch(again.File)[1]
	n := place(t)
	n.Wallet = f.Wallet
	if v, err := backup.ReadBackup(bytes.NewReader(with(chunks)), []byte(fixture.Words)); err != nil || v.Entries != b.Entries {
		t.Fatalf("as they were: %+v, %v", v, err)
	}
	for name, file := range map[string][]byte{
		"two that are swapped":         with(slices.Concat([][]byte{chunks[1], chunks[0]}, chunks[2:])),
		"the first missing":            with(chunks[1:]),
		"one missing":                  with(slices.Concat(chunks[:1], chunks[2:])),
		"the last missing":             with(chunks[:last]),
		"one alone":                    with(chunks[:1]),
		"the last alone":               with(chunks[last:]),
		"one twice":                    with(slices.Concat(chunks[:1], chunks)),
		"the last twice":               with(slices.Concat(chunks, chunks[last:])),
		"one more, that is empty":      with(slices.Concat(chunks, [][]byte{[]byte(`""`)})),
		"one behind the last":          with(slices.Concat(chunks, others[last:])),
		"one of another backup":        with(slices.Concat(chunks[:1], others[1:2], chunks[2:])),
		"the end of another backup":    with(slices.Concat(chunks[:last], others[last:])),
		"none":                         with(nil),
		"the first changed":            with(slices.Concat([][]byte{flip(chunks[0], 1)}, chunks[1:])),
		"a tag changed":                with(slices.Concat([][]byte{flip(chunks[0], len(chunks[0])-9)}, chunks[1:])),
		"the last changed":             with(slices.Concat(chunks[:last], [][]byte{flip(chunks[last], 5)})),
		"one cut off":                  with(slices.Concat([][]byte{append(bytes.Clone(chunks[0][:len(chunks[0])-5]), '"')}, chunks[1:])),
		"one that is none":             with(slices.Concat(chunks[:1], [][]byte{[]byte("7")}, chunks[2:])),
		"the nonce of another":         replaced(string(regexp.MustCompile(`"nonce":"([^"]*)"`).FindSubmatch(b.File)[1]), string(nonce)),
		"no nonce":                     replaced(`"nonce"`, `"monce"`),
		"a nonce that is short":        replaced(`"nonce":"`, `"nonce":"AAAA","x":"`),
		"another algorithm":            replaced(`chunks.v1`, `chunks.v2`),
		"two copies":                   replaced(`{"encrypted":{`, `{"encrypted":{"`+f.Wallet+`":{},`),
		"something behind it":          append(bytes.Clone(b.File), '{'),
		"the name of another wallet":   bytes.ReplaceAll(b.File, []byte(f.Wallet), []byte("z1muQ3xqHQK2uiACHyChikobsiY5kLqtShA")),
		"all but its end":              b.File[:len(b.File)-4],
		"as much as its first chunks":  b.File[:len(b.File)/2],
		"the last chunk cut in pieces": bytes.Replace(b.File, chunks[last], append(append(bytes.Clone(chunks[last][:41]), `","`...), chunks[last][41:]...), 1),
	} {
		t.Run("with "+name, func(t *testing.T) {
			_, err := n.Restore(file)
			if !errors.Is(err, backup.ErrInvalid) && !errors.Is(err, backup.ErrWallet) {
				t.Errorf("got %v", err)
			}
			if _, err := backup.ReadBackup(bytes.NewReader(file), []byte(fixture.Words)); err == nil {
				t.Error("it is inspected")
			}
		})
	}
	if all, _, err := n.Store.Wallets(t.Context(), store.Page{}); err != nil || len(all) != 0 {
		t.Errorf("wallets: %v, %v", all, err)
	}
	if end, err := n.Store.ChainEnd(t.Context(), f.Wallet); err != nil || end.Seq != 0 {
		t.Errorf("entries: %+v, %v", end, err)
	}
	if _, err := n.Restore(b.File); err != nil {
		t.Errorf("after all that, as it was sealed: %v", err)
	}
}

// A wallet of 12,000 entries is about 12 MB in a backup. Nothing that makes, checks or restores one holds them, in
// either form.
func TestABackupTakesBoundedMemory(t *testing.T) {
	const entries, most = 12_000, 6 << 20
	f := fixture.New(t)
	f.Grow(entries)
	for name, limit := range map[string]int64{"as a Matrix secret": backup.MaxPlaintext, "in chunks": 1} {
		t.Run(name, func(t *testing.T) {
			f.Backups.LimitSecrets(limit)
			bounded := func(what string, f func() error) {
				t.Helper()
				var err error
				if held := memory.HighWater(t, func() { err = f() }); err != nil || held > most {
					t.Errorf("%s held %.1f MB, %v", what, float64(held)/1e6, err)
				}
			}
			var b backup.Backup
			owner := f.As(f.Owner)
			bounded("to create it", func() (err error) {
				b, err = f.Backups.Create(t.Context(), owner, false)
				return err
			})
			defer b.Close()
			if b.Entries < entries || b.File.Size() < 10<<20 {
				t.Fatalf("the backup holds %+v", b.View)
			}
			bounded("to inspect it", func() error {
				_, err := f.Backups.Inspect(t.Context(), owner, b.File)
				return err
			})
			n := place(t)
			operator := n.As(n.Operator)
			bounded("to restore it", func() error {
				_, err := n.Backups.Restore(t.Context(), operator, backup.Restoration{Words: []byte(fixture.Words), File: b.File})
				return err
			})
			if end, err := n.Store.ChainEnd(t.Context(), f.Wallet); err != nil || end.Seq != int64(b.Entries)+1 {
				t.Errorf("restored up to %+v, %v", end, err)
			}
		})
	}
}

// The file fails at each of its reads in turn: when it is opened, when it is checked, and when it is restored.
func TestAFileThatBreaksWhileItIsRestoredLeavesNothing(t *testing.T) {
	f := furnished(t)
	f.Grow(300)
	for name, limit := range map[string]int64{"as a Matrix secret": backup.MaxPlaintext, "in chunks": 1} {
		t.Run(name, func(t *testing.T) {
			f.Backups.LimitSecrets(limit)
			b := f.Backup()
			n := place(t)
			n.Wallet = f.Wallet
			broken := errors.New("the disk is broken")
			file := &breaking{Reader: bytes.NewReader(b.File), err: broken}
			for file.after = 1; ; file.after++ {
				file.reads = 0
				_, err := n.Backups.Restore(t.Context(), n.As(n.Operator), backup.Restoration{Words: []byte(fixture.Words), File: file})
				if err == nil {
					break
				}
				if !errors.Is(err, broken) {
					t.Fatalf("broken at the read number %d: %v", file.after, err)
				}
				if end, err := n.Store.ChainEnd(t.Context(), f.Wallet); err != nil || end.Seq != 0 {
					t.Fatalf("broken at the read number %d: entries: %+v, %v", file.after, end, err)
				}
			}
			if file.after < 4 {
				t.Errorf("only %d reads broke", file.after)
			}
		})
	}
}

// breaking fails at one of the reads from its second half.
type breaking struct {
	*bytes.Reader
	reads, after int
	err          error
}

func (b *breaking) ReadAt(p []byte, at int64) (int, error) {
	if at > b.Size()/2 {
		if b.reads++; b.reads == b.after {
			return 0, b.err
		}
	}
	return b.Reader.ReadAt(p, at)
}
