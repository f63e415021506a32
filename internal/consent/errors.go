package consent

import "errors"

var (
	// ErrDenied: a rule of the owner denies what was asked.
	ErrDenied = errors.New("the wallet's policy denies this")
	// ErrRejected: the person said no, now or within the last ten minutes.
	ErrRejected = errors.New("the person said no")
	// ErrExpired: the question was not answered, or the answer not collected, in time.
	ErrExpired = errors.New("it is too late; ask again")
	// ErrDecided: somebody answered the question first.
	ErrDecided = errors.New("this was decided already")
	// ErrTooMany: as many questions wait as an app, or a wallet, may have waiting.
	ErrTooMany = errors.New("too many questions are waiting for the person")
)
