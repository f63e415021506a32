// Package port gives tests ports for programs that have to be told one.
package port

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

// Ports that the system does not choose by itself, neither for who listens on any nor for who connects: Linux chooses
// from 32768 on.
const lowest, tooHigh = 20000, 32768

// Free returns an address of this machine whose port nobody has, and which no test of another process gets here either until
// this one ends. A port that the system chose, and that was given back, could be anybody's by the time it is used.
func Free(t testing.TB) (address string) {
	t.Helper()
	address, release, err := Hold()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return address
}

// Hold is Free until release is called.
func Hold() (address string, release func(), err error) {
	for range 1000 {
		n := strconv.Itoa(lowest + rand.IntN(tooHigh-lowest))
		address = net.JoinHostPort("127.0.0.1", n)
		// Whoever has the port of UDP may have that of TCP.
		held, err := net.ListenPacket("udp", address)
		if err != nil {
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort("", n)) // on all addresses
		if err != nil {
			held.Close()
			continue
		}
		l.Close()
		return address, func() { held.Close() }, nil
	}
	return "", nil, errors.New("no port is free")
}
