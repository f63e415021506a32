package server

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"walletd/internal/claims"
)

// largeTime bounds how long a backup or a snapshot takes on its way, either way.
const largeTime = 30 * time.Minute

// backupAsk asks for a wallet's backup.
type backupAsk struct {
	WithoutRecord *bool `json:"withoutRecord"`
}

// createBackup answers with the backup itself, which is a file for whoever asked: the service
// writes none.
func (s *Server) createBackup(c *call, in backupAsk) (raw, error) {
	b, err := s.door.CreateBackup(c.ctx, c.Caller, in.WithoutRecord != nil && *in.WithoutRecord)
	if err != nil {
		return raw{}, err
	}
	sum := sha256.Sum256(b.File)
	c.header.Set("Repr-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(sum[:])+":") // RFC 9530
	c.header.Set("Content-Length", strconv.Itoa(len(b.File)))
	return raw{"application/json", func(w io.Writer) error {
		slowly(w)
		w.Write(b.File)
		return nil
	}}, nil
}

// slowly gives an answer that is under way more time.
func slowly(w io.Writer) {
	if rw, ok := w.(http.ResponseWriter); ok {
		http.NewResponseController(rw).SetWriteDeadline(time.Now().Add(largeTime))
	}
}

// inspection carries a backup to look into.
type inspection struct {
	Backup json.RawMessage `json:"backup"`
}

func (*inspection) limit() int64 { return claims.MaxBackupFile + maxBody }

func (*inspection) admit(c *call) error {
	if c.Role != claims.Owner {
		return fmt.Errorf("%w: it takes an owner's token", claims.ErrForbidden)
	}
	return nil
}

func (s *Server) inspectBackup(c *call, in inspection) (claims.BackupView, error) {
	return s.door.InspectBackup(c.ctx, c.Caller, in.Backup)
}

// restoration carries a backup and what opens it.
type restoration struct {
	Words         secretText      `json:"words,omitempty"`
	SeedHex       secretText      `json:"seedHex,omitempty"`
	Backup        json.RawMessage `json:"backup"`
	WithoutRecord *bool           `json:"withoutRecord"`
}

func (r *restoration) wipe() { r.Words.Wipe(); r.SeedHex.Wipe() }

func (*restoration) limit() int64 { return claims.MaxBackupFile + maxBody }

func (*restoration) admit(c *call) error {
	if c.Role != claims.Operator {
		return fmt.Errorf("%w: it takes an operator's token", claims.ErrForbidden)
	}
	return nil
}

// restored is a wallet that was restored.
type restored struct {
	claims.BackupView
	RulesOff int `json:"rulesOff"`
}

func (s *Server) restore(c *call, in restoration) (restored, error) {
	r := claims.Restoration{File: in.Backup, Words: in.Words.Reveal(), Seed: in.SeedHex.seed(), WithoutRecord: in.WithoutRecord != nil && *in.WithoutRecord}
	c.status = http.StatusCreated
	made, err := s.door.RestoreWallet(c.ctx, c.Caller, r)
	return restored{made.BackupView, made.RulesOff}, err
}

// snapshot answers with a copy of the whole store.
func (s *Server) snapshot(c *call, _ empty) (raw, error) {
	file, err := s.door.Snapshot(c.ctx, c.Caller)
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
		slowly(w)
		if _, err := io.Copy(w, file); err != nil {
			s.log.Error().Err(err).Msg("sending a snapshot")
			panic(http.ErrAbortHandler) // the answer has begun: cut, it is too short
		}
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
