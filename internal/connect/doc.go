// Package connect is the wallet's side of DID Connect: a session from its link to its end (DID
// Connect reference d, e, g and l).
//
//	link -> Open -> a row -> Advance, again and again -> done, declined, refused, failed …
//
//	Advance looks at the row, does the one thing that is due, and writes the row:
//	  no request yet     get it                                  (client.go, reply.go)
//	  a request          ask for consent                         -> waiting, or an answer
//	  waiting            collect what the person decided         -> an answer, or a decline
//	  an answer          posting set durably, POST, read reply   -> a request, or the end
//
// A session is one row, and all that is needed to go on is in it, sealed. A restart is one more
// Advance. The far side runs the application's code each time an answer arrives, also when it is
// the same one (reference d.5), so an answer is posted once: the row is leased and says posting
// before a byte leaves, and a row that is found so after a crash ends as unknown.
//
// What is asked and answered passes the pipeline of package consent, which decides and records. What
// the app sends is hostile until its signature held: every reply passes check (reply.go), and the
// client dials only where it may (dial.go).
package connect
