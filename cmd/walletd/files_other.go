//go:build !unix

package main

import "math"

// mostConnections is how many connections the files that this process may open are enough for.
func mostConnections() int { return math.MaxInt32 }
