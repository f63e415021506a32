package secretstorage

import (
	"strings"
	"testing"

	"walletd/internal/did"
)

func TestCheckName(t *testing.T) {
	tests := []struct {
		it, name, code string
	}{
		{"takes a name of the specification", NameBackup, ""},
		{"takes an app's name", "org.example.☃.é", ""},
		{"takes 4000 bytes", strings.Repeat("x", 4000), ""},
		{"takes a name that only starts alike", "m.secret_storage", ""},
		{"takes a forbidden name in capitals, which is another", "M.DIRECT", ""},
		{"refuses none", "", "bad_name"},
		{"refuses 4002 bytes", strings.Repeat("é", 2001), "bad_name"},
		{"refuses a NUL", "a\x00b", "bad_name"},
		{"refuses a line's end", "a\nb", "bad_name"},
		{"refuses a control character beyond ASCII", "a\u0085b", "bad_name"},
		{"refuses bytes that are no text", "a\xffb", "bad_name"},
		{"refuses a key's description", keyEvent + "k", "bad_name"},
		{"refuses the default key", defaultKeyEvent, "bad_name"},
		{"refuses anything under secret storage", "m.secret_storage.", "bad_name"},
		{"refuses push rules", "m.push_rules", "bad_name"},
		{"refuses the read marker", "m.fully_read", "bad_name"},
		{"refuses direct chats", "m.direct", "bad_name"},
		{"refuses ignored users", "m.ignored_user_list", "bad_name"},
		{"refuses the wish for a backup", "m.key_backup", "bad_name"},
	}
	for _, test := range tests {
		t.Run(test.it, func(t *testing.T) {
			if err := CheckName(test.name); did.CodeOf(err) != test.code {
				t.Errorf("got %v, want %q", err, test.code)
			}
		})
	}
}

type readSecretVectors struct {
	ReadSecret []struct {
		ID, Text string
		SDK      struct {
			KeyBase64 string `json:"key_base64"`
		}
	} `json:"read_secret"`
}

func TestParseBackupKeyReadsWhatTheSDKReads(t *testing.T) {
	for _, v := range some(t, loadVectors[readSecretVectors](t, "megolm-backup.json").ReadSecret) {
		t.Run(v.ID, func(t *testing.T) {
			key, err := ParseBackupKey([]byte(v.Text))
			if v.SDK.KeyBase64 == "" {
				wantCode(t, err, "bad_secret")
				return
			}
			if err != nil || string(key.Value()) != v.SDK.KeyBase64 {
				t.Errorf("got %s, %v", key.Value(), err)
			}
		})
	}
}

func TestCheckValue(t *testing.T) {
	value := strings.Repeat("A", 43)
	tests := []struct {
		it, name, value, code string
	}{
		{"takes a seed", NameUserSigning, value, ""},
		{"takes a padded seed, as older clients wrote it", NameUserSigning, value + "=", ""},
		{"takes any text under a name it does not know", "org.example.s", "\ufeff{}\n", ""},
		{"takes any spelling that the reader of a dehydrated device takes", NameDehydrated, "-_" + value[2:42] + "B", ""},
		{"takes the same under the name to come", nameDehydratedStable, "-_" + value[2:42] + "B", ""},
		{"refuses a short dehydrated device", NameDehydrated, value[:42], "bad_secret"},
		{"refuses a line's end in a dehydrated device", NameDehydrated, value[:42] + "\n", "bad_secret"},
		{"refuses bits after the last byte", NameMaster, value[:42] + "B", "bad_secret"},
		{"refuses white space", NameMaster, " " + value[:42], "bad_secret"},
		{"refuses a line's end", NameMaster, value[:42] + "\n", "bad_secret"},
		{"refuses a list of numbers", NameBackup, "251,211,128", "bad_secret"},
		{"refuses nothing", NameSelfSigning, "", "bad_secret"},
		{"refuses what is not text, whatever its name", "org.example.s", "a\xff", "not_utf8"},
	}
	for _, test := range tests {
		t.Run(test.it, func(t *testing.T) {
			if err := CheckValue(test.name, []byte(test.value)); did.CodeOf(err) != test.code {
				t.Errorf("got %v, want %q", err, test.code)
			}
		})
	}
}

type base64Vectors struct {
	Encode []struct{ Hex, Padded, Unpadded string }
	Decode []struct {
		Text string
		SDK  struct {
			Hex   *string
			Error *struct{ Name string }
		}
	}
}

func TestBase64(t *testing.T) {
	vectors := loadVectors[base64Vectors](t, "base64.json")
	for _, v := range some(t, vectors.Encode) {
		b := unhex(t, v.Hex)
		if got := string(paddedBase64(b)); got != v.Padded {
			t.Errorf("%s padded is %q, want %q", v.Hex, got, v.Padded)
		}
		if got := string(unpaddedBase64(b)); got != v.Unpadded {
			t.Errorf("%s unpadded is %q, want %q", v.Hex, got, v.Unpadded)
		}
	}
	for _, v := range some(t, vectors.Decode) {
		t.Run(v.Text, func(t *testing.T) {
			got, err := decodeBase64(v.Text)
			// The SDK skips white space (reference section 4).
			if v.SDK.Hex == nil || strings.ContainsAny(v.Text, " \n") {
				wantCode(t, err, "bad_base64")
				return
			}
			if want := unhex(t, *v.SDK.Hex); err != nil || string(got) != string(want) {
				t.Errorf("got %x, %v; want %x", got, err, want)
			}
		})
	}
	for _, text := range []string{"Zm9v\r", "Zm\r\n9v", "\nZg==", "Zg==\r"} {
		_, err := decodeBase64(text)
		wantCode(t, err, "bad_base64")
	}
}
