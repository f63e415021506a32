package main

import (
	"encoding/binary"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/sha3"
)

// gather is how long the first entry of a group waits for others, if there may be any.
const gather = time.Millisecond

// record is a chain of entries in a file. Those who append at the same time share an fsync.
type record struct {
	file   *os.File
	queue  chan entry
	asking atomic.Int64 // requests that are being answered: each may append an entry
	hash   [32]byte     // of the newest entry
}

type entry struct {
	sealed  []byte
	durable chan error
}

func openRecord(path string) (*record, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	r := &record{file: f, queue: make(chan entry, 1024)}
	go r.write()
	return r, nil
}

// append returns when the entry is durable.
func (r *record) append(sealed []byte) error {
	e := entry{sealed, make(chan error, 1)}
	r.queue <- e
	return <-e.durable
}

func (r *record) write() {
	var text []byte
	for first := range r.queue {
		group := []entry{first}
		late := time.NewTimer(gather)
	gathering:
		for int64(len(group)) < r.asking.Load() {
			select {
			case e := <-r.queue:
				group = append(group, e)
			case <-late.C:
				break gathering
			}
		}
		late.Stop()
		text = text[:0]
		for _, e := range group {
			text = binary.BigEndian.AppendUint64(text, uint64(len(e.sealed)))
			begin := len(text)
			text = append(append(text, e.sealed...), r.hash[:]...)
			r.hash = sha3.Sum256(text[begin:])
			text = append(text, r.hash[:]...)
		}
		_, err := r.file.Write(text)
		if err == nil {
			err = r.file.Sync()
		}
		for _, e := range group {
			e.durable <- err
		}
	}
}
