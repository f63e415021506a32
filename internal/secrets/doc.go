// Package secrets implements secret storage in Matrix format (Matrix secret storage reference): it derives the keys
// that an app's clients use, and stores an app's secrets. Its three claim types pass the pipeline of package
// consent like those of DID Connect.
package secrets
