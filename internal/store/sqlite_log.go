package store

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"time"
)

// SQLite's write-ahead log (the file -wal) holds what was committed since the last checkpoint, as
// pages that belong over those of the database's file. SQLite does not know whether they are pages
// of that very file: a copy that is put back beside a log that was left is read as a mixture of both.
//
// So each log says which file it is over. The number user_version, in the file's first page, is even
// while there is no log; the first change of a log makes it odd, and before a checkpoint it is made
// even again. Then the file beneath a log has one of the numbers that the log says or, where no checkpoint came so
// far, the number before the first of them. A snapshot, whose pages are ordered anew, has a number of its own.
//
// The checkpoints are ours therefore, none is SQLite's own. They also bound the log. When it has grown to
// logSize, a reader's connection moves what is in it into the file, while the log goes on to grow: in a large
// store nearly each of its pages belongs to another place, and nobody waits for that. What came meanwhile is
// little; with that moved too, the log begins anew. It is cut off when readers have made it grow far beyond.
// From then on the file may say the log's own number.
//
// SQLite itself begins a log anew, without a number, when all of it is in the file and no reader needs it. So one
// reads from the log as long as it is moved, and until the writer empties it.

const (
	logSize  = 32 << 20 // bytes; as much is read at a start after a kill
	logRest  = 1 << 20  // bytes, about, that are left to whoever empties the log
	logEvery = 32       // commits between two looks at its length
	logAgain = time.Second
)

// checkLog refuses a log, left by a process that was killed, that is not over the file.
func checkLog(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	log, err := os.Open(path + "-wal")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer log.Close()
	first, last, ok, err := numbersInLog(log)
	if err != nil || !ok {
		return err
	}
	var header [100]byte
	if _, err := file.ReadAt(header[:], 0); errors.Is(err, io.EOF) {
		return nil // an empty file; SQLite forgets the log
	} else if err != nil {
		return err
	}
	if is := fileNumber(header[:]); first-1 <= is && is <= last {
		return nil
	}
	return fmt.Errorf("%w: %s-wal is not the log of %[2]s, which may be a copy that was put back beside it; "+
		"to go on with that copy alone, move %[2]s-wal and %[2]s-shm to another place", ErrDamaged, path)
}

// fileNumberAt is where user_version is in a database's first page: 4 bytes, big endian.
const fileNumberAt = 60

func fileNumber(page []byte) int64 { return int64(binary.BigEndian.Uint32(page[fileNumberAt:])) }

// newFileNumber draws an even number above those that a store comes to by counting.
func newFileNumber() []byte {
	b := make([]byte, 4)
	rand.Read(b) // never fails
	b[0] = b[0]&0x3f | 0x40
	b[3] &^= 1
	return b
}

// numbersInLog reads user_version in the oldest and the newest first page of a log, if it holds one: the header of 32
// bytes, then frames, each a header of 24 bytes and a page. A frame is of this log if it has its salts, and
// committed if one after it says so.
func numbersInLog(log io.ReaderAt) (first, last int64, ok bool, err error) {
	var header [32]byte
	if _, err := log.ReadAt(header[:], 0); errors.Is(err, io.EOF) {
		return 0, 0, false, nil
	} else if err != nil {
		return 0, 0, false, err
	}
	pageSize := int64(binary.BigEndian.Uint32(header[8:]))
	if pageSize < 512 || pageSize > 65536 {
		return 0, 0, false, nil // no log that SQLite would read
	}
	var pending int64
	found := false
	for at := int64(32); ; at += 24 + pageSize {
		var frame [24 + 64]byte
		if _, err := log.ReadAt(frame[:], at); errors.Is(err, io.EOF) {
			return first, last, ok, nil
		} else if err != nil {
			return 0, 0, false, err
		}
		if !bytes.Equal(frame[8:16], header[16:24]) {
			return first, last, ok, nil
		}
		if binary.BigEndian.Uint32(frame[:]) == 1 {
			pending, found = fileNumber(frame[24:]), true
		}
		if committed := binary.BigEndian.Uint32(frame[4:]) > 0; committed && found {
			if !ok {
				first = pending
			}
			last, ok = pending, true
		}
	}
}

// writeLog is what the writer knows of the log.
type writeLog struct {
	size    int64  // the bytes from which on it is checkpointed
	began   bool   // there is one, of this process or one that was killed
	first   string // sets the number, as a part of the change that begins one; "" when that waits
	commits int
	moving  chan struct{} // closed once what was in it is in the file; nil while nobody moves it
	mark    conn          // reads from the log, so that SQLite does not begin it anew: whose moving is, or else the writer's
	notYet  time.Time     // when a checkpoint is tried again that readers were in the way of
}

// prepareLog looks, while there is no log, which number the first change of one sets.
func (c *sqliteConn) prepareLog(ctx context.Context) error {
	l := &c.db.log
	if l.first = ""; l.began {
		return nil
	}
	n, err := c.fileNumber(ctx)
	if err != nil {
		return err
	}
	if n%2 == 1 { // a copy made while there was a log
		if ended, err := c.emptyLog(ctx, n, "restart"); err != nil || !ended {
			l.began = err == nil
			return err
		}
		n++
	}
	l.first = fmt.Sprintf("pragma user_version = %d", int32(n+1))
	return nil
}

// boundLog keeps the log short. What hinders it is no error of the change that was committed: it is tried
// again.
func (c *sqliteConn) boundLog(ctx context.Context) {
	l := &c.db.log
	l.commits++
	if l.moving == nil {
		if l.commits%logEvery != 0 || time.Now().Before(l.notYet) {
			return
		}
		if _, pages, _, err := checkpoint(ctx, c.conn, "noop"); err == nil && pages*pageSize >= l.size {
			l.moving = make(chan struct{})
			go c.db.moveLog(l.moving)
		}
		return
	}
	select {
	case <-l.moving:
		l.moving = nil
		c.db.unmarkLog()
	default:
		return
	}
	mode := "restart" // leaves the file as long as it is, to be written over: cheaper than to let it grow anew
	if info, err := os.Stat(c.db.path + "-wal"); err == nil && info.Size() > 2*l.size {
		mode = "truncate"
	}
	if n, err := c.fileNumber(ctx); err == nil {
		_, _ = c.emptyLog(ctx, n, mode)
	}
}

// moveLog moves what is in the log into the file, as far as no reader needs it there, and leaves it in the log too; then what
// came meanwhile, until that is little. SQLite would leave it to whoever empties the log to make the file durable, for whom
// all others wait: so that is done here. An error is met again by whoever empties the log.
func (d *sqliteDB) moveLog(done chan<- struct{}) {
	defer close(done)
	ctx := context.Background()
	for last := int64(math.MaxInt64); d.markLog(ctx) == nil; {
		_, moved, err := d.checkpoint(ctx, "passive")
		_ = d.file.Sync()
		pages, _, err2 := d.checkpoint(ctx, "noop")
		more := pages - moved
		if err != nil || err2 != nil || more*pageSize < logRest || more >= last {
			return
		}
		last = more
	}
}

// markLog has a connection read from the log as it is by now, some of which is not in the file yet, in the place of the one
// that did before.
func (d *sqliteDB) markLog(ctx context.Context) error {
	if err := d.takeReader(ctx); err != nil {
		return err
	}
	mark, err := d.snapshot(ctx)
	if err == nil {
		if _, err = mark.run(ctx, []stmt{{text: "select count(*) from sqlite_schema", rows: true}}); err != nil {
			mark.close(true)
		}
	}
	if err != nil {
		<-d.reading
		return err
	}
	d.unmarkLog()
	d.log.mark = mark
	return nil
}

func (d *sqliteDB) unmarkLog() {
	if d.log.mark == nil {
		return
	}
	d.log.mark.close(false)
	d.log.mark = nil
	<-d.reading
}

// checkpoint runs one on a connection. It returns whether readers were in its way, how many pages the log has, and how many
// of them are in the file.
func checkpoint(ctx context.Context, on interface {
	QueryRowContext(ctx context.Context, text string, args ...any) *sql.Row
}, mode string) (hindered bool, pages, moved int64, err error) {
	err = on.QueryRowContext(ctx, "pragma wal_checkpoint("+mode+")").Scan(&hindered, &pages, &moved)
	return hindered, pages, moved, err
}

// checkpoint runs one on a reader's connection.
func (d *sqliteDB) checkpoint(ctx context.Context, mode string) (pages, moved int64, err error) {
	if err := d.takeReader(ctx); err != nil {
		return 0, 0, err
	}
	defer func() { <-d.reading }()
	_, pages, moved, err = checkpoint(ctx, d.reader, mode)
	return pages, moved, err
}

// emptyLog ends a log of the number n with an even one, and moves what is left of it into the file. It reports whether all
// of it is there: it does not wait long for readers that still need the log. SQLite begins it anew when they do not.
func (c *sqliteConn) emptyLog(ctx context.Context, n int64, mode string) (ended bool, err error) {
	c.db.log.notYet = time.Now().Add(logAgain)
	if n%2 == 1 {
		if err := c.setFileNumber(ctx, n+1); err != nil {
			return false, err
		}
	}
	if _, err := c.conn.ExecContext(ctx, "pragma busy_timeout = 50"); err != nil {
		return false, err
	}
	hindered, pages, moved, err := checkpoint(ctx, c.conn, mode)
	if _, e := c.conn.ExecContext(ctx, fmt.Sprint("pragma busy_timeout = ", busyTimeout)); err == nil {
		err = e
	}
	if err != nil {
		return false, err
	}
	if !hindered {
		c.db.log.notYet = time.Time{}
	}
	if !hindered || pages == moved {
		c.db.log.began, ended = false, true
	}
	return ended, nil
}

func (c *sqliteConn) fileNumber(ctx context.Context) (n int64, err error) {
	err = c.conn.QueryRowContext(ctx, "pragma user_version").Scan(&n)
	return n, err
}

func (c *sqliteConn) setFileNumber(ctx context.Context, n int64) error {
	_, err := c.conn.ExecContext(ctx, fmt.Sprintf("begin immediate; pragma user_version = %d; commit", int32(n)))
	if err != nil {
		_, _ = c.conn.ExecContext(ctx, "rollback") // of a commit that failed; there may be none
	}
	return err
}
