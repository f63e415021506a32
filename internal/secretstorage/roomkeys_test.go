package secretstorage

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A homeserver's backup becomes the file that clients import, and that file becomes a backup again:
// each session is what the client sealed, with the names that stood around it.
func TestRoomKeysFromABackupToAFileAndBack(t *testing.T) {
	c := loadVectors[capture](t, "e2e-capture.json")
	key, err := ParseBackupKey([]byte(c.Secrets[NameBackup]))
	if err != nil {
		t.Fatal(err)
	}
	rooms := map[string]any{}
	want := map[string]map[string]any{}
	for room, sessions := range c.Backup.Rooms {
		rooms[room] = map[string]any{"sessions": sessions}
		for id, s := range sessions {
			members := map[string]any{}
			if err := json.Unmarshal([]byte(s.Plaintext), &members); err != nil {
				t.Fatal(err)
			}
			members["room_id"], members["session_id"] = room, id
			want[room+id] = members
		}
	}
	raw, err := json.Marshal(map[string]any{"rooms": rooms})
	if err != nil {
		t.Fatal(err)
	}
	opened := openAll(t, key, raw)
	if diff := cmp.Diff(want, members(t, opened)); diff != "" || len(want) == 0 {
		t.Errorf("opened (-want +got):\n%s", diff)
	}

	passphrase := []byte("a passphrase for the file")
	file, err := sealRoomKeyFile(opened, passphrase, 1000)
	if err != nil {
		t.Fatal(err)
	}
	if text := string(file); !strings.HasPrefix(text, roomKeyHeader+"\n") || !strings.HasSuffix(text, "\n"+roomKeyFooter+"\n") {
		t.Errorf("the file is %.60q", file)
	}
	read, err := OpenRoomKeyFile(file, passphrase)
	if diff := cmp.Diff(want, members(t, read)); err != nil || diff != "" {
		t.Errorf("read from the file: %v\n%s", err, diff)
	}
	_, err = OpenRoomKeyFile(file, []byte("another passphrase"))
	wantCode(t, err, "bad_mac")
	changed := []byte(strings.Replace(string(file), "\nAA", "\nAB", 1))
	changed[len(roomKeyHeader)+60]++
	if _, err := OpenRoomKeyFile(changed, passphrase); err == nil {
		t.Error("a changed file is read")
	}

	public, err := key.Public()
	if err != nil {
		t.Fatal(err)
	}
	body, err := public.SealRoomKeys(read)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, members(t, openAll(t, key, body))); diff != "" {
		t.Errorf("sealed again (-want +got):\n%s", diff)
	}
}

func openAll(t *testing.T, key BackupKey, raw []byte) []RoomKey {
	t.Helper()
	sealed, err := ParseRoomKeys(raw)
	if err != nil {
		t.Fatal(err)
	}
	var all []RoomKey
	for _, s := range sealed {
		k, err := key.OpenRoomKey(s)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, k)
	}
	return all
}

func members(t *testing.T, keys []RoomKey) map[string]map[string]any {
	t.Helper()
	all := map[string]map[string]any{}
	for _, k := range keys {
		m := map[string]any{}
		if err := json.Unmarshal(k, &m); err != nil {
			t.Fatal(err)
		}
		all[fmt.Sprint(m["room_id"], m["session_id"])] = m
	}
	return all
}

func TestRoomKeysThatAreNone(t *testing.T) {
	for name, c := range map[string]struct{ raw, code string }{
		"no object":               {`[]`, "malformed"},
		"no rooms":                {`{}`, "malformed"},
		"rooms that are a list":   {`{"rooms":[]}`, "malformed"},
		"a room without sessions": {`{"rooms":{"!a:b":{}}}`, "malformed"},
		"a session that is text":  {`{"rooms":{"!a:b":{"sessions":{"x":"y"}}}}`, "malformed"},
		"a room twice":            {`{"rooms":{"!a:b":{"sessions":{}},"!a:b":{"sessions":{}}}}`, "malformed"},
	} {
		_, err := ParseRoomKeys([]byte(c.raw))
		t.Run(name, func(t *testing.T) { wantCode(t, err, c.code) })
	}
	c := loadVectors[capture](t, "e2e-capture.json")
	key, err := ParseBackupKey([]byte(c.Secrets[NameBackup]))
	if err != nil {
		t.Fatal(err)
	}
	public, err := key.Public()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ plain, code string }{
		"no JSON":           {`x`, "malformed"},
		"another algorithm": {`{"algorithm":"m.olm.v1","session_key":"x"}`, "unknown_algorithm"},
		"no key":            {`{"algorithm":"m.megolm.v1.aes-sha2"}`, "malformed"},
	} {
		data, err := public.Seal([]byte(c.plain))
		if err != nil {
			t.Fatal(err)
		}
		_, err = key.OpenRoomKey(SealedRoomKey{"!a:b", "s", mustMarshal(t, data)})
		t.Run(name, func(t *testing.T) { wantCode(t, err, c.code) })
	}
	_, err = key.OpenRoomKey(SealedRoomKey{Room: "!a:b", Session: "s"})
	wantCode(t, err, "malformed")
}

func FuzzParseRoomKeyFile(f *testing.F) {
	file, err := sealRoomKeyFile([]RoomKey{RoomKey(`{"room_id":"!a:b"}`)}, []byte("p"), 1)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(file)
	f.Add([]byte(roomKeyHeader + "AQ==" + roomKeyFooter))
	f.Fuzz(func(t *testing.T, file []byte) {
		raw, err := parseRoomKeyFile(file)
		if err == nil && (raw[0] != 1 || len(raw) > len(file)) {
			t.Errorf("%d bytes of version %d from %d", len(raw), raw[0], len(file))
		}
	})
}
