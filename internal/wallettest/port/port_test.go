package port_test

import (
	"net"
	"testing"

	"walletd/internal/wallettest/port"
)

func TestAPortIsHeld(t *testing.T) {
	held := map[string]bool{}
	for range 200 {
		address := port.Free(t)
		if held[address] {
			t.Fatalf("%s is given twice", address)
		}
		held[address] = true
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
	}
	address, release, err := port.Hold()
	if err != nil {
		t.Fatal(err)
	}
	if c, err := net.ListenPacket("udp", address); err == nil {
		c.Close()
		t.Errorf("%s is not held", address)
	}
	release()
}
