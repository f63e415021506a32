package secretstorage

import (
	"encoding/json"
	"maps"
	"slices"

	"walletd/internal/did"
	"walletd/internal/strictjson"
)

// MaxRoomKeys bounds the JSON of a backup's room keys, in bytes: some hundred thousand sessions.
const MaxRoomKeys = 256 << 20

// megolm is the algorithm of the sessions in a backup and in a room-key file.
const megolm = "m.megolm.v1.aes-sha2"

// RoomKey is a Megolm session as a room-key file holds it: JSON with room_id, session_id, session_key
// and what else the client that backed it up wrote. It opens messages: it is wiped when done with.
type RoomKey json.RawMessage

// SealedRoomKey is a session of a room-key backup as the homeserver keeps it.
type SealedRoomKey struct {
	Room, Session string
	data          json.RawMessage // session_data
}

// ParseRoomKeys reads what a homeserver answers to GET /room_keys/keys, {"rooms":{ROOM:{"sessions":
// {SESSION:{"session_data":{…}}}}}}, of at most MaxRoomKeys bytes (too_large). It refuses as malformed
// what has another shape. A session that cannot be read is for Open to refuse, so that one does not spoil
// the others.
func ParseRoomKeys(raw []byte) ([]SealedRoomKey, error) {
	if len(raw) > MaxRoomKeys {
		return nil, did.Refuse("too_large", "the room keys are larger than 256 MiB")
	}
	top, err := parse(raw)
	if err != nil {
		return nil, err
	}
	rooms, err := entries(top.Get("rooms"))
	if err != nil {
		return nil, err
	}
	var all []SealedRoomKey
	for _, room := range rooms {
		members, err := entries(room.Value)
		if err != nil {
			return nil, err
		}
		sessions, err := entries(members.Get("sessions"))
		if err != nil {
			return nil, err
		}
		for _, session := range sessions {
			members, err := entries(session.Value)
			if err != nil {
				return nil, err
			}
			all = append(all, SealedRoomKey{Room: room.Name, Session: session.Name, data: members.Get("session_data")})
		}
	}
	return all, nil
}

// entries reads an object whose names are of others' choice.
func entries(raw json.RawMessage) (strictjson.Object, error) { return read(strictjson.Entries(raw)) }

// OpenRoomKey opens a session of a backup. Anybody with the backup's public key could have made it
// (reference section 9.3): what it decrypts is as trustworthy as the homeserver. Refusals are those of
// ParseSessionData and Open, and malformed for a plaintext that is no session. The caller wipes it.
func (k BackupKey) OpenRoomKey(s SealedRoomKey) (RoomKey, error) {
	data, err := ParseSessionData(s.data)
	if err != nil {
		return nil, err
	}
	plain, err := k.Open(data)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	members, err := parse(plain)
	if err != nil {
		return nil, err
	}
	if algorithm, _ := members.Text("algorithm"); algorithm != megolm {
		return nil, did.Refuse("unknown_algorithm", "the session is not of Megolm")
	}
	if key, ok := members.Text("session_key"); !ok || key == "" {
		return nil, did.Refuse("malformed", "the session has no session_key")
	}
	return RoomKey(members.With("room_id", quote(s.Room)).With("session_id", quote(s.Session)).JSON()), nil
}

// SealRoomKeys makes the body of PUT /room_keys/keys for sessions of a room-key file: each sealed for
// the backup's public key, without what it is called, which stands around it. It refuses as malformed
// a session without room_id or session_id.
func (p BackupPublicKey) SealRoomKeys(keys []RoomKey) ([]byte, error) {
	type session struct {
		FirstMessageIndex int         `json:"first_message_index"`
		ForwardedCount    int         `json:"forwarded_count"`
		IsVerified        bool        `json:"is_verified"`
		SessionData       SessionData `json:"session_data"`
	}
	type room struct {
		Sessions map[string]session `json:"sessions"`
	}
	rooms := map[string]room{}
	for _, key := range keys {
		members, err := parse(key)
		if err != nil {
			return nil, err
		}
		in, _ := members.Text("room_id")
		id, _ := members.Text("session_id")
		if in == "" || id == "" {
			return nil, did.Refuse("malformed", "a room key must have room_id and session_id")
		}
		forwarded := strictjson.Elements(members.Get("forwarding_curve25519_key_chain"))
		plain := members.Without("room_id").Without("session_id").JSON()
		sealed, err := p.Seal(plain)
		clear(plain)
		if err != nil {
			return nil, err
		}
		if rooms[in].Sessions == nil {
			rooms[in] = room{map[string]session{}}
		}
		// The index that a session begins at is inside its key: 4 bytes after the version.
		rooms[in].Sessions[id] = session{FirstMessageIndex: firstIndex(members), ForwardedCount: len(forwarded), SessionData: sealed}
	}
	return json.Marshal(map[string]any{"rooms": rooms})
}

// firstIndex reads the index of the message that a session_key begins at: version, then 4 bytes.
func firstIndex(members strictjson.Object) int {
	text, _ := members.Text("session_key")
	raw, err := decodeBase64(text)
	defer clear(raw)
	if err != nil || len(raw) < 5 {
		return 0
	}
	return int(uint32(raw[1])<<24 | uint32(raw[2])<<16 | uint32(raw[3])<<8 | uint32(raw[4]))
}

// Rooms names the rooms of sessions, each once, in order.
func Rooms(keys []SealedRoomKey) []string {
	rooms := map[string]bool{}
	for _, k := range keys {
		rooms[k.Room] = true
	}
	return slices.Sorted(maps.Keys(rooms))
}
