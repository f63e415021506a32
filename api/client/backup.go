package client

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"walletd/api"
)

// Download is an answer that is read as it comes. Whoever got it closes it.
type Download struct {
	io.ReadCloser
	// Size is how many bytes there are; 0 if that is not known.
	Size int64
	// Digest is the Repr-Digest of the whole (RFC 9530), as in sha-256=:…:; "" if there is none.
	Digest string
}

func (c *Client) download(ctx context.Context, r request) (*Download, error) {
	res, err := c.send(ctx, r)
	if err != nil {
		return nil, err
	}
	return newDownload(res), nil
}

func newDownload(res *http.Response) *Download {
	return &Download{res.Body, max(0, res.ContentLength), res.Header.Get("Repr-Digest")}
}

// Backup is a backup as it comes, and what is in it.
type Backup struct {
	*Download
	Contents api.BackupView
}

// Backup makes a backup of the wallet, which its words open. Before the first byte comes, the service
// has opened it again, compared it with what it sealed, and found these contents in it.
func (w *Wallet) Backup(ctx context.Context, b api.NewBackup) (*Backup, error) {
	path, err := w.path(ctx, "/backup")
	if err != nil {
		return nil, err
	}
	res, err := w.c.send(ctx, request{method: "POST", path: path, body: b})
	if err != nil {
		return nil, err
	}
	made := &Backup{Download: newDownload(res)}
	if made.Contents, err = contents(res); err != nil {
		res.Body.Close()
		return nil, err
	}
	return made, nil
}

// contents reads what is in a backup from its header: base64 of JSON, between colons.
func contents(res *http.Response) (v api.BackupView, err error) {
	text := strings.Trim(res.Header.Get("Backup-Contents"), ":")
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || json.Unmarshal(b, &v) != nil {
		return v, &AnswerError{res.StatusCode, "and does not say what is in the backup"}
	}
	return v, nil
}

// File is a backup to be sent: a JSON object, and its size in bytes.
type File struct {
	io.Reader
	Size int64
}

// InspectBackup has the service open a backup of the wallet and say what is in it.
func (w *Wallet) InspectBackup(ctx context.Context, backup File) (v api.BackupView, err error) {
	path, err := w.path(ctx, "/backup/inspect")
	if err != nil {
		return v, err
	}
	return upload[api.BackupView](ctx, w.c, path, nil, backup)
}

// Restore restores a wallet from its words, or its seed, and a backup: all of it, or nothing. The
// Backup of r is left empty. Operator.
func (c *Client) Restore(ctx context.Context, r api.Restoration, backup File) (api.RestoredWallet, error) {
	members := map[string]any{}
	if !r.Words.IsZero() {
		members["words"] = r.Words
	}
	if !r.SeedHex.IsZero() {
		members["seedHex"] = r.SeedHex
	}
	if r.WithoutRecord {
		members["withoutRecord"] = true
	}
	return upload[api.RestoredWallet](ctx, c, "/v1/restore", members, backup)
}

// upload sends {…members, "backup": …} without holding the backup in memory.
func upload[T any](ctx context.Context, c *Client, path string, members map[string]any, backup File) (out T, err error) {
	if members == nil {
		members = map[string]any{}
	}
	written, err := json.Marshal(members)
	if err != nil {
		return out, fmt.Errorf("writing the request: %w", err)
	}
	const last = `"backup":`
	begin := make([]byte, 0, len(written)+len(last))
	begin = append(begin, written[:len(written)-1]...) // all but the closing brace
	if clear(written); len(members) > 0 {
		begin = append(begin, ',')
	}
	begin = append(begin, last...)
	first := newWiped(begin)
	body := struct {
		io.Reader
		io.Closer
	}{io.MultiReader(first, backup, strings.NewReader("}")), first}
	err = c.stream(ctx, request{method: "POST", path: path, upload: body, size: int64(len(begin)) + backup.Size + 1}, &out)
	return out, err
}
