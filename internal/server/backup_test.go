package server_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"walletd/internal/store"
	"walletd/internal/wallettest"
)

func TestABackupOverHTTP(t *testing.T) {
	w := wallettest.New(t)
	notes := w.App("Notes")
	w.Rules(wallettest.Members{"app": notes.DID.String(), "claim": "encryptionKey", "decision": "allow"})
	made := w.Do("POST", w.Path("/backup"), w.Owner, wallettest.Members{}).Must(http.StatusOK)
	sum := sha256.Sum256(made.Body)
	if got := made.Header.Get("Repr-Digest"); got != "sha-256=:"+base64.StdEncoding.EncodeToString(sum[:])+":" {
		t.Errorf("digest %s", got)
	}
	file := json.RawMessage(made.Body)
	inspected := w.Do("POST", w.Path("/backup/inspect"), w.Owner, wallettest.Members{"backup": file}).Must(http.StatusOK).Members()
	if inspected["wallet"] != w.Address || inspected["rules"] != 1.0 || inspected["bytes"] != float64(len(file)) {
		t.Errorf("it holds %v", inspected)
	}
	w.Do("POST", "/v1/restore", w.Operator, wallettest.Members{"words": w.Words, "backup": file}).Refused(409, "conflict")

	n := wallettest.New(t)
	for name, c := range map[string]struct {
		body   any
		status int
		code   string
	}{
		"other words":          {wallettest.Members{"words": n.Words, "backup": file}, 422, "backup_other_wallet"},
		"no words":             {wallettest.Members{"backup": file}, 400, "member_invalid"},
		"words that are none":  {wallettest.Members{"words": "abandon", "backup": file}, 422, "words_invalid"},
		"both":                 {wallettest.Members{"words": w.Words, "seedHex": "00", "backup": file}, 400, "member_invalid"},
		"a seed that is none":  {wallettest.Members{"seedHex": "00", "backup": file}, 422, "seed_invalid"},
		"no backup":            {wallettest.Members{"words": w.Words}, 400, "member_invalid"},
		"what is none":         {wallettest.Members{"words": w.Words, "backup": 7}, 422, "backup_invalid"},
		"a member too many":    {wallettest.Members{"words": w.Words, "backup": file, "x": 1}, 400, "json_unknown_member"},
		"what was cut":         {made.Body[:len(file)/2], 400, "json_malformed"},
		"a backup that is one": {wallettest.Members{"words": w.Words, "backup": wallettest.Members{}}, 422, "backup_invalid"},
	} {
		t.Run("refuses "+name, func(t *testing.T) {
			n.In(t).Do("POST", "/v1/restore", n.Operator, c.body).Refused(c.status, c.code)
		})
	}
	got := n.Do("POST", "/v1/restore", n.Operator, wallettest.Members{"words": w.Words, "backup": file}).Must(http.StatusCreated).Members()
	if got["rulesOff"] != 1.0 || got["wallet"] != w.Address {
		t.Errorf("restored %v", got)
	}
	owner := n.Do("POST", "/v1/tokens", n.Operator, wallettest.Members{"role": "owner", "wallet": w.Address, "name": "alice"}).Must(http.StatusCreated).Text("token")
	policy := n.Do("GET", "/v1/wallets/"+w.Address+"/policy", owner, nil).Must(http.StatusOK)
	if !strings.Contains(string(policy.Body), `"off":true`) {
		t.Errorf("policy %s", policy.Body)
	}
	for _, log := range []string{w.Log.String(), n.Log.String()} {
		if strings.Contains(log, w.Words) || strings.Contains(log, strings.Fields(w.Words)[3]+" "+strings.Fields(w.Words)[4]) {
			t.Error("the words are in the log")
		}
	}
}

// Who has no right to send a backup sends none: the refusal does not wait for the body.
func TestALargeBodyIsReadOnlyOfThoseWhoMaySendIt(t *testing.T) {
	w := wallettest.New(t)
	for name, c := range map[string]struct {
		path, token string
		status      int
	}{
		"a stranger":      {"/v1/restore", "", 401},
		"an owner":        {"/v1/restore", w.Owner, 403},
		"an operator":     {w.Path("/backup/inspect"), w.Operator, 403},
		"an app":          {w.Path("/backup/inspect"), w.App("Notes").Token, 403},
		"somebody else's": {"/v1/wallets/z1muQ3xqHQK2uiACHyChikobsiY5kLqtShA/backup/inspect", w.Owner, 404},
	} {
		t.Run("refuses "+name, func(t *testing.T) {
			endless, feed := io.Pipe()
			t.Cleanup(func() { feed.Close() })
			r, err := http.NewRequestWithContext(t.Context(), "POST", w.URL+c.path, endless)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/json")
			if c.token != "" {
				r.Header.Set("Authorization", "Bearer "+c.token)
			}
			if got := w.In(t).Send(r); got.Status != c.status {
				t.Errorf("%d %s", got.Status, got.Body)
			}
		})
	}
	t.Run("refuses what is larger than any backup", func(t *testing.T) {
		r := w.In(t).Request("POST", "/v1/restore", []byte("{}"))
		r.Header.Set("Authorization", "Bearer "+w.Operator)
		r.ContentLength, r.Body = 8<<30, io.NopCloser(bytes.NewReader(nil))
		r.Header.Set("Expect", "100-continue")
		w.In(t).Send(r).Refused(413, "body_too_large")
	})
	t.Run("refuses a backup of many parts", func(t *testing.T) {
		backup := json.RawMessage("[" + strings.Repeat("1,", 1<<20) + "1]")
		w.In(t).Do("POST", w.Path("/backup/inspect"), w.Owner, wallettest.Members{"backup": backup}).Refused(422, "backup_invalid")
		w.In(t).Do("POST", "/v1/restore", w.Operator, wallettest.Members{"words": w.Words, "backup": backup}).Refused(422, "backup_invalid")
	})
	t.Run("reads its members in any order, and each once", func(t *testing.T) {
		words, file := `"words":"`+w.Words+`"`, `"backup":{"encrypted":{}}`
		for body, code := range map[string]string{
			`{` + words + `,` + file + `}`:                           "backup_invalid",
			`{` + file + `,` + words + `}`:                           "backup_invalid",
			` { "b\u0061ckup" : {"encrypted":{}} , ` + words + ` } `: "backup_invalid",
			`{` + file + `,` + words + `,` + file + `}`:              "json_duplicate_member",
			`{` + file + `,"backup":1,` + words + `}`:                "json_duplicate_member",
			`{` + words + `,"backup":null}`:                          "backup_invalid",
			`{` + words + `}`:                                        "member_invalid",
			`{` + file + `,"more":` + words[8:] + `}`:                "json_unknown_member",
			`{` + words + `,` + file + `}{}`:                         "json_malformed",
			`{` + words + `,"backup":{"encrypted":{}`:                "json_malformed",
			`{` + words + `,"backup":{"encrypted":{]}}`:              "json_malformed",
			`[]`: "json_malformed",
			``:   "json_malformed",
			`{` + file + `,"words":"` + strings.Repeat("x", 64<<10) + `"}`:         "body_too_large",
			`{"backup":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`: "json_malformed",
		} {
			r := w.In(t).Request("POST", "/v1/restore", []byte(body))
			r.Header.Set("Authorization", "Bearer "+w.Operator)
			if got := w.In(t).Send(r); got.Text("code") != code {
				t.Errorf("%.80s is refused as %s, want %s", body, got.Body, code)
			}
		}
	})
	t.Run("refuses a key for repeating", func(t *testing.T) {
		r := w.In(t).Request("POST", "/v1/restore", wallettest.Members{})
		r.Header.Set("Authorization", "Bearer "+w.Operator)
		r.Header.Set("Idempotency-Key", "once")
		w.In(t).Send(r).Refused(400, "member_invalid")
	})
}

func TestASnapshotIsTheSealedStore(t *testing.T) {
	w := wallettest.New(t)
	w.LockKeystore()
	taken := w.Do("POST", "/v1/keystore/snapshot", w.Operator, wallettest.Members{}).Must(http.StatusOK)
	w.Do("POST", "/v1/keystore/snapshot", w.Owner, wallettest.Members{}).Refused(423, "locked")
	dir := filepath.Join(t.TempDir(), "copy")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "walletd.db")
	if err := os.WriteFile(path, taken.Body, 0o600); err != nil {
		t.Fatal(err)
	}
	st, err := store.Open(t.Context(), "sqlite:"+path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	if _, err := st.Wallet(t.Context(), w.Address); err != nil {
		t.Error(err)
	}
	seed := strings.Fields(w.Words)
	if bytes.Contains(taken.Body, []byte(seed[0]+" "+seed[1])) || bytes.Contains(taken.Body, []byte(hex.EncodeToString([]byte(w.Owner)))) || bytes.Contains(taken.Body, []byte(w.Owner)) {
		t.Error("a secret is in the snapshot")
	}
	left, err := filepath.Glob(filepath.Join(w.Dir, "*.tmp"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestASnapshotOfPostgreSQLNamesItsOwnTools(t *testing.T) {
	w := wallettest.New(t, wallettest.PostgreSQL())
	got := w.Do("POST", "/v1/keystore/snapshot", w.Operator, wallettest.Members{})
	got.Refused(409, "snapshot_unavailable")
	if !strings.Contains(got.Text("detail"), "pg_dump") {
		t.Errorf("it says %s", got.Body)
	}
}
