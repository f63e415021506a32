package pages

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"

	"walletd/internal/auth"
	"walletd/internal/push"
)

// noticesPage is what the page of notifications shows.
type noticesPage struct {
	Key           string // that browsers subscribe with
	Subscriptions []push.View
}

// notices shows which browsers are told when something waits, and lets this one be told.
func (p *Pages) notices(v *visit) error {
	key, err := p.Push.Key()
	if err != nil {
		return err
	}
	all, err := every(v.ctx(), v.caller, p.Push.List)
	if err != nil {
		return err
	}
	return v.show(http.StatusOK, "notices", noticesPage{base64.RawURLEncoding.EncodeToString(key), all})
}

// notify has this browser told. The script filled in what the browser says of its subscription.
func (p *Pages) notify(v *visit) error {
	s := push.Subscription{Endpoint: v.form.text("endpoint"), Language: v.lang.tag}
	var err error
	if s.Keys.P256DH, err = base64.RawURLEncoding.DecodeString(v.form.text("p256dh")); err != nil {
		return auth.Invalid("p256dh must be base64url")
	}
	if s.Keys.Auth, err = base64.RawURLEncoding.DecodeString(v.form.text("auth")); err != nil {
		return auth.Invalid("auth must be base64url")
	}
	if _, err := p.Push.Subscribe(v.ctx(), v.caller, s); err != nil {
		return err
	}
	return v.redirectDone("/notices", "saved")
}

func (p *Pages) stopNotifying(v *visit) error {
	if err := p.Push.Unsubscribe(v.ctx(), v.caller, v.name("id")); err != nil {
		return err
	}
	return v.redirectDone("/notices", "revoked")
}

// pushed are the words of a notification in each language, for the service worker, which has no page.
func (p *Pages) pushed() ([]byte, error) {
	words := map[string]map[string]string{}
	for _, l := range p.languages {
		of := map[string]string{}
		for _, key := range slices.Sorted(slices.Values([]string{"notices.asks", "notices.calls", "notices.somebody"})) {
			text, err := l.text(key)
			if err != nil {
				return nil, err
			}
			of[key] = text
		}
		words[l.tag] = of
	}
	return json.Marshal(words)
}
