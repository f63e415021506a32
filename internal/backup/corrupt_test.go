package backup_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"walletd/internal/backup"
	"walletd/internal/store"
	"walletd/internal/wallettest/fixture"
)

// A thousand files with a few bytes changed: none panics, and none restores anything else.
func TestACorruptedBackupRestoresTheSameOrNothing(t *testing.T) {
	t.Run("as a Matrix secret", func(t *testing.T) { corrupted(t, furnished(t), 700) })
	t.Run("in chunks", func(t *testing.T) {
		f := furnished(t)
		f.Backups.LimitSecrets(1)
		corrupted(t, f, 300)
	})
}

func corrupted(t *testing.T, f *fixture.Fixture, times int) {
	b := f.Backup()
	before := contentsOf(f)
	n := place(t)
	n.Wallet = f.Wallet
	chance := rand.New(rand.NewPCG(1, 2))
	refused, same := 0, 0
	for range times {
		file := corrupt(chance, b.File)
		if bytes.Equal(file, b.File) {
			continue
		}
		_, err := n.Restore(file)
		if err != nil {
			if !errors.Is(err, backup.ErrInvalid) && !errors.Is(err, backup.ErrWallet) {
				t.Fatalf("refused with %v", err)
			}
			refused++
			continue
		}
		same++
		n.NewOwner()
		if after := strings.ReplaceAll(contentsOf(n), ",\n    \"off\": true", ""); after != before {
			t.Fatalf("restored something else: %s", cmp.Diff(before, after))
		}
		if err := n.Wallets.Delete(t.Context(), n.As(n.Owner), n.Wallet); err != nil {
			t.Fatal(err)
		}
	}
	if refused < times/2 {
		t.Errorf("%d refused, %d the same", refused, same)
	}
	if all, _, err := n.Store.Wallets(t.Context(), store.Page{}); err != nil || len(all) != 0 {
		t.Errorf("wallets: %v, %v", all, err)
	}
}

// corrupt changes a file as disks, wires and people do.
func corrupt(chance *rand.Rand, file []byte) []byte {
	file = bytes.Clone(file)
	at := chance.IntN(len(file))
	if chance.IntN(3) == 0 { // near the ends, where the names and the IV are
		at = chance.IntN(200)
	}
	switch chance.IntN(6) {
	case 0:
		file[at] ^= 1 << chance.IntN(8)
	case 1:
		file[at] = byte(chance.IntN(256))
	case 2:
		return file[:at]
	case 3:
		return append(file[:at], file[at+1:]...)
	case 4:
		return append(file[:at], append([]byte{byte(chance.IntN(256))}, file[at:]...)...)
	default:
		to := chance.IntN(len(file))
		copy(file[at:], file[to:])
	}
	return file
}
