package passkey

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
)

// Decision is what a person decides with a touch: an approval, as it was asked and shown, and every choice. The
// members of a choice are exactly as they go over the wire; their order counts.
type Decision struct {
	Approval string `json:"approval"` // its id
	// Digest is the approval's digest, in hex, which covers what was asked and what was shown.
	Digest      string    `json:"digest"`
	Verdict     string    `json:"verdict"` // "approve"
	MFACode     int       `json:"mfaCode,omitempty"`
	Account     string    `json:"account,omitempty"`
	Items       *[]string `json:"items,omitempty"` // nil: not chosen
	Credentials []string  `json:"credentials,omitempty"`
	Remember    *Remember `json:"remember,omitempty"`
}

// Remember is how long a yes is remembered. One member is set.
type Remember struct {
	Seconds int64  `json:"seconds,omitempty"`
	Times   int64  `json:"times,omitempty"`
	Until   string `json:"until,omitempty"`
}

// Challenge returns the challenge of the decision: SHA-256 over the label "walletd decision v1" and the members in
// their order. Each part is preceded by its length, 8 bytes big endian; a number is 8 bytes big endian; a list is its
// length and its elements; Items and Remember are preceded by one part of one byte, 1 if they are there and 0 if not.
func (d Decision) Challenge() []byte {
	h := parts{sha256.New()}
	for _, text := range []string{"walletd decision v1", d.Approval, d.Digest, d.Verdict} {
		h.text(text)
	}
	h.number(int64(d.MFACode))
	h.text(d.Account)
	if h.there(d.Items != nil) {
		h.list(*d.Items)
	}
	h.list(d.Credentials)
	if h.there(d.Remember != nil) {
		h.number(d.Remember.Seconds)
		h.number(d.Remember.Times)
		h.text(d.Remember.Until)
	}
	return h.Sum(nil)
}

// ActionChallenge returns the challenge of a touch for anything else than a decision: SHA-256 over the label "walletd
// action v1", the fresh challenge that the service gave, and what is done, each part preceded by its length. Over
// HTTP what is done is "request", the method, the path with its query, and SHA-256 of the body in hex.
func ActionChallenge(fresh []byte, action ...string) []byte {
	h := parts{sha256.New()}
	h.text("walletd action v1")
	h.text(string(fresh))
	h.list(action)
	return h.Sum(nil)
}

// parts hashes parts so that no two lists of them give the same bytes.
type parts struct{ hash.Hash }

func (h parts) text(text string) {
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(text))))
	h.Write([]byte(text))
}

func (h parts) number(n int64) { h.text(string(binary.BigEndian.AppendUint64(nil, uint64(n)))) }

func (h parts) there(is bool) bool {
	if is {
		h.text("\x01")
	} else {
		h.text("\x00")
	}
	return is
}

func (h parts) list(texts []string) {
	h.number(int64(len(texts)))
	for _, text := range texts {
		h.text(text)
	}
}
