package api

import (
	"encoding/json"
	"time"
)

// RecordsQuery is the query of a part of the audit log.
type RecordsQuery struct {
	After int64 `json:"after,omitempty"` // only entries with a greater number
	Limit int   `json:"limit,omitempty" min:"1" max:"200"`
}

// StreamReset is the kind of the first event of a stream that was resumed after an entry that the
// log never had. Its Seq is the number after which the stream goes on; it has no other member.
const StreamReset = "stream.reset"

// Record is an entry of the audit log, opened.
type Record struct {
	Seq  int64     `json:"seq"` // from 1
	ID   string    `json:"id"`
	Time time.Time `json:"time"`
	Kind string    `json:"kind"`
	// Entry is what was recorded, a JSON object; null if it does not open.
	Entry json.RawMessage `json:"entry"`
	Hash  string          `json:"hash"` // hex
}

// Head is the signed end of the audit log at some time.
type Head struct {
	Seq       int64     `json:"seq"`
	Hash      string    `json:"hash"` // of the last entry, hex
	Time      time.Time `json:"time"`
	PublicKey string    `json:"publicKey"` // Ed25519, hex
	Signature string    `json:"signature"` // hex
}

// Verification is what checking an audit log found.
type Verification struct {
	OK       bool      `json:"ok"`
	Entries  int64     `json:"entries"`
	Heads    int64     `json:"heads"`          // signed heads that fit
	Head     *Head     `json:"head,omitempty"` // the newest that fits
	FirstBad *BadEntry `json:"firstBad,omitempty"`
	Unknown  string    `json:"unknown"` // what cannot be known without a head kept elsewhere
	// Archived is the newest archive of the log: its entries up to Archived.Last are in files, and were not checked.
	Archived *Archive `json:"archived,omitempty"`
}

// Archive is a file that entries of the log were moved to.
type Archive struct {
	First  int64     `json:"first"`
	Last   int64     `json:"last"`
	At     time.Time `json:"at"`     // when it was recorded
	File   string    `json:"file"`   // its name
	Size   int64     `json:"size"`   // bytes
	SHA256 string    `json:"sha256"` // hex, of the file
	Hash   string    `json:"hash"`   // of the last entry, hex
}

// NewArchive says which entries of a log are to be archived.
type NewArchive struct {
	Before time.Time `json:"before"` // those that are older, up to the last of them that has a signed head
}

// MadeArchive is what was archived.
type MadeArchive struct {
	Archive *Archive `json:"archive,omitempty"` // nil if there was nothing to archive
	Deleted int64    `json:"deleted"`           // entries that are no more in the store, of an earlier archive that was stopped too
}

// BadEntry names the first entry that does not fit.
type BadEntry struct {
	Seq int64  `json:"seq"`
	Why string `json:"why"`
}
