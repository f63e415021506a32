package auth

// What only tests of this package see.

var JoinOrigins = joinOrigins

func (c *Caller) Origins() []string { return c.origins }
