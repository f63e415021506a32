// Package connect is the wallet's side of DID Connect: it takes a session from its link to its end (DID Connect
// reference d, e, g and l).
//
//	link -> Open -> a row -> advance, again and again -> done, declined, refused, failed …
//
//	advance reads the row, takes the one step that is due, and writes the row:
//	  no request yet     fetch it                                (client.go, reply.go)
//	  a request          request consent                         -> waiting, or an answer
//	  waiting            collect what the owner decided          -> an answer, or a decline
//	  an answer          POST, read reply                        -> a request, or the end
//
// What is decided, the entry that records it and the row that says what follows are one commit (join.go).
//
// A session is one row, which holds, sealed, all that is needed to continue it. After a restart, the session continues
// with one more advance. An app runs its code each time it receives an answer, also when it is the same answer again
// (reference d.5), so an answer is posted once: the row is leased and says posting before a byte is sent, and a session
// whose row says posting after a crash ends as unknown.
//
// Requests and answers pass the pipeline of package consent, which decides and records. What the app sends is hostile
// until its signature was verified: every reply passes check (reply.go), and the client dials only permitted addresses
// (dial.go).
package connect
