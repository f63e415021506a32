package server

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"walletd/api"
	"walletd/internal/backup"
)

// largeTime bounds how long a backup or a snapshot takes on its way, either way.
const largeTime = time.Hour

// createBackup answers with the backup itself, which is a file for whoever asked: the service keeps
// none.
func (s *Server) createBackup(ctx context.Context, c *call, in api.NewBackup) (raw, error) {
	b, err := s.backups.Create(ctx, c.caller, in.WithoutRecord)
	if err != nil {
		return raw{}, err
	}
	contents, err := json.Marshal(backupOf(b.View))
	if err != nil {
		b.Close()
		return raw{}, fmt.Errorf("saying what is in the backup: %w", err)
	}
	c.header.Set("Backup-Contents", ":"+base64.StdEncoding.EncodeToString(contents)+":")     // as RFC 9651 writes bytes
	c.header.Set("Repr-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(b.Sum[:])+":") // RFC 9530
	c.header.Set("Content-Length", strconv.FormatInt(b.File.Size(), 10))
	return raw{"application/json", func(w io.Writer) error {
		defer b.Close()
		last := b.File.Size() - 1
		s.send(w, "a backup", io.MultiReader(io.NewSectionReader(b.File, 0, last), ender(b.Release), io.NewSectionReader(b.File, last, 1)))
		return nil
	}}, nil
}

// ender is an empty reader that is called when it is reached. Who has the last byte of a backup may ask for the next.
type ender func()

// Read implements io.Reader.
func (e ender) Read([]byte) (int, error) {
	e()
	return 0, io.EOF
}

// send writes a file as an answer that has begun, at least as fast as a huge body must come. Where it does not
// arrive whole, the connection is cut.
func (s *Server) send(w io.Writer, what string, file io.Reader) {
	if rw, ok := w.(http.ResponseWriter); ok {
		w = &steadyWriter{to: rw, control: http.NewResponseController(rw), ends: time.Now().Add(hugeTime)}
	}
	if _, err := io.CopyBuffer(w, struct{ io.Reader }{file}, make([]byte, 64<<10)); err != nil {
		s.log.Error().Err(err).Msg("sending " + what)
		panic(http.ErrAbortHandler) // it is too short
	}
}

// slowly gives an answer that is under way more time.
func slowly(w io.Writer) {
	if rw, ok := w.(http.ResponseWriter); ok {
		http.NewResponseController(rw).SetWriteDeadline(time.Now().Add(largeTime))
	}
}

func backupOf(v backup.View) api.BackupView {
	return api.BackupView{
		Wallet: v.Wallet, Name: v.Name, CreatedAt: v.Created, Accounts: v.Accounts, KeyPairs: v.KeyPairs, Rules: v.Rules, Profile: v.Profile,
		Apps: v.Apps, Credentials: v.Credentials, SecretKeys: v.SecretKeys, Secrets: v.Secrets, Entries: v.Entries, Archived: v.Archived, Head: v.Head,
		LeftOut: v.LeftOut, Bytes: v.Bytes, SHA256: v.Digest,
	}
}

func (s *Server) inspectBackup(ctx context.Context, c *call, _ api.Inspection) (api.BackupView, error) {
	v, err := s.backups.Inspect(ctx, c.caller, c.uploaded())
	return backupOf(v), err
}

func (s *Server) restore(ctx context.Context, c *call, in api.Restoration) (api.RestoredWallet, error) {
	c.status = http.StatusCreated
	made, err := s.backups.Restore(ctx, c.caller, backup.Restoration{
		File: c.uploaded(), Words: in.Words.Reveal(), Seed: seedOf(in.SeedHex), WithoutRecord: in.WithoutRecord,
	})
	return api.RestoredWallet{BackupView: backupOf(made.View), RulesOff: made.RulesOff}, err
}

// seedOf reads a seed: nil if there is none, and what is refused as one if it is not hex.
func seedOf(digits api.SecretText) []byte {
	if digits.IsZero() {
		return nil
	}
	seed := make([]byte, hex.DecodedLen(len(digits.Reveal())))
	if _, err := hex.Decode(seed, digits.Reveal()); err != nil {
		clear(seed)
		return []byte{}
	}
	return seed
}

// snapshot answers with a copy of the whole store.
func (s *Server) snapshot(ctx context.Context, c *call, _ api.Empty) (raw, error) {
	file, err := s.backups.Snapshot(ctx, c.caller)
	if err != nil {
		return raw{}, err
	}
	size, err := sizeOf(file)
	if err != nil {
		file.Close()
		return raw{}, err
	}
	c.header.Set("Content-Length", strconv.FormatInt(size, 10))
	return raw{"application/vnd.sqlite3", func(w io.Writer) error {
		defer file.Close()
		s.send(w, "a snapshot", file)
		return nil
	}}, nil
}

func sizeOf(file *os.File) (int64, error) {
	info, err := file.Stat()
	if err != nil {
		return 0, fmt.Errorf("measuring the snapshot: %w", err)
	}
	return info.Size(), nil
}
