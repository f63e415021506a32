// Package backup creates, inspects and restores backups of wallets: all of a wallet that its words do not restore. The
// file has types of its own (file.go), so that a change of the store does not change the file.
package backup
