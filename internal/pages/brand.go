package pages

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"walletd/internal/show"
)

// maxLogo bounds a logo, in bytes: with the rest of the first page it is to come in 100 kB.
const maxLogo = 32 << 10

// ErrBrand: the name, the logo or the colour of the pages cannot be used. The wrapping error says why.
var ErrBrand = errors.New("the brand of the pages cannot be used")

// Check returns ErrBrand for a name that is too long or has characters that cannot be seen, a logo that is not an SVG
// image alone, or an accent that is no colour.
func (b Brand) Check() error {
	if len(b.Name) > 0 && (utf8.RuneCountInString(b.Name) > 40 || show.Plain(b.Name, 40) != b.Name) {
		return fmt.Errorf("%w: the name has at most 40 characters, all of which can be seen", ErrBrand)
	}
	if _, ok := parseColour(b.Accent); b.Accent != "" && !ok {
		return fmt.Errorf("%w: the accent is a colour as #0f6b54", ErrBrand)
	}
	if len(b.Logo) > 0 {
		return checkLogo(b.Logo)
	}
	return nil
}

// What a logo may be made of. It is shown as an image, in which browsers run no script and load nothing; this refuses
// what would, were it opened by itself.
var (
	logoElements = []string{
		"svg", "g", "path", "rect", "circle", "ellipse", "line", "polyline", "polygon", "text", "tspan", "title", "desc", "defs", "symbol", "use",
		"linearGradient", "radialGradient", "stop", "clipPath", "mask", "style", "metadata",
	}
	svgSpace = "http://www.w3.org/2000/svg"
)

// checkLogo returns ErrBrand for what is not an SVG image alone.
func checkLogo(logo []byte) error {
	refuse := func(why string) error { return fmt.Errorf("%w: the logo %s", ErrBrand, why) }
	if len(logo) > maxLogo {
		return refuse("has more than 32 KiB")
	}
	d := xml.NewDecoder(bytes.NewReader(logo))
	first := true
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) && !first {
			return nil
		}
		if err != nil {
			return refuse("is not an SVG image")
		}
		switch t := t.(type) {
		case xml.Directive:
			return refuse("has a document type, which can hold anything")
		case xml.StartElement:
			if first && (t.Name.Local != "svg" || t.Name.Space != svgSpace) {
				return refuse("is not an SVG image")
			}
			first = false
			if t.Name.Space == svgSpace && !slices.Contains(logoElements, t.Name.Local) {
				return refuse("has an element <" + show.Plain(t.Name.Local, 40) + ">, and a picture needs none")
			}
			for _, a := range t.Attr {
				name, value := strings.ToLower(a.Name.Local), strings.ToLower(strings.Join(strings.Fields(a.Value), ""))
				if strings.HasPrefix(name, "on") || name == "href" && !strings.HasPrefix(value, "#") || strings.Contains(value, "url(") && !strings.Contains(value, "url(#") || strings.Contains(value, "script:") {
					return refuse("has an attribute " + show.Plain(a.Name.Local, 40) + " that leads out of the picture")
				}
			}
		case xml.CharData:
			if text := strings.ToLower(string(t)); strings.Contains(text, "@import") || strings.Contains(text, "url(") && !strings.Contains(text, "url(#") {
				return refuse("has a style that leads out of the picture")
			}
		}
	}
}
