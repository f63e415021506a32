package pages

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// request makes a request that a browser sends, a form if it has a body.
func request(t *testing.T, method, target, body string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return r
}

func TestFormsAreReadAsURLEncoded(t *testing.T) {
	sent := url.Values{"token": {"a b&c=d%é\x00"}, "item": {"one", "two"}, "empty": {""}}
	f, err := readForm(request(t, "POST", "/", sent.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if got := f.text("token"); got != sent.Get("token") {
		t.Errorf("got %q", got)
	}
	if got := f.all("item"); len(got) != 2 || got[0] != "one" || got[1] != "two" {
		t.Errorf("got %q", got)
	}
	if f.bytes("empty") == nil || f.bytes("missing") != nil || f.text("missing") != "" {
		t.Error("an empty field, or one that is not there, is read wrongly")
	}
	kept := f.bytes("token")
	f.wipe()
	if len(bytes.Trim(kept, "\x00")) > 0 || len(bytes.Trim(f.body, "\x00")) > 0 {
		t.Error("a form that was wiped still holds what was sent")
	}
}

func TestFormsThatAreNoneAreRefused(t *testing.T) {
	for name, body := range map[string]string{
		"cut in the middle of an escape": "a=%4", "an escape without digits": "a=%zz", "more fields than any page has": strings.Repeat("a=b&", maxFields+1),
	} {
		if _, err := readForm(request(t, "POST", "/", body)); err == nil {
			t.Errorf("%s is read", name)
		}
	}
	r := request(t, "POST", "/", "a=b")
	r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
	if _, err := readForm(r); err == nil {
		t.Error("another type is read")
	}
}

func FuzzForm(f *testing.F) {
	for _, body := range []string{"a=b&c=%20+d", "%", "=&=&&", "a=%ff%00", "a=1&a=2", "a=;&a"} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		// A semicolon is a letter like any other in a form, and only net/url refuses it.
		want, wrong := url.ParseQuery(strings.ReplaceAll(body, ";", "%3B"))
		got, err := readForm(request(t, "POST", "/", body+"&end=yes"))
		if err != nil {
			return
		}
		if wrong != nil {
			t.Fatalf("%q is read, and is no form: %v", body, wrong)
		}
		for name, values := range want {
			if all := got.all(name); name != "" && name != "end" && (len(all) != len(values) || all[0] != values[0]) {
				t.Fatalf("%q: %q is %q, want %q", body, name, all, values)
			}
		}
	})
}

func TestOnlyPathsOfThisServiceAreReturnedTo(t *testing.T) {
	for path, want := range map[string]string{
		"/approvals/a?done=b": "/approvals/a?done=b", "/": "/", "": "/", "//evil.example/": "/", `/\evil.example`: "/", "https://evil.example/": "/",
		"evil": "/", "/\t/evil.example": "/", "javascript:alert(1)": "/", "///evil.example": "/", "/?url=https://a.example/": "/?url=https://a.example/",
	} {
		if got := local(path); got != want {
			t.Errorf("%q leads to %q, want %q", path, got, want)
		}
	}
}
