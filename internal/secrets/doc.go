// Package secrets is secret storage in Matrix format (Matrix secret storage reference): the keys that
// an app's clients use, which are derived, and the secrets that are kept for it. Its three claim types
// go through the pipeline of package consent like those of DID Connect.
package secrets
