package pages

import (
	"encoding/hex"
	"fmt"
	"math"
)

// colour is a colour of sRGB.
type colour [3]float64 // 0 to 255: red, green, blue

// parseColour reads #rrggbb.
func parseColour(text string) (c colour, ok bool) {
	if len(text) != 7 || text[0] != '#' {
		return c, false
	}
	b, err := hex.DecodeString(text[1:])
	if err != nil {
		return c, false
	}
	return colour{float64(b[0]), float64(b[1]), float64(b[2])}, true
}

func (c colour) String() string {
	return fmt.Sprintf("#%02x%02x%02x", int(c[0]+.5), int(c[1]+.5), int(c[2]+.5))
}

// mixed returns the colour with a part of another.
func (c colour) mixed(with colour, part float64) colour {
	for i := range c {
		c[i] += (with[i] - c[i]) * part
	}
	return c
}

// luminance is the relative luminance of WCAG 2.2.
func (c colour) luminance() float64 {
	sum := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		v := c[i] / 255
		if v <= 0.04045 {
			v /= 12.92
		} else {
			v = math.Pow((v+0.055)/1.055, 2.4)
		}
		sum += weight * v
	}
	return sum
}

// contrast is the contrast ratio of WCAG 2.2.
func (c colour) contrast(with colour) float64 {
	a, b := c.luminance()+0.05, with.luminance()+0.05
	return max(a, b) / min(a, b)
}

// text is black or white, whichever is read better on the colour.
func (c colour) text() colour {
	if white := (colour{255, 255, 255}); c.contrast(white) >= c.contrast(colour{}) {
		return white
	}
	return colour{}
}
