package api

import "fmt"

// Problem is an answer that says no (RFC 9457), application/problem+json. It is an error.
type Problem struct {
	Type   string   `json:"type"`  // about:blank
	Title  string   `json:"title"` // the reason phrase of the status
	Status int      `json:"status"`
	Code   Code     `json:"code"`
	Detail string   `json:"detail"`          // a sentence that says what to do
	ID     string   `json:"id,omitempty"`    // with already_done: what was made
	Slots  []string `json:"slots,omitempty"` // with slots_missing: their names
}

// Error returns the code and the sentence.
func (p *Problem) Error() string { return fmt.Sprintf("%s: %s", p.Code, p.Detail) }
