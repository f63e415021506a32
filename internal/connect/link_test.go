package connect

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"walletd/internal/approvals"
	"walletd/internal/did"
)

// readVectors reads a file of vectors and fails if it holds none.
func readVectors(t testing.TB, name string, into any) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

type linkVectors struct {
	Links      []struct{ Name, Link, URL string }
	IsDeepLink []struct {
		Text       string
		IsDeepLink bool
	}
}

func readLinks(t testing.TB) linkVectors {
	t.Helper()
	var v linkVectors
	readVectors(t, "deep-links.json", &v)
	if len(v.Links) == 0 || len(v.IsDeepLink) == 0 {
		t.Fatal("no links in the vectors")
	}
	return v
}

func TestLinkVectors(t *testing.T) {
	v := readLinks(t)
	for _, tt := range v.Links {
		t.Run(tt.Name, func(t *testing.T) {
			got, err := urlOf(tt.Link)
			if err != nil || got != tt.URL {
				t.Errorf("parseLink = %q, %v, want %q", got, err, tt.URL)
			}
		})
	}
	for _, tt := range v.IsDeepLink {
		if got := isDeepLink(tt.Text); got != tt.IsDeepLink {
			t.Errorf("isDeepLink(%q) = %v", tt.Text, got)
		}
	}
}

func TestParseLink(t *testing.T) {
	const good = "https%3A%2F%2Fdapp.example%2Fauth%3F_t_%3D1"
	tests := []struct {
		name, link string
		want       string // "" for ErrLink
	}{
		{"accepts the web wallet's host", "https://web.abtwallet.io/i/?action=requestAuth&url=" + good, "https://dapp.example/auth?_t_=1"},
		{"accepts a plain http url, which the client may refuse", "https://abtwallet.io/i/?action=requestAuth&url=http%3A%2F%2Flocalhost%3A3000%2Fauth", "http://localhost:3000/auth"},
		{"drops a fragment", "https://abtwallet.io/i/?action=requestAuth&url=" + good + "%23x", "https://dapp.example/auth?_t_=1"},
		{"keeps the white space around it out", "  https://abtwallet.io/i/?action=requestAuth&url=" + good + "\n", "https://dapp.example/auth?_t_=1"},
		{"refuses another action", "https://abtwallet.io/i/?action=other&url=" + good, ""},
		{"refuses two actions", "https://abtwallet.io/i/?action=requestAuth&action=x&url=" + good, ""},
		{"refuses no action", "https://abtwallet.io/i/?url=" + good, ""},
		{"refuses two urls", "https://abtwallet.io/i/?action=requestAuth&url=" + good + "&url=" + good, ""},
		{"refuses no url", "https://abtwallet.io/i/?action=requestAuth", ""},
		{"refuses a url encoded three times", "https://abtwallet.io/i/?action=requestAuth&url=https%25253A%25252F%25252Fdapp.example", ""},
		{"refuses a file", "https://abtwallet.io/i/?action=requestAuth&url=file%3A%2F%2F%2Fetc%2Fpasswd", ""},
		{"refuses a relative url", "https://abtwallet.io/i/?action=requestAuth&url=%2Fauth", ""},
		{"refuses a url without a host", "https://abtwallet.io/i/?action=requestAuth&url=https%3Aauth", ""},
		{"refuses a host in letters that look like others", "https://abtwallet.io/i/?action=requestAuth&url=https%3A%2F%2Fd%D0%B0pp.example%2F", ""},
		{"refuses a host that reads backwards", "https://abtwallet.io/i/?action=requestAuth&url=https%3A%2F%2Fdapp.example%E2%80%AE%2F", ""},
		{"refuses the inner url alone", "https://dapp.example/auth?_t_=1", ""},
		{"refuses nothing", "", ""},
		{"refuses what is too long", "https://abtwallet.io/i/?action=requestAuth&url=" + good + strings.Repeat("a", maxLink), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := urlOf(tt.link)
			if got != tt.want || (tt.want == "") != errors.Is(err, ErrLink) {
				t.Errorf("parseLink = %q, %v, want %q", got, err, tt.want)
			}
		})
	}
}

func TestOffering(t *testing.T) {
	tests := []struct{ name, inner, want string }{
		{"adds to the app's own", "https://d/auth?_t_=1", "https://d/auth?_t_=1&_ek_=zK&_v_=1.0.0"},
		{"replaces the page's key", "https://d/auth?_t_=1&_ek_=page&vid=v%2F1", "https://d/auth?_t_=1&vid=v%2F1&_ek_=zK&_v_=1.0.0"},
		{"replaces a key whose name is escaped", "https://d/auth?%5Fek_=page&_v_=2", "https://d/auth?_ek_=zK&_v_=1.0.0"},
		{"begins a query", "https://d/auth", "https://d/auth?_ek_=zK&_v_=1.0.0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := offering(tt.inner, "zK"); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestOrigin(t *testing.T) {
	for _, tt := range []struct{ url, want string }{
		{"https://Dapp.Example:443/a?b", "https://dapp.example"},
		{"http://dapp.example:80", "http://dapp.example"},
		{"https://dapp.example:8443/", "https://dapp.example:8443"},
		{"http://[::1]:3000/x", "http://[::1]:3000"},
		{"/relative", ""},
		{"ftp://dapp.example", ""},
	} {
		if got := origin(tt.url); got != tt.want {
			t.Errorf("origin(%q) = %q, want %q", tt.url, got, tt.want)
		}
	}
}

func FuzzParseLink(f *testing.F) {
	for _, v := range readLinks(f).Links {
		f.Add(v.Link)
		f.Add("https://wallet.example/?action=login&url=" + url.QueryEscape(v.Link))
	}
	f.Fuzz(func(t *testing.T, link string) {
		inner, err := urlOf(link)
		if err != nil {
			return
		}
		if origin(inner) == "" || strings.Contains(inner, "#") {
			t.Errorf("the url %q is not one to open", inner)
		}
		if o := offering(inner, "zK"); strings.Count(o, "_ek_=") < 1 || origin(o) != origin(inner) {
			t.Errorf("offering makes %q of %q", o, inner)
		}
	})
}

// What pages open in a web wallet stands for the deep link in it.
func TestPagesOpenTheSameLink(t *testing.T) {
	var v struct {
		Inner         string
		Same, Refused []string
	}
	readVectors(t, "pages.json", &v)
	if len(v.Same) == 0 || len(v.Refused) == 0 {
		t.Fatal("no links in the vectors")
	}
	for _, link := range v.Same {
		if got, err := urlOf(link); err != nil || got != v.Inner {
			t.Errorf("ParseLink(%s) = %q, %v, want %q", link, got, err, v.Inner)
		}
	}
	for _, link := range v.Refused {
		if got, err := urlOf(link); !errors.Is(err, ErrLink) {
			t.Errorf("ParseLink(%s) = %q, %v", link, got, err)
		}
	}
}

// infos is memberAppInfo as links have it.
func infos(t *testing.T, text string) string {
	t.Helper()
	return url.QueryEscape(base64.StdEncoding.EncodeToString([]byte(text)))
}

// In a federated login the app is of the group's main site: the site that the owner is on is shown too, as
// what the app or the link says.
func TestTheMemberSiteIsShown(t *testing.T) {
	app := newFar(t, 1, did.Ed25519)
	shop := map[string]any{"memberAppInfo": map[string]any{"name": "Shop\u202e <b>", "link": "https://Shop.example/a?b"}}
	for name, tt := range map[string]struct {
		link    string
		reply   map[string]any
		name    string
		site    string
		by      Party
		unusual string
	}{
		"as the app says": {"", shop, "Shop <b>", "https://shop.example", ByApp,
			"The app says that you are on the site Shop <b> (https://shop.example), and log in through the app."},
		"as the link says": {infos(t, `{"name":"Märkt","link":"https://m.example/"}`), nil, "Märkt", "https://m.example", ByLink,
			"The link says, without proof, that you are on the site Märkt (https://m.example), and log in through the app."},
		"as the app says, whatever the link does": {infos(t, `{"name":"Evil"}`), shop, "Shop <b>", "https://shop.example", ByApp,
			"The app says that you are on the site Shop <b> (https://shop.example), and log in through the app."},
		"without a link":                  {infos(t, `{"name":"x"}`), nil, "x", "", ByLink, "The link says, without proof, that you are on the site x, and log in through the app."},
		"without a name":                  {infos(t, `{"link":"https://x.example"}`), nil, "", "https://x.example", ByLink, "The link says, without proof, that you are on the site https://x.example, and log in through the app."},
		"not where there is none":         {"", map[string]any{"memberAppInfo": nil}, "", "", "", ""},
		"not where it is nothing":         {infos(t, `null`), nil, "", "", "", ""},
		"not where it is no object":       {infos(t, `[1]`), map[string]any{"memberAppInfo": "x"}, "", "", "", ""},
		"not where it is no base64":       {"%25%25", nil, "", "", "", ""},
		"not where it is too long":        {infos(t, `{"name":"`+strings.Repeat("x", maxMember)+`"}`), nil, "", "", "", ""},
		"not where its link is a program": {infos(t, `{"link":"javascript:alert(1)"}`), nil, "", "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := &script{t: t, replies: []says{app.changed(tt.reply), app.ends(nil)}}
			f := newFixture(t, s)
			text := link(appURL)
			if tt.link != "" {
				text += "&memberAppInfo=" + tt.link
			}
			v, err := f.sessions.Open(t.Context(), f.as(f.owner), text)
			if err != nil {
				t.Fatal(err)
			}
			v = f.advance(v.ID)
			if v.MemberName != tt.name || v.MemberLink != tt.site || v.MemberBy != tt.by || v.AppName != "Notes <b>" {
				t.Errorf("shown are %q and %q, %q, by %q", v.AppName, v.MemberName, v.MemberLink, v.MemberBy)
			}
			if unusual := f.approval(v.Approval).Unusual; (tt.unusual != "") != slices.Contains(unusual, tt.unusual) {
				t.Errorf("the owner is told %q", unusual)
			}
			f.approve(v.Approval, approvals.Choice{})
			if v = f.advance(v.ID); v.State != Done {
				t.Errorf("ended %+v", v)
			}
		})
	}
}

// urlOf is the url in a deep link.
func urlOf(link string) (string, error) {
	inner, _, err := parseLink(link)
	return inner, err
}
