package secretstorage

import (
	"bytes"
	"crypto/aes"
	"encoding/base64"

	"walletd/internal/did"
)

const (
	maxBackup      = 64 << 10 // bytes of a version's JSON
	maxSessionData = 128 << 10
)

// ParseSessionData reads the member session_data of a backed-up session: at most 128 KiB
// (too_large). It refuses as malformed, bad_base64, bad_key (an ephemeral key that is not 32 bytes)
// and bad_mac (not 8; some clients take fewer). The rest of the MAC and the padding are for
// [BackupKey.Open].
func ParseSessionData(raw []byte) (SessionData, error) {
	tooLarge := did.Refuse("too_large", "the session is too large")
	if len(raw) > maxSessionData {
		return SessionData{}, tooLarge
	}
	o, err := parse(raw)
	if err != nil {
		return SessionData{}, err
	}
	var fields [3][]byte
	for i, name := range []string{"ephemeral", "ciphertext", "mac"} {
		text, ok := o.Text(name)
		if !ok {
			return SessionData{}, did.Refuse("malformed", "ephemeral, ciphertext and mac must be text")
		}
		if fields[i], err = decodeBase64(text); err != nil {
			return SessionData{}, err
		}
	}
	ephemeral, ciphertext, mac := fields[0], fields[1], fields[2]
	switch {
	case len(ephemeral) != KeySize:
		return SessionData{}, did.Refuse("bad_key", "an ephemeral key has 32 bytes")
	case len(mac) != backupMACSize:
		return SessionData{}, did.Refuse("bad_mac", "a session's MAC has 8 bytes")
	case len(ciphertext) > MaxPlaintext+aes.BlockSize:
		return SessionData{}, tooLarge
	}
	return SessionData{
		Ephemeral:  [KeySize]byte(ephemeral),
		Ciphertext: ciphertext,
		MAC:        [backupMACSize]byte(mac),
	}, nil
}

// MarshalJSON writes session_data as clients do, in unpadded base64.
func (s SessionData) MarshalJSON() ([]byte, error) {
	b := append([]byte(`{"ephemeral":"`), unpaddedBase64(s.Ephemeral[:])...)
	b = base64.RawStdEncoding.AppendEncode(append(b, `","ciphertext":"`...), s.Ciphertext)
	b = append(append(b, `","mac":"`...), unpaddedBase64(s.MAC[:])...)
	return append(b, `"}`...), nil
}

// Backup is a version of a room-key backup as the homeserver describes it (reference section 9.2).
type Backup struct{ public BackupPublicKey }

// ParseBackup reads a version, of at most 64 KiB (too_large): another algorithm is
// unknown_algorithm, a public key of another length bad_key. The signatures are not looked at: who has
// the private key knows by Fits that the version is theirs.
func ParseBackup(raw []byte) (Backup, error) {
	if len(raw) > maxBackup {
		return Backup{}, did.Refuse("too_large", "the backup's description is larger than 64 KiB")
	}
	o, err := parse(raw)
	if err != nil {
		return Backup{}, err
	}
	if algorithm, _ := o.Text("algorithm"); algorithm != BackupAlgorithm {
		return Backup{}, did.Refuse("unknown_algorithm", "the backup is not of a known algorithm")
	}
	auth, err := nested(o.Get("auth_data"))
	if err != nil {
		return Backup{}, err
	}
	text, ok := auth.Text("public_key")
	if !ok {
		return Backup{}, did.Refuse("malformed", "public_key must be text")
	}
	public, err := decodeBase64(text)
	if err != nil {
		return Backup{}, err
	}
	if len(public) != KeySize {
		return Backup{}, did.Refuse("bad_key", "a backup's public key has 32 bytes")
	}
	return Backup{BackupPublicKey(public)}, nil
}

// Public gives the key that sessions of this backup are sealed with. The homeserver chose it,
// unless [Backup.Fits] says otherwise.
func (b Backup) Public() BackupPublicKey { return b.public }

// Fits refuses a key that is not this backup's, with no_match.
func (b Backup) Fits(key BackupKey) error {
	public, err := key.Public()
	if err != nil {
		return err
	}
	if !bytes.Equal(public[:], b.public[:]) { // both are public
		return did.Refuse("no_match", "the key is not that of the backup")
	}
	return nil
}
