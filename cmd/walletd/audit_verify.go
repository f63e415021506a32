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

// readHead reads a head kept in a file.
func readHead(path string) (*store.Head, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	h, ok := parseHead(b)
	if !ok {
		return nil, withHint(fmt.Errorf("%s holds no head", path),
			`a head is a line of the service's log that says "head of the record", or what walletd audit verify --json prints`)
	}
	return h, nil
}

// parseHead reads a head in one of the forms it is met in: as the service shows it, by itself or
// in a whole answer of audit verify; and as a line of its log, which has the chain, key for publicKey, and
// milliseconds in at. The chain is empty if it is not said.
func parseHead(b []byte) (*store.Head, bool) {
	var v struct {
		Head json.RawMessage
		head
		Key string
		At  int64
	}
	if json.Unmarshal(b, &v) != nil || v.Head != nil && json.Unmarshal(v.Head, &v.head) != nil {
		return nil, false
	}
	h := &store.Head{Chain: v.Chain, Seq: v.Seq, Time: v.At}
	if h.Time == 0 {
		h.Time = v.Time.UnixMilli()
	}
	var bad [3]error
	h.Hash, bad[0] = hex.DecodeString(v.Hash)
	h.PublicKey, bad[1] = hex.DecodeString(v.PublicKey + v.Key)
	h.Signature, bad[2] = hex.DecodeString(v.Signature)
	return h, errors.Join(bad[:]...) == nil && len(h.Hash) == 32 && len(h.PublicKey) == 32 && len(h.Signature) == 64
}
