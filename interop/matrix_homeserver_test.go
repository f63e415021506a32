package interop_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// homeserver is as much of a Matrix homeserver as one user's devices need for encryption: what
// they keep on it for each other, without rooms of others, federation or a login. What it is sent
// it gives back as it came, and it verifies nothing: its clients do.
type homeserver struct {
	url, user string

	mu   sync.Mutex
	news chan struct{} // closed at the next change
	now  int           // position in the stream of changes

	devices   map[string]*device
	crossKeys map[string]object // by "master_key", "self_signing_key", "user_signing_key"
	keysAt    int               // when device or cross-signing keys changed last

	accountData map[string]dated
	timeline    []dated // events of the one room

	backup   object // the current version of the room-key backup, nil if there is none
	versions int
	rooms    map[string]object // its content: room id -> {"sessions": …}

	sent    bytes.Buffer // every body, for what must never be in one
	unknown []string     // requests that there is no answer to
}

type object = map[string]any

// dated is something and its place in the stream.
type dated struct {
	at      int
	content any
}

type device struct {
	keys     object
	oneTime  map[string]any
	fallback object
	toDevice []dated
}

const (
	room   = "!notes:hs.example"
	prefix = "/_matrix/client/v3"
)

// newHomeserver serves one user, who has the devices named. A device's access token is its name.
func newHomeserver(t *testing.T, user string, devices ...string) *homeserver {
	h := &homeserver{
		user: user, news: make(chan struct{}), now: 1, devices: map[string]*device{}, crossKeys: map[string]object{},
		accountData: map[string]dated{}, rooms: map[string]object{},
	}
	for _, name := range devices {
		h.devices[name] = &device{oneTime: map[string]any{}}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_matrix/client/versions", h.plain(object{"versions": []string{"v1.11", "v1.12"}}))
	mux.HandleFunc("GET "+prefix+"/capabilities", h.plain(object{"capabilities": object{}}))
	mux.HandleFunc("GET "+prefix+"/pushrules/", h.plain(object{"global": object{}}))
	mux.HandleFunc("GET "+prefix+"/voip/turnServer", h.plain(object{}))
	mux.HandleFunc("POST "+prefix+"/user/{user}/filter", h.plain(object{"filter_id": "1"}))
	mux.HandleFunc("GET "+prefix+"/sync", h.sync)
	for pattern, do := range map[string]func(*request) any{
		"GET /user/{user}/account_data/{type}": h.readAccountData,
		"PUT /user/{user}/account_data/{type}": h.writeAccountData,
		"POST /keys/upload":                    h.uploadKeys,
		"POST /keys/query":                     h.queryKeys,
		"POST /keys/claim":                     h.claimKeys,
		"POST /keys/device_signing/upload":     h.uploadCrossKeys,
		"POST /keys/signatures/upload":         h.uploadSignatures,
		"PUT /sendToDevice/{type}/{txn}":       h.sendToDevice,
		"PUT /rooms/{room}/send/{type}/{txn}":  h.sendEvent,
		"POST /room_keys/version":              h.makeBackup,
		"GET /room_keys/version":               h.currentBackup,
		"GET /room_keys/version/{version}":     h.currentBackup,
		"DELETE /room_keys/version/{version}":  h.deleteBackup,
		"PUT /room_keys/keys":                  h.writeRoomKeys,
		"GET /room_keys/keys":                  h.readRoomKeys,
		"GET /room_keys/keys/{room}/{session}": h.readRoomKey,
	} {
		method, path, _ := strings.Cut(pattern, " ")
		mux.HandleFunc(method+" "+prefix+path, h.handle(do))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		h.unknown = append(h.unknown, r.Method+" "+r.URL.Path)
		h.mu.Unlock()
		write(w, matrixError{http.StatusNotFound, "M_UNRECOGNIZED"})
	})
	server := httptest.NewServer(mux)
	// A client that syncs holds its connection.
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	h.url = server.URL
	return h
}

// request is one that is handled, under the lock.
type request struct {
	*http.Request
	device string
	body   object
}

type matrixError struct {
	status int
	code   string
}

// handle reads a request, and does what is to be done with it while nothing else happens.
func (h *homeserver) handle(do func(*request) any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		in := &request{Request: r, device: strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")}
		text, err := io.ReadAll(r.Body)
		if err == nil && len(text) > 0 {
			err = json.Unmarshal(text, &in.body)
		}
		h.mu.Lock()
		h.sent.Write(text)
		var out any
		switch {
		case err != nil:
			out = matrixError{http.StatusBadRequest, "M_NOT_JSON"}
		case h.devices[in.device] == nil:
			out = matrixError{http.StatusUnauthorized, "M_UNKNOWN_TOKEN"}
		default:
			out = do(in)
		}
		// As JSON before anything can change it.
		write(w, out)
		h.mu.Unlock()
	}
}

func (h *homeserver) plain(answer object) http.HandlerFunc {
	return h.handle(func(*request) any { return answer })
}

func write(w http.ResponseWriter, out any) {
	w.Header().Set("Content-Type", "application/json")
	if e, ok := out.(matrixError); ok {
		w.WriteHeader(e.status)
		out = object{"errcode": e.code, "error": e.code}
	}
	json.NewEncoder(w).Encode(out)
}

// changed moves the stream on and returns its new position.
func (h *homeserver) changed() int {
	h.now++
	close(h.news)
	h.news = make(chan struct{})
	return h.now
}

// sync answers with what is new, and waits for it as long as it is asked to.
func (h *homeserver) sync(w http.ResponseWriter, r *http.Request) {
	since, _ := strconv.Atoi(r.URL.Query().Get("since"))
	wait, _ := strconv.Atoi(r.URL.Query().Get("timeout"))
	end := time.NewTimer(time.Duration(wait) * time.Millisecond)
	defer end.Stop()
	for {
		h.mu.Lock()
		now, news := h.now, h.news
		h.mu.Unlock()
		if now > since {
			break
		}
		select {
		case <-news:
			continue
		case <-end.C:
		case <-r.Context().Done():
			return
		}
		break
	}
	h.handle(func(in *request) any { return h.since(since, h.devices[in.device]) })(w, r)
}

func (h *homeserver) since(since int, d *device) object {
	data, events := []any{}, []any{}
	for name, content := range h.accountData {
		if content.at > since {
			data = append(data, object{"type": name, "content": content.content})
		}
	}
	for _, event := range h.timeline {
		if event.at > since {
			events = append(events, event.content)
		}
	}
	toDevice := []any{}
	kept := d.toDevice[:0]
	for _, message := range d.toDevice {
		if message.at > since { // what is older has been seen
			toDevice = append(toDevice, message.content)
			kept = append(kept, message)
		}
	}
	d.toDevice = kept
	out := object{
		"next_batch":                       strconv.Itoa(h.now),
		"account_data":                     object{"events": data},
		"to_device":                        object{"events": toDevice},
		"device_one_time_keys_count":       object{"signed_curve25519": len(d.oneTime)},
		"device_unused_fallback_key_types": []string{"signed_curve25519"},
	}
	if h.keysAt > since {
		out["device_lists"] = object{"changed": []string{h.user}}
	}
	state := []any{}
	if since == 0 {
		state = []any{
			h.event("m.room.create", object{"creator": h.user, "room_version": "10"}, "", "$create"),
			h.event("m.room.member", object{"membership": "join"}, h.user, "$member"),
			h.event("m.room.encryption", object{"algorithm": "m.megolm.v1.aes-sha2"}, "", "$encryption"),
		}
	}
	if since == 0 || len(events) > 0 {
		out["rooms"] = object{"join": object{room: object{
			"state": object{"events": state}, "timeline": object{"events": events, "limited": false, "prev_batch": "0"},
		}}}
	}
	return out
}

// event is one of the room; a state event if it has a key and the id of one.
func (h *homeserver) event(kind string, content any, stateKey, id string) object {
	return object{
		"type": kind, "content": content, "state_key": stateKey, "event_id": id, "sender": h.user, "origin_server_ts": time.Now().UnixMilli(),
	}
}

func (h *homeserver) sendEvent(r *request) any {
	id := fmt.Sprintf("$event%d", len(h.timeline))
	event := h.event(r.PathValue("type"), r.body, "", id)
	delete(event, "state_key")
	event["unsigned"] = object{"transaction_id": r.PathValue("txn")}
	h.timeline = append(h.timeline, dated{h.changed(), event})
	return object{"event_id": id}
}

func (h *homeserver) readAccountData(r *request) any {
	data, there := h.accountData[r.PathValue("type")]
	if !there {
		return matrixError{http.StatusNotFound, "M_NOT_FOUND"}
	}
	return data.content
}

func (h *homeserver) writeAccountData(r *request) any {
	h.accountData[r.PathValue("type")] = dated{h.changed(), r.body}
	return object{}
}

func (h *homeserver) sendToDevice(r *request) any {
	messages, _ := r.body["messages"].(object)
	of, _ := messages[h.user].(object)
	at := h.changed()
	for name, content := range of {
		if d := h.devices[name]; d != nil {
			d.toDevice = append(d.toDevice, dated{at, object{"type": r.PathValue("type"), "sender": h.user, "content": content}})
		}
	}
	return object{}
}

func (h *homeserver) makeBackup(r *request) any {
	h.versions++
	h.backup = maps.Clone(r.body)
	h.backup["version"] = strconv.Itoa(h.versions)
	clear(h.rooms)
	return object{"version": h.backup["version"]}
}

func (h *homeserver) currentBackup(r *request) any {
	if version := r.PathValue("version"); h.backup == nil || version != "" && version != h.backup["version"] {
		return matrixError{http.StatusNotFound, "M_NOT_FOUND"}
	}
	out := maps.Clone(h.backup)
	count := 0
	for _, of := range h.rooms {
		count += len(of["sessions"].(object))
	}
	out["count"], out["etag"] = count, strconv.Itoa(count)
	return out
}

func (h *homeserver) deleteBackup(r *request) any {
	h.backup = nil
	return object{}
}

func (h *homeserver) writeRoomKeys(r *request) any {
	rooms, _ := r.body["rooms"].(object)
	for id, of := range rooms {
		if h.rooms[id] == nil {
			h.rooms[id] = object{"sessions": object{}}
		}
		maps.Copy(h.rooms[id]["sessions"].(object), of.(object)["sessions"].(object))
	}
	return object{"count": len(rooms), "etag": "1"}
}

func (h *homeserver) readRoomKeys(*request) any { return object{"rooms": h.rooms} }

func (h *homeserver) readRoomKey(r *request) any {
	if of := h.rooms[r.PathValue("room")]; of != nil {
		if session, there := of["sessions"].(object)[r.PathValue("session")]; there {
			return session
		}
	}
	return matrixError{http.StatusNotFound, "M_NOT_FOUND"}
}
