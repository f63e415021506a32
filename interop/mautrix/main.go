// A bot with mautrix-go that keeps no recovery key: its wallet gives it the key of the account's secret storage, it
// verifies itself with that, and reads what was written before it was there. docs/matrix.md shows it as a recipe; the
// tests of interop run it. It needs the build tag goolm, and no C.
package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/crypto"
	"maunium.net/go/mautrix/crypto/backup"
	"maunium.net/go/mautrix/crypto/ssss"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// input is what the program reads from its standard input.
type input struct {
	Homeserver string
	User       id.UserID
	Device     id.DeviceID // which is its access token too
	Room       id.RoomID
	Walletd    wallet
}

// outcome is what it prints in the end.
type outcome struct {
	OK          bool   `json:"ok"`
	Error       string `json:"error,omitempty"`
	Message     string `json:"message,omitempty"`
	Verified    bool   `json:"verified"`
	KeyID       string `json:"keyId,omitempty"`
	RecoveryKey string `json:"recoveryKey,omitempty"`
	Description string `json:"description,omitempty"`
}

func main() {
	var in input
	err := json.NewDecoder(os.Stdin).Decode(&in)
	var out outcome
	if err == nil {
		out, err = run(context.Background(), in)
	}
	if err != nil {
		out = outcome{Error: err.Error()}
	}
	_ = json.NewEncoder(os.Stdout).Encode(out)
	if !out.OK {
		os.Exit(1)
	}
}

func run(ctx context.Context, in input) (outcome, error) {
	client, err := mautrix.NewClient(in.Homeserver, in.User, string(in.Device))
	if err != nil {
		return outcome{}, err
	}
	client.DeviceID = in.Device
	machine := crypto.NewOlmMachine(client, nil, crypto.NewMemoryStore(nil), mautrix.NewMemoryStateStore().(crypto.StateStore))
	if err := machine.Load(ctx); err != nil {
		return outcome{}, err
	}
	if in.Walletd.Make != "" {
		return makeStorage(ctx, machine, in.Walletd.Make)
	}
	if err := machine.ShareKeys(ctx, 0); err != nil {
		return outcome{}, err
	}
	key, err := in.Walletd.storageKey(ctx, machine, in.User)
	if err != nil {
		return outcome{}, err
	}
	// The public keys first: the seeds are checked against them.
	if _, err := machine.FetchKeys(ctx, []id.UserID{in.User}, true); err != nil {
		return outcome{}, err
	}
	if err := machine.FetchCrossSigningKeysFromSSSS(ctx, key); err != nil {
		return outcome{}, err
	}
	if err := machine.SignOwnDevice(ctx, machine.OwnIdentity()); err != nil {
		return outcome{}, err
	}
	secret, err := machine.SSSS.GetDecryptedAccountData(ctx, event.AccountDataMegolmBackupKey, key)
	if err != nil {
		return outcome{}, err
	}
	roomKeys, err := backup.MegolmBackupKeyFromBytes(secret)
	if err != nil {
		return outcome{}, err
	}
	if _, err := machine.DownloadAndStoreLatestKeyBackup(ctx, roomKeys); err != nil {
		return outcome{}, err
	}

	message, err := firstMessage(ctx, client, machine, in.Room)
	if err != nil {
		return outcome{}, err
	}
	if _, err := machine.FetchKeys(ctx, []id.UserID{in.User}, true); err != nil {
		return outcome{}, err
	}
	_, verified, err := machine.GetOwnVerificationStatus(ctx)
	return outcome{OK: err == nil, Message: message, Verified: verified, KeyID: key.ID}, err
}

// firstMessage decrypts the first encrypted message of a room.
func firstMessage(ctx context.Context, client *mautrix.Client, machine *crypto.OlmMachine, room id.RoomID) (string, error) {
	sync, err := client.SyncRequest(ctx, 0, "", "", true, "")
	if err != nil {
		return "", err
	}
	joined := sync.Rooms.Join[room]
	if joined == nil {
		return "", fmt.Errorf("the bot is not in %s", room)
	}
	for _, e := range joined.Timeline.Events {
		e.RoomID = room
		if e.Type.Type != event.EventEncrypted.Type {
			continue
		}
		e.Type.Class = event.MessageEventType
		if err := e.Content.ParseRaw(event.EventEncrypted); err != nil {
			return "", err
		}
		decrypted, err := machine.DecryptMegolmEvent(ctx, e)
		if err != nil {
			return "", err
		}
		return decrypted.Content.AsMessage().Body, nil
	}
	return "", errors.New("there is no encrypted message")
}

// wallet is walletd, and the bot's token there.
type wallet struct {
	URL, Token string
	Make       string // instead of all else, make a storage without walletd, with this passphrase
}

// storageKey asks the wallet for the key of the account's secret storage, and waits for its owner if no rule allows it.
func (w wallet) storageKey(ctx context.Context, machine *crypto.OlmMachine, user id.UserID) (*ssss.Key, error) {
	keyID, metadata, err := machine.SSSS.GetDefaultKeyData(ctx)
	if err != nil {
		return nil, err
	}
	question, err := json.Marshal(map[string]any{"keys": map[string]any{keyID: metadata}, "name": "m.cross_signing.master", "user": user})
	if err != nil {
		return nil, err
	}
	answer, err := w.call(ctx, http.MethodPost, "/v1/secret-storage/key", question)
	for err == nil && answer.Status == "pending" {
		answer, err = w.call(ctx, http.MethodGet, "/v1/claims/"+answer.ID+"?wait=25", nil)
	}
	if err != nil {
		return nil, err
	}
	key, err := base64.StdEncoding.DecodeString(answer.Key)
	if err != nil {
		return nil, err
	}
	if !metadata.VerifyKey(key) {
		return nil, errors.New("walletd gave a key that does not fit")
	}
	return &ssss.Key{ID: keyID, Key: key, Metadata: metadata}, nil
}

// answer is what walletd answers: a key, a question that waits for the owner, or a problem.
type answer struct {
	Key        string
	ID, Status string
}

func (w wallet) call(ctx context.Context, method, path string, body []byte) (a answer, err error) {
	r, err := http.NewRequestWithContext(ctx, method, w.URL+path, bytes.NewReader(body))
	if err != nil {
		return a, err
	}
	r.Header.Set("Authorization", "Bearer "+w.Token)
	r.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return a, err
	}
	defer response.Body.Close()
	if response.StatusCode >= 400 {
		var problem struct{ Code, Detail string }
		_ = json.NewDecoder(io.LimitReader(response.Body, 64<<10)).Decode(&problem)
		return a, fmt.Errorf("walletd: %s (%s)", problem.Detail, problem.Code)
	}
	return a, json.NewDecoder(io.LimitReader(response.Body, 64<<10)).Decode(&a)
}

// makeStorage sets up secret storage as mautrix-go does it by itself.
func makeStorage(ctx context.Context, machine *crypto.OlmMachine, passphrase string) (outcome, error) {
	key, err := machine.SSSS.GenerateAndUploadKey(ctx, passphrase)
	if err != nil {
		return outcome{}, err
	}
	if err := machine.SSSS.SetDefaultKeyID(ctx, key.ID); err != nil {
		return outcome{}, err
	}
	note := event.Type{Type: "org.example.note", Class: event.AccountDataEventType}
	if err := machine.SSSS.SetEncryptedAccountData(ctx, note, []byte("from elsewhere"), key); err != nil {
		return outcome{}, err
	}
	description, err := json.Marshal(key.Metadata)
	return outcome{OK: err == nil, KeyID: key.ID, RecoveryKey: key.RecoveryKey(), Description: string(description)}, err
}
