package secretstorage

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"

	"walletd/internal/did"
	"walletd/internal/strictjson"
)

// The format in which clients export and import room keys (Matrix client-server specification, "Key
// exports"): between a header and a footer, base64 of
//
//	version 1 ‖ salt 16 ‖ IV 16 ‖ rounds 4 ‖ ciphertext ‖ HMAC-SHA-256 32
//
// with AES-256-CTR and an HMAC over all before it, under the 64 bytes of PBKDF2-HMAC-SHA-512.
const (
	roomKeyHeader = "-----BEGIN MEGOLM SESSION DATA-----"
	roomKeyFooter = "-----END MEGOLM SESSION DATA-----"
	roomKeyRounds = 500_000 // what clients write

	roomKeyPrefix   = 1 + 16 + aes.BlockSize + 4
	maxRoomKeyFile  = MaxRoomKeys/3*4 + 1<<20
	roomKeyLineSize = 96 // bytes of base64 in a line
)

// SealRoomKeyFile makes the file that clients import, sealed with a passphrase of 1 byte to 16 KiB of
// UTF-8 (bad_passphrase_info).
func SealRoomKeyFile(keys []RoomKey, passphrase []byte) ([]byte, error) {
	return sealRoomKeyFile(keys, passphrase, roomKeyRounds)
}

func sealRoomKeyFile(keys []RoomKey, passphrase []byte, rounds uint32) ([]byte, error) {
	list := make([]json.RawMessage, len(keys))
	for i, k := range keys {
		list[i] = json.RawMessage(k)
	}
	plain, err := json.Marshal(list)
	if err != nil {
		return nil, fmt.Errorf("writing the room keys: %w", err)
	}
	defer clear(plain)
	raw := make([]byte, roomKeyPrefix, roomKeyPrefix+len(plain)+sha256.Size)
	raw[0] = 1
	rand.Read(raw[1 : 1+16+aes.BlockSize]) // never fails
	raw[1+16+8] &^= 0x80                   // bit 63 of the counter is zero, for the clients that count in 63 bits
	binary.BigEndian.PutUint32(raw[1+16+aes.BlockSize:], rounds)
	okm, err := roomKeyFileKeys(passphrase, raw)
	if err != nil {
		return nil, err
	}
	defer clear(okm)
	raw = raw[:len(raw)+len(plain)]
	if err := cryptRoomKeys(okm, raw, plain, raw[roomKeyPrefix:]); err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, okm[KeySize:])
	mac.Write(raw)
	raw = mac.Sum(raw)

	text := make([]byte, base64.StdEncoding.EncodedLen(len(raw)))
	base64.StdEncoding.Encode(text, raw)
	out := bytes.NewBuffer(make([]byte, 0, len(text)+len(text)/roomKeyLineSize+100))
	out.WriteString(roomKeyHeader + "\n")
	for len(text) > 0 {
		n := min(roomKeyLineSize, len(text))
		out.Write(text[:n])
		out.WriteByte('\n')
		text = text[n:]
	}
	out.WriteString(roomKeyFooter + "\n")
	return out.Bytes(), nil
}

// OpenRoomKeyFile opens a file that a client exported. It refuses as malformed what is no such file,
// bad_mac another passphrase or a changed file, and too_large more than MaxRoomKeys. The caller wipes the
// keys.
func OpenRoomKeyFile(file, passphrase []byte) ([]RoomKey, error) {
	raw, err := parseRoomKeyFile(file)
	if err != nil {
		return nil, err
	}
	body, sum := raw[:len(raw)-sha256.Size], raw[len(raw)-sha256.Size:]
	okm, err := roomKeyFileKeys(passphrase, body)
	if err != nil {
		return nil, err
	}
	defer clear(okm)
	mac := hmac.New(sha256.New, okm[KeySize:])
	mac.Write(body)
	if !hmac.Equal(mac.Sum(nil), sum) {
		return nil, did.Refuse("bad_mac", "the passphrase is another one, or the file was changed")
	}
	plain := make([]byte, len(body)-roomKeyPrefix)
	defer clear(plain)
	if err := cryptRoomKeys(okm, body, body[roomKeyPrefix:], plain); err != nil {
		return nil, err
	}
	if err := strictjson.Check(plain, 8); err != nil {
		return nil, did.Refuse("malformed", "what the file holds are no room keys")
	}
	var keys []RoomKey
	for _, one := range strictjson.Elements(plain) {
		keys = append(keys, RoomKey(bytes.Clone(one)))
	}
	return keys, nil
}

// parseRoomKeyFile reads what stands between header and footer.
func parseRoomKeyFile(file []byte) ([]byte, error) {
	if len(file) > maxRoomKeyFile {
		return nil, did.Refuse("too_large", "the room-key file is larger than 256 MiB")
	}
	malformed := did.Refuse("malformed", "it is no file of room keys")
	_, rest, begins := bytes.Cut(file, []byte(roomKeyHeader))
	text, _, ends := bytes.Cut(rest, []byte(roomKeyFooter))
	if !begins || !ends {
		return nil, malformed
	}
	raw, err := base64.StdEncoding.DecodeString(string(bytes.Join(bytes.Fields(text), nil)))
	if err != nil || len(raw) < roomKeyPrefix+sha256.Size || raw[0] != 1 {
		return nil, malformed
	}
	return raw, nil
}

// roomKeyFileKeys stretches the passphrase as the beginning of a file says: 32 bytes for AES, 32 for
// the HMAC.
func roomKeyFileKeys(passphrase, raw []byte) ([]byte, error) {
	rounds := binary.BigEndian.Uint32(raw[1+16+aes.BlockSize:])
	if rounds == 0 || rounds > maxIterations {
		return nil, did.Refuse("bad_passphrase_info", "the file takes more rounds than 10,000,000")
	}
	if len(passphrase) == 0 || len(passphrase) > maxPassphrase {
		return nil, did.Refuse("bad_passphrase_info", "the passphrase must have 1 byte to 16 KiB")
	}
	okm, err := pbkdf2.Key(sha512.New, string(passphrase), raw[1:1+16], int(rounds), 2*KeySize)
	if err != nil {
		return nil, fmt.Errorf("stretching the passphrase: %w", err)
	}
	return okm, nil
}

func cryptRoomKeys(okm, prefix, in, out []byte) error {
	block, err := aes.NewCipher(okm[:KeySize])
	if err != nil {
		return fmt.Errorf("starting AES: %w", err)
	}
	cipher.NewCTR(block, prefix[1+16:1+16+aes.BlockSize]).XORKeyStream(out, in)
	return nil
}
