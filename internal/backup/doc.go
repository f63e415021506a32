// Package backup makes, inspects and restores the backup of a wallet: all that its words do not bring
// back. The file has types of its own (file.go), so that a change of what is stored does not change it.
package backup
