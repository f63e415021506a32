package secretstorage

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"walletd/internal/did"
)

// Types of the events that hold keys in account data (reference section 2).
const (
	defaultKeyEvent = "m.secret_storage.default_key"
	keyEvent        = "m.secret_storage.key." // and the key's id
)

type transcriptVectors struct {
	Transcripts []struct {
		ID     string
		Before map[string]json.RawMessage
		Steps  []transcriptStep
	}
}

type transcriptStep struct {
	Op          string
	Args        []json.RawMessage
	AccountData []struct {
		Get, Put string
		Content  json.RawMessage
	} `json:"account_data_calls"`
	Callbacks []struct {
		Keys     map[string]json.RawMessage
		Answered json.RawMessage
	} `json:"callback_calls"`
	Result json.RawMessage
	Error  *struct{ Message string }
}

// offered gives the ids that a client offers its callback to read a secret: of the copies that can
// be used those whose key is described, with the code of what it says otherwise.
func offered(data map[string]json.RawMessage, name string) ([]string, Secret, string) {
	raw, ok := data[name]
	if !ok {
		return nil, Secret{}, "not_found"
	}
	secret, err := ParseSecret(raw, MaxPlaintext)
	if err != nil {
		return nil, Secret{}, did.CodeOf(err)
	}
	ids := slices.DeleteFunc(secret.KeyIDs(), func(id string) bool {
		_, err := ParseDescription(data[keyEvent+id])
		return err != nil
	})
	if len(ids) == 0 {
		return nil, Secret{}, "no_usable_copy"
	}
	return slices.Sorted(slices.Values(ids)), secret, ""
}

// The account data of every transcript is read here as the SDK read it, step by step: the same keys
// are offered, the same copies open, what it says no to is refused.
func TestTranscripts(t *testing.T) {
	gets, puts := 0, 0
	for _, v := range some(t, loadVectors[transcriptVectors](t, "transcripts.json").Transcripts) {
		t.Run(v.ID, func(t *testing.T) {
			data := maps.Clone(v.Before)
			if data == nil {
				data = map[string]json.RawMessage{}
			}
			for _, step := range v.Steps {
				if step.Op == "get" {
					checkGet(t, data, step)
					gets++
				}
				for _, call := range step.AccountData {
					if call.Put != "" {
						data[call.Put] = call.Content
						checkContent(t, call.Put, call.Content, step)
						puts++
					}
				}
			}
			for eventType, content := range data {
				checkRoundTrip(t, eventType, content)
			}
		})
	}
	if gets < 20 || puts < 10 {
		t.Errorf("%d reads and %d writes: the transcripts have more", gets, puts)
	}
}

func checkGet(t *testing.T, data map[string]json.RawMessage, step transcriptStep) {
	t.Helper()
	var name string
	if err := json.Unmarshal(step.Args[0], &name); err != nil {
		t.Fatal(err)
	}
	ids, secret, code := offered(data, name)
	var want string
	switch {
	case string(step.Result) == `"undefined"`:
		want = "not_found"
	case step.Error == nil:
	case step.Error.Message == "Content is not encrypted!":
		if want = "not_encrypted"; string(data[name]) == "{}" {
			want = "not_found"
		}
	case strings.HasPrefix(step.Error.Message, "Could not decrypt"):
		want = "no_usable_copy"
	}
	if code != want {
		t.Fatalf("it says %q where the SDK says %+v", code, step.Error)
	}
	if len(step.Callbacks) == 0 {
		return
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(step.Callbacks[0].Keys)), ids); diff != "" {
		t.Errorf("offered (-SDK +here): %s", diff)
	}
	var answered []string
	if json.Unmarshal(step.Callbacks[0].Answered, &answered) != nil || len(answered) != 2 || len(answered[1]) != 64 || !slices.Contains(ids, answered[0]) {
		return // an answer that is none
	}
	sealed, err := secret.Copy(answered[0])
	if err != nil {
		t.Fatal(err)
	}
	got, err := Open(mustKey(t, answered[1]), name, sealed)
	if step.Error != nil {
		if strings.HasSuffix(step.Error.Message, "bad MAC") {
			wantCode(t, err, "bad_mac")
		}
		return
	}
	if err != nil || string(quote(string(got))) != string(step.Result) {
		t.Errorf("got %q, %v; the SDK got %s", got, err, step.Result)
	}
}

// checkContent opens what the SDK wrote with the keys it was given.
func checkContent(t *testing.T, eventType string, content json.RawMessage, step transcriptStep) {
	t.Helper()
	if step.Op == "addKey" {
		var made struct{ Key struct{ Hex string } }
		if err := json.Unmarshal(step.Args[1], &made); err != nil {
			t.Fatal(err)
		}
		d, err := ParseDescription(content)
		if err != nil || d.Check(mustKey(t, made.Key.Hex)) != Match {
			t.Errorf("the description does not fit its key: %v", err)
		}
	}
	for _, call := range step.Callbacks {
		var answered []string
		if step.Op != "store" || json.Unmarshal(call.Answered, &answered) != nil {
			continue
		}
		secret, err := ParseSecret(content, MaxPlaintext)
		if err != nil {
			t.Fatal(err)
		}
		sealed, err := secret.Copy(answered[0])
		if err != nil {
			t.Fatal(err)
		}
		got, err := Open(mustKey(t, answered[1]), eventType, sealed)
		if err != nil || string(quote(string(got))) != string(step.Args[1]) {
			t.Errorf("%s was stored and opens to %q, %v", step.Args[1], got, err)
		}
	}
}

// checkRoundTrip reads content by its type and writes it again.
func checkRoundTrip(t *testing.T, eventType string, content json.RawMessage) {
	t.Helper()
	var read json.Marshaler
	var err error
	if strings.HasPrefix(eventType, keyEvent) {
		read, err = ParseDescription(content)
	} else if eventType == defaultKeyEvent {
		return
	} else {
		read, err = ParseSecret(content, MaxPlaintext)
	}
	if err != nil {
		if did.CodeOf(err) == "" || did.CodeOf(err) == "malformed" {
			t.Errorf("%s: %v", eventType, err)
		}
		return
	}
	if got, want := string(mustMarshal(t, read)), compacted(t, content); got != want {
		t.Errorf("%s is written %s, was %s", eventType, got, want)
	}
}
