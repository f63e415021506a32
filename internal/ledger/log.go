package ledger

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/rs/zerolog"

	"walletd/internal/keystore"
	"walletd/internal/store"
)

// headsNamed are named in a line of the log, at most; of more it has the root alone.
const headsNamed = 16

// logTree writes the line of the log about a tree of heads, which the store names the leaves of.
func logTree(log *zerolog.Logger, root keystore.SignedRoot, ends []store.End) {
	line := log.Info().Int64("heads", root.Size).Hex("root", root.Hash).Hex("key", root.PublicKey).Hex("signature", root.Signature).Int64("at", root.Time).
		Bool("listed", true)
	if len(ends) <= headsNamed {
		names := make([]string, len(ends))
		for i, end := range ends {
			names[i] = fmt.Sprintf("%s %d %x", end.Chain, end.Seq, end.Hash)
		}
		line = line.Strs("chains", names)
	}
	line.Msg("heads of the audit logs")
}

// LoggedTree is what a line of the service's log says of a tree of heads.
type LoggedTree struct {
	keystore.SignedRoot             // no Hash if the line is of an earlier version, which signed each head by itself
	Ends                []store.End // what the heads are of; nil if the line does not say
	Listed              bool        // the store names the leaves of the tree, or did once
}

// ReadLogLine reads a line of the log about heads, and false if it is none, or says something else than what was signed.
func ReadLogLine(b []byte) (t LoggedTree, ok bool) {
	var line struct {
		Heads, At                  int64
		Root, Key, Signature, Hash string
		Chains                     []string
		Listed                     bool
		Chain                      string
		Seq                        int64
	}
	if json.Unmarshal(b, &line) != nil {
		return t, false
	}
	var hash, key, signature []byte
	if bad := errors.Join(unhex(line.Root+line.Hash, &hash), unhex(line.Key, &key), unhex(line.Signature, &signature)); bad != nil {
		return t, false
	}
	if line.Root == "" {
		h := store.Head{Chain: line.Chain, Seq: line.Seq, Hash: hash, Time: line.At, PublicKey: key, Signature: signature}
		t.Time, t.Ends = h.Time, []store.End{{Chain: h.Chain, Seq: h.Seq, Hash: h.Hash}}
		return t, keystore.IsAlone(h) && keystore.VerifyHead(h)
	}
	t.SignedRoot, t.Listed = keystore.SignedRoot{Size: line.Heads, Hash: hash, Time: line.At, PublicKey: key, Signature: signature}, line.Listed
	ends := make([]store.End, len(line.Chains))
	for i, named := range line.Chains {
		parts := strings.Fields(named)
		if len(parts) != 3 || unhex(parts[2], &ends[i].Hash) != nil {
			return t, false
		}
		seq, err := strconv.ParseInt(parts[1], 10, 64)
		if err != nil {
			return t, false
		}
		ends[i].Chain, ends[i].Seq = parts[0], seq
	}
	if len(ends) > 0 {
		t.Ends = ends
	}
	return t, keystore.VerifyRoot(t.SignedRoot) && (t.Ends == nil || keystore.IsRootOver(t.SignedRoot, t.Ends))
}

func unhex(text string, to *[]byte) (err error) {
	*to, err = hex.DecodeString(text)
	return err
}
