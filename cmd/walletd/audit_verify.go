package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"walletd/internal/claims"
	"walletd/internal/store"
)

type auditVerifyCmd struct {
	remote
	chainFlags
	File string `arg:"" optional:"" type:"path" help:"A record that audit export wrote; it is checked here, without a key or a service."`
	Head string `placeholder:"FILE" type:"path" help:"A head kept elsewhere that the record in FILE must contain: a line of the service's log, or the head that audit verify --json shows."`
}

// verdict is what checking a record found, as the service says it.
type verdict struct {
	OK       bool   `json:"ok"`
	Entries  int64  `json:"entries"`
	Heads    int64  `json:"heads"`
	Head     *head  `json:"head,omitempty"`
	FirstBad *bad   `json:"firstBad,omitempty"`
	Unknown  string `json:"unknown"`
}

type bad struct {
	Seq int64  `json:"seq"`
	Why string `json:"why"`
}

// head is a signed end of a record: as the service shows it, and with the names it has in the
// service's log.
type head struct {
	Chain     string    `json:"chain,omitempty"`
	Seq       int64     `json:"seq"`
	Hash      string    `json:"hash"`
	Time      time.Time `json:"time"`
	PublicKey string    `json:"publicKey"`
	Signature string    `json:"signature"`
}

func (cmd *auditVerifyCmd) Run(ctx context.Context, con *console) error {
	if cmd.File == "" && cmd.Head != "" {
		return usagef("--head is for a record in a file: walletd audit verify FILE --head HEAD")
	}
	var v verdict
	if cmd.File != "" {
		if cmd.Service || cmd.chainFlags.Wallet != "" {
			return usagef("a file says itself whose record it is: leave --wallet and --service out")
		}
		var err error
		if v, err = cmd.offline(); err != nil {
			return err
		}
		if con.json {
			if err := con.printJSON(v); err != nil {
				return err
			}
		}
	} else {
		c, path, err := cmd.chainFlags.open(ctx, con, cmd.remote)
		if err != nil {
			return err
		}
		answer, err := c.get(ctx, path+"/verify", nil)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(answer, &v); err != nil {
			return fmt.Errorf("reading the answer of the service: %w", err)
		}
		if con.json {
			if err := con.printJSON(answer); err != nil {
				return err
			}
		}
	}
	if !con.json {
		con.printVerdict(v)
	}
	if !v.OK {
		return withHint(errors.New("the record does not hold together"), "somebody changed it: keep a copy as it is, and look at who can write to the store")
	}
	return nil
}

func (con *console) printVerdict(v verdict) {
	if v.FirstBad != nil {
		con.printf("entry %d does not fit: %s\n", v.FirstBad.Seq, shown(v.FirstBad.Why))
	} else {
		con.printf("%d entries follow from each other, %d signed heads fit\n", v.Entries, v.Heads)
	}
	if v.Head != nil {
		con.printf("newest head: entry %d, %s, %s\n", v.Head.Seq, shown(v.Head.Hash), v.Head.Time.UTC().Format(time.RFC3339))
	}
	if v.Unknown != "" {
		con.printf("not known: %s\n", shown(v.Unknown))
	}
}

// offline checks a file without a key and without the service.
func (cmd *auditVerifyCmd) offline() (verdict, error) {
	file, err := os.Open(cmd.File)
	if err != nil {
		return verdict{}, err
	}
	defer file.Close()
	var known *store.Head
	if cmd.Head != "" {
		if known, err = readHead(cmd.Head); err != nil {
			return verdict{}, err
		}
		if known.Chain == "" {
			if known.Chain, err = chainOf(file); err != nil {
				return verdict{}, err
			}
		}
	}
	found, err := claims.ReadExport(file, known)
	if err != nil {
		return verdict{}, withHint(err, "is "+shellQuote(cmd.File)+" what walletd audit export wrote, whole?")
	}
	v := verdict{OK: found.Bad == nil, Entries: found.Entries, Heads: found.Heads, Unknown: found.Unknown}
	if found.Bad != nil {
		v.FirstBad = &bad{found.Bad.Seq, found.Bad.Why}
	}
	if h := found.Head; h != nil {
		v.Head = &head{h.Chain, h.Seq, hex.EncodeToString(h.Hash), time.UnixMilli(h.Time).UTC(), hex.EncodeToString(h.PublicKey), hex.EncodeToString(h.Signature)}
	}
	return v, nil
}

// chainOf reads the name of the chain from the first line of an export, and goes back to it.
func chainOf(file *os.File) (string, error) {
	var line struct{ Record struct{ Chain string } }
	err := json.NewDecoder(bufio.NewReader(io.LimitReader(file, 1<<20))).Decode(&line)
	if err != nil {
		return "", fmt.Errorf("%s does not begin with an entry of a record", file.Name())
	}
	_, err = file.Seek(0, io.SeekStart)
	return line.Record.Chain, err
}

// readHead reads a head in one of the two forms it is met in: what the service shows (times as
// text), or a line of its log (milliseconds, and key for publicKey).
func readHead(path string) (*store.Head, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var found struct {
		Chain                string
		Seq                  int64
		Hash, PublicKey, Key string
		Signature            string
		Time                 json.RawMessage
		Head                 json.RawMessage
	}
	if err := json.Unmarshal(b, &found); err == nil && len(found.Head) > 0 {
		err = json.Unmarshal(found.Head, &found) // a whole answer of audit verify --json
	}
	h := &store.Head{Chain: found.Chain, Seq: found.Seq}
	if found.PublicKey == "" {
		found.PublicKey = found.Key
	}
	var at time.Time
	if json.Unmarshal(found.Time, &h.Time) != nil && json.Unmarshal(found.Time, &at) == nil {
		h.Time = at.UnixMilli()
	}
	for text, into := range map[string]*[]byte{found.Hash: &h.Hash, found.PublicKey: &h.PublicKey, found.Signature: &h.Signature} {
		if *into, err = hex.DecodeString(text); err != nil || len(*into) == 0 {
			break
		}
	}
	if err != nil || h.Time == 0 || len(h.Hash) != 32 || len(h.PublicKey) != 32 || len(h.Signature) != 64 {
		return nil, fmt.Errorf("%s holds no head: a line of the log with its chain, seq, hash, key, signature and time", path)
	}
	return h, nil
}
