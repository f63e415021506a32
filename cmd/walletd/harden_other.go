//go:build !linux

package main

import "errors"

// harden does nothing here, and says so.
func harden() hardening {
	return hardening{errors.New("core files and other processes are not kept from the keys on this system")}
}
