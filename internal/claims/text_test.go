package claims_test

import (
	"strings"
	"testing"

	"walletd/internal/did"
	"walletd/internal/wallettest/fixture"
)

// Half of a surrogate pair has no UTF-8. Replaced by U+FFFD, three salts would be one key; the official
// packages refuse it where they make bytes of a text (reference b.1).
func TestHalfOfASurrogatePairIsNoSaltAndNoName(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	f.SetPolicy(fixture.AllowAll)
	for name, claim := range map[string]string{
		"a salt":                  `{"type":"encryptionKey","salt":"\ud800"}`,
		"the other half":          `{"type":"encryptionKey","salt":"notes\udc00"}`,
		"halves in the wrong way": `{"type":"encryptionKey","salt":"\ude00\ud83d"}`,
		"a type of what to sign":  `{"type":"signature","typeUrl":"mime:text/plain\ud800","origin":"zoo"}`,
		"an origin":               `{"type":"signature","origin":"zoo\ud800"}`,
		"a digest":                `{"type":"agreement","digest":"A1B2C3D4E5F60718\ud800"}`,
		"a moniker":               `{"type":"keyPair","moniker":"abc\ud800"}`,
		"a target":                `{"type":"authPrincipal","target":"\ud800"}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := f.Ask(token, claim)
			fixture.WantCode(t, err, "request_malformed")
		})
	}
	t.Run("and U+FFFD itself is a salt", func(t *testing.T) {
		sk, _ := fixture.Secret(t, fixture.Notes, did.AccountType())
		if got := fixture.Member(t, f.Answer(token, `{"type":"encryptionKey","salt":"\ufffd"}`), 0, "key"); got != fixture.Key(sk, "\ufffd") {
			t.Errorf("the key is %s", got)
		}
	})
	t.Run("and so is a whole pair", func(t *testing.T) {
		sk, _ := fixture.Secret(t, fixture.Notes, did.AccountType())
		if got := fixture.Member(t, f.Answer(token, `{"type":"encryptionKey","salt":"\ud83d\ude00"}`), 0, "key"); got != fixture.Key(sk, "😀") {
			t.Errorf("the key is %s", got)
		}
	})
}

// A description that an app cut after so many UTF-16 units is still shown.
func TestADescriptionWithACutEmojiIsShown(t *testing.T) {
	f := fixture.New(t)
	token := f.AppToken(fixture.Notes)
	p := f.Pending(token, `{"type":"encryptionKey","salt":"notes","description":"Open your notes \ud83d"}`)
	if got := f.Approval(p.ID).Claims[0].Description; !strings.HasPrefix(got, "Open your notes") {
		t.Errorf("shown as %q", got)
	}
}
