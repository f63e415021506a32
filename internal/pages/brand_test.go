package pages

import (
	"strings"
	"testing"
)

func TestALogoIsAPictureAlone(t *testing.T) {
	const head = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8">`
	for name, logo := range map[string]string{
		"a script":                      head + `<script>alert(1)</script></svg>`,
		"a handler":                     head + `<path d="M0 0" onload="alert(1)"/></svg>`,
		"a page inside":                 head + `<foreignObject/></svg>`,
		"a picture of others":           head + `<image href="https://evil.example/x.png"/></svg>`,
		"a reference to others":         head + `<use href="https://evil.example/x.svg#a"/></svg>`,
		"a link":                        head + `<a href="https://evil.example/"/></svg>`,
		"a style that loads":            head + `<style>@import "https://evil.example/x.css"</style></svg>`,
		"a fill that loads":             head + `<path fill="url(https://evil.example/x)"/></svg>`,
		"an entity":                     `<!DOCTYPE svg [<!ENTITY x "y">]>` + head + `</svg>`,
		"an animation":                  head + `<animate attributeName="href" to="javascript:alert(1)"/></svg>`,
		"HTML":                          `<html xmlns="http://www.w3.org/1999/xhtml"/>`,
		"nothing":                       ` `,
		"half of one":                   head,
		"more than a first page can be": head + strings.Repeat(" ", maxLogo) + `</svg>`,
	} {
		if err := (Brand{Logo: []byte(logo)}).Check(); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	good := head + `<title>Us</title><defs><linearGradient id="a"><stop offset="0" stop-color="#fff"/></linearGradient></defs><path fill="url(#a)" d="M0 0h8v8z"/></svg>`
	if err := (Brand{Name: "Our wallet", Accent: "#123abc", Logo: []byte(good)}).Check(); err != nil {
		t.Error(err)
	}
	for _, b := range []Brand{{Name: "a\u202eb"}, {Name: strings.Repeat("x", 41)}, {Accent: "red"}, {Accent: "#12345g"}} {
		if b.Check() == nil {
			t.Errorf("%+v is taken", b)
		}
	}
}

func TestAnyAccentCanBeRead(t *testing.T) {
	page, night := colour{250, 249, 247}, colour{0x13, 0x14, 0x13}
	for _, accent := range []string{"#ffffff", "#000000", "#ffff00", "#ff0000", "#0000ff", "#808080", "#00ff88", "#123abc"} {
		light, dark := accents(accent)
		if light.contrast(page) < 4.5 || light.contrast(light.text()) < 4.5 {
			t.Errorf("%s is %s in the light, with a contrast of %.2f to the page and %.2f to its text", accent, light, light.contrast(page), light.contrast(light.text()))
		}
		if dark.contrast(night) < 4.5 || dark.contrast(dark.text()) < 4.5 {
			t.Errorf("%s is %s in the dark, with a contrast of %.2f to the page and %.2f to its text", accent, dark, dark.contrast(night), dark.contrast(dark.text()))
		}
	}
}
