// Pack writes the browser extension in src as a zip archive, which is the same, bit for bit, whoever makes it:
//
//	go run ./sdk/extension walletd-extension.zip
package main

import (
	"archive/zip"
	"embed"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

//go:embed all:src
var files embed.FS

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go run ./sdk/extension FILE.zip")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "packing the extension:", err)
		os.Exit(1)
	}
}

func write(name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := pack(f); err != nil {
		return err
	}
	return f.Close()
}

// pack writes the archive: its files in the order of their names, of one time, and stored as they are, because
// what a compressor makes of them differs from one version to the next.
func pack(w io.Writer) error {
	src, err := fs.Sub(files, "src")
	if err != nil {
		return err
	}
	archive := zip.NewWriter(w)
	err = fs.WalkDir(src, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(src, path)
		if err != nil {
			return err
		}
		file, err := archive.CreateHeader(&zip.FileHeader{Name: path, Method: zip.Store, Modified: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)})
		if err != nil {
			return err
		}
		_, err = file.Write(text)
		return err
	})
	if err != nil {
		return err
	}
	return archive.Close()
}
