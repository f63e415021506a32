package browser

import (
	"bytes"
	"cmp"
	"context"
	"image"
	"image/color"
	"image/png"
	"maps"
	"slices"

	"github.com/chromedp/chromedp"
)

// Picture is Screenshot for documentation: what is to be seen of the page without scrolling, in 256 colours, so that it is
// small.
func (p *Page) Picture(name string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	shot, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		p.fail("taking a screenshot: %v", err)
	}
	seen, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		p.t.Fatal(err)
	}
	var small bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&small, fewer(seen)); err != nil {
		p.t.Fatal(err)
	}
	p.write(name, small.Bytes())
}

// fewer is a picture in the 256 colours that it has most of; another one becomes the nearest of these.
func fewer(picture image.Image) image.Image {
	b := picture.Bounds()
	count := map[color.Color]int{}
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			count[picture.At(x, y)]++
		}
	}
	colours := slices.SortedFunc(maps.Keys(count), func(a, b color.Color) int { return cmp.Compare(count[b], count[a]) })
	few := image.NewPaletted(b, color.Palette(colours[:min(len(colours), 256)]))
	place := map[color.Color]uint8{}
	for _, c := range colours {
		place[c] = uint8(few.Palette.Index(c))
	}
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			few.SetColorIndex(x, y, place[picture.At(x, y)])
		}
	}
	return few
}
