package did

import (
	"cmp"
	"errors"
	"strings"
	"time"
)

const (
	// tolerance is how far a clock may be off (DID Connect reference c.6).
	tolerance = 5 * time.Second
	// latest is the last second of the year 9999. Times after it are most likely
	// milliseconds, which would make a token valid for fifty thousand years.
	latest = 253402300799
)

// errNoTime is a mistake of the caller's: without a time nothing has expired.
var errNoTime = errors.New("verifying a token without the time of now")

// Time reads a time of a token: seconds since 1970 as a number or a string of
// digits, a fraction allowed (DID Connect reference c.2), in UTC. An absent
// member gives the zero time. Everything else, an exponent, a sign, or a time
// after the year 9999 is refused with jwt_time_invalid.
func (o Object) Time(name string) (time.Time, error) {
	raw := o.Get(name)
	if raw == nil {
		return time.Time{}, nil
	}
	text := string(raw)
	if quoted, ok := o.Text(name); ok {
		text = quoted
	}
	t, ok := parseSeconds(text)
	if !ok {
		return time.Time{}, Refuse("jwt_time_invalid", "a time of the token is not in seconds since 1970")
	}
	return t, nil
}

// parseSeconds reads digits with an optional fraction, of which nine digits
// count.
func parseSeconds(text string) (time.Time, bool) {
	whole, fraction, dotted := strings.Cut(text, ".")
	if !isDigits(whole) || len(whole) > 12 || dotted && (!isDigits(fraction) || len(fraction) > 20) {
		return time.Time{}, false
	}
	seconds, nanos := int64(0), int64(0)
	for i := range len(whole) {
		seconds = seconds*10 + int64(whole[i]-'0')
	}
	for i, unit := 0, int64(100_000_000); i < len(fraction) && unit > 0; i, unit = i+1, unit/10 {
		nanos += int64(fraction[i]-'0') * unit
	}
	return time.Unix(seconds, nanos).UTC(), seconds <= latest
}

func isDigits(text string) bool {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return text != ""
}

// readTimes fills in the times of the body. It refuses with jwt_no_exp or
// jwt_time_invalid, and fills in what it can all the same.
func (t *Token) readTimes() error {
	var errs [3]error
	t.Expires, errs[0] = t.Body.Time("exp")
	t.IssuedAt, errs[1] = t.Body.Time("iat")
	t.NotBefore, errs[2] = t.Body.Time("nbf")
	if !t.Body.Has("exp") {
		return Refuse("jwt_no_exp", "the token never expires")
	}
	return cmp.Or(errs[:]...)
}

// checkTimes is step 7 of c.8: exp is there, all times can be read, and now is
// between them. As in the packages now is rounded up to a whole second.
func (t *Token) checkTimes(now time.Time) error {
	if err := t.readTimes(); err != nil {
		return err
	}
	return CheckTimes(t.IssuedAt, t.NotBefore, t.Expires, now)
}

// CheckTimes refuses a token that is not valid now, by the times of its body (DID Connect reference c.6). One that is
// absent is zero.
func CheckTimes(issuedAt, notBefore, expires, now time.Time) error {
	if whole := now.Truncate(time.Second); !whole.Equal(now) {
		now = whole.Add(time.Second)
	}
	switch {
	case now.IsZero():
		return errNoTime
	case expires.Add(tolerance).Before(now):
		return Refuse("jwt_expired", "the token has expired")
	case issuedAt.After(now.Add(tolerance)):
		return Refuse("jwt_iat_future", "the token was issued in the future")
	case notBefore.After(now.Add(tolerance)):
		return Refuse("jwt_nbf_future", "the token is not valid yet")
	}
	return nil
}
