package auth

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestGivenTokens(t *testing.T) {
	given, err := ParseGivenToken("wd_app_shop_0123456789abcdef")
	if err != nil || given.Role != App || given.ID != "shop" || strings.Contains(fmt.Sprintf("%v %+v %#v %s", given, given, given, given), "0123456789") {
		t.Fatal(given, err)
	}
	app, err := given.Application()
	if err != nil {
		t.Fatal(err)
	}
	// A set-up for tests relies on it.
	if want := "did:abt:zNKhBnrWN4jS6HXStCCbtmwpgQxQsDMsZPDV"; app.String() != want {
		t.Errorf("the application is %s, not %s", app, want)
	}
	// Not every hash is a public key.
	for i := range 50 {
		other := GivenToken{Role: App, ID: fmt.Sprint(i)}
		if _, err := other.Application(); err != nil {
			t.Errorf("the application of the id %d: %v", i, err)
		}
	}
	for name, text := range map[string]string{
		"has no role":              "wd_shop_0123456789abcdef",
		"has a role of its own":    "wd_root_shop_0123456789abcdef",
		"has another beginning":    "xx_app_shop_0123456789abcdef",
		"has no id":                "wd_app__0123456789abcdef",
		"has a long id":            "wd_app_" + strings.Repeat("a", 65) + "_0123456789abcdef",
		"has a short secret":       "wd_app_shop_0123456789abcde",
		"has a long secret":        "wd_app_shop_" + strings.Repeat("a", 81),
		"has capitals":             "wd_app_shop_0123456789abcdeF",
		"has a blank":              "wd_app_shop_0123456789abcde f",
		"has more parts":           "wd_app_shop_0123456789abcdef_0",
		"is no text":               "wd_app_shop_0123456789abcde\xff",
		"is longer than any other": "wd_app_shop_" + strings.Repeat("a", 200),
	} {
		if _, err := ParseGivenToken(text); !errors.Is(err, ErrGivenToken) {
			t.Errorf("what %s: %v", name, err)
		}
	}
}
