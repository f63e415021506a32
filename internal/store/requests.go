package store

import "context"

// Request is an idempotency key that has been used.
type Request struct {
	Token   string // id of the token
	Route   string
	Key     string
	Digest  []byte // 32 bytes, of the body
	Made    string // id of what it made
	Secret  bool   // the answer held a secret and can't be given twice
	Created int64
}

func (r *Request) columns() []column {
	return []column{
		plain("token", &r.Token),
		plain("route", &r.Route),
		plain("key", &r.Key),
		plain("digest", &r.Digest),
		plain("made", &r.Made),
		plain("secret", &r.Secret),
		plain("created", &r.Created),
	}
}

func (Request) Table() string { return "requests" }

var (
	getRequest    = reads[Request]("request")
	insertRequest = writes[Request]("insert request")
	sweepRequests = statement("sweep requests")
)

// keepRequests is how long an idempotency key is remembered, in seconds.
const keepRequests = 24 * 60 * 60

// Request reads what an idempotency key was used for, or ErrNotFound.
func (s *Store) Request(ctx context.Context, token, route, key string) (Request, error) {
	return one(ctx, s, getRequest, token, route, key)
}
