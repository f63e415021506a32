package main

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// leastKept is the least that what was decided is kept: an app's rejections count for 14 days.
const leastKept = 15 * 24 * time.Hour

// retention is how long something is kept, 0 for ever.
type retention time.Duration

// UnmarshalText reads whole days, as in 90d, or a time as in 2160h.
func (r *retention) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	if number, isDays := strings.CutSuffix(string(text), "d"); isDays {
		var days uint64
		days, err = strconv.ParseUint(number, 10, 16)
		d = time.Duration(days) * 24 * time.Hour
	}
	switch {
	case err != nil:
		return errors.New("takes days, as 90d, or a time, as 2160h")
	case d != 0 && d < leastKept:
		return errors.New("takes 15d or more, or 0 for ever: a rejection counts for 14 days")
	}
	*r = retention(d)
	return nil
}
