package consent

import "errors"

var (
	// ErrDenied: a rule of the owner denies the request.
	ErrDenied = errors.New("the wallet's policy denies this")
	// ErrRejected: the owner rejected the request, now or within the last ten minutes.
	ErrRejected = errors.New("the owner rejected the request")
	// ErrExpired: nobody decided in time, or the answer was not collected in time.
	ErrExpired = errors.New("the approval has expired; send the request again")
	// ErrDecided: the request was approved, rejected or cancelled before.
	ErrDecided = errors.New("the request was approved, rejected or cancelled before")
	// ErrTooMany: as many requests wait for a decision as an app, or a wallet, may have waiting.
	ErrTooMany = errors.New("too many requests wait for the owner's decision")
)
