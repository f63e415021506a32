package browser

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"os"
	"path/filepath"
	"testing"

	"rsc.io/qr"
)

// QR is the picture of a QR code, eight pixels a module, with the quiet zone that readers want.
func QR(t testing.TB, text string) image.Image {
	t.Helper()
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		t.Fatalf("making a QR code: %v", err)
	}
	const scale, quiet = 8, 4
	size := (code.Size + 2*quiet) * scale
	picture := image.NewGray(image.Rect(0, 0, size, size))
	for y := range size {
		for x := range size {
			if !code.Black(x/scale-quiet, y/scale-quiet) {
				picture.SetGray(x, y, color.Gray{Y: 255})
			}
		}
	}
	return picture
}

// Film writes a film in which nothing moves, for Options.Camera: a picture in the middle of a grey wall, as large
// as it fits. The film is 1280 pixels by 960, uncompressed.
func Film(t testing.TB, picture image.Image) string {
	t.Helper()
	const width, height = 1280, 960
	frame := image.NewYCbCr(image.Rect(0, 0, width, height), image.YCbCrSubsampleRatio420)
	scene := image.NewGray(frame.Rect)
	draw.Draw(scene, scene.Rect, image.NewUniform(color.Gray{Y: 140}), image.Point{}, draw.Src)
	size := picture.Bounds().Size()
	times := max(1, min((width-80)/size.X, (height-80)/size.Y))
	corner := image.Pt((width-size.X*times)/2, (height-size.Y*times)/2)
	for y := range size.Y * times {
		for x := range size.X * times {
			scene.Set(corner.X+x, corner.Y+y, picture.At(picture.Bounds().Min.X+x/times, picture.Bounds().Min.Y+y/times))
		}
	}
	copy(frame.Y, scene.Pix)
	for _, plane := range [][]byte{frame.Cb, frame.Cr} {
		for i := range plane {
			plane[i] = 128
		}
	}
	var film bytes.Buffer
	fmt.Fprintf(&film, "YUV4MPEG2 W%d H%d F10:1 Ip A1:1 C420jpeg\n", width, height)
	for range 2 {
		film.WriteString("FRAME\n")
		film.Write(frame.Y)
		film.Write(frame.Cb)
		film.Write(frame.Cr)
	}
	file := filepath.Join(t.TempDir(), "camera.y4m")
	if err := os.WriteFile(file, film.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
