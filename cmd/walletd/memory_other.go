//go:build !linux

package main

// returnBinary does nothing here.
func returnBinary() {}
